"""A film to be watched, of the bit rate that is to be carried, sealed and registered as transcoding does it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from uuid import UUID, uuid4

from pydantic import SecretStr

from deploy.demo import acts
from shared.http import client
from shared.identity import ServiceToken
from shared.media_store import ArtefactWriter, NewArtefact, Permits, Store
from shared.settings import HorizonSettings, StoreSettings
from tests import films
from tests.benchmarks.messages import connected
from tests.benchmarks.run import Film, Run, Stand

RATE = 25
CODED = (
    *("-c:v", "libx264", "-preset", "ultrafast", "-b:v", "8M", "-minrate", "8M", "-maxrate", "8M", "-bufsize", "8M"),
    *("-x264-params", "nal-hrd=cbr", "-g", "12", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "128k"),
)
PLAYABLE = """INSERT INTO playable (artefact_id, episode_id, family_id, kind, made_from)
VALUES ($1, $2, $3, 'review_film', ARRAY[$4::uuid])"""


@asynccontextmanager
async def watched(run: Run, seconds: int) -> AsyncIterator[tuple[Stand, Film]]:
    """Consent and curation, and a film of 720p25 at 8 Mb/s, with the number of each picture in it, in their keeping."""
    run.say(f"making a film of {seconds} s, of 8 Mb/s")
    path = await asyncio.to_thread(_made, run.folder, seconds)
    async with run.stand("consent", "curation", "traces") as stand:
        family = await acts.consenting_family(stand.practitioner)
        film = Film(family, str(uuid4()), str(uuid4()))
        run.say("sealing it")
        await _seal(stand, film, path)
        async with connected(stand.stack.database_url("curation")) as curation:
            ids = (film.review_film, family.episode, family.id, film.recording)
            await curation.execute(PLAYABLE, *map(UUID, ids))
        yield stand, film


def _made(folder: Path, seconds: int) -> Path:
    path, plain = folder / f"watched-{seconds}.mp4", folder / "watched.mp4"
    if not path.is_file():
        films.make(plain, seconds * RATE, RATE, "1280x720", metadata=False, encoder=CODED)
        films.ffmpeg("-i", plain, "-c", "copy", "-movflags", "+faststart", path)
    return path


async def _seal(stand: Stand, film: Film, path: Path) -> None:
    url, keys, family, person = (
        stand.stack.url("consent"),
        stand.stack.instance.key_file,
        film.family,
        stand.practitioner,
    )
    recording, review_film, episode = UUID(film.recording), UUID(film.review_film), UUID(family.episode)
    people, today = [UUID(one) for one in family.people], date.fromisoformat(acts.TODAY)
    taken = NewArtefact(recording, episode, "recording", people=people, filmed_on=today, happy_to_film=True)
    async with client(url, ServiceToken(keys("upload"))) as consent:
        await Permits(consent).ask("film", person.id, write=[taken])
    access, secret = stand.stack.store.keys["transcoding"]
    settings = StoreSettings(
        endpoint=stand.stack.store.endpoint,
        secure=False,
        region=stand.stack.store.region,
        access_key=access,
        secret_key=SecretStr(secret),
    )
    async with (
        client(url, ServiceToken(keys("transcoding"))) as consent,
        Store(settings, HorizonSettings()) as store,
        ArtefactWriter(
            store,
            Permits(consent).standing(
                "review", person.id, write=[NewArtefact(review_film, episode, "review_film", made_from=[recording])]
            ),
            "renditions",
            review_film,
        ) as writer,
    ):
        await writer.write(await asyncio.to_thread(path.read_bytes))
        await writer.finish("video/mp4")
