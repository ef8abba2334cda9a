"""What an event is: a frozen payload of ids, times, counts and codes, and what the wire adds to it."""

from collections.abc import Callable
from typing import Annotated, ClassVar, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StringConstraints

SERVICES = ("consent", "upload", "transcoding", "curation", "notification")
PARTICIPANTS = ("upload", "transcoding", "curation", "notification")  # who must acknowledge an erasure
RETENTION_DAYS = 14
PARTITIONS = 12  # chosen once: a change would move episodes between partitions and lose their order

# A word from a closed vocabulary, never free text: an event has nowhere to write a name.
Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class Payload(BaseModel):
    """A part of an event. Readers are open: an additive change inside v1 breaks nobody."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Event(Payload):
    """The payload of one event; in the record's value `family_id` and `episode_id` stand beside these fields."""

    type: ClassVar[str]
    services: ClassVar[tuple[str, ...]]
    subject: ClassVar[str]
    public: ClassVar[bool]
    outlives: ClassVar[bool]

    def recordings(self) -> frozenset[UUID]:
        """The recordings it is about. Once one of them has been discarded, it is settled without effect."""
        recording = getattr(self, "recording_id", None)
        return frozenset([recording] if recording else [])


class Wire(Payload):
    """What stands beside every event's own fields."""

    family_id: UUID
    episode_id: UUID | None = None  # none before the family's first consent record

    @property
    def key(self) -> UUID:
        """The Kafka key, and the lock: the episode, or the family where there is none yet."""
        return self.episode_id or self.family_id


REGISTRY: dict[str, type[Event]] = {}
E = TypeVar("E", bound=Event)


def event(
    name: str, *services: str, subject: str, public: bool = True, outlives: bool = False
) -> Callable[[type[E]], type[E]]:
    """Register a payload as the event type `name` of the services that may publish it.

    subject: the field, of the payload or the wire, whose id becomes `ce_subject`.
    outlives: whether it is handled even after its episode has ended.
    """

    def register(model: type[E]) -> type[E]:
        if name in REGISTRY:
            raise ValueError(f"{name} is registered twice")
        if not services or not set(services) <= set(SERVICES):
            raise ValueError(f"{name} belongs to no service of ours")
        if subject not in {**model.model_fields, **Wire.model_fields}:
            raise ValueError(f"{name} has no field {subject}")
        model.type, model.services, model.subject = name, services, subject
        model.public, model.outlives = public, outlives
        REGISTRY[name] = model
        return model

    return register


def topic_of(service: str) -> str:
    """Each service writes to one topic, and no other service may."""
    return f"attune.{service}"
