"""A pytest plugin that tells what became of each test, a line of JSON each, and whether an assertion failed it."""

import json
import os
from collections.abc import Generator
from pathlib import Path

import pytest

FILE = "ATTUNE_OUTCOMES"


def asserted(error: BaseException) -> bool:
    """Whether a test said no, and did not merely break down; `pytest.raises` says no by failing."""
    if isinstance(error, BaseExceptionGroup):
        return all(asserted(one) for one in error.exceptions)
    return isinstance(error, AssertionError | pytest.fail.Exception)


def pytest_collection_finish(session: pytest.Session) -> None:
    _tell(collected=len(session.items))


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed:
        _tell(test=report.nodeid, when="collect", outcome="failed", asserted=False, said="it cannot be collected")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call" or not report.passed:
        error = call.excinfo.value if call.excinfo else None
        _tell(
            test=report.nodeid,
            when=report.when,
            outcome=report.outcome,
            asserted=report.when == "call" and error is not None and asserted(error),
            said=" ".join(f"{type(error).__name__}: {error}".split())[:300] if error else "",
        )
    return report


def _tell(**said: object) -> None:
    with Path(os.environ[FILE]).open("a") as file:
        file.write(json.dumps(said) + "\n")
