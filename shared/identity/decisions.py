"""Who may do what: one table and one function over it. What the table does not allow is denied.

It decides by role and by the caller's relation to the family. Consent is another question: whoever may play a film
still needs a permit.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from shared.identity.tokens import Identity, Role, Service


class Relation(StrEnum):
    """How the caller stands to the family, or the person, that the request is about."""

    NONE = "none"
    CARE_TEAM = "care_team"
    OWN_FAMILY = "own_family"
    SELF = "self"  # the person's own work list or contact points


class Action(StrEnum):
    REGISTER_FAMILY = "register_family"
    READ_FAMILY = "read_family"
    ADD_CARE_TEAM = "add_care_team"
    RECORD_CONSENT = "record_consent"
    READ_CONSENT = "read_consent"
    RIGHTS_CONVERSATION = "rights_conversation"
    ASK_PERMIT = "ask_permit"
    WITHDRAW = "withdraw"
    REINSTATE = "reinstate"
    HOLD = "hold"
    DISCARD_RECORDING = "discard_recording"
    END_INVOLVEMENT = "end_involvement"
    READ_ERASURE = "read_erasure"
    READ_OPEN_ERASURES = "read_open_erasures"
    ACKNOWLEDGE_ERASURE = "acknowledge_erasure"
    READ_CERTIFICATE = "read_certificate"
    READ_ACCESS_LOG = "read_access_log"
    UPLOAD = "upload"
    CONFIRM_CARD_WIPED = "confirm_card_wiped"
    READ_JOB = "read_job"
    RETRY_JOB = "retry_job"
    READ_TASKS = "read_tasks"
    REASSIGN_TASK = "reassign_task"
    FINISH_TASK = "finish_task"
    READ_RECORDING = "read_recording"
    MARK_CLIP = "mark_clip"
    ORDER_REEL = "order_reel"
    SET_GOAL = "set_goal"
    SHARED_REVIEW = "shared_review"
    PLAY = "play"
    CONTACT_POINTS = "contact_points"
    DELIVERY_STATUS = "delivery_status"


_ANY = frozenset(Relation)
_CARE = frozenset({Relation.CARE_TEAM})
_OWN = frozenset({Relation.OWN_FAMILY})
_SELF = frozenset({Relation.SELF})

_PRACTITIONER, _SUPERVISOR, _FAMILY, _OPERATOR = Role.PRACTITIONER, Role.SUPERVISOR, Role.FAMILY, Role.OPERATOR
_TEAM = {_PRACTITIONER: _CARE, _SUPERVISOR: _CARE}

PEOPLE: Mapping[Action, Mapping[Role, frozenset[Relation]]] = {
    Action.REGISTER_FAMILY: {_PRACTITIONER: _ANY},
    Action.READ_FAMILY: {**_TEAM, _FAMILY: _OWN},
    Action.ADD_CARE_TEAM: _TEAM,
    Action.RECORD_CONSENT: {_PRACTITIONER: _CARE},
    Action.READ_CONSENT: {**_TEAM, _FAMILY: _OWN},
    Action.RIGHTS_CONVERSATION: {_PRACTITIONER: _CARE},
    # by any route: a family may ring the office while their practitioner is away
    Action.WITHDRAW: {**_TEAM, _FAMILY: _OWN, _OPERATOR: _ANY},
    Action.REINSTATE: {**_TEAM, _FAMILY: _OWN},
    Action.HOLD: {**_TEAM, _OPERATOR: _ANY},
    Action.DISCARD_RECORDING: {_PRACTITIONER: _CARE, _FAMILY: _OWN},
    Action.END_INVOLVEMENT: _TEAM,
    Action.READ_ERASURE: {**_TEAM, _FAMILY: _OWN, _OPERATOR: _ANY},
    Action.READ_OPEN_ERASURES: {_OPERATOR: _ANY},
    Action.READ_CERTIFICATE: {**_TEAM, _FAMILY: _OWN, _OPERATOR: _ANY},
    Action.READ_ACCESS_LOG: {**_TEAM, _FAMILY: _OWN, _OPERATOR: _ANY},
    Action.UPLOAD: {_PRACTITIONER: _CARE},
    Action.CONFIRM_CARD_WIPED: {_PRACTITIONER: _CARE},
    Action.READ_JOB: {**_TEAM, _OPERATOR: _ANY},
    Action.RETRY_JOB: {_PRACTITIONER: _CARE, _OPERATOR: _ANY},
    Action.READ_TASKS: {_PRACTITIONER: _CARE | _SELF, _SUPERVISOR: _CARE | _SELF},
    Action.REASSIGN_TASK: {**_TEAM, _OPERATOR: _ANY},
    Action.FINISH_TASK: {_PRACTITIONER: _CARE},
    Action.READ_RECORDING: {**_TEAM, _FAMILY: _OWN},
    Action.MARK_CLIP: {_PRACTITIONER: _CARE},
    Action.ORDER_REEL: {_PRACTITIONER: _CARE},
    Action.SET_GOAL: {_PRACTITIONER: _CARE},
    Action.SHARED_REVIEW: {_PRACTITIONER: _CARE},
    Action.PLAY: {**_TEAM, _FAMILY: _OWN},
    # a family's contact points only together with the practitioner: another adult may be reading along at home
    Action.CONTACT_POINTS: {_PRACTITIONER: _CARE | _SELF, _SUPERVISOR: _SELF, _OPERATOR: _SELF},
    Action.DELIVERY_STATUS: {**_TEAM, _OPERATOR: _ANY},
}

_PARTICIPANTS = frozenset({Service.UPLOAD, Service.TRANSCODING, Service.CURATION, Service.NOTIFICATION})

SERVICES: Mapping[Action, frozenset[Service]] = {
    Action.ASK_PERMIT: frozenset({Service.UPLOAD, Service.TRANSCODING, Service.CURATION}),
    Action.READ_OPEN_ERASURES: _PARTICIPANTS,
    Action.ACKNOWLEDGE_ERASURE: _PARTICIPANTS,
}


@dataclass(frozen=True)
class Allowed:
    pass


class Reason(StrEnum):
    ROLE = "role"  # nobody of this role may, whosever family it is
    RELATION = "relation"  # this role may, but not for this family
    CALLER = "caller"  # another service may, not this one


@dataclass(frozen=True)
class Denied:
    reason: Reason


def decide(identity: Identity, action: Action, relation: Relation = Relation.NONE) -> Allowed | Denied:
    """May they? `relation` is the closest one that the service knows of."""
    if identity.role is Role.SERVICE:
        return Allowed() if identity.subject in SERVICES.get(action, ()) else Denied(Reason.CALLER)
    enough = PEOPLE.get(action, {}).get(identity.role)
    if enough is None:
        return Denied(Reason.ROLE)
    return Allowed() if relation in enough else Denied(Reason.RELATION)


def relation_to(identity: Identity, family_id: UUID, care_team: Collection[UUID]) -> Relation:
    """How a caller stands to a family whose care team is known."""
    if identity.role is Role.FAMILY:
        return Relation.OWN_FAMILY if identity.family_id == family_id else Relation.NONE
    if identity.role is not Role.SERVICE and identity.person_id in care_team:
        return Relation.CARE_TEAM
    return Relation.NONE
