"""The mail catcher: an SMTP server that delivers to a folder, one `.eml` file a message.

`python -m deploy.local.mail PORT FOLDER`"""

import asyncio
import signal
import sys
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session
from uuid_utils import uuid7


class Folder:
    """Takes every message; a file appears complete, and names are in order of arrival."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        name = str(uuid7())
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        headers = f"X-Envelope-From: {envelope.mail_from}\r\n" + "".join(
            f"X-Envelope-To: {recipient}\r\n" for recipient in envelope.rcpt_tos
        )
        part = self.folder / f".{name}"
        part.write_bytes(headers.encode() + content)
        part.rename(self.folder / f"{name}.eml")
        return "250 2.0.0 delivered"


async def main(port: int, folder: Path) -> None:
    loop = asyncio.get_running_loop()
    handler = Folder(folder)
    server = await loop.create_server(lambda: SMTP(handler, enable_SMTPUTF8=True), "127.0.0.1", port)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
