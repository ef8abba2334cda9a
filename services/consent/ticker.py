"""What happens by itself as time passes: episodes end when their cooling-off is over, and erasures go on."""

import asyncio
import logging

from services.consent.episodes import operations as episodes
from services.consent.erasures import operations as erasures
from services.consent.erasures.trace import goes_on
from services.consent.records.evidence import clear_unfinished
from services.consent.resources import Resources
from shared import telemetry
from shared.database import EpisodeEnded, NoOpenErasure, erasure_work, unit_of_work

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0


async def ticking(held: Resources) -> None:
    """For ever; any number of processes may do it at once, since each change is decided under its episode's lock."""
    while True:
        try:
            await end_what_is_due(held)
            await advance_erasures(held)
            with telemetry.quietly():
                await clear_unfinished(held.database, held.store, held.buckets.evidence)
        except Exception:
            log.warning("the ticker could not look; it looks again", exc_info=True)
        await asyncio.sleep(TICK_SECONDS)


async def end_what_is_due(held: Resources) -> None:
    with telemetry.quietly():
        async with held.database.sessions() as session:
            due = await episodes.due(session)
    for episode_id, trace in due:
        try:
            with telemetry.linked_root("end of consent", trace, episode=episode_id):
                async with unit_of_work(held.database, episode_id) as uow:
                    await episodes.end_if_due(uow, held.horizon)
        except EpisodeEnded:
            continue  # another process was quicker


async def advance_erasures(held: Resources) -> None:
    with telemetry.quietly():
        async with held.database.sessions() as session:
            found = await erasures.to_advance(session, held.stalled_after)
    for erasure_id, episode_id, trace, age in found:
        try:
            with goes_on("advance erasure", trace, erasure_id, age):
                async with erasure_work(held.database, episode_id) as uow:
                    await erasures.advance(uow, erasure_id, held.signer, held.stalled_after)
        except NoOpenErasure:
            continue  # another process has certified it
