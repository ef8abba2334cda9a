"""docs/performance.md, written from results.json, of which a run replaces what it has measured."""

import json
import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from inspect import cleandoc
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.benchmarks.figures import Figure

RESULTS = Path(__file__).with_name("results.json")
PAGE = Path(__file__).parents[2] / "docs" / "performance.md"

HEAD = """\
# Performance

Written by `make bench` (`python -m tests.benchmarks [name ...] [--quick]`); not by hand. A timing says little
beyond the machine it was taken on, so each figure stands beside what the bare tool did **in the same run**, in turn
with ours, and it is their **ratio** that has a goal. Figures and ratios are medians over the rounds; behind a ratio
stand the least and the most of any round. No test depends on any of them.
"""


def machine() -> dict[str, Any]:
    """What it was measured on, by kind and not by name."""
    processor = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    kernel, python = platform.release().partition("-")[0], platform.python_version()
    return {
        "machine": f"{processor}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {kernel}, Python {python}",
        "at": datetime.now(UTC).isoformat(timespec="minutes"),
        "load": round(os.getloadavg()[0], 1),
    }


def keep(name: str, measured: dict[str, Any], figures: list[Figure]) -> None:
    """Write down what one benchmark has found; the others' results stay."""
    results = _results() | {name: measured | {"figures": [asdict(figure) for figure in figures]}}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def write(benchmarks: dict[str, ModuleType]) -> None:
    results = {name: found for name, found in _results().items() if name in benchmarks}
    figures = {name: [Figure.read(row) for row in found["figures"]] for name, found in results.items()}
    rows = ["| | Attune | bare tool | ratio | goal | |", "| --- | ---: | ---: | ---: | ---: | --- |"]
    rows += [_row(figure) for name in benchmarks for figure in figures.get(name, [])]
    machines = dict.fromkeys(found["machine"] for found in results.values())
    lines = [HEAD, *(f"Machine: {one}." for one in machines), "", *rows, "", "## How each is measured", ""]
    for name, module in benchmarks.items():
        if name in results:
            found = results[name]
            quick = ", in the quick form" if found["quick"] else ""
            on = f" on {found['machine']}" if len(machines) > 1 else ""
            when = f"Measured {found['at']}{on}{quick}; load average at its start {found['load']}."
            lines += [f"**{name}**: {' '.join(cleandoc(module.__doc__ or '').split())} *{when}*", ""]
    PAGE.write_text("\n".join(lines))


def _results() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    return found


def _row(figure: Figure) -> str:
    bare = "" if figure.bare is None else f"{_number(figure.bare)} {figure.unit}"
    spread = f" ({figure.ratios[0]:.2f} to {figure.ratios[1]:.2f})" if figure.ratios else ""
    ratio = "" if figure.ratio is None else f"**{figure.ratio:.2f}**{spread}"
    met = {None: "", True: "met", False: "**not met**"}[figure.met]
    return f"| {figure.what} | {_number(figure.ours)} {figure.unit} | {bare} | {ratio} | {_goal(figure)} | {met} |"


def in_words(figure: Figure) -> str:
    """For whoever waits at the screen."""
    return ", ".join(cell for cell in _row(figure).replace("*", "").strip("| ").split(" | ") if cell.strip())


def _goal(figure: Figure) -> str:
    if figure.goal is None:
        return ""
    unit = f" {figure.unit}" if figure.ratio is None else ""
    if figure.goal.least is not None:
        return f"at least {figure.goal.least:g}{unit}"
    return f"at most {figure.goal.most:g}{unit}"


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
