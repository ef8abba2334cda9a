"""The OpenAPI document is exact: whatever is sent, the answer is one that it names, and never a 5xx."""

import asyncio
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from tests.integration.upload.conftest import Client, Service, film
from tests.integration.upload.consent import Episode

# what the form allows may still not fit the film; a parameter that nobody knows is passed over
NOT_PROMISED: list[Any] = [positive_data_acceptance, negative_data_rejection]
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")


def operations(url: str) -> list[schemathesis.APIOperation[Any, Any, Any, Any]]:
    document = schemathesis.openapi.from_url(f"{url}/openapi.json")
    return [found.ok() for found in document.get_all_operations() if isinstance(found, Ok)]


async def test_the_description_names_every_operation(shared_service: Service) -> None:
    labels = [operation.label for operation in await asyncio.to_thread(operations, shared_service.processes[0].url)]
    assert sorted(labels) == [
        "DELETE /v1/uploads/{upload_id}",
        "GET /v1/cards",
        "GET /v1/recordings",
        "GET /v1/recordings/{recording_id}",
        "HEAD /v1/uploads/{upload_id}",
        "OPTIONS /v1/uploads",
        "PATCH /v1/uploads/{upload_id}",
        "POST /v1/recordings/{recording_id}/card-wiped",
        "POST /v1/uploads",
    ]


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
async def test_a_fuzzer_finds_no_5xx_and_nothing_undocumented(
    client: Client, shared_service: Service, family: Episode, mode: schemathesis.GenerationMode
) -> None:
    received = await client.begun(family, 100)
    assert (await client.add(received, 0, film(100))).status_code == 204
    await client.received(received)
    waiting = await client.begun(family, 1000)
    ids = {"recording_id": received.rpartition("/")[2], "upload_id": waiting.rpartition("/")[2]}
    headers = {name: client.http.headers[name] for name in ("Authorization", "Tus-Resumable")}
    await asyncio.to_thread(fuzz, shared_service.processes[0].url, ids, headers, mode)


def fuzz(url: str, ids: dict[str, str], headers: dict[str, str], mode: schemathesis.GenerationMode) -> None:
    for operation in operations(url):
        if mode.is_negative and operation.label == "OPTIONS /v1/uploads":
            continue  # it takes nothing that could be wrong

        # by strategies and checks: schemathesis' own pytest plugin does not know pytest 9
        @given(operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
        )
        def ask(case: schemathesis.Case[Any]) -> None:
            for name in case.path_parameters if mode.is_positive else ():
                case.path_parameters[name] = ids[name]
            answer = case.call_and_validate(headers=headers, excluded_checks=NOT_PROMISED)
            assert answer.status_code < 500

        ask()
