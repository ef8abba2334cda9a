"""What messages say to whoever may be reading along: nothing."""

import re
from uuid import uuid4

import pytest

from services.notification.model import AUDIENCE, Audience, Template
from services.notification.templates import message
from shared import telemetry
from shared.settings import Organisation

# "video" and "withdraw" and their like say as much as the words that are forbidden by name
UNSAID = re.compile(
    r"film|bab(y|ies)|therap|\bvig\b|consent|delet|eras|video|record|clip|reel|camera|parent|mother|mum|child|infant|birth"
    r"|perinatal|mental|withdr|practitioner|clinic|patient|treatment|attach|session|review|upload|encod",
    re.IGNORECASE,
)
ORGANISATION = Organisation(
    name="Example NHS Trust",
    team="Team Nine",
    site="North House",
    phone="01632 960100",
    mail="team@example.org",
    complaints="PALS, 01632 960101",
)
PORTAL = "https://portal.example.org"


@pytest.mark.parametrize("template", Template)
def test_a_message_says_nothing_of_what_it_is_about(template: Template) -> None:
    said = message(template, uuid4(), ORGANISATION, PORTAL)
    assert not UNSAID.findall(said.subject + "\n" + said.text)


@pytest.mark.parametrize("template", Template)
def test_a_message_says_who_writes_how_to_complain_and_the_reference(template: Template) -> None:
    about = uuid4()
    text = message(template, about, ORGANISATION, PORTAL).text
    assert all(part in text for part in ORGANISATION.model_dump().values())
    assert f"Reference: {telemetry.reference(about)}\n" in text
    assert str(about) not in text


@pytest.mark.parametrize("template", Template)
def test_a_subject_is_one_short_line(template: Template) -> None:
    subject = message(template, uuid4(), ORGANISATION, PORTAL).subject
    assert 0 < len(subject) < 60
    assert subject.isprintable()


@pytest.mark.parametrize("template", Template)
def test_only_staff_are_led_to_their_work_list(template: Template) -> None:
    said = message(template, uuid4(), ORGANISATION, PORTAL).text
    assert (PORTAL in said) == (AUDIENCE[template] is not Audience.FAMILY)


def test_the_test_would_notice() -> None:
    assert UNSAID.search("The film of your baby is ready")
    assert UNSAID.search("VIG")
    assert not UNSAID.search("navigate")
