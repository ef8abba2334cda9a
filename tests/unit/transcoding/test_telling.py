"""How far a job is: rarely enough, never less than before, and whole only at its end."""

import pytest

from services.transcoding import telling
from services.transcoding.jailed import Progress
from services.transcoding.telling import Stage, Stand, Telling


async def told(seconds: float, monkeypatch: pytest.MonkeyPatch) -> list[Stand]:
    monkeypatch.setattr(telling, "SECONDS", seconds)
    stands: list[Stand] = []

    async def write(stand: Stand) -> None:
        stands.append(stand)

    job = Telling(write, *Stage)
    await job.staged(1, 2)
    await job.staged(2, 2)
    for frames in (10, 5, 20):
        await job.coded(Progress(frames, 20))
    await job.tell(Stage.PICTURES, 1, 1)
    for _ in range(3):
        await job.sealed(0)
    await job.tell(Stage.SEALING, 9999, 10000)
    await job.tell(Stage.SEALING, 10000, 10000)
    return stands


async def test_it_rises_through_all_stages_by_their_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    stands = await told(0, monkeypatch)
    rising = [stand["fraction"] for stand in stands]
    assert rising == [0.05, 0.1, 0.475, 0.475, 0.85, 0.9, 0.9, 0.9, 0.9, 0.999, 1]
    assert [(stand["frames"], stand["of"]) for stand in stands[::5]] == [(0, 0), (20, 20), (20, 20)]


async def test_between_two_notes_time_passes_but_before_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [stand["fraction"] for stand in await told(3600, monkeypatch)] == [0.05, 1]
