"""What a film that has taken over the tools can do: nothing. Without the jail each attempt succeeds."""

import asyncio
import json
import os
import subprocess
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import NamedTuple, TypeAlias
from unittest.mock import AsyncMock

import pytest

from services.transcoding import binaries
from services.transcoding.failures import Code, MediaFailed
from services.transcoding.jailed import FLOOR, Jail, Limits, ProgramFailed, assert_floor, run
from services.transcoding.spare import Spare, work
from tests.films import make

LIMITS = Limits(cpu=60, memory=4096, file=64, patience=120)
EVIL = Path(__file__).with_name("evil.py")
MAY = ["read its film", "write in its folder", "start a thread"]
PYTHON = [str(binaries.python()), "-I", "-S"]


class Place(NamedTuple):
    """A film, the folder of its job, and another family's."""

    film: Path
    folder: Path
    sibling: Path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path / "film", tmp_path / "own", tmp_path / "sibling")
    place.film.write_bytes(b"own")
    place.folder.mkdir()
    place.sibling.mkdir()
    (place.sibling / "film").write_bytes(b"another family's")
    (place.sibling / "spare").write_bytes(b"another family's")
    return place


class Server(NamedTuple):
    port: int
    asked: list[str]


@pytest.fixture
def server() -> Iterator[Server]:
    """Counts who comes."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    http = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=http.serve_forever, daemon=True).start()
    yield Server(http.server_port, asked)
    http.shutdown()
    http.server_close()


async def jailed(command: list[str], place: Place, jail: Jail, *reads: Path) -> list[str]:
    lines: list[str] = []
    reads = (place.film, binaries.python_library(), *reads)
    await run(command, LIMITS, jail, reads=reads, folder=place.folder, on_line=lines.append)
    return lines


async def test_a_hijacked_tool_can_do_nothing_but_its_work(place: Place, server: Server, jail: Jail) -> None:
    command = [*PYTHON, str(EVIL), *map(str, place), str(server.port), str(os.getpid())]
    (said,) = await jailed(command, place, jail, EVIL)
    assert json.loads(said) == MAY
    assert sorted(path.name for path in place.sibling.iterdir()) == ["film", "spare"]
    assert sorted(path.name for path in place.folder.iterdir()) == ["out"]


def test_without_the_jail_every_attempt_succeeds(place: Place, server: Server) -> None:
    command = [*PYTHON, str(EVIL), *map(str, place), str(server.port), str(os.getpid())]
    said = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    Path("/tmp/evil-was-here").unlink(missing_ok=True)
    attempts = [line.split('"')[1] for line in EVIL.read_text().splitlines() if line.startswith('    "')]
    needs_privileges = {"read another's memory", "make namespaces", "load a program into the kernel", "set up io_uring"}
    assert set(attempts) - set(said) <= needs_privileges
    assert len(said) > 20


async def test_no_other_program_can_be_started(place: Place, jail: Jail) -> None:
    shell = "import os; os.execv('/bin/sh', ['sh', '-c', 'echo taken'])"
    with pytest.raises(ProgramFailed, match=r"PermissionError|FileNotFoundError"):
        await jailed([*PYTHON, "-c", shell], place, jail)
    assert subprocess.run([*PYTHON, "-c", shell], capture_output=True, check=True).stdout == b"taken\n"


Spared: TypeAlias = Callable[..., Awaitable[list[str]]]


@pytest.fixture
def spared(place: Place, monkeypatch: pytest.MonkeyPatch) -> Spared:
    """Has a spare work that does something else than cutting films; in the folder where the sibling's are, too."""

    async def spared(source: str, jail: Jail, *words: str, limits: Limits = LIMITS) -> list[str]:
        program = place.film.with_name("program.py")
        program.write_text(source)
        monkeypatch.setattr("services.transcoding.spare.PROGRAM", program)
        async with Spare(jail, place.film.parent) as spare:
            return await worked(words, place, jail, spare, limits)

    return spared


