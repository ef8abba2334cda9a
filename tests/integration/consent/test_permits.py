"""Permits, on a real database."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.consent.episodes import operations as episodes
from services.consent.episodes.model import Route
from services.consent.episodes.operations import Withdrawal
from services.consent.keys import Wrapping
from services.consent.permits import facts, operations
from services.consent.permits.model import NewArtefact, Question, Reason, Refused
from shared.database import lock, unit_of_work
from shared.identity import Role
from tests.integration.consent.waiting import until
from tests.integration.consent.world import TODAY, Consent, key_of


async def test_no_film_before_everything_is_said(consent: Consent) -> None:
    """I1, step by step."""
    family = await consent.registered()
    upload = ("upload", "film", family.practitioner)
    assert await consent.refused(*upload, write=[consent.recording(family)]) == "unknown_episode"
    await consent.agreed(family, family.parent)
    assert await consent.refused(*upload, write=[consent.recording(family)]) == "no_rights_conversation"
    await consent.talked(family)
    assert await consent.refused(*upload, write=[consent.recording(family)]) == "no_consent"
    await consent.agreed(family, family.baby)
    assert await consent.refused(*upload, write=[consent.recording(family, happy_to_film=False)]) == "not_happy_to_film"
    early = consent.recording(family, filmed_on=str(TODAY - timedelta(days=1)))
    assert await consent.refused(*upload, write=[early]) == "no_rights_conversation"
    await consent.talked(family, held_on=TODAY - timedelta(days=1))
    assert await consent.refused(*upload, write=[early]) == "no_consent"
    stranger = consent.recording(family, people=[str(family.parent), str(uuid4())])
    assert await consent.refused(*upload, write=[stranger]) == "unknown_person"
    assert await consent.sql("SELECT 1 FROM artefacts") == []
    assert (await consent.permit(*upload, write=[consent.recording(family)])).status_code == 200


async def test_who_agrees_anew_is_talked_with_anew(consent: Consent) -> None:
    """A conversation from before consent ended last says nothing of the consent that came after."""
    family = await consent.ready_to_film()
    await consent.withdrawn(family)
    for person in (family.parent, family.baby):
        await consent.agreed(family, person)
    upload = ("upload", "film", family.practitioner)
    assert await consent.refused(*upload, write=[consent.recording(family)]) == "no_rights_conversation"
    shown = await consent.done("GET", f"/families/{family.id}", consent.practitioner(family))
    assert [one["code"] for one in shown["missing_before_filming"]] == ["no_rights_conversation"]
    await consent.talked(family, held_on=TODAY - timedelta(days=1))  # written down late, and from before
    assert await consent.refused(*upload, write=[consent.recording(family)]) == "no_rights_conversation"
    await consent.talked(family)
    assert (await consent.permit(*upload, write=[consent.recording(family)])).status_code == 200
    shown = await consent.done("GET", f"/families/{family.id}", consent.practitioner(family))
    assert shown["missing_before_filming"] == []


async def test_a_permit_carries_keys_and_a_moment(consent: Consent) -> None:
    family = await consent.ready_to_film()
    recording = consent.recording(family)
    before = datetime.now(UTC)
    answer = await consent.permit("upload", "film", family.practitioner, write=[recording])
    permit = answer.json()
    assert permit["seconds"] == 2
    assert permit["family_id"] == str(family.id)
    assert before <= datetime.fromisoformat(permit["granted_at"]) <= datetime.now(UTC)
    granted = permit["artefacts"][recording["artefact_id"]]
    assert granted["episode_id"] == str(family.episode)
    assert len(key_of(answer, recording["artefact_id"])) == 32
    [row] = await consent.sql("SELECT a.id, a.key, e.key AS episode_key FROM artefacts a, consent_episodes e")
    episode_key = consent.held.master.unwrap(row.episode_key, family.episode)
    assert Wrapping(episode_key).unwrap(row.key, row.id) == key_of(answer, row.id)


async def test_asking_again_only_reads_and_says_the_same(consent: Consent) -> None:
    """It takes no lock: it is answered while somebody else holds the episode's."""
    family = await consent.ready_to_film()
    recording = consent.recording(family)
    first = await consent.permit("upload", "film", family.practitioner, write=[recording])
    async with consent.database.sessions.begin() as session:
        await lock(session, family.episode)
        again = await asyncio.wait_for(
            consent.permit("upload", "film", family.practitioner, write=[recording]), timeout=60
        )
    assert again.json()["artefacts"] == first.json()["artefacts"]
    assert len(await consent.sql("SELECT 1 FROM artefacts")) == 1


