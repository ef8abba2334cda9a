"""How much of the machine is a worker's own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of the container; a machine as a whole has none


def cores(quota: Path = QUOTA) -> int:
    """How many this process may use at once, by its affinity and by its control group's quota; at least 1.

    Programs look at the first alone, and would run as many threads as the node has cores.
    """
    allowed = len(os.sched_getaffinity(0))
    try:
        most, period = quota.read_text().split()
    except OSError:
        return allowed
    return allowed if most == "max" else max(1, min(allowed, int(most) // int(period)))


class Share:
    """A worker's cores, divided among the jobs that it does at once: how many threads each of its programs may have.

    A film, which lasts for minutes, leaves a quarter of them to what somebody waits for at the screen. That takes what
    is free, all of it where it is alone; and where nothing is, one thread, since it does not wait for a film.
    """

    def __init__(self, whole: int) -> None:
        self._whole = self._free = whole

    @contextmanager
    def threads(self, *, film: bool) -> Iterator[int]:
        """Of a program of the job, for as long as the block lasts."""
        taken = max(1, self._whole - self._whole // 4 if film else self._free)
        self._free -= taken
        try:
            yield taken
        finally:
            self._free += taken
