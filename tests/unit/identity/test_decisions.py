"""Who may do what, cell by cell, against a table that was written down apart from the code's."""

import itertools
from uuid import uuid4

import pytest

from shared.identity import Action, Allowed, Denied, Identity, Reason, Relation, Role, Service, decide, relation_to

# columns: practitioner, supervisor, family, operator
# letters: - never, a any family, c care team, o own family, s oneself
GRID = """
register_family      a  -  -  -
read_family          c  c  o  -
add_care_team        c  c  -  -
record_consent       c  -  -  -
read_consent         c  c  o  -
rights_conversation  c  -  -  -
ask_permit           -  -  -  -
withdraw             c  c  o  a
reinstate            c  c  o  -
hold                 c  c  -  a
discard_recording    c  -  o  -
end_involvement      c  c  -  -
read_erasure         c  c  o  a
read_open_erasures   -  -  -  a
acknowledge_erasure  -  -  -  -
read_certificate     c  c  o  a
read_access_log      c  c  o  a
upload               c  -  -  -
confirm_card_wiped   c  -  -  -
read_job             c  c  -  a
retry_job            c  -  -  a
read_tasks           cs cs -  -
reassign_task        c  c  -  a
finish_task          c  -  -  -
read_recording       c  c  o  -
mark_clip            c  -  -  -
order_reel           c  -  -  -
set_goal             c  -  -  -
shared_review        c  -  -  -
play                 c  c  o  -
contact_points       cs s  -  s
delivery_status      c  c  -  a
"""
LETTERS = {"c": Relation.CARE_TEAM, "o": Relation.OWN_FAMILY, "s": Relation.SELF}
COLUMNS = (Role.PRACTITIONER, Role.SUPERVISOR, Role.FAMILY, Role.OPERATOR)
CELLS = {Action(row.split()[0]): dict(zip(COLUMNS, row.split()[1:], strict=True)) for row in GRID.split("\n") if row}
SERVICES = {
    Action.ASK_PERMIT: {"upload", "transcoding", "curation"},
    Action.READ_OPEN_ERASURES: {"upload", "transcoding", "curation", "notification"},
    Action.ACKNOWLEDGE_ERASURE: {"upload", "transcoding", "curation", "notification"},
}


def person(role: Role) -> Identity:
    return Identity(str(uuid4()), role, uuid4() if role is Role.FAMILY else None)


def test_the_grid_has_every_action() -> None:
    assert set(CELLS) == set(Action)


@pytest.mark.parametrize(("action", "role", "relation"), list(itertools.product(Action, COLUMNS, Relation)))
def test_a_person_may_what_the_grid_says(action: Action, role: Role, relation: Relation) -> None:
    letters = CELLS[action][role]
    decision = decide(person(role), action, relation)
    if letters == "-":
        assert decision == Denied(Reason.ROLE)
    elif letters == "a" or relation in [LETTERS[letter] for letter in letters]:
        assert decision == Allowed()
    else:
        assert decision == Denied(Reason.RELATION)


@pytest.mark.parametrize(("action", "service", "relation"), list(itertools.product(Action, Service, Relation)))
def test_a_service_may_little_and_no_relation_changes_that(
    action: Action, service: Service, relation: Relation
) -> None:
    allowed = service in SERVICES.get(action, set())
    decision = decide(Identity(service, Role.SERVICE), action, relation)
    assert decision == (Allowed() if allowed else Denied(Reason.CALLER))


def test_a_service_that_nobody_knows_may_nothing() -> None:
    for action in Action:
        assert decide(Identity("stranger", Role.SERVICE), action) == Denied(Reason.CALLER)


def test_without_a_relation_nothing_of_a_familys_is_open_to_a_practitioner() -> None:
    open_to_all = {action for action in Action if decide(person(Role.PRACTITIONER), action) == Allowed()}
    assert open_to_all == {Action.REGISTER_FAMILY}


def test_how_a_caller_stands_to_a_family() -> None:
    family, practitioner, parent = uuid4(), person(Role.PRACTITIONER), person(Role.FAMILY)
    assert parent.family_id
    assert relation_to(practitioner, family, {practitioner.person_id}) is Relation.CARE_TEAM
    assert relation_to(practitioner, family, {uuid4()}) is Relation.NONE
    assert relation_to(parent, parent.family_id, set()) is Relation.OWN_FAMILY
    assert (
        relation_to(parent, family, {parent.person_id}) is Relation.NONE
    )  # a parent on the staff is still a parent here
    assert relation_to(Identity("upload", Role.SERVICE), family, set()) is Relation.NONE
