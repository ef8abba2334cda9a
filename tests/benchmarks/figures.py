"""What a benchmark finds, and how the noise of the machine is kept out of it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Goal:
    """What the ratio is to reach, or the figure itself where there is nothing bare to compare it with."""

    least: float | None = None
    most: float | None = None

    def met(self, value: float) -> bool:
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)


@dataclass(frozen=True)
class Figure:
    """One row of the page. `ours` and `bare` are in `unit`, and of the same run; `ratio` is ours to bare."""

    what: str
    unit: str
    ours: float
    bare: float | None = None
    ratio: float | None = None
    ratios: tuple[float, float] | None = None  # the least and the most of the pairs, where there are several
    goal: Goal | None = None

    @property
    def met(self) -> bool | None:
        if self.goal is None:
            return None
        return self.goal.met(self.ours if self.ratio is None else self.ratio)

    @classmethod
    def of_pairs(cls, what: str, unit: str, pairs: Sequence[tuple[float, float]], goal: Goal | None = None) -> "Figure":
        """From (ours, bare) of each round: medians, and the median of the ratios."""
        ratios = [ours / bare for ours, bare in pairs]
        return cls(
            what,
            unit,
            median(ours for ours, _ in pairs),
            median(bare for _, bare in pairs),
            median(ratios),
            (min(ratios), max(ratios)) if len(ratios) > 1 else None,
            goal,
        )

    @classmethod
    def read(cls, row: dict[str, Any]) -> "Figure":
        goal, ratios = row["goal"], row["ratios"]
        return cls(**row | {"goal": goal and Goal(**goal), "ratios": ratios and tuple(ratios)})


async def in_turn(
    rounds: int, ours: Callable[[], Awaitable[float]], bare: Callable[[], Awaitable[float]]
) -> list[tuple[float, float]]:
    """Ours, bare, ours, bare ...: what befalls the machine befalls both."""
    return [(await ours(), await bare()) for _ in range(rounds)]


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
