"""An event has nowhere to write a name: every field is an id, a time, a count, a yes or no, or a word of a code."""

import re
from collections.abc import Iterator
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, get_args, get_origin
from uuid import UUID

import pytest
from pydantic import BaseModel, ValidationError

from shared.contracts.event import REGISTRY, Code, Event, Wire

PLAIN: tuple[Any, ...] = (UUID, int, bool, date, datetime, Code, type(None))
# A new field's name must be put here by hand, by somebody who has thought about whose data it is.
NAMES = set(
    re.findall(
        r"\w+",
        """
        family_id episode_id person_id recording_id artefact_id clip_id reel_id film_id erasure_id certificate_id
        delivery_id consent_record_id shared_review_id assignee_id requested_by filmed_by superseded_by cause
        filmed_on ended_on valid_until on version round members role purposes purpose code reason_code scope kind
        container channel participant waiting_for retryable duration_ms frames rate numerator denominator bytes objects
        rows artefacts jobs_cancelled cards_not_wiped cards first end cut cuts cycle held given_by withdrawal_id
        still_id frame
        """,
    )
)


def fields(model: type[BaseModel], at: str) -> Iterator[tuple[str, str, Any]]:
    for name, field in model.model_fields.items():
        annotation: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        yield from kinds(annotation, f"{at}.{name}", name)


def kinds(annotation: Any, at: str, name: str) -> Iterator[tuple[str, str, Any]]:
    if annotation in PLAIN or get_origin(annotation) is Annotated:
        yield at, name, annotation
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield at, name, None
        yield from fields(annotation, at)
    elif get_args(annotation):
        for part in get_args(annotation):
            if part is not Ellipsis:
                yield from kinds(part, at, name)
    else:
        yield at, name, annotation


def allowed(annotation: Any) -> bool:
    closed = isinstance(annotation, type) and issubclass(annotation, StrEnum)
    return annotation is None or annotation in PLAIN or closed


@pytest.mark.parametrize("model", [Wire, *REGISTRY.values()], ids=lambda model: model.__name__)
def test_no_field_can_carry_personal_data(model: type[BaseModel]) -> None:
    for at, name, annotation in fields(model, model.__name__):
        assert allowed(annotation), f"{at} may hold anything: {annotation}"
        assert name in NAMES, f"{at}: nobody has said that this field may be told to the world"


@pytest.mark.parametrize("text", ["Jane Doe", "jane@example.org", "07700 900123", "a b", "Jane", "x" * 65, "é", ""])
def test_a_code_is_no_place_for_free_text(text: str) -> None:
    class Told(Event):
        code: Code

    with pytest.raises(ValidationError):
        Told(code=text)


def test_every_type_is_named_as_the_plan_says() -> None:
    for name in REGISTRY:
        assert re.fullmatch(r"attune\.[a-z_]+(\.[a-z_]+)*\.v[1-9]", name), name
