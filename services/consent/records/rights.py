"""The points of the rights conversation: what is talked through before the first film, each with its version.

A changed wording is a new version; what was talked through in an older one stays as it was recorded.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Whose(StrEnum):
    FAMILY = "family"  # what the family may, and what it takes on
    SERVICE = "service"  # what the service promises


@dataclass(frozen=True)
class Point:
    point: str
    version: int
    text: str
    whose: Whose


POINTS = (
    Point(
        "purpose",
        1,
        "We film a few minutes of you and your baby together, to look at what goes well between you.",
        Whose.SERVICE,
    ),
    Point("care_unchanged", 1, "Refusing or withdrawing changes nothing in your care.", Whose.FAMILY),
    Point(
        "stop_any_time",
        1,
        "You can stop at any time: while we film, while we watch, and at any time afterwards.",
        Whose.FAMILY,
    ),
    Point("baby_first", 1, "We stop when your baby is distressed or does not want to go on.", Whose.SERVICE),
    Point("yours", 1, "The films are yours. You can ask what we keep and who has watched it.", Whose.FAMILY),
    Point(
        "who_watches",
        1,
        "Only your care team watches, for what you agreed to. Anything new needs your consent again.",
        Whose.SERVICE,
    ),
    Point(
        "kept_safe",
        1,
        "The films are kept locked with a key of their own, and are not copied without your written consent.",
        Whose.SERVICE,
    ),
    Point(
        "erased",
        2,
        "When you withdraw, every film and clip is erased, and you get a certificate. When we have finished, we ask "
        "you what is to be erased: they are kept until you withdraw, or until you and we have decided it.",
        Whose.SERVICE,
    ),
    Point(
        "no_medical_record",
        1,
        "The film is a tool and not part of your medical record; a written summary may be.",
        Whose.SERVICE,
    ),
    Point(
        "safeguarding",
        1,
        "If we see that somebody is at risk of harm we must act on it, and we tell you whenever we can.",
        Whose.SERVICE,
    ),
    Point(
        "others_in_the_film",
        1,
        "You tell everybody who may be in the picture, and do not share a film of them without asking.",
        Whose.FAMILY,
    ),
    Point(
        "tell_us",
        1,
        "You tell us when something changes: who cares for your baby, or how we can reach you safely.",
        Whose.FAMILY,
    ),
)


def not_talked_through(points: Iterable[tuple[str, int]]) -> list[Point]:
    """The points, in their present version, that are not among these."""
    done = set(points)
    return [point for point in POINTS if (point.point, point.version) not in done]
