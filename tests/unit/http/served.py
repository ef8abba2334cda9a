"""The sample service as a process of its own: `python -m tests.unit.http.served JWKS PORT BEHAVIOUR`."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi.responses import StreamingResponse

from shared import telemetry
from shared.http import Caller, Router, create_app, run
from shared.identity import load_keys
from shared.settings import Environment, HttpSettings
from tests.unit.http.conftest import CANARY, failures, routes

slow = Router(prefix="/slow")


@slow.get("/half")
async def half(caller: Caller) -> StreamingResponse:
    async def body() -> AsyncIterator[bytes]:
        yield b"half"
        raise ValueError(CANARY)

    return StreamingResponse(body())


@slow.get("/until/{file}")
async def until(caller: Caller, file: str) -> str:
    """Answers when the file is there."""
    path = Path(os.environ["SCRATCH"]) / file
    (path.parent / f"{file}.waiting").touch()
    while not path.exists():
        await asyncio.sleep(0.02)
    return "whole"


async def work() -> None:
    if sys.argv[3] == "dies":
        await asyncio.sleep(0)
        raise ValueError(CANARY)
    try:
        await asyncio.Event().wait()
    finally:
        print('{"message": "background stopped"}', flush=True)


if __name__ == "__main__":
    telemetry.setup("sample")
    keys = load_keys(Path(sys.argv[1]), Environment.DEVELOPMENT)
    app = create_app("Sample", [routes, failures, slow], keys=keys, background={"work": work})
    run(app, HttpSettings(port=int(sys.argv[2]), drain_seconds=60))
