"""python -I -S jail.py PARENT FLOOR FOLDER CPU MEMORY FILE READ... -- PROGRAM ARGS...
python -I -S jail.py PARENT spare PACKAGES MODULE

Sets the walls up around itself, then becomes PROGRAM, which keeps them: no new privileges, no file but those named
(Landlock), no socket, no fork, no signal to others (seccomp), bounded CPU seconds, memory and file size (MiB). It dies
with PARENT. Each READ is a file or folder that may be read, FOLDER is the one that may be written ("-": none). FLOOR is
"floor", or "limits" where the kernel cannot do more (development alone). Exits 97 when a wall cannot be built.

A spare loads MODULE (a file of ours; PACKAGES is where its wheels are) and waits. The words from FLOOR on come as a
line on stdin, with NUL between them, once there is work; then it sets its walls up, says so, and calls MODULE's main
with ARGS. It has seen no film before that, and sees those of one piece of work; where stdin is closed first, it ends.

One file, and the standard library alone: it runs before anything else may be trusted.
"""
# ruff: noqa: PTH110, PTH112, PTH123, PTH208 - os.path starts faster than pathlib

from __future__ import annotations

import ctypes
import os
import resource
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable  # would double the time that a start takes
    from typing import NoReturn

NO_WALL = 97

LIBC = ctypes.CDLL(None, use_errno=True)
ARM = os.uname().machine == "aarch64"

# What ffmpeg, ffprobe and Python, static or with glibc, need: (x86_64, aarch64), -1 where there is no such call.
ALLOWED = {
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "fstat": (5, 80), "poll": (7, -1), "ppoll": (271, 73),
    "lseek": (8, 62), "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "brk": (12, 214),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "ioctl": (16, 29),
    "pread64": (17, 67), "readv": (19, 65), "writev": (20, 66), "access": (21, -1), "faccessat": (269, 48),
    "select": (23, -1), "pselect6": (270, 72), "sched_yield": (24, 124), "mremap": (25, 216), "madvise": (28, 233),
    "dup": (32, 23), "restart_syscall": (219, 128), "nanosleep": (35, 101), "clock_nanosleep": (230, 115),
    "getpid": (39, 172), "gettid": (186, 178), "exit": (60, 93), "exit_group": (231, 94), "execve": (59, 221),
    "uname": (63, 160), "fcntl": (72, 25), "ftruncate": (77, 46), "getcwd": (79, 17), "rename": (82, -1),
    "renameat": (264, 38), "renameat2": (316, 276), "mkdir": (83, -1), "mkdirat": (258, 34), "unlink": (87, -1),
    "unlinkat": (263, 35), "readlink": (89, -1), "readlinkat": (267, 78), "gettimeofday": (96, 169),
    "getrusage": (98, 165), "sysinfo": (99, 179), "getuid": (102, 174), "getgid": (104, 176), "geteuid": (107, 175),
    "getegid": (108, 177), "sigaltstack": (131, 132), "arch_prctl": (158, -1), "futex": (202, 98),
    "sched_setaffinity": (203, 122), "sched_getaffinity": (204, 123), "getdents64": (217, 61),
    "set_tid_address": (218, 96), "clock_gettime": (228, 113), "clock_getres": (229, 114), "open": (2, -1),
    "openat": (257, 56), "stat": (4, -1), "lstat": (6, -1), "newfstatat": (262, 79), "statx": (332, 291),
    "set_robust_list": (273, 99), "getrandom": (318, 278), "rseq": (334, 293),
}  # fmt: skip
ABSENT = {
    "clone3": (435, 435),
    "openat2": (437, 437),
    "faccessat2": (439, 439),
}  # glibc falls back to an older call when told ENOSYS


def call(number: int, *arguments: object) -> int:
    """A system call; raises OSError."""
    result = int(LIBC.syscall(number, *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]))
    if result < 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"system call {number}: {os.strerror(errno)}")
    return result


def forbid_calls() -> None:
    """Everything but ALLOWED answers EPERM; three calls pass only with a harmless argument."""
    load, equal, any_bit, answer = 0x20, 0x15, 0x45, 0x06
    allow, eperm, enosys, kill = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000

    def step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("HBBI", code, if_true, if_false, value)

    number, architecture, first_argument = 0, 4, 16  # offsets in seccomp_data; arguments are 8 bytes, low half first
    program = [
        step(load, architecture),
        step(equal, 0xC00000B7 if ARM else 0xC000003E, 1),
        step(answer, kill),  # another architecture's numbers mean other calls
        step(load, number),
    ]
    for names, verdict in ((ALLOWED, allow), (ABSENT, enosys)):
        for at in sorted(numbers[ARM] for numbers in names.values() if numbers[ARM] >= 0):
            program += [step(equal, at, 0, 1), step(answer, verdict)]
    a_thread, its_name, itself = 0x10000, 15, 0  # CLONE_THREAD, PR_SET_NAME, the caller's own limits
    for at, test, value in (
        (220 if ARM else 56, any_bit, a_thread),
        (167 if ARM else 157, equal, its_name),
        (261 if ARM else 302, equal, itself),
    ):
        program += [
            step(equal, at, 0, 4),
            step(load, first_argument),
            step(test, value, 0, 1),
            step(answer, allow),
            step(answer, eperm),
        ]
    program.append(step(answer, eperm))
    code = ctypes.create_string_buffer(b"".join(program))
    filter_ = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program), ctypes.addressof(code)))
    call(277 if ARM else 317, 1, 0, filter_)  # seccomp(SECCOMP_SET_MODE_FILTER)


