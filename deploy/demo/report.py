"""What the demo did, step by step: shown while it happens, written down for the checker."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from rich.console import Console

from deploy.demo.events import Told


@dataclass
class Step:
    """One thing that happened, and the events by which it did."""

    name: str
    sentence: str
    started: float  # seconds since the demo began
    duration: float = 0.0
    ok: bool = False
    failure: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    outcome: dict[str, Any] = field(default_factory=dict)

    def because(self, *told: Told) -> None:
        """Say which events belong to this step."""
        self.events += [event.place() for event in told]


class Report:
    """The story so far. `ok` only once every step went well and the story was told to its end."""

    def __init__(self, console: Console, path: Path) -> None:
        self.console, self.path = console, path
        self.steps: list[Step] = []
        self.facts: dict[str, Any] = {}
        self.figures: dict[str, Any] = {}
        self.ok = False
        self._began = time.monotonic()

    @classmethod
    def read(cls, console: Console, path: Path) -> Self:
        """As an earlier run wrote it, and whoever changed it since."""
        report, written = cls(console, path), json.loads(path.read_text())
        report.facts, report.figures = written["facts"], written["figures"]
        report.steps = [Step(**step) for step in written["steps"]]
        return report

    def elapsed(self) -> float:
        return time.monotonic() - self._began

    @contextmanager
    def step(self, name: str, sentence: str) -> Iterator[Step]:
        """A step under way: shown when it begins, and with its events when it ended."""
        step = Step(name, sentence, round(self.elapsed(), 3))
        self.steps.append(step)
        self.console.print(f"[bold]{len(self.steps):2}[/]  {sentence}")
        try:
            yield step
            step.ok = True
        except BaseException as error:
            step.failure = f"{type(error).__name__}: {error}"
            self.not_so(f"{name}: {step.failure}")
            raise
        finally:
            step.duration = round(self.elapsed() - step.started, 3)
            for event in step.events:
                self.console.print(f"      [dim]{event['type']:44} {event['id']}[/]", highlight=False)
            self.write()

    def show(self, line: str) -> None:
        self.console.print(f"      {line}", highlight=False)

    def not_so(self, complaint: str) -> None:
        """Show what did not go as it should; it begins with the name of its step."""
        self.console.print("[red]not so:[/] ", end="")
        self.console.print(complaint, markup=False)

    def sum_up(self) -> None:
        """The figures of a story that was told to its end."""
        told = {step.name: step.outcome for step in self.steps}
        received, certified, kept = told["received"], told["certified"], told["kept"]
        self.figures = {
            "bytes_uploaded": received["bytes"],
            "resumed_at": received["resumed_at"],
            "events": sum(len(step.events) for step in self.steps),
            "artefacts_registered": sum(certified["registered"].values()),
            "objects_erased": certified["objects"],
            "bytes_erased": certified["bytes"],
            "horizon_seconds": certified["horizon_seconds"],
            "artefacts_kept": len(kept["artefacts"]),
            "bytes_kept": sum(artefact["bytes"] for artefact in kept["artefacts"]),
            "seconds": {step.name: step.duration for step in self.steps},
        }

    def write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        told = {
            "ok": self.ok,
            "facts": self.facts,
            "steps": [asdict(step) for step in self.steps],
            "figures": self.figures,
        }
        self.path.write_text(json.dumps(told, indent=2) + "\n")
