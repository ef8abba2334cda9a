"""What the verifier finds: before the certificate, and for ever after."""

import asyncio
import io
from typing import Any
from uuid import UUID, uuid4

import pytest
from minio import Minio
from minio.error import S3Error

from services.consent.erasures import verifying
from services.consent.erasures.verify_certificate import verify
from shared.contracts.consent import (
    ErasureCertified,
    ErasureOpened,
    ErasureSuperseded,
    PurgeAsked,
)
from tests.integration.consent.erasing import (
    as_root,
    certificate,
    certified,
    ended,
    left_behind,
    public_key,
    purged,
    taken_away,
)
from tests.integration.consent.world import Consent


@pytest.mark.parametrize("bucket", ["recordings", "renditions"])
async def test_a_find_sends_it_back_to_purging(consent: Consent, bucket: str) -> None:
    family, recording, erasure = await ended(consent)
    name = left_behind(consent, bucket, family.episode, recording)
    await purged(consent, family, erasure)
    await consent.verify()
    await consent.tick()
    shown = await consent.erasure(erasure)
    assert (shown["state"], shown["round"]) == ("purging", 3)
    assert (await consent.told(PurgeAsked))[-1] == PurgeAsked(erasure_id=erasure, round=3)
    assert await consent.told(ErasureCertified) == []
    taken_away(consent, bucket, name)
    await consent.all_acknowledge(family, erasure, 3)
    assert (await consent.erasure(erasure))["state"] == "verifying"
    await consent.verify()
    await consent.tick()
    said = verify(await certificate(consent, family, erasure), await public_key(consent))
    assert [one["round"] for one in said["rounds"]] == [1, 2, 3]


async def test_an_artefact_that_nobody_registered_is_a_find_too(consent: Consent) -> None:
    family, _, erasure = await ended(consent)
    left_behind(consent, "renditions", family.episode, uuid4())
    await purged(consent, family, erasure)
    await consent.verify()
    await consent.tick()
    assert (await consent.erasure(erasure))["state"] == "purging"


async def test_the_verifier_sees_versions_markers_and_unfinished_uploads(consent: Consent) -> None:
    root, episode = as_root(consent), uuid4()
    versioned, unfinished = uuid4(), uuid4()
    name = left_behind(consent, "recordings", episode, versioned)
    root.remove_object("recordings", name)
    root._create_multipart_upload("recordings", f"{episode}/{unfinished}/{uuid4()}", {})
    listed = await consent.verifier.listing("recordings")
    places = {place.artefact_id: counts for place, counts in listed.places.items() if place.episode_id == episode}
    assert dict(places[unfinished]) == {"upload": 1}
    assert places.keys() >= {unfinished}
    versions = root.list_objects("recordings", prefix=name, include_version=True)
    assert (versioned in places) is bool(list(versions))


async def test_the_verifiers_credential_can_do_nothing_but_list(consent: Consent) -> None:
    name = left_behind(consent, "recordings", uuid4(), uuid4())
    store = consent.stack.store
    access, secret = store.keys["verifier"]
    verifier = Minio(store.endpoint, access, secret, secure=False, region=store.region)
    for attempt in (
        lambda: verifier.get_object("recordings", name),
        lambda: verifier.put_object("recordings", name, io.BytesIO(b"x"), 1),
        lambda: verifier.remove_object("recordings", name),
    ):
        with pytest.raises(S3Error, match="AccessDenied"):
            attempt()


async def test_a_finding_of_an_earlier_round_certifies_nothing(consent: Consent) -> None:
    """The verifier looked at round 2, and before it wrote the erasure had gone on to round 3."""
    family, _, erasure = await ended(consent)
    await purged(consent, family, erasure)
    async with consent.database.sessions() as session:
        waiting = await verifying.waiting(session)
    await consent.sql("UPDATE erasures SET state = 'purging', round = 3, asked_at = clock_timestamp()")
    await consent.verifier.look(waiting)
    await consent.tick()
    assert (await consent.erasure(erasure))["state"] == "purging"
    assert await consent.sql("SELECT 1 FROM findings") == []


async def test_two_processes_certify_once(consent: Consent) -> None:
    family, _, erasure = await ended(consent)
    await purged(consent, family, erasure)
    await asyncio.gather(consent.verify(), consent.verify())
    await asyncio.gather(*(consent.tick() for _ in range(4)))
    assert len(await consent.told(ErasureCertified)) == 1
    assert len(await consent.sql("SELECT 1 FROM certificates")) == 1


