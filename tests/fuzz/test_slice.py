"""Two minutes of `make fuzz`, the same films each time; `make fuzz` itself has new ones."""

import subprocess
import sys

from deploy.local.supervisor import CHECKOUT
from tests.fuzz.fuzzing import HANG

SECONDS = 120


def test_two_minutes_of_mutated_films_hang_crash_and_leave_nothing() -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--seconds", str(SECONDS), "--seed", "slice"]
    done = subprocess.run(
        command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=SECONDS + 2 * HANG
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 finds" in done.stdout