async def test_every_artefact_has_a_key_of_its_own(consent: Consent) -> None:
    family = await consent.ready_to_film()
    recording = await consent.filmed(family)
    films = [await consent.made(family, "review_film", recording) for _ in range(5)]
    answer = await consent.permit("transcoding", "review", family.practitioner, [recording, *films])
    assert len({key_of(answer, one) for one in [recording, *films]}) == 6
    assert len({one["manifest_id"] for one in answer.json()["artefacts"].values()}) == 6


async def test_several_at_once_are_registered_together_or_not_at_all(consent: Consent) -> None:
    family = await consent.ready_to_film()
    recording = await consent.filmed(family)
    new = [
        {
            "artefact_id": str(uuid4()),
            "episode_id": str(family.episode),
            "kind": kind,
            "made_from": [str(source)],
        }
        for kind, source in [("review_film", recording), ("poster", recording), ("clip", uuid4())]
    ]
    asked = ("transcoding", "review", family.practitioner, [recording])
    assert await consent.refused(*asked, write=new) == "unknown_artefact"
    assert len(await consent.sql("SELECT 1 FROM artefacts")) == 1
    assert (await consent.permit(*asked, write=new[:2])).status_code == 200
    assert len(await consent.sql("SELECT 1 FROM artefacts")) == 3


async def test_registered_once_however_often_it_is_asked_at_the_same_time(consent: Consent) -> None:
    family = await consent.ready_to_film()
    recording = consent.recording(family)
    answers = await asyncio.gather(
        *(consent.permit("upload", "film", family.practitioner, write=[recording]) for _ in range(8))
    )
    assert len({key_of(answer, recording["artefact_id"]) for answer in answers}) == 1
    assert len(await consent.sql("SELECT 1 FROM artefacts")) == 1


async def test_only_services_ask(consent: Consent) -> None:
    family = await consent.ready_to_film()
    question = {"purpose": "film", "on_behalf_of": str(family.practitioner), "write": [consent.recording(family)]}
    for who in (
        consent.practitioner(family),
        consent.person(Role.FAMILY, family.parent, family.id),
        consent.person(Role.OPERATOR, uuid4()),
        consent.service("notification"),
        consent.service("consent-verifier"),
        {},
    ):
        answer = await consent.ask("POST", "/permits", who, question)
        assert answer.status_code in (401, 403)
        assert "artefacts" not in answer.json()


async def test_every_grant_and_every_refusal_is_written_down(consent: Consent) -> None:
    family = await consent.ready_to_film()
    recording = await consent.filmed(family)
    film = await consent.made(family, "review_film", recording)
    await consent.permit("curation", "review", family.practitioner, [film])
    await consent.refused("curation", "training", family.practitioner, [film])
    await consent.refused("upload", "film", uuid4(), write=[consent.recording(family)])
    await consent.refused("curation", "review", family.practitioner, [uuid4()])
    lines = await consent.sql("SELECT service, purpose, outcome, family_id FROM permit_log ORDER BY number")
    assert [(row.service, row.purpose, row.outcome) for row in lines] == [
        ("upload", "film", "granted"),
        ("transcoding", "review", "granted"),
        ("curation", "review", "granted"),
        ("curation", "training", "no_consent"),
        ("upload", "film", "not_in_care_team"),
        ("curation", "review", "unknown_artefact"),
    ]
    log = await consent.done("GET", f"/families/{family.id}/access-log?limit=2", consent.practitioner(family))
    assert [one["outcome"] for one in log["permits"]] == ["not_in_care_team", "no_consent"]
    assert [row.family_id for row in lines] == [family.id] * 5 + [None]


async def test_what_is_kept_is_shown(consent: Consent) -> None:
    family = await consent.ready_to_film()
    recording = await consent.filmed(family)
    film = await consent.made(family, "review_film", recording)
    shown = await consent.done("GET", f"/families/{family.id}/artefacts", consent.practitioner(family))
    assert [(one["artefact_id"], one["kind"], one["made_from"], one["state"]) for one in shown["artefacts"]] == [
        (str(recording), "recording", [], "kept"),
        (str(film), "review_film", [str(recording)], "kept"),
    ]


# the race with the end


