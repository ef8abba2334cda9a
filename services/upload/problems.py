"""What can go wrong with an upload, in a practitioner's words."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.upload.model import Complete, NotAFilm, NotReceived, Over, Rejection, Superseded, WrongOffset
from services.upload.operations import Unknown
from services.upload.receiving import ChecksumMismatch, TooLong
from shared import media_store
from shared.database import EpisodeEnded
from shared.errors import AttuneError
from shared.http import Conflict, NotAllowed, NotFound, Problem, TooLarge, Unavailable, UnsupportedMedia


class WrongVersion(Problem):
    status, code, title = 412, "wrong-version", "The upload protocol's version is not known here"
    detail = "Use version 1.0.0 of the tus protocol, as the Tus-Version header says."


class UploadOver(Problem):
    status, code, title = 410, "upload-over", "The upload is over"
    detail = "It was stopped, turned away or left for too long. Begin the upload anew; keep the card until it is done."


class UploadComplete(Conflict):
    code, title = "upload-complete", "The whole film has arrived"
    detail = "Nothing more can be added. To take the film back, discard the recording."


class OffsetMismatch(Conflict):
    code, title = "wrong-offset", "The upload stands elsewhere"
    detail = "Ask for the upload's offset (HEAD) and go on from there."


class TakenOver(Conflict):
    code, title = "taken-over", "Another request has gone on with this upload"
    detail = "Ask for the upload's offset (HEAD) and go on from there, if nobody else does."


class CardNotYet(Conflict):
    code, title = "not-received", "The film is not safe yet"
    detail = "Keep the card as it is until the recording's state is `received`."


class FilmNeeded(UnsupportedMedia):
    code, title = "not-a-film", "The file is not a film"
    detail = "Choose the film itself, as the camera wrote it (such as .mp4, .mov, .mts or .avi), and upload that."


UNREADABLE = (
    "This film is in a format that we cannot read ({}). "
    "Set the camera to MP4 (H.264), or have the film converted, and upload that."
)


class BytesLost(Problem):
    status, code, title = 460, "checksum-mismatch", "The bytes did not arrive as they were sent"
    detail = "Nothing of them was kept. Send the same bytes again."


class ConsentRefused(NotAllowed):
    """`reason` is consent's code."""

    code, title = "consent-refused", "The family's consent does not cover this"


REFUSALS = {
    "no_consent": "Not everyone in this film has agreed to be filmed, on that day and today. Record their consent "
    "first, or take out of the list whoever is not in the film.",
    "no_rights_conversation": "The family's rights must be talked through with them before they are filmed, and anew "
    "after a withdrawal. If you did, record the day of it and upload the film then; if not, delete it from the camera.",
    "not_happy_to_film": "A film can be kept only if the family said on the day that they were happy to be filmed. "
    "If they were not, delete it from the camera.",
    "filmed_in_future": "Correct the day on which it was filmed; it has not come yet.",
    "suspended": "The family's consent is suspended: nothing is taken in, nothing looked at, nothing lost. "
    "Keep the card and ask your team lead.",
    "ended": "The family's consent has ended, and what was recorded is being erased. Wipe the card as well.",
    "not_in_care_team": "You are not in this family's care team. Ask one of its members to add you.",
    "unknown_episode": "There is no such consent. Choose the family again and begin the upload anew.",
    "unknown_person": "Somebody named as being in the film does not belong to this family. Correct who is in it.",
    "unknown_artefact": "The upload is not known any more. Begin it anew; keep the card until it is done.",
    "discarded": "This recording has been discarded. To keep another copy of the film, ask the family first.",
}
REFUSED = "The family's consent does not allow this now. Look at the family's page to see what is missing."

REJECTIONS = {
    Rejection.NOT_A_FILM: FilmNeeded.detail,
    Rejection.ABANDONED: "The upload was not finished in time and was deleted. Begin it anew from the card.",
    Rejection.DAMAGED: "The stored copy is damaged and was deleted. Keep the card and upload the film again.",
    Rejection.CANCELLED: "You stopped this upload, and what had arrived was deleted.",
    Rejection.DISCARDED: REFUSALS["discarded"],
}

WIPE = "The film is safe. Wipe the camera's card now and confirm it here."


def refused(reason: str) -> ConsentRefused:
    return ConsentRefused(REFUSALS.get(reason, REFUSED), reason=reason)


def problem_of(error: AttuneError) -> Problem | None:
    match error:
        case Unknown():
            return NotFound()
        case Over():
            return UploadOver()
        case Complete():
            return UploadComplete()
        case WrongOffset():
            return OffsetMismatch()
        case Superseded():
            return TakenOver()
        case NotReceived():
            return CardNotYet()
        case NotAFilm(format=str() as name):
            return FilmNeeded(UNREADABLE.format(name))
        case NotAFilm():
            return FilmNeeded()
        case TooLong():
            return TooLarge("Send no more bytes than were announced, and with a checksum no more than one segment.")
        case ChecksumMismatch():
            return BytesLost()
        case media_store.Refused():
            return refused(error.reason)
        case EpisodeEnded():
            return refused("ended")
        case media_store.Unavailable() | media_store.Forbidden():
            return Unavailable()
    return None


@contextmanager
def told() -> Iterator[None]:
    """What goes wrong within becomes a problem."""
    try:
        yield
    except AttuneError as error:
        if problem := problem_of(error):
            raise problem from error
        raise
