"""evil.py OWN FOLDER SIBLING PORT PARENT: what a film could try; prints what it got away with, as JSON.

OWN is its film, FOLDER its folder, SIBLING another family's folder with `film` in it.
"""

import ctypes
import json
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
own, folder, sibling = (Path(word) for word in sys.argv[1:4])
port, parent = (int(word) for word in sys.argv[4:6])


def call(number: int, *arguments: int) -> int:
    result: int = LIBC.syscall(number, *[ctypes.c_long(a) for a in arguments])
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result


def fork() -> None:
    if os.fork() == 0:
        os._exit(0)
    os.wait()


def thread() -> None:
    started = threading.Thread(target=int)
    started.start()
    started.join()


ATTEMPTS: dict[str, Callable[[], object]] = {
    # what it may
    "read its film": own.read_bytes,
    "write in its folder": lambda: (folder / "out").write_bytes(b"out"),
    "start a thread": thread,
    # what it may not
    "read a sibling's film": (sibling / "film").read_bytes,
    "list a sibling's folder": lambda: list(sibling.iterdir()),
    "write in a sibling's folder": lambda: (sibling / "left").write_bytes(b"left"),
    "overwrite a sibling's film": lambda: (sibling / "film").open("r+b").close(),
    "delete from a sibling's folder": (sibling / "spare").unlink,
    "move out of its folder": lambda: (folder / "out").rename(sibling / "moved"),
    "overwrite its film": lambda: own.open("r+b").close(),
    "read the users of the machine": Path("/etc/passwd").read_bytes,
    "write in the temporary folder": lambda: Path("/tmp/evil-was-here").write_bytes(b""),
    "open an internet socket": socket.socket,
    "connect to a server": lambda: socket.create_connection(("127.0.0.1", port), timeout=5).close(),
    "open a Unix socket": lambda: socket.socket(socket.AF_UNIX).close(),
    "open a pair of sockets": socket.socketpair,
    "open a netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "fork": fork,
    "signal its parent": lambda: os.kill(parent, 0),
    "leave its session": os.setsid,
    "make a symbolic link": lambda: (folder / "link").symlink_to(sibling / "film"),
    "make a hard link": lambda: (folder / "hard").hardlink_to(own),
    "make a pipe with a name": lambda: os.mkfifo(folder / "fifo"),
    "make a file executable": lambda: own.chmod(0o755),
    "make a file in memory": lambda: os.memfd_create("evil"),
    "outlive its parent": lambda: call(157, 1, 0, 0, 0, 0),  # prctl(PR_SET_PDEATHSIG, none)
    "read another's memory": lambda: call(310, parent, 0, 0, 0, 0, 0),
    "set up io_uring": lambda: call(425, 1, ctypes.addressof(ctypes.create_string_buffer(120))),
    "make namespaces": lambda: call(272, 0x10000000),
    "load a program into the kernel": lambda: call(321, 0, ctypes.addressof(ctypes.create_string_buffer(120)), 72),
}

got_away_with = []
for what, attempt in ATTEMPTS.items():
    try:
        attempt()
        got_away_with.append(what)
    except (OSError, RuntimeError):
        pass
print(json.dumps(got_away_with))
