"""One bug planted in a copy of this checkout, the tests run there, and what they should have noticed."""

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.local.supervisor import CHECKOUT
from tests.faults.bugs import outcomes
from tests.faults.bugs.patches import Bug, Stale

SHARED = (".venv", "services/portal/node_modules", "tests/browser/node_modules")
SUITES = ("unit", "contract", "integration", "end_to_end", "faults", "browser")  # those of `make test`
WHOLE = ("tests/end_to_end", "tests/faults", "tests/browser")  # all of Attune: any bug may show there, or not
LOGS = CHECKOUT / ".local" / "bugs"
LOOK_SECONDS, STOP_SECONDS = 0.5, 60.0
MINUTES, MINUTES_OF_ALL = 40, 240  # after which a run has hung


@dataclass(frozen=True)
class Outcome:
    """Of one test; `asserted`: an assertion failed it, not something that broke down."""

    test: str
    outcome: str
    asserted: bool = False
    said: str = ""
    when: str = "call"  # collect, setup, call or teardown


@dataclass
class Verdict:
    """surprises: none if the named test failed by an assertion, and of what was run what should fail with it, alone."""

    bug: Bug
    surprises: list[str] = field(default_factory=list)
    tests: int = 0
    seconds: float = 0.0


Told = Callable[[int, int], None]  # how many tests are done, of how many


async def run(bug: Bug, *, everything: bool, told: Told) -> Verdict:
    """Plant it in a copy, run the tests there, and judge."""
    began, verdict = time.monotonic(), Verdict(bug)
    with TemporaryDirectory(prefix="attune-bug-") as folder:
        tree = await asyncio.to_thread(copy, Path(folder))
        try:
            bug.plant(tree)
        except Stale as stale:
            verdict.surprises.append(str(stale))
        else:
            code, found = await _tested(tree, bug, everything, told)
            verdict.tests, verdict.surprises = len(found), judged(bug, code, found)
    verdict.seconds = time.monotonic() - began
    return verdict


def copy(folder: Path) -> Path:
    """This checkout as it stands, but for what git ignores; what was installed is shared."""
    ignored = [line.strip().rstrip("/") for line in (CHECKOUT / ".gitignore").read_text().splitlines() if line.strip()]
    tree = folder / "tree"
    shutil.copytree(CHECKOUT, tree, ignore=shutil.ignore_patterns(".git", *ignored), symlinks=True)
    for shared in SHARED:
        if (CHECKOUT / shared).exists():
            (tree / shared).symlink_to(CHECKOUT / shared)
    return tree


async def _tested(tree: Path, bug: Bug, everything: bool, told: Told) -> tuple[int | None, list[Outcome]]:
    """pytest's exit code (None: it hung), and what became of each test."""
    lines = tree.parent / "outcomes"
    lines.touch()
    suites = [f"tests/{suite}" for suite in SUITES if (tree / "tests" / suite).is_dir()]
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-p", outcomes.__name__, "-p", "no:cacheprovider"),
        *("--ignore=tests/faults/bugs", f"--basetemp={tree.parent / 't'}"),
        *(suites if everything else dict.fromkeys([bug.test, *bug.beside])),
    ]
    environment = {**os.environ, outcomes.FILE: str(lines)}
    environment.pop("ATTUNE_TEST_STACK", None)  # a broken Attune has a stack of its own
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / f"{bug.name}.log").open("w") as log:
        pytest = await asyncio.create_subprocess_exec(
            *command, cwd=tree, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            async with asyncio.timeout(60 * (MINUTES_OF_ALL if everything else MINUTES)):
                while pytest.returncode is None:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(pytest.wait(), LOOK_SECONDS)
                    told(*_counted(lines))
        except TimeoutError:
            pass
        finally:
            await _stop(pytest)
        hung = pytest.returncode is None or pytest.returncode < 0
        return None if hung else pytest.returncode, _read(lines)


async def _stop(pytest: asyncio.subprocess.Process) -> None:
    """As Ctrl-C would, so that it stops the stack it started; in the end by force."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        if pytest.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(pytest.pid, number)
            with suppress(TimeoutError):
                await asyncio.wait_for(pytest.wait(), STOP_SECONDS)


def _counted(lines: Path) -> tuple[int, int]:
    said = [json.loads(line) for line in lines.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return len({one["test"] for one in said if "test" in one}), sum(one.get("collected", 0) for one in said)


def _read(lines: Path) -> list[Outcome]:
    said = (json.loads(line) for line in lines.read_text().splitlines())
    return [Outcome(**one) for one in said if "test" in one]


def judged(bug: Bug, code: int | None, found: Sequence[Outcome]) -> list[str]:
    """What is not as it should be: the named test fails, by an assertion; so do its guards; the rest passes."""
    if code is None:
        return [f"pytest hung; see {LOGS.name}/{bug.name}.log"]
    failed = [one for one in found if one.outcome == "failed"]
    named = [one for one in failed if _is(one, bug.test) and one.when != "teardown"]
    surprises = [f"{one.test} failed by no assertion: {one.said}" for one in named if not one.asserted]
    if not named:
        surprises.append(f"{bug.test} {'passed' if any(_is(one, bug.test) for one in found) else 'was not run'}")
    for also in bug.also:
        if any(_is(one, also) for one in found) and not any(_is(one, also) for one in failed):
            surprises.append(f"{also} passed")
    known = (bug.test, *bug.also, *bug.perhaps, *WHOLE)
    others = [one for one in failed if not any(_is(one, guard) for guard in known)]
    surprises += [f"{one.test} failed too: {one.said}" for one in others]
    if code > 1 and not surprises:
        surprises.append(f"pytest ended with {code}")
    return surprises


def _is(one: Outcome, known: str) -> bool:
    """It, one of its cases, or one of what it holds."""
    return one.test == known or one.test.startswith((f"{known}[", f"{known}::", f"{known}/"))
