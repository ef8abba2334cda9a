"""What the consent service's routes and background work are given: made once, in `app.py`."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from services.consent.erasures.certificate import Signer
from services.consent.families.operations import exists, team_of
from services.consent.keys import Wrapping
from shared.database import Database
from shared.http import NotFound, authorise
from shared.identity import Action, Denied, Identity, Reason, decide, relation_to
from shared.media_store import Store
from shared.settings import BucketSettings, ConsentSettings, HorizonSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Resources:
    database: Database
    master: Wrapping
    signer: Signer
    settings: ConsentSettings
    horizon: HorizonSettings
    store: Store
    buckets: BucketSettings

    @property
    def stalled_after(self) -> timedelta:
        return timedelta(seconds=self.settings.stalled_seconds)


def _resources(request: Request) -> Resources:
    held: Resources = request.app.state.resources
    return held


Held = Annotated[Resources, Depends(_resources)]


async def allow(held: Resources, caller: Identity, action: Action, family_id: UUID | None) -> None:
    """Whether the caller may do this for this family.

    Raises NotAllowed for a role that may not do it for anybody, and NotFound for a family that does not exist or is not
    theirs: which of the two is not told.
    """
    if family_id is None:
        _only_role(caller, action)
        raise NotFound
    async with held.database.sessions() as session:
        team = {member.person_id for member in await team_of(session, family_id)}
        relation = relation_to(caller, family_id, team)
        decision = decide(caller, action, relation)
        if isinstance(decision, Denied) and decision.reason is Reason.RELATION:
            log.warning("denied: %s by a %s who has nothing to do with the family", action, caller.role)
            raise NotFound
        authorise(caller, action, relation)
        if not team and not await exists(session, family_id):
            raise NotFound


def _only_role(caller: Identity, action: Action) -> None:
    decision = decide(caller, action)
    if isinstance(decision, Denied) and decision.reason is not Reason.RELATION:
        authorise(caller, action)