async def worked(words: Sequence[str], place: Place, jail: Jail, spare: Spare, limits: Limits = LIMITS) -> list[str]:
    lines: list[str] = []
    await work(
        words,
        limits,
        jail,
        reads=[place.film],
        folder=place.folder,
        spare=spare,
        on_line=lines.append,
        on_frames=AsyncMock(),
    )
    return lines


async def test_a_hijacked_spare_can_do_nothing_but_its_work(
    place: Place, server: Server, jail: Jail, spared: Spared
) -> None:
    evil = f"code = compile({EVIL.read_text()!r}, 'evil', 'exec')"
    source = f"import sys\n{evil}\ndef main(*words):\n    sys.argv[1:] = words\n    exec(code, {{}})"
    up, said = await spared(source, jail, *map(str, place), str(server.port), str(os.getpid()))
    assert up == "walls=up"
    assert json.loads(said) == MAY
    assert sorted(path.name for path in place.sibling.iterdir()) == ["film", "spare"]
    assert sorted(path.name for path in place.folder.iterdir()) == ["out"]


async def test_a_spare_reads_its_film_from_within_the_walls_alone(place: Place, jail: Jail, spared: Spared) -> None:
    """Where it may not read it, it does not get it: nothing was opened before."""
    place.film.chmod(0o600)
    source = "import os\ndef main(*films):\n    for film in films: print(open(film).read())"
    assert await spared(source, jail, str(place.film)) == ["walls=up", "own"]
    with pytest.raises(ProgramFailed, match="PermissionError"):
        await spared(source, jail, str(place.sibling / "film"))


