"""What is known of the films that are being watched."""

from uuid import UUID

from shared.media_store import Manifest

MOST = 256  # of films


class Manifests:
    """What films are made of, each for as long as the permit under which it was read: a seek need not read it again."""

    def __init__(self) -> None:
        self._kept: dict[UUID, tuple[Manifest, float]] = {}  # until when; the oldest first

    def of(self, artefact_id: UUID, now: float) -> Manifest | None:
        manifest, until = self._kept.get(artefact_id, (None, 0.0))
        return manifest if now < until else None

    def keep(self, artefact_id: UUID, manifest: Manifest, until: float, now: float) -> None:
        """Nothing new for one that is kept; what has run out goes."""
        if self.of(artefact_id, now) is None:
            self._kept.pop(artefact_id, None)
            self._kept[artefact_id] = manifest, until
        while self._kept and (len(self._kept) > MOST or next(iter(self._kept.values()))[1] <= now):
            del self._kept[next(iter(self._kept))]
