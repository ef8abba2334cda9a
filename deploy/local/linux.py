"""What Linux offers to leave no process behind, and to run PostgreSQL, which refuses root, as root."""

import ctypes
import os
import pwd
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_CLONE_NEWUSER = 0x10000000
_NOBODY = 65534
_GRACE_SECONDS = 5


def die_with(parent: int, number: signal.Signals) -> None:
    """In a child: get this signal when the parent's thread that forked it ends, however that ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def user_namespaces() -> bool:
    """Whether this user may make a user namespace."""
    somebody = _somebody()
    if (child := os.fork()) == 0:
        os._exit(0 if _enter_user_namespace(somebody) else 1)
    return os.waitpid(child, 0)[1] == 0


def must_change_user() -> bool:
    """Whether PostgreSQL would refuse this user: root, or one who is in no list of users."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return True
    return os.geteuid() == 0


def _somebody() -> pwd.struct_passwd | None:
    """The first in the list of users who is not root."""
    return next((user for user in pwd.getpwall() if user.pw_uid), None)


def _enter_user_namespace(somebody: pwd.struct_passwd | None) -> bool:
    """Be somebody else inside; to the outside it stays the same user."""
    uid, gid = os.geteuid(), os.getegid()
    if somebody is None or _libc.unshare(_CLONE_NEWUSER):
        return False
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{somebody.pw_uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{somebody.pw_gid} {gid} 1")
    return True


def before_exec(orphaned: signal.Signals, unprivileged: bool) -> Callable[[], None]:
    """What a child does between fork and exec: be another user if it must, and be sent `orphaned` if its parent dies.

    Inside a user namespace files still belong to the same user, so it works in a checkout under a private home.
    Where there are no user namespaces root becomes nobody, who must be able to reach the files."""
    parent = os.getpid()
    change = unprivileged and must_change_user()
    somebody = _somebody() if change else None

    def child() -> None:
        if change and not _enter_user_namespace(somebody) and os.geteuid() == 0:
            os.setgroups([])
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)
        die_with(parent, orphaned)  # last: a change of user clears it

    return child


def give_to_nobody(folder: Path) -> None:
    """Hand a folder to nobody, for root on a machine without user namespaces."""
    os.chown(folder, _NOBODY, _NOBODY)


def guarded() -> None:
    """Go on in a child; the parent stays behind to end whatever is left when the child is gone, however that ended.

    Being the reaper of orphans it finds every descendant, also those that daemonise or whose parent was killed."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    guard = os.getpid()
    if (child := os.fork()) == 0:
        die_with(guard, signal.SIGTERM)
        return
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: os.kill(child, signal.SIGTERM))
    code = None
    while code is None:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
    deadline = time.monotonic() + _GRACE_SECONDS
    while _reap():
        if time.monotonic() > deadline:
            for pid in _children():
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    sys.stdout.flush()
    os._exit(code if code >= 0 else 128 - code)


def _reap() -> bool:
    """Collect the children that have ended; whether any is left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _children() -> Sequence[int]:
    me, found = os.getpid(), []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == me:
                found.append(int(entry.name))
    return found