async def test_registering_while_it_ends_is_in_the_list_or_refused(consent: Consent) -> None:
    """Whichever comes first under the lock: an artefact registered is an artefact the erasure counts."""
    for _ in range(10):
        family = await consent.ready_to_film()
        recordings = [consent.recording(family) for _ in range(6)]
        asked = [consent.permit("upload", "film", family.practitioner, write=[one]) for one in recordings]
        answers, ended = await asyncio.gather(asyncio.gather(*asked), consent.withdrawn(family))
        granted = [answer for answer in answers if answer.status_code == 200]
        for answer in answers:
            assert answer.status_code == 200 or answer.json()["reason"] in ("ended", "suspended")
        rows = await consent.sql(
            "SELECT count(*) AS number, count(key) AS keys FROM artefacts WHERE episode_id = :id", id=family.episode
        )
        assert (rows[0].number, rows[0].keys) == (len(granted), 0)
        [told] = await consent.sql(
            "SELECT convert_from(value, 'UTF8')::jsonb ->> 'artefacts' AS artefacts FROM outbox"
            " WHERE headers ->> 'ce_type' = 'attune.erasure.opened.v1' AND key = :id",
            id=family.episode,
        )
        assert int(told.artefacts) == len(granted)
        assert ended["state"] == "ended"
        ended_at = (await consent.sql("SELECT ended_at FROM consent_episodes WHERE id = :id", id=family.episode))[0]
        for answer in granted:
            assert datetime.fromisoformat(answer.json()["granted_at"]) < ended_at.ended_at


async def test_a_registration_that_waits_for_the_lock_sees_the_end(consent: Consent) -> None:
    """The schedule by hand: the end holds the lock when the permit is asked, and commits before it is decided."""
    family = await consent.ready_to_film()
    withdrawal = Withdrawal(family.parent, Route.PHONE, True, family.practitioner)
    new = NewArtefact(uuid4(), family.episode, "recording", (), (family.parent, family.baby), TODAY, True)
    question = Question("upload", "film", family.practitioner, write=(new,))
    async with unit_of_work(consent.database, family.episode) as uow:
        asking = asyncio.create_task(operations.ask(consent.database, consent.held.master, question))

        async def it_waits() -> bool:
            return bool(await consent.sql("SELECT 1 FROM pg_locks WHERE NOT granted"))

        await until(it_waits)
        await episodes.withdraw(uow, withdrawal, consent.held.settings, consent.held.horizon)
    assert await asking == Refused(Reason.ENDED)
    assert await consent.sql("SELECT 1 FROM artefacts") == []


@pytest.mark.parametrize("locked", [False, True])
async def test_a_read_is_dated_before_what_it_saw(consent: Consent, locked: bool) -> None:
    """The trap: a statement's timestamp is read when it is executed, after its snapshot was taken when it was bound.

    Consent ends between the two. As it is asked without a lock, the permit is dated before that end; as it is asked
    under the lock, where no end can come between, it would be dated after it.
    """
    family = await consent.ready_to_film()
    film = await consent.made(family, "review_film", await consent.filmed(family))
    compiled = facts._FACTS.compile(dialect=consent.database.engine.dialect)
    asked = {"artefacts": [film], "episodes": [], "locked": locked}
    raw = await consent.database.dedicated("test")
    try:
        async with raw.transaction():
            statement = await raw.prepare(str(compiled))
            bound = await statement.cursor(*(asked[name] for name in compiled.positiontup or ()))
            await consent.withdrawn(family)
            seen = (await bound.fetch(1))[0]
    finally:
        await raw.close()
    [ended] = await consent.sql("SELECT ended_at FROM consent_episodes WHERE id = :id", id=family.episode)
    assert seen["state"] == "open"
    assert (seen["granted_at"] < ended.ended_at) is not locked
    assert await consent.refused("curation", "review", family.practitioner, [film]) == "ended"


@pytest.mark.parametrize("question", [{}, {"read": [], "write": []}])
async def test_a_question_names_something(consent: Consent, question: dict[str, object]) -> None:
    asked = {"purpose": "film", "on_behalf_of": str(uuid4())} | question
    answer = await consent.ask("POST", "/permits", consent.service("upload"), asked)
    assert answer.status_code == 422


async def test_a_question_is_of_one_episode(consent: Consent) -> None:
    family, other = await consent.ready_to_film(), await consent.ready_to_film()
    write = [consent.recording(family), consent.recording(other)]
    answer = await consent.permit("upload", "film", family.practitioner, write=write)
    assert answer.status_code == 422
