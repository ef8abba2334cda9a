"""The API's description is exact: whatever is answered is in it, and what is in it is answered."""

from typing import Any

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from schemathesis.core.result import Ok


async def description(client: httpx.AsyncClient) -> dict[str, Any]:
    said: dict[str, Any] = (await client.get("/openapi.json")).json()
    return said


async def test_each_operation_names_every_status_it_can_answer_with(client: httpx.AsyncClient) -> None:
    paths = (await description(client))["paths"]
    assert {
        f"{method} {path}": sorted(said["responses"]) for path in paths for method, said in paths[path].items()
    } == {
        "post /v1/families": ["201", "400", "401", "403", "409", "413", "415", "422", "500", "503"],
        "get /v1/families/{family_id}": ["200", "401", "403", "404", "422", "500", "503"],
        "delete /v1/families/{family_id}": ["204", "401", "403", "404", "422", "500", "503"],
        "get /public/organisation": ["200", "500", "503"],
    }


async def test_every_failure_is_described_as_a_problem(client: httpx.AsyncClient) -> None:
    said = await description(client)
    responses = [
        one for path in said["paths"].values() for operation in path.values() for one in operation["responses"].items()
    ]
    for status, response in responses:
        if status >= "400":
            assert response["content"] == {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            }
            assert "`" in response["description"]
    assert "HTTPValidationError" not in said["components"]["schemas"]
    assert said["components"]["securitySchemes"] == {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }


async def test_a_status_with_two_reasons_names_both(client: httpx.AsyncClient) -> None:
    responses = (await description(client))["paths"]["/v1/families"]["post"]["responses"]
    assert responses["409"]["description"] == "This family is registered (`already-there`)"


def answers(
    operation: schemathesis.APIOperation[Any, Any, Any, Any], mode: schemathesis.GenerationMode, token: str
) -> set[int]:
    """By its strategies and checks: schemathesis' own pytest plugin does not know pytest 9."""
    statuses: set[int] = set()

    @given(operation.as_strategy(generation_mode=mode))
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def ask(case: schemathesis.Case[Any]) -> None:
        statuses.add(case.call_and_validate(headers={"Authorization": f"Bearer {token}"}).status_code)

    ask()
    return statuses


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_a_fuzzer_finds_no_5xx_and_nothing_undocumented(
    app: FastAPI, token: str, mode: schemathesis.GenerationMode
) -> None:
    answered: dict[str, set[int]] = {}
    for found in schemathesis.openapi.from_asgi("/openapi.json", app).get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        if mode.is_positive or operation.label != "GET /public/organisation":  # takes nothing that could be wrong
            answered[operation.label] = answers(operation, mode, token)
    assert 422 in answered["GET /v1/families/{family_id}"] if mode.is_negative else 201 in answered["POST /v1/families"]
    assert max(status for statuses in answered.values() for status in statuses) < 500