async def test_evidence_stays_and_is_counted(consent: Consent) -> None:
    family = await consent.ready_to_film()
    kept = await consent.http.post(
        f"/v1/families/{family.id}/evidence",
        content=b"%PDF-1.7 form",
        headers=consent.practitioner(family) | {"Content-Type": "application/pdf"},
    )
    assert kept.status_code == 201
    erasure = UUID((await consent.withdrawn(family))["erasure_id"])
    await certified(consent, family, erasure)
    said = verify(await certificate(consent, family, erasure), await public_key(consent))
    assert said["verified"]["evidence"] == {"kept": 1, "objects": 2, "not_as_stored": 0}


async def test_evidence_that_comes_after_the_look_is_not_said_to_be_missing(
    consent: Consent, monkeypatch: pytest.MonkeyPatch
) -> None:
    family, write = await consent.ready_to_film(), verifying.write_finding

    async def write_later(*arguments: Any) -> None:
        form = consent.practitioner(family) | {"Content-Type": "application/pdf"}
        evidence = f"/v1/families/{family.id}/evidence"
        assert (await consent.http.post(evidence, content=b"%PDF-1.7 form", headers=form)).status_code == 201
        await write(*arguments)

    monkeypatch.setattr(verifying, "write_finding", write_later)
    erasure = UUID((await consent.withdrawn(family))["erasure_id"])
    await certified(consent, family, erasure)
    said = verify(await certificate(consent, family, erasure), await public_key(consent))
    assert said["verified"]["evidence"] == {"kept": 0, "objects": 0, "not_as_stored": 0}


# the reconciler


async def test_a_later_find_supersedes_the_certificate(consent: Consent) -> None:
    family, recording, erasure = await ended(consent)
    await certified(consent, family, erasure)
    first = await certificate(consent, family, erasure)
    await consent.verify()
    assert await consent.told(ErasureSuperseded) == []
    name = left_behind(consent, "recordings", family.episode, recording)
    await consent.verify()
    await consent.verify()
    [superseded] = await consent.told(ErasureSuperseded)
    assert isinstance(superseded, ErasureSuperseded)
    assert superseded.erasure_id == erasure
    opened = await consent.told(ErasureOpened)
    assert opened[-1] == ErasureOpened(erasure_id=superseded.superseded_by, scope="episode", artefacts=1)
    taken_away(consent, "recordings", name)
    await certified(consent, family, superseded.superseded_by)
    second = verify(await certificate(consent, family, superseded.superseded_by), await public_key(consent))
    assert second["supersedes"] == {
        "erasure_id": str(erasure),
        "certificate_id": str(superseded.certificate_id),
    }
    assert second["decision"]["decided_by"] == "reconciler"
    assert await certificate(consent, family, erasure) == first


async def test_what_is_registered_is_left_alone(consent: Consent) -> None:
    family = await consent.ready_to_film()
    recording = await consent.filmed(family)
    left_behind(consent, "recordings", family.episode, recording)
    await consent.verify()
    assert await consent.told(ErasureOpened) == []


async def test_what_nobody_registered_is_erased_and_the_rest_of_the_episode_is_not(consent: Consent) -> None:
    family, stray = await consent.ready_to_film(), uuid4()
    await consent.filmed(family)
    left_behind(consent, "recordings", family.episode, stray)
    await consent.verify()
    [opened] = await consent.told(ErasureOpened)
    assert isinstance(opened, ErasureOpened)
    assert opened.scope == "recording"
    scope = await consent.done("GET", f"/erasures/{opened.erasure_id}/artefacts", consent.service("upload"))
    assert scope["artefacts"] == [str(stray)]
    shown = await consent.done("GET", f"/episodes/{family.episode}", consent.practitioner(family))
    assert shown["state"] == "open"


async def test_what_must_not_be_there_and_is_of_nobody_is_left_to_a_person(consent: Consent) -> None:
    left_behind(consent, "recordings", uuid4(), uuid4())
    await consent.verify()
    assert await consent.told() == []


async def test_what_lies_under_another_episodes_prefix_goes_and_stays_where_it_belongs(consent: Consent) -> None:
    family, other = await consent.ready_to_film(), await consent.ready_to_film()
    recording = await consent.filmed(family)
    left_behind(consent, "recordings", family.episode, recording)
    name = left_behind(consent, "recordings", other.episode, recording)
    await consent.verify()
    [opened] = await consent.told(ErasureOpened)
    assert isinstance(opened, ErasureOpened)
    shown = await consent.erasure(opened.erasure_id)
    assert (shown["episode_id"], shown["recording_id"]) == (str(other.episode), str(recording))
    taken_away(consent, "recordings", name)
    await certified(consent, other, opened.erasure_id)
    assert (await consent.permit("upload", "film", family.practitioner, [recording])).status_code == 200
