"""What is missing before a film, and what a family permits."""

from uuid import uuid4

from services.consent.families.model import Person, PersonRole, missing_before_filming, permitted

PARENT, BABY = Person(uuid4(), PersonRole.PARENT, "Ada"), Person(uuid4(), PersonRole.BABY, "Bea")
ALL = {PARENT.id: frozenset({"film", "review"}), BABY.id: frozenset({"film"})}


def test_nothing_is_missing() -> None:
    assert not list(missing_before_filming([PARENT, BABY], ALL, rights_conversation=True, suspended=False))


def test_everything_is_missing() -> None:
    missing = list(missing_before_filming([PARENT, BABY], {}, rights_conversation=False, suspended=True))
    assert [(one.code, one.person_id) for one in missing] == [
        ("no_rights_conversation", None),
        ("suspended", None),
        ("no_consent", PARENT.id),
        ("no_consent", BABY.id),
    ]
    assert all(one.sentence.endswith(".") for one in missing)


def test_permitted_is_what_everybody_agrees_to() -> None:
    assert permitted([PARENT.id, BABY.id], ALL) == {"film"}
    assert permitted([PARENT.id, BABY.id, uuid4()], ALL) == frozenset()
    assert permitted([], ALL) == frozenset()


def test_a_name_does_not_show_where_a_person_is_printed() -> None:
    assert "Ada" not in repr(PARENT)