EXECUTE, WRITE, READ, LIST, DELETE, MAKE_FOLDER, MAKE_FILE, MOVE, TRUNCATE = (
    1 << n for n in (0, 1, 2, 3, 5, 7, 8, 13, 14)
)
ON_FILES = EXECUTE | WRITE | READ | TRUNCATE


def forbid_files(rules: list[tuple[str, int]]) -> None:
    """No file but by the rules; no port, abstract socket or signal to outsiders, where this Landlock knows them."""
    version = call(444, 0, 0, 1)
    files = (1 << 13) - 1 | (version > 1) << 13 | (version > 2) << 14 | (version > 4) << 15
    ports, scopes = 3 if version > 3 else 0, 3 if version > 5 else 0
    size = 24 if version > 5 else 16 if version > 3 else 8
    ruleset = call(444, struct.pack("QQQ", files, ports, scopes), size, 0)
    for path, rights in rules:
        at = os.open(path, os.O_PATH | os.O_CLOEXEC)
        allowed = rights & files if os.path.isdir(path) else rights & files & ON_FILES
        call(445, ruleset, 1, struct.pack("=Qi", allowed, at), 0)
        os.close(at)
    call(446, ruleset, 0)
    os.close(ruleset)


def libraries_of(program: str) -> list[tuple[str, int]]:
    """What a dynamically linked program needs before its first line."""
    with open(program, "rb") as file:
        if b"/ld-linux" not in file.read(4096):
            return []
    loader = os.path.realpath("/lib/ld-linux-aarch64.so.1" if ARM else "/lib64/ld-linux-x86-64.so.2")
    folders = {os.path.realpath(f) for f in ("/lib", "/lib64", "/usr/lib", "/usr/lib64") if os.path.isdir(f)}
    cache = [("/etc/ld.so.cache", READ)] if os.path.exists("/etc/ld.so.cache") else []
    return [(loader, READ | EXECUTE), *((f, READ | LIST) for f in sorted(folders)), *cache]


def live_with(parent: int) -> None:
    """Die when the parent dies, which may have happened before."""
    if LIBC.prctl(1, 9, 0, 0, 0) or os.getppid() != parent:  # PR_SET_PDEATHSIG SIGKILL
        sys.exit("jail: the parent is gone")


def assert_alone() -> None:
    """Walls stand around the thread that builds them: none may have been started before. Raises OSError."""
    try:
        threads = len(os.listdir("/proc/self/task"))
    except FileNotFoundError:  # in namespaces; there the kernel refuses this to a process of several threads
        threads = 1
        call(97 if ARM else 272, 0x10000)  # unshare(CLONE_THREAD)
    if threads > 1:
        raise OSError(f"{threads} threads")


def set_up(program: str | None, floor: str, folder: str, cpu: str, memory: str, file: str, *reads: str) -> None:
    os.umask(0o077)
    os.chdir("/" if folder == "-" else folder)
    os.closerange(3, 4096)
    for limit, value in (
        (resource.RLIMIT_CPU, int(cpu)),
        (resource.RLIMIT_AS, int(memory) << 20),
        (resource.RLIMIT_FSIZE, int(file) << 20),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
    ):  # not RLIMIT_NPROC: it counts the user's threads on the whole node, and fork is forbidden anyway
        resource.setrlimit(limit, (value, value))
    if LIBC.prctl(38, 1, 0, 0, 0):  # PR_SET_NO_NEW_PRIVS
        raise OSError("no_new_privs")
    if floor == "floor":
        writable = (
            []
            if folder == "-"
            else [(folder, READ | WRITE | LIST | DELETE | MAKE_FILE | MAKE_FOLDER | MOVE | TRUNCATE)]
        )
        readable = [(path, READ | LIST) for path in reads]
        runnable = [(program, READ | EXECUTE), *libraries_of(program)] if program else []
        forbid_files([*readable, *writable, *runnable])
        forbid_calls()


def become(*words: str) -> NoReturn:
    walls, command = words[: words.index("--")], words[words.index("--") + 1 :]
    set_up(command[0], *walls)
    os.execve(command[0], command, {"LC_ALL": "C.UTF-8"})


def wait(packages: str, module: str) -> Callable[[], None] | None:
    """The work, once it has come and the walls are up; None: there is none."""
    from importlib.util import module_from_spec, spec_from_file_location  # the others need not wait for it

    sys.path.append(packages)
    spec = spec_from_file_location("program", module)
    if spec is None or spec.loader is None:
        raise OSError(f"no module: {module}")
    program = module_from_spec(spec)
    spec.loader.exec_module(program)
    line = os.fsdecode(sys.stdin.buffer.readline())
    if not line:
        return None
    words = line.rstrip("\n").split("\0")
    assert_alone()
    set_up(None, *words[: words.index("--")])
    print("walls=up", flush=True)
    return lambda: program.main(*words[words.index("--") + 1 :])


def main(parent: str, *words: str) -> None:
    live_with(int(parent))
    try:
        if words[0] != "spare":
            become(*words)
        work = wait(*words[1:])
    except OSError as error:
        print("jail:", error, file=sys.stderr)
        sys.exit(NO_WALL)
    if work:
        work()
        sys.stdout.flush()
        os._exit(0)  # without taking down, piece by piece, all that was loaded


if __name__ == "__main__":
    main(*sys.argv[1:])
