"""Why a film could not be prepared or cut: for operators, for practitioners, and whether a retry can help."""

from enum import StrEnum
from typing import NamedTuple

from pydantic import BaseModel


class Code(StrEnum):
    """Stable: events and job rows carry these."""

    EMPTY = "empty"
    NOT_A_FILM = "not_a_film"
    NO_PICTURE = "no_picture"
    FORMAT_UNSUPPORTED = "format_unsupported"
    PROTECTED = "protected"
    INCOMPLETE = "incomplete"
    DAMAGED = "damaged"
    PICTURE_TOO_LARGE = "picture_too_large"
    TOO_LONG = "too_long"
    BAD_RANGE = "bad_range"
    STALLED = "stalled"
    OVER_LIMIT = "over_limit"
    NO_ROOM = "no_room"
    TOOL_FAILED = "tool_failed"
    NOT_ALLOWED = "not_allowed"


class Meaning(NamedTuple):
    """`{subject}` in the sentence is the failure's subject."""

    sentence: str
    retry: bool


COPY_AGAIN = "Copy it from the camera again and upload it once more."
TRY_AGAIN = "Please try again; if it happens twice, tell your support team."

MEANINGS: dict[Code, Meaning] = {
    Code.EMPTY: Meaning(f"The file is empty. {COPY_AGAIN}", False),
    Code.NOT_A_FILM: Meaning(
        "This file is not a film. Please choose the film itself, as it came off the camera.", False
    ),
    Code.NO_PICTURE: Meaning("There is no picture in this file. Please check that you chose the film.", False),
    Code.FORMAT_UNSUPPORTED: Meaning(
        "This film is in a format that we cannot read ({subject}). "
        "Please set the camera to MP4 (H.264), or have the film converted, and upload it again.",
        False,
    ),
    Code.PROTECTED: Meaning(
        "This film is copy-protected, so we cannot open it. Please upload the film as it came off the camera.", False
    ),
    Code.INCOMPLETE: Meaning(f"The film breaks off: part of the file is missing. {COPY_AGAIN}", False),
    Code.DAMAGED: Meaning(f"The film is damaged and cannot be read to its end. {COPY_AGAIN}", False),
    Code.PICTURE_TOO_LARGE: Meaning(
        "The picture is larger than we can prepare ({subject}). Please film in 4K or smaller.", False
    ),
    Code.TOO_LONG: Meaning(
        "The film is longer than we can prepare ({subject}). Please upload it in shorter parts.", False
    ),
    Code.BAD_RANGE: Meaning("The start and end of the clip do not fit the film. Please mark them again.", False),
    Code.STALLED: Meaning(f"Preparing the film stopped part-way. {TRY_AGAIN}", True),
    Code.OVER_LIMIT: Meaning(f"Preparing the film took more than we allow for one film. {TRY_AGAIN}", True),
    Code.NO_ROOM: Meaning(
        "There is not enough room to prepare the film; nothing is lost. "
        "Please try again later; if it happens twice, tell your support team.",
        True,
    ),
    Code.TOOL_FAILED: Meaning(f"Preparing the film failed on our side. {TRY_AGAIN}", True),
    Code.NOT_ALLOWED: Meaning(
        "What the family has agreed to does not allow this film to be prepared. "
        "Please look at their consent together; then try again.",
        True,
    ),
}


class Failure(BaseModel, frozen=True):
    """Storable as JSON. `detail` is for operators alone; `subject` names the format, size or length in question."""

    code: Code
    detail: str
    subject: str = "unknown"

    @property
    def sentence(self) -> str:
        """For the practitioner."""
        return MEANINGS[self.code].sentence.format(subject=self.subject)

    @property
    def retry(self) -> bool:
        """Whether trying again can help."""
        return MEANINGS[self.code].retry


class MediaFailed(Exception):
    """Raised by everything here that works on a film. for_now: another attempt, at once, may end otherwise."""

    def __init__(self, code: Code, detail: str, subject: str = "unknown", *, for_now: bool = True) -> None:
        self.failure = Failure(code=code, detail=detail, subject=subject)
        self.for_now = for_now and self.failure.retry
        super().__init__(f"{code}: {detail}")