async def test_a_spare_holds_no_secret_and_no_open_file(
    place: Place, jail: Jail, spared: Spared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTUNE_SECRET", "hidden")
    source = """
import os
def main():
    print(list(os.environ))
    for n in range(3, 1024):
        try: os.fstat(n); print(n)
        except OSError: pass"""
    with (place.sibling / "film").open() as file:
        os.set_inheritable(file.fileno(), True)
        up, names, *open_files = await spared(source, jail)
    assert (up, open_files) == ("walls=up", [])
    assert set(json.loads(names.replace("'", '"'))) <= {"LC_CTYPE", "PWD"}


async def test_a_spare_that_would_leave_a_thread_outside_does_not_begin(
    place: Place, jail: Jail, spared: Spared
) -> None:
    """Landlock's walls stand around one thread: another one could reach out for it."""
    source = """
import threading, time
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
def main(): open('begun', 'w')"""
    with pytest.raises(MediaFailed) as failed:
        await spared(source, jail)
    assert failed.value.failure.code is Code.TOOL_FAILED
    assert list(place.folder.iterdir()) == []
    await spared(source.replace("threading.Thread", "# threading.Thread"), jail)
    assert [path.name for path in place.folder.iterdir()] == ["begun"]


@pytest.mark.parametrize(
    ("does", "limit"), [("while True: pass", {"cpu": 1}), ("open('big', 'wb').write(bytes(3 << 20))", {"file": 2})]
)
async def test_a_spare_that_takes_too_much_is_stopped(
    jail: Jail, spared: Spared, does: str, limit: dict[str, int]
) -> None:
    with pytest.raises(MediaFailed) as failed:
        await spared(f"def main():\n    {does}", jail, limits=replace(LIMITS, **limit))
    assert failed.value.failure.code is Code.OVER_LIMIT


async def test_no_two_pieces_of_work_share_a_spare(place: Place, jail: Jail, spared: Spared) -> None:
    """Neither one after the other nor at once; and each is done, though but one spare waits."""
    source = "had = []\ndef main(*words): had.extend(words); print(had)"
    await spared(source, jail, "none")
    async with Spare(jail, place.film.parent) as spare:
        for word in ("one", "two"):
            assert await worked([word], place, jail, spare) == ["walls=up", f"['{word}']"]
        said = await asyncio.gather(*(worked([word], place, jail, spare) for word in ("three", "four", "five")))
        assert said == [["walls=up", f"['{word}']"] for word in ("three", "four", "five")]


async def test_the_environment_holds_no_secret(place: Place, jail: Jail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTUNE_SECRET", "hidden")
    assert await jailed([*PYTHON, "-c", "import os; print(dict(os.environ))"], place, jail) == ["{'LC_ALL': 'C.UTF-8'}"]


async def test_no_open_file_of_the_worker_is_inherited(place: Place, jail: Jail) -> None:
    with (place.sibling / "film").open() as file:
        os.set_inheritable(file.fileno(), True)
        probe = "import os\nfor n in range(3, 1024):\n  try: os.fstat(n); print(n)\n  except OSError: pass"
        assert await jailed([*PYTHON, "-c", probe], place, jail) == []


OPEN = ["-v", "error", "-protocol_whitelist", "file,http,tcp,crypto,data,hls,concat"]


@pytest.mark.parametrize(
    "attack", ["relative file", "absolute file", "address in a playlist", "address", "write elsewhere"]
)
async def test_ffmpeg_itself_with_every_door_open_gets_nowhere(
    attack: str, tmp_path: Path, server: Server, jail: Jail
) -> None:
    """Were all our options forgotten, the jail would still hold."""
    (tmp_path / "sibling").mkdir()
    (tmp_path / "job").mkdir()
    film = make(tmp_path / "sibling" / "film.mp4", 5, metadata=False)
    script, out = tmp_path / "job" / "film", tmp_path / "job" / "out.mp4"
    address = f"http://127.0.0.1:{server.port}/film.ts"
    texts = {
        "relative file": "ffconcat version 1.0\nfile ../sibling/film.mp4\n",
        "absolute file": f"ffconcat version 1.0\nfile {film}\n",
        "address in a playlist": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{address}\n#EXT-X-ENDLIST\n",
        "address": "",
        "write elsewhere": "",
    }
    script.write_text(texts[attack])
    opened = {
        "relative file": ["-safe", "0", "-f", "concat", "-i", str(script)],
        "absolute file": ["-safe", "0", "-f", "concat", "-i", str(script)],
        "address in a playlist": ["-f", "hls", "-i", str(script)],
        "address": ["-i", address],
        "write elsewhere": ["-f", "lavfi", "-i", "testsrc2=d=0.2:s=64x64"],
    }[attack]
    target = tmp_path / "sibling" / "left.mp4" if attack == "write elsewhere" else out
    copied = [] if attack == "write elsewhere" else ["-c", "copy"]
    options = [] if attack == "write elsewhere" else OPEN[2:]
    command = [str(binaries.ffmpeg()), "-v", "error", "-nostdin", "-y", *options, *opened, *copied, str(target)]

    with pytest.raises(ProgramFailed):
        await run(command, LIMITS, jail, reads=[script], folder=script.parent)
    assert not target.exists()
    assert server.asked == []

    subprocess.run(command, capture_output=True, check=False, cwd=tmp_path)
    assert target.exists() or server.asked


@pytest.mark.parametrize(
    ("program", "code", "limits"),
    [
        ("while True: pass", Code.OVER_LIMIT, {"cpu": 1}),
        ("open('big', 'wb').write(bytes(3 << 20))", Code.OVER_LIMIT, {"file": 2}),
        ("import mmap; mmap.mmap(-1, 2 << 30)", Code.OVER_LIMIT, {}),
        ("import time; print('frame=1', flush=True); time.sleep(600)", Code.STALLED, {"patience": 1}),
        ("import os, time; os.close(1); os.close(2); time.sleep(600)", Code.STALLED, {"patience": 1}),
    ],
)
async def test_whoever_takes_too_much_is_stopped(
    place: Place, program: str, code: Code, limits: dict[str, int], jail: Jail
) -> None:
    bounded = Limits(**{"cpu": 60, "memory": 1024, "file": 64, "patience": 120} | limits)
    with pytest.raises(MediaFailed) as failed:
        await run([*PYTHON, "-c", program], bounded, jail, reads=[binaries.python_library()], folder=place.folder)
    assert failed.value.failure.code is code
    assert failed.value.failure.retry


async def test_a_worker_that_was_paused_does_not_blame_its_program(place: Place) -> None:
    program = "import time\nfor n in range(60): print(n, flush=True); time.sleep(.1)"
    paused = False

    async def pause(_: int) -> None:
        nonlocal paused
        if not paused:
            paused = True
            subprocess.run(["sleep", "5"], check=True)  # the whole loop stands still, as when stopped by a signal

    limits = Limits(cpu=60, memory=1024, file=1, patience=4)
    await run([*PYTHON, "-c", program], limits, FLOOR, reads=[binaries.python_library()], on_line=int, on_frames=pause)
    assert paused


async def test_a_program_that_hardly_gets_a_turn_is_not_blamed_for_it(place: Place, jail: Jail) -> None:
    """As on a node with far too much to do: more than six seconds, of which it runs for one or so."""
    turn = "end = time.process_time() + .02\n while time.process_time() < end: pass\n time.sleep(.08)"
    program = f"import time\nfor n in range(60):\n {turn}"
    limits = Limits(cpu=60, memory=1024, file=1, patience=5)
    await run([*PYTHON, "-c", program], limits, jail, reads=[binaries.python_library()])


async def test_output_without_end_is_not_kept(place: Place) -> None:
    with pytest.raises(MediaFailed) as failed:
        await jailed([*PYTHON, "-c", "while True: print('x' * 65536, end='')"], place, FLOOR)
    assert failed.value.failure.code is Code.TOOL_FAILED


async def test_only_the_end_of_the_complaints_is_kept(place: Place) -> None:
    program = "import sys\nfor n in range(100000): print('complaint', n, file=sys.stderr)\nsys.exit(1)"
    with pytest.raises(ProgramFailed) as failed:
        await jailed([*PYTHON, "-c", program], place, FLOOR)
    assert failed.value.stderr.endswith("complaint 99999")
    assert len(failed.value.stderr) <= 4096


async def test_the_floor_can_be_had_here_and_is_asserted() -> None:
    assert (await assert_floor()).floor


async def test_without_the_floor_only_development_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A kernel that refuses Landlock, played by a launcher that meets one."""
    launcher = tmp_path / "jail.py"
    source = (Path(binaries.__file__).with_name("jail.py")).read_text()
    launcher.write_text(source.replace("version = call(444, 0, 0, 1)", "raise OSError(38, 'no Landlock')"))
    monkeypatch.setattr("services.transcoding.jailed.LAUNCHER", launcher)
    with pytest.raises(RuntimeError, match="cannot open films safely"):
        await assert_floor()
    jail = await assert_floor(development=True)
    assert not jail.floor
    assert "without the jail's floor" in caplog.text
    with pytest.raises(MediaFailed) as failed:
        await run([*PYTHON, "-c", ""], LIMITS, FLOOR, reads=[binaries.python_library()])
    assert failed.value.failure.code is Code.TOOL_FAILED


async def test_a_jail_that_is_not_closed_is_not_believed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    launcher = tmp_path / "jail.py"
    source = (Path(binaries.__file__).with_name("jail.py")).read_text()
    launcher.write_text(source.replace("        forbid_calls()\n", ""))
    monkeypatch.setattr("services.transcoding.jailed.LAUNCHER", launcher)
    with pytest.raises(RuntimeError, match="cannot open films safely"):
        await assert_floor()


def test_the_jail_dies_with_its_worker_at_any_moment() -> None:
    """The launcher itself notices a parent that died before it could bind its life to it."""
    launcher = Path(binaries.__file__).with_name("jail.py")
    command = [*PYTHON, str(launcher), "1", "floor", "-", "9", "999", "9", "--", "/bin/true"]
    orphan = subprocess.run(command, capture_output=True, text=True, check=False)
    assert orphan.returncode != 0
    assert "parent is gone" in orphan.stderr
