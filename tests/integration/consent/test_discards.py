"""One recording goes, and everything made from it."""

import asyncio
from uuid import UUID, uuid4

from services.consent.erasures.verify_certificate import verify
from shared.contracts.consent import (
    ErasureCertified,
    ErasureOpened,
    ErasureSuperseded,
    PurgeAsked,
    RecordingDiscarded,
)
from shared.identity import Role
from tests.integration.consent.erasing import certificate, certified, left_behind, public_key
from tests.integration.consent.world import TODAY, Consent


async def test_a_discarded_recording_takes_everything_made_from_it_and_nothing_else(consent: Consent) -> None:
    family = await consent.ready_to_film()
    gone, kept = await consent.filmed(family), await consent.filmed(family)
    film, other = await consent.made(family, "review_film", gone), await consent.made(family, "review_film", kept)
    clip, another = await consent.made(family, "clip", film), await consent.made(family, "clip", other)
    reel = await consent.made(family, "reel", clip, another)
    answer = await consent.done(
        "POST", f"/recordings/{gone}/discards", consent.practitioner(family), {"reason_code": "baby_distressed"}
    )
    erasure = UUID(answer["erasure_id"])
    assert (await consent.told())[-3:] == [
        RecordingDiscarded(recording_id=gone, erasure_id=erasure, reason_code="baby_distressed"),
        ErasureOpened(erasure_id=erasure, scope="recording", artefacts=4),
        PurgeAsked(erasure_id=erasure, round=1, recording_id=gone),
    ]
    keys = await consent.sql("SELECT id FROM artefacts WHERE key IS NULL")
    assert {row.id for row in keys} == {gone, film, clip, reel}
    scope = await consent.done("GET", f"/erasures/{erasure}/artefacts", consent.service("transcoding"))
    assert {UUID(one) for one in scope["artefacts"]} == {gone, film, clip, reel}
    for one in (film, clip, reel):
        assert await consent.refused("curation", "review", family.practitioner, [one]) == "discarded"
    assert (await consent.permit("curation", "review", family.practitioner, [other, another])).status_code == 200
    again = await consent.ask(
        "POST", f"/recordings/{gone}/discards", consent.practitioner(family), {"reason_code": "baby_distressed"}
    )
    assert again.status_code == 409
    left_behind(consent, "renditions", family.episode, other)
    await certified(consent, family, erasure)
    said = verify(await certificate(consent, family, erasure), await public_key(consent))
    assert said["registered"] == {"clip": 1, "recording": 1, "reel": 1, "review_film": 1}
    assert said["recording_id"] == str(gone)
    shown = await consent.done("GET", f"/families/{family.id}/artefacts", consent.practitioner(family))
    states = {UUID(one["artefact_id"]): one["state"] for one in shown["artefacts"]}
    assert [states[one] for one in (gone, film, clip, reel, kept, other, another)] == ["discarded"] * 4 + ["kept"] * 3


async def test_a_find_of_a_discarded_recording_supersedes_too(consent: Consent) -> None:
    family = await consent.ready_to_film()
    gone = await consent.filmed(family)
    film = await consent.made(family, "review_film", gone)
    answer = await consent.done(
        "POST", f"/recordings/{gone}/discards", consent.practitioner(family), {"reason_code": "baby_distressed"}
    )
    await certified(consent, family, UUID(answer["erasure_id"]))
    left_behind(consent, "renditions", family.episode, film)
    await consent.verify()
    [superseded] = await consent.told(ErasureSuperseded)
    assert isinstance(superseded, ErasureSuperseded)
    assert (await consent.erasure(superseded.superseded_by))["recording_id"] == str(gone)


async def test_a_discard_and_an_end_are_two_erasures(consent: Consent) -> None:
    family = await consent.ready_to_film()
    gone = await consent.filmed(family)
    answer = await consent.done(
        "POST", f"/recordings/{gone}/discards", consent.practitioner(family), {"reason_code": "baby_distressed"}
    )
    of_one = UUID(answer["erasure_id"])
    of_all = UUID((await consent.withdrawn(family))["erasure_id"])
    assert of_one != of_all
    await certified(consent, family, of_all)
    assert (await consent.erasure(of_one))["state"] == "purging"
    await certified(consent, family, of_one)
    assert len(await consent.told(ErasureCertified)) == 2


async def test_discarding_what_is_no_recording(consent: Consent) -> None:
    family = await consent.ready_to_film()
    film = await consent.made(family, "review_film", await consent.filmed(family))
    for unknown in (film, uuid4()):
        answer = await consent.ask(
            "POST", f"/recordings/{unknown}/discards", consent.practitioner(family), {"reason_code": "baby_distressed"}
        )
        assert answer.status_code == 404


async def test_a_hold_keeps_a_recording_from_being_discarded(consent: Consent) -> None:
    """As it keeps the episode from ending; the family is not told that there is one."""
    family = await consent.ready_to_film()
    recording = await consent.filmed(family)
    film = await consent.made(family, "review_film", recording)
    path, said = f"/recordings/{recording}/discards", {"reason_code": "parent_asked"}
    hold = {"kind": "legal", "reason": "Canary: a court asks for it", "review_on": str(TODAY)}
    who = consent.practitioner(family)
    placed = await consent.done("POST", f"/episodes/{family.episode}/holds", who, hold)
    ours = await consent.ask("POST", path, who, said)
    theirs = await consent.ask("POST", path, consent.person(Role.FAMILY, family.parent, family.id), said)
    for answer in (ours, theirs):
        assert (answer.status_code, answer.json()["code"]) == (409, "not-now")
    assert "A hold stands" in ours.text
    assert "hold" not in theirs.text and "Canary" not in theirs.text
    assert (await consent.permit("curation", "review", family.practitioner, [film])).status_code == 200
    assert await consent.told(RecordingDiscarded) == []
    await consent.done("DELETE", f"/episodes/{family.episode}/holds/{placed['hold_id']}", who)
    assert (await consent.ask("POST", path, who, said)).status_code == 202


async def test_a_hold_and_a_discard_at_once(consent: Consent) -> None:
    """Whichever comes first under the lock: nothing is destroyed under a hold that stood before."""
    for _ in range(3):
        family = await consent.ready_to_film()
        recording = await consent.filmed(family)
        who = consent.practitioner(family)
        hold = {"kind": "safeguarding", "reason": "a concern", "review_on": str(TODAY)}
        placed, discarded = await asyncio.gather(
            consent.ask("POST", f"/episodes/{family.episode}/holds", who, hold),
            consent.ask("POST", f"/recordings/{recording}/discards", who, {"reason_code": "parent_asked"}),
        )
        [row] = await consent.sql(
            "SELECT h.placed_at > a.discarded_at AS later, a.key FROM holds h, artefacts a"
            " WHERE h.episode_id = :episode AND a.id = :id",
            episode=family.episode,
            id=recording,
        )
        assert placed.status_code == 201
        assert (discarded.status_code, row.later) == (202, True) or (discarded.status_code == 409 and row.key)


async def test_a_reason_is_a_word_of_the_organisations_list(consent: Consent) -> None:
    family = await consent.ready_to_film()
    path = f"/recordings/{await consent.filmed(family)}/discards"
    answer = await consent.ask("POST", path, consent.practitioner(family), {"reason_code": "jane_doe_cried"})
    assert answer.status_code == 422
    assert "baby_distressed" in answer.json()["errors"][0]["problem"] and "jane_doe" not in answer.text
    assert await consent.told(RecordingDiscarded) == []
