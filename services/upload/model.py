"""An upload: one film on its way in, byte by byte, until it is a recording or is turned away. The rules, pure."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from shared.containers import HEAD, Container, container, foreign
from shared.errors import AttuneError

EVERYWHERE = timedelta(hours=14)  # somewhere on earth it is already that day


class Kind(StrEnum):
    PARENT_BABY = "parent_baby"
    SHARED_REVIEW = "shared_review"


class State(StrEnum):
    RECEIVING = "receiving"
    VERIFYING = "verifying"  # every byte is stored; the sealed copy is being read back
    RECEIVED = "received"
    REJECTED = "rejected"  # `code` says why
    CANCELLED = "cancelled"  # by who uploaded it


OVER = (State.REJECTED, State.CANCELLED)


class Rejection(StrEnum):
    NOT_A_FILM = "not_a_film"
    ABANDONED = "abandoned"
    DAMAGED = "damaged"
    CANCELLED = "cancelled"
    DISCARDED = "discarded"


class Over(AttuneError):
    """The upload takes no more bytes: it was rejected, cancelled, or has expired."""


class Complete(AttuneError):
    """Every byte has been received: what is asked for is possible only before that."""


class NotReceived(AttuneError):
    """Not every byte has been received and verified: what is asked for is possible only after that."""


class WrongOffset(AttuneError):
    """The bytes offered do not begin where the upload stands."""


class Superseded(AttuneError):
    """A later request has taken the upload over; what this one brings does not count."""


class NotAFilm(AttuneError):
    """By its first bytes the file is not a film, or one of a `format` that we do not open."""

    def __init__(self, format: str | None = None) -> None:
        super().__init__(format)
        self.format = format


MEDIA_TYPES = {
    Container.MP4: "video/mp4",
    Container.QUICKTIME: "video/quicktime",
    Container.THREE_GP: "video/3gpp",
    Container.AVI: "video/x-msvideo",
    Container.MPEG_TS: "video/mp2t",
    Container.MPEG_PS: "video/mp2p",
    Container.MATROSKA: "video/matroska",
    Container.WEBM: "video/webm",
    Container.ASF: "video/x-ms-asf",
}


@dataclass(eq=False)
class Upload:
    """Its id is the recording's and the artefact's. `length` was announced, `offset` is stored; both in bytes."""

    id: UUID
    family_id: UUID
    episode_id: UUID
    uploaded_by: UUID
    kind: Kind
    people: list[UUID]
    filmed_on: date
    happy_to_film: bool
    length: int
    created_at: datetime
    expires_at: datetime
    offset: int = 0
    state: State = State.RECEIVING
    code: Rejection | None = None
    container: Container | None = None
    token: UUID | None = None  # of the request that may add bytes
    sha256: bytes | None = None
    closed_at: datetime | None = None  # received, rejected or cancelled
    swept_at: datetime | None = None  # of one that is over: its bytes are gone
    device_label: str | None = None
    card_wiped_on: date | None = None

    def expired(self, now: datetime) -> bool:
        return self.state is State.RECEIVING and now >= self.expires_at

    def open_to_bytes(self, now: datetime) -> None:
        """Raises Over, or Complete."""
        if self.state in OVER or self.expired(now):
            raise Over(str(self.id))
        if self.state is not State.RECEIVING:
            raise Complete(str(self.id))

    def take_over(self, offset: int, token: UUID, now: datetime, life: timedelta) -> None:
        """From now on only the request that holds this token adds bytes. Raises Over, Complete, WrongOffset."""
        self.open_to_bytes(now)
        if offset != self.offset:
            raise WrongOffset(str(self.id))
        self.token, self.expires_at = token, now + life

    def held(self, token: UUID) -> None:
        """Raises Superseded unless the request with this token still has the upload."""
        if self.token != token:
            raise Superseded(str(self.id))

    def add(self, length: int, token: UUID, container: Container | None) -> bool:
        """Count a stored segment; whether it was the last. Raises Superseded."""
        self.held(token)
        self.offset += length
        self.container = container or self.container
        if self.offset < self.length:
            return False
        self.state, self.token = State.VERIFYING, None
        return True

    def received(self, sha256: bytes, now: datetime) -> bool:
        """Whether this made it a recording."""
        if self.state is not State.VERIFYING:
            return False
        self.state, self.sha256, self.closed_at = State.RECEIVED, sha256, now
        return True

    def reject(self, code: Rejection, now: datetime) -> bool:
        """Whether this ended it; a recording that was received stays received."""
        if self.state not in (State.RECEIVING, State.VERIFYING):
            return False
        self.state = State.CANCELLED if code is Rejection.CANCELLED else State.REJECTED
        self.code, self.token, self.closed_at = code, None, now
        return True

    def card_wiped(self, device_label: str, on: date) -> bool:
        """Whether this confirmed it; the first time stands. Raises NotReceived: the card may be the only copy."""
        if self.state is not State.RECEIVED:
            raise NotReceived(str(self.id))
        if self.card_wiped_on:
            return False
        self.device_label, self.card_wiped_on = device_label, on
        return True

    @property
    def card_may_hold_it(self) -> bool:
        """Whether the film is perhaps still on a camera's card, so that a certificate has to say so."""
        return self.card_wiped_on is None and self.code not in (Rejection.NOT_A_FILM, Rejection.CANCELLED)


@dataclass
class Beginning:
    """The first bytes of a file, until they are enough to say what it is."""

    wanted: int
    container: Container | None = None
    head: bytearray = field(default_factory=bytearray, repr=False)

    @classmethod
    def of(cls, upload: Upload) -> "Beginning":
        return cls(min(HEAD, upload.length), upload.container)

    def see(self, piece: bytes | bytearray | memoryview) -> None:
        """The next bytes."""
        if self.container is None:
            self.head += memoryview(piece)[: self.wanted - len(self.head)]

    def decide(self) -> None:
        """Raises NotAFilm, once there is enough to tell."""
        if self.container is None and len(self.head) == self.wanted:
            self.container = container(bytes(self.head))
            if self.container is None:
                raise NotAFilm(foreign(bytes(self.head)))


def has_come(day: date, now: datetime) -> bool:
    """Whether it is that day yet, anywhere."""
    return day <= (now + EVERYWHERE).date()
