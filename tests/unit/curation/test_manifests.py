"""What a film is made of is known for as long as the permit under which it was read, and no longer."""

from uuid import UUID, uuid4

from services.curation.playback import manifests
from services.curation.playback.manifests import Manifests
from shared.media_store import Manifest


def manifest(number: int = 0) -> Manifest:
    return Manifest("video/mp4", (), bytes([number]))


def test_a_manifest_is_known_until_its_permit_ends_and_not_renewed_by_another() -> None:
    kept, film = Manifests(), uuid4()
    kept.keep(film, manifest(), until=30.0, now=0.0)
    kept.keep(film, manifest(), until=50.0, now=20.0)  # read under the first permit
    assert kept.of(film, 29.9) == manifest()
    assert kept.of(film, 30.0) is None
    assert kept.of(uuid4(), 0.0) is None


def test_what_has_run_out_goes_and_there_are_never_more_than_some() -> None:
    kept = Manifests()
    for number in range(manifests.MOST + 5):
        kept.keep(UUID(int=number), manifest(), until=30.0, now=0.0)
    assert kept.of(UUID(int=4), 0.0) is None
    assert kept.of(UUID(int=5), 0.0) == manifest()
    last = uuid4()
    kept.keep(last, manifest(), until=90.0, now=60.0)
    assert list(kept._kept) == [last]
