"""Media at rest: sealed segments in an S3 store, read and written under permits.

permit = permits.standing("review", person, write=[NewArtefact(artefact_id, episode_id, "review_film", [recording_id])])
async with ArtefactWriter(store, permit, buckets.renditions, artefact_id) as writer:
    await writer.write(plain)
    manifest = await writer.finish("video/mp4")

async for piece in ArtefactReader(store, permit, buckets.renditions, artefact_id).read(first, last): ...

await purge(store, buckets.renditions, episode_id)
"""

from shared.media_store.clocks import clocks_agree
from shared.media_store.errors import (
    Exists,
    FinishedOtherwise,
    Forbidden,
    Missing,
    PermitExpired,
    Refused,
    Tampered,
    Unavailable,
)
from shared.media_store.inventory import Entry, inventory
from shared.media_store.manifest import Manifest
from shared.media_store.permits import AnyPermit, Grant, NewArtefact, Permit, Permits, StandingPermit
from shared.media_store.purge import Purged, purge
from shared.media_store.reading import ArtefactReader
from shared.media_store.sealing import Key, Segment
from shared.media_store.store import Found, Kind, Store, object_name
from shared.media_store.writing import ArtefactWriter

__all__ = [
    "AnyPermit",
    "ArtefactReader",
    "ArtefactWriter",
    "Entry",
    "Exists",
    "FinishedOtherwise",
    "Forbidden",
    "Found",
    "Grant",
    "Key",
    "Kind",
    "Manifest",
    "Missing",
    "NewArtefact",
    "Permit",
    "PermitExpired",
    "Permits",
    "Purged",
    "Refused",
    "Segment",
    "StandingPermit",
    "Store",
    "Tampered",
    "Unavailable",
    "clocks_agree",
    "inventory",
    "object_name",
    "purge",
]
