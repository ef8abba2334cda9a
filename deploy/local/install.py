"""Everything that the local stack runs, into the cache, with progress; what is there already costs nothing."""

import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from deploy.local.jars import aot_cache, install_jars, jars_folder
from deploy.local.npm import assets_folder, install_assets
from deploy.local.versitygw import LINES, build_log, build_versitygw, versitygw

# told how much is done, how much there is to do, and what the unit is
Tell = Callable[[float, float | None, str], None]


@dataclass(frozen=True)
class Step:
    name: str
    present: Callable[[], bool]
    make: Callable[[Tell], None]
    needed: bool = True  # else the stack does without it


def _jars(name: str) -> Callable[[Tell], None]:
    return lambda tell: install_jars(name, lambda done, total: tell(done / 1e6, total / 1e6, "MB"))


def _build(tell: Tell) -> None:
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            if build_log().is_file():
                tell(build_log().read_bytes().count(b"\n"), LINES, "packages")

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        build_versitygw()
    finally:
        ended.set()
        watcher.join()


def _train(tell: Tell) -> None:
    from deploy.local.training import train

    tell(0, None, "")
    train()


def _assets(tell: Tell) -> None:
    tell(0, None, "")
    install_assets()


# one after another within a row, the rows at the same time
ROWS = (
    (Step("S3 server (versitygw): build", lambda: versitygw().is_file(), _build),),
    (Step("NHS design system: download", lambda: assets_folder().is_dir(), _assets),),
    (
        Step("Apache Kafka: download", lambda: jars_folder("kafka").is_dir(), _jars("kafka")),
        Step("Zipkin: download", lambda: jars_folder("zipkin").is_dir(), _jars("zipkin")),
        Step("Apache Kafka: training run, halves its start", lambda: aot_cache().is_file(), _train, needed=False),
    ),
)


class NotInstalled(Exception):
    """A step that is needed has failed, and has said why; what was done stays done."""


def install() -> None:
    """Do every step that has not been done, and say of each what became of it. Raises: NotInstalled."""
    missing = [row for row in ([step for step in steps if not step.present()] for steps in ROWS) if row]
    if not missing:
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[detail]}"), TimeElapsedColumn()
    with Progress(*columns, disable=not sys.stdout.isatty()) as progress, ThreadPoolExecutor(len(missing)) as pool:

        def do(step: Step) -> None:
            task = progress.add_task(step.name, total=None, detail="")
            began, detail = time.monotonic(), ""

            def tell(done: float, total: float | None, unit: str) -> None:
                nonlocal detail
                detail = f"{done:.0f} of {total:.0f} {unit}" if total else ""
                progress.update(task, completed=done, total=total, detail=detail)

            try:
                step.make(tell)
                outcome = detail or "done"
            except Exception as error:
                said = getattr(error, "stderr", None) or getattr(error, "output", None) or error
                outcome = f"failed, {str(said).strip() or type(error).__name__}"
                if step.needed:
                    raise
            finally:
                progress.remove_task(task)
                progress.console.print(f"{step.name}: {outcome} after {time.monotonic() - began:.0f} s", markup=False)

        def do_row(row: list[Step]) -> None:
            for step in row:
                do(step)

        if any(done.exception() for done in [pool.submit(do_row, row) for row in missing]):
            raise NotInstalled("The set-up is not complete: mend what failed above, and say the same again")
