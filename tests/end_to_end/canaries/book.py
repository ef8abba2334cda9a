"""Canaries: words that stand nowhere else, each let out at one place alone, and how to find them again.

Every one begins with MARK, so that a search finds those too that nobody wrote into a list; its ending says where it was
let out.
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

MARK = "kanarie"
ENDING = 6
ADDRESS = "@example.org"


def _hidden(mark: bytes) -> list[bytes]:
    """The mark as it looks in base64, wherever it begins there, in hexadecimal, and in UTF-16."""
    hidden = [mark.hex().encode(), mark.decode().encode("utf-16-le")]
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + mark)
        hidden.append(whole[-(-before * 8 // 6) : len(mark) * 8 // 6 + before + (before > 0) - 1])
    return hidden


_PLAIN = re.compile(rb"kanarie-?([a-z]{6})?", re.IGNORECASE)
_HIDDEN = re.compile(b"|".join(map(re.escape, _hidden(MARK.encode()))))


@dataclass
class Book:
    """Which canary was let out where."""

    where: dict[str, str] = field(default_factory=dict)  # ending -> place
    _numbers: Iterator[int] = field(default_factory=count)

    def new(self, place: str) -> str:
        """One for this place alone: thirteen letters."""
        number, ending = next(self._numbers), ""
        for _ in range(ENDING):
            number, letter = divmod(number, 26)
            ending += chr(ord("a") + letter)
        self.where[ending] = place
        return MARK + ending

    def __getitem__(self, ending: str) -> str:
        """Where the canary with this ending was let out."""
        return self.where.get(ending, f"nobody knows where ({ending})")


def found(content: bytes | str) -> set[str]:
    """The endings of all canaries in it, however short, long or hidden; "?" for one whose ending cannot be read."""
    raw = content.encode() if isinstance(content, str) else content
    endings = {(match[1] or b"?").decode().lower() for match in _PLAIN.finditer(raw)}
    return endings | ({"?"} if _HIDDEN.search(raw) else set())


def ending(canary: str) -> str:
    """Of a canary in any of its forms."""
    (only,) = found(canary)
    return only


FORMS = ("{0}{1}", "{0}-{1}", "{0}{1}" + ADDRESS)


def forms(canary: str) -> list[str]:
    """The word, and what it looks like as a language tag and as a mail address."""
    return [form.format(MARK, ending(canary)) for form in FORMS]
