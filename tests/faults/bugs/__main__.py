"""`make bugs`: takes one protection after another out of a copy of Attune, and shows that a test notices.

`python -m tests.faults.bugs [NAME ...] [--jobs N] [--all]`

Each patch of this folder is planted in a copy of the checkout. The test in its first line must then fail, by an
assertion; so must those that guard the same (its line `Also:`), and the other tests beside it (`Beside:`) must pass.
With --all the others are every suite of `make test`: for all patches that takes hours. Logs are kept in .local/bugs.
Exit code 1 if anything is not as it should be.
"""

import argparse
import asyncio
import sys

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from tests.faults.bugs.patches import Bug, all_bugs
from tests.faults.bugs.running import Verdict, run


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.bugs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="how a patch's name begins, such as 07; without: all")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="so many side by side, each on its own stack")
    parser.add_argument("--all", action="store_true", help="run every suite each time: half an hour a patch, and more")
    given = parser.parse_args()
    known = all_bugs()
    for name in given.names:
        if not any(bug.name.startswith(name) for bug in known):
            parser.error(f"there is no {name}; there are {', '.join(bug.name for bug in known)}")
    wanted = [bug for bug in known if not given.names or bug.name.startswith(tuple(given.names))]
    try:
        verdicts = asyncio.run(hunt(wanted, jobs=max(1, given.jobs), everything=given.all))
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(1 if any(verdict.surprises for verdict in verdicts) else 0)


async def hunt(bugs: list[Bug], *, jobs: int, everything: bool) -> list[Verdict]:
    """Run them, say how each went, and show them all."""
    console, free = Console(highlight=False, soft_wrap=True), asyncio.Semaphore(jobs)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        whole = progress.add_task("patches", total=len(bugs))

        async def one(bug: Bug) -> Verdict:
            async with free:
                task = progress.add_task(bug.name, total=None)
                verdict = await run(
                    bug,
                    everything=everything,
                    told=lambda done, of: progress.update(task, completed=done, total=of or None),
                )
                progress.remove_task(task)
                progress.advance(whole)
                progress.console.print(_line(verdict))
                return verdict

        verdicts = await asyncio.gather(*(one(bug) for bug in bugs))
    console.print(_table(verdicts))
    return verdicts


def _line(verdict: Verdict) -> str:
    said = "[green]noticed[/]" if not verdict.surprises else "[red]not as it should be[/]"
    lines = [f"{verdict.bug.name}: {said} ({verdict.tests} tests, {verdict.seconds:.0f} s)"]
    return "\n".join([*lines, *(f"  {escape(one)}" for one in verdict.surprises)])


def _table(verdicts: list[Verdict]) -> Table:
    heads = (Column(head, overflow="fold") for head in ("patch", "noticed by", "tests", "seconds", "so"))
    table = Table(*heads, title="One protection less, each time")
    for one in verdicts:
        noticed = "[red]no[/]" if one.surprises else "[green]yes[/]"
        table.add_row(one.bug.name, one.bug.test.rpartition("::")[2], str(one.tests), f"{one.seconds:.0f}", noticed)
    return table


if __name__ == "__main__":
    main()
