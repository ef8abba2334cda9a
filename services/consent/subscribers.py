"""Events in."""

from services.consent.erasures import operations
from shared.contracts.consent import ErasureAcknowledged
from shared.messaging import Events, Uow

events = Events("consent")


@events.on(ErasureAcknowledged)
async def acknowledged(event: ErasureAcknowledged, uow: Uow) -> None:
    await operations.acknowledged(uow, event)
