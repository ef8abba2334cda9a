"""Orders to a stack's supervisor over a socket in the stack's folder, one JSON object a line.

`{"do": "start", "name": "upload"}` is answered by `{"ok": ...}` or `{"error": ...}`."""

import asyncio
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from deploy.local.supervisor import Supervisor

ORDER_SECONDS = 120.0


class OrderRefused(Exception):
    """The supervisor could not do what it was told."""


def order(folder: Path, do: str, **arguments: Any) -> Any:
    """Have the supervisor of this folder do something; what it answers.

    Raises: OrderRefused; OSError when no supervisor runs."""
    with _socket_path(folder) as path, socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ORDER_SECONDS)
        connection.connect(str(path))
        connection.sendall(json.dumps({"do": do, **arguments}).encode() + b"\n")
        with connection.makefile() as answers:
            line = answers.readline()
    if not line:
        raise ConnectionResetError("the supervisor has gone")
    answer = json.loads(line)
    if "error" in answer:
        raise OrderRefused(answer["error"])
    return answer["ok"]


async def serve(supervisor: Supervisor) -> None:
    """Take orders until told that it is over."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(json.dumps(await _obey(supervisor, **json.loads(line))).encode() + b"\n")
                await writer.drain()
        writer.close()

    with _socket_path(supervisor.instance.folder) as path:
        path.unlink(missing_ok=True)  # of one that was killed
        server = await asyncio.start_unix_server(answer, path)
        path.chmod(0o600)
        try:
            await supervisor.over.wait()
        finally:
            server.close()
            path.unlink()


async def _obey(supervisor: Supervisor, do: str, **arguments: Any) -> dict[str, Any]:
    try:
        match do:
            case "start" | "stop" | "kill" | "signal" | "status":
                return {"ok": await getattr(supervisor, do)(**arguments)}
            case "port":
                return {"ok": supervisor.instance.port(**arguments)}
            case "shut_down":
                supervisor.over.set()
                return {"ok": None}
        return {"error": f"no such order: {do}"}
    except (LookupError, OSError) as error:
        return {"error": f"{type(error).__name__}: {error}"}


@contextmanager
def _socket_path(folder: Path) -> Iterator[Path]:
    """A short name of the socket: its path may have 107 bytes at most, and a checkout's can have more."""
    descriptor = os.open(folder, os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{descriptor}/control.sock")
    finally:
        os.close(descriptor)
