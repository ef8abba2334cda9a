"""Purging: an episode or an artefact leaves nothing in a bucket."""

from dataclasses import dataclass
from uuid import UUID

from shared.failpoints import Failpoint, reach
from shared.media_store.errors import Unavailable
from shared.media_store.store import Kind, Store

ROUNDS = 5


@dataclass(frozen=True)
class Purged:
    """What was deleted: distinct names, versions (delete markers among them), unfinished uploads, bytes as stored."""

    objects: int = 0
    versions: int = 0
    uploads: int = 0
    bytes: int = 0


async def purge(store: Store, bucket: str, episode_id: UUID, artefact_id: UUID | None = None) -> Purged:
    """Delete every version, delete marker and unfinished upload of the episode, or of one of its artefacts.

    May be repeated. Raises Unavailable, also if something is still there after several rounds.
    """
    # the slash at the end: no other id begins with this one
    prefix = f"{episode_id}/{artefact_id}/" if artefact_id else f"{episode_id}/"
    found = set()
    for _ in range(ROUNDS):
        there = [entry async for entry in store.list_all(bucket, prefix)]
        if not there:
            break
        for entry in there:
            await store.delete(bucket, entry)
            await reach(Failpoint.MID_PURGE)
        found.update(there)
    else:
        raise Unavailable("something is still there after it was deleted")
    versions = [entry for entry in found if entry.kind is not Kind.UPLOAD]
    return Purged(
        objects=len({entry.name for entry in versions}),
        versions=len(versions),
        uploads=len(found) - len(versions),
        bytes=sum(entry.bytes for entry in versions),
    )
