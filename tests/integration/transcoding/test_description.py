"""The OpenAPI document is exact: whatever is sent, the answer is one that it names, and never a 5xx."""

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from joserfc.jwk import OKPKey
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import negative_data_rejection

from deploy.local.stack import Stack
from services.transcoding import api, operations
from services.transcoding.failures import Code, Failure
from services.transcoding.model import Cut, Make
from shared import care_team, jobs
from shared.contracts.consent import CareTeamChanged, CareTeamMember
from shared.database import Database, unit_of_work
from shared.http import create_app
from shared.identity import Role, load_keys
from shared.identity.tokens import DEVELOPMENT, mint
from shared.settings import DatabaseSettings, Environment
from tests.integration.transcoding.world import World

ADDRESSES = {"recordings": Make.REVIEW_FILM, "clips": Make.CLIP, "reels": Make.REEL}
NOT_PROMISED: list[Any] = [negative_data_rejection]  # a parameter that nobody knows is passed over


@pytest.fixture
def url(stack: Stack, world: World) -> Iterator[str]:
    """The service's routes, served on a port of their own by a thread of their own."""
    keys = load_keys(stack.instance.jwks_file, Environment.DEVELOPMENT)
    app = create_app(
        "Attune transcoding", api.routes(Database(DatabaseSettings(url=world.database.dsn), "transcoding")), keys=keys
    )
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
async def failed(world: World) -> dict[str, UUID]:
    """A recording, a clip and a reel that could not be made, by their addresses."""
    member = CareTeamMember(person_id=world.practitioner, role="practitioner")
    async with unit_of_work(world.database, world.family, family_id=world.family) as uow:
        await care_team.changed(CareTeamChanged(version=1, members=(member,)), uow)
    recording = uuid4()
    found = {"recordings": recording, "clips": uuid4(), "reels": uuid4()}
    for address, make in ADDRESSES.items():
        await world.ask(make, found[address], [recording], [Cut(recording, uuid4(), 0, 10)])
        job = await jobs.claim(world.database, [make], "worker")
        assert job
        async with unit_of_work(world.database, world.episode) as uow:
            await operations.failed(uow, job, Failure(code=Code.STALLED, detail="a detail for operators"))
    return found


@pytest.fixture
def headers(stack: Stack, world: World) -> dict[str, str]:
    key = OKPKey.import_key(json.loads(stack.instance.key_file(DEVELOPMENT).read_text()))
    token = mint(key, str(world.practitioner), Role.PRACTITIONER, datetime.now(UTC), timedelta(hours=1))
    return {"Authorization": f"Bearer {token}"}


def test_every_operation_does_what_it_is_for(url: str, failed: dict[str, UUID], headers: dict[str, str]) -> None:
    assert len(operations_of(url)) == 2 * len(ADDRESSES)
    with httpx.Client(base_url=f"{url}/v1", headers=headers, timeout=60) as http:
        for address, id in failed.items():
            shown = http.get(f"/{address}/{id}/job")
            assert shown.status_code == 200 and shown.json()["failure"]["code"] == "stalled"
            assert "operators" not in shown.text
            again = http.post(f"/{address}/{id}/job/retry")
            assert again.status_code == 202 and again.json()["state"] == "waiting"
            assert http.post(f"/{address}/{id}/job/retry").status_code == 409
            others = [one for one in ADDRESSES if one != address]
            assert {http.get(f"/{other}/{id}/job").status_code for other in others} == {404}


def operations_of(url: str) -> list[schemathesis.APIOperation[Any, Any, Any, Any]]:
    document = schemathesis.openapi.from_url(f"{url}/openapi.json")
    return [found.ok() for found in document.get_all_operations() if isinstance(found, Ok)]


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_a_fuzzer_finds_no_5xx_and_nothing_undocumented(
    url: str, failed: dict[str, UUID], headers: dict[str, str], mode: schemathesis.GenerationMode
) -> None:
    for operation in operations_of(url):
        fuzz(operation, mode, str(failed[operation.path.split("/")[2]]), headers)


def fuzz(
    operation: schemathesis.APIOperation[Any, Any, Any, Any],
    mode: schemathesis.GenerationMode,
    id: str,
    headers: dict[str, str],
) -> None:
    # by strategies and checks: schemathesis' own pytest plugin does not know pytest 9
    @given(operation.as_strategy(generation_mode=mode))
    @settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
    def ask(case: schemathesis.Case[Any]) -> None:
        if mode.is_positive:
            case.path_parameters["id"] = id
        answer = case.call_and_validate(headers=headers, excluded_checks=NOT_PROMISED)
        assert answer.status_code < 500

    ask()
