"""What must not happen while a film is worked on, and how it would be seen: a file opened, a connection, a stray."""

import ctypes
import os
import socket
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.patience import PATIENCE_SECONDS

LIBC = ctypes.CDLL(None, use_errno=True)
ACCESSED, OPENED = 0x1, 0x20  # of inotify


class Watch:
    """Notices whoever opens or reads a file of a folder, by whatever path it came there."""

    def __init__(self, folder: Path) -> None:
        self.seen = LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.seen < 0 or LIBC.inotify_add_watch(self.seen, os.fsencode(folder), ACCESSED | OPENED) < 0:
            raise OSError(ctypes.get_errno(), "inotify")

    def touched(self) -> set[str]:
        """Names of the files since the last time it was asked; "" is the folder itself."""
        names = set[str]()
        try:
            events = os.read(self.seen, 1 << 20)
        except BlockingIOError:
            return names
        while events:
            length = struct.unpack("iIII", events[:16])[3]
            names.add(events[16 : 16 + length].rstrip(b"\0").decode())
            events = events[16 + length :]
        return names

    def close(self) -> None:
        os.close(self.seen)


class Door:
    """A port on loopback that counts who comes, and answers nobody."""

    def __init__(self) -> None:
        self.visitors = 0
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        while True:
            try:
                visitor, _ = self.listening.accept()
            except OSError:
                return
            self.visitors += 1
            visitor.close()

    def close(self) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()


def runs(process: psutil.Process, name: str = "") -> bool:
    """Dead is dead: burying orphans is up to init."""
    try:
        return name in process.name() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def tools(of: psutil.Process | None = None) -> set[psutil.Process]:
    """What runs on our behalf, or has lost its parent."""
    orphans = () if of else (p for p in psutil.Process(1).children() if runs(p, "bwrap"))
    return {p for p in (of or psutil.Process()).children(recursive=True) if runs(p)} | set(orphans)


def until_gone(processes: Iterable[psutil.Process]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while left := [process for process in processes if runs(process)]:
        assert time.monotonic() < end, left
        time.sleep(0.01)


@contextmanager
def no_strays() -> Iterator[set[psutil.Process]]:
    """Whatever was started inside is gone afterwards. Yields what was there before: the parts that all tests share."""
    before = tools()
    yield before
    until_gone(tools() - before)
