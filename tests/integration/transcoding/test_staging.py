"""Of a film in the store only what is read is staged, and nothing once that is refused."""

from pathlib import Path

import pytest

from services.transcoding.cut import cut
from services.transcoding.staging import stage
from shared.media_store import ArtefactReader, Refused
from tests.films import numbers
from tests.integration.transcoding.world import BUCKETS, World


async def test_what_is_brought_is_the_films_and_nothing_else_is_there(
    world: World, short: Path, tmp_path: Path
) -> None:
    recording = await world.recording(short)
    async with world.working():
        await world.becomes(recording, "done")
    film_id, staged = (await world.made(recording))["review_film"], tmp_path / "film.mp4"
    plain = await world.plain(film_id)
    permit = world.worker().permits.standing("review", world.practitioner, read=[film_id])
    bring = await stage({staged: ArtefactReader(world.store, permit, BUCKETS.renditions, film_id)})
    assert staged.read_bytes() == bytes(len(plain))
    assert staged.stat().st_mode & 0o777 == 0o600
    assert staged.stat().st_blocks == 0  # it takes no room yet
    await bring(staged, 1000, 3000)
    assert staged.read_bytes() == bytes(1000) + plain[1000:3000] + bytes(len(plain) - 3000)
    with pytest.raises(ValueError, match="outside"):
        await bring(staged, 0, len(plain) + 1)
    await cut([(staged, 10, 30)], tmp_path / "clip.mp4", bring=bring)
    assert numbers(tmp_path / "clip.mp4") == list(range(10, 30))

    world.giver.refusing, held = "no_consent", await permit.current()
    permit.drop(held)
    with pytest.raises(Refused):
        await cut([(staged, 10, 30)], tmp_path / "another.mp4", bring=bring)
    assert sorted(path.name for path in tmp_path.glob("*.mp4")) == ["clip.mp4", "film.mp4"]
