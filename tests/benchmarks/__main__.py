"""`make bench`: what Attune does in a second, beside what the bare tools do in the same run, on real parts.

`python -m tests.benchmarks [name ...] [--quick]` measures all of them or those named, and rewrites their rows of
docs/performance.md.
"""

import argparse
import asyncio
import logging
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from tests.benchmarks import (
    clips,
    consumer,
    delivery,
    films,
    first_look,
    long_films,
    page,
    permits,
    playback,
    relay,
    uploads,
    withdrawals,
)
from tests.benchmarks.run import Run

BENCHMARKS = {
    "relay": relay,
    "delivery": delivery,
    "consumer": consumer,
    "permits": permits,
    "uploads": uploads,
    "films": films,
    "first_look": first_look,
    "long_films": long_films,
    "clips": clips,
    "playback": playback,
    "withdrawals": withdrawals,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(BENCHMARKS)}; all without any")
    parser.add_argument("--quick", action="store_true", help="fewer and smaller rounds: to see that all of it works")
    given = parser.parse_args()
    if unknown := set(given.names) - BENCHMARKS.keys():
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a leader that is still to be elected is no news
    sys.exit(asyncio.run(bench(given.names or list(BENCHMARKS), quick=given.quick)))


async def bench(names: list[str], *, quick: bool) -> int:
    """Exit code: 1 when one could not be measured; the others are all the same."""
    console, began, failed = Console(highlight=False, soft_wrap=True), time.monotonic(), list[str]()
    with TemporaryDirectory(prefix="attune-bench-") as folder, console.status("") as status:
        run = Run(quick, Path(folder), console, status)
        try:
            for number, name in enumerate(names, 1):
                measured, at = page.machine() | {"quick": quick}, time.monotonic()
                try:
                    figures = await BENCHMARKS[name].measure(run)
                except Exception:
                    failed.append(name)
                    console.print_exception()
                    continue
                page.keep(name, measured, figures)
                page.write(BENCHMARKS)
                console.print(f"[bold]{name}[/] ({number} of {len(names)}, {time.monotonic() - at:.0f} s)")
                for figure in figures:
                    console.print(f"  {page.in_words(figure)}")
        finally:
            status.update("stopping")
            await run.close()
    console.print(f"{page.PAGE.name} was written in {(time.monotonic() - began) / 60:.1f} minutes")
    if failed:
        console.print(f"[red]could not be measured:[/] {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    main()
