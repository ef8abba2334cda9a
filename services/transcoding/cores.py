"""How much of the machine is a worker's own."""

import os
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
