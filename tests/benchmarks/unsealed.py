"""The curation process as it is but for the seal: its reader hands out the sealed bytes as they lie in the store."""

from uuid import UUID

from services.curation.app import main
from shared.media_store import reading
from shared.media_store.sealing import Bytes, Key, Segment


def as_they_lie(key: Key, artefact_id: UUID, segment: Segment, first: int, last: int, sealed: Bytes) -> memoryview:
    return memoryview(sealed)[: last - first + 1]


if __name__ == "__main__":
    setattr(reading, "unseal_range", as_they_lie)  # noqa: B010
    main()
