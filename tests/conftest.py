"""The real parts that tests share: of a stack for the session, or a running one with `ATTUNE_TEST_STACK=<folder>`."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

from deploy.local.stack import Stack, Store
from tests.stack import Database, Databases, joined_folder

SLOW_SECONDS = 60.0
BROWSER = "tests/browser/"


class AtOnce:
    """Says at once what failed and what took long, also of a run that is ended before it can sum up."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self.terminal = terminal

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.terminal.write_line(f"\n{report.nodeid} failed ({report.when}):\n{report.longreprtext}")
        elif report.duration > SLOW_SECONDS:
            self.terminal.write_line(f"\n{report.nodeid} took {report.duration:.0f} s ({report.when})")


@pytest.hookimpl(trylast=True)  # after the terminal's own
def pytest_configure(config: pytest.Config) -> None:
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal and not hasattr(config, "workerinput"):
        config.pluginmanager.register(AtOnce(terminal))


class ByFile(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """A file's tests go to one worker; so do all of the browser's, which share a house."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return BROWSER if file.startswith(BROWSER) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    return ByFile(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """PostgreSQL, Kafka, S3 and the mail catcher, running; no process of ours."""
    with Stack(joined_folder() or tmp_path_factory.mktemp("stack")) as stack:
        yield stack.start(infrastructure=True, without=["traces"])


@pytest.fixture(scope="session")
def traces(stack: Stack) -> str:
    """Address of the trace viewer (Zipkin's API is under `/api/v2`)."""
    stack.start(only=["traces"])
    return stack.url("traces")


@pytest.fixture(scope="session")
def databases(stack: Stack) -> Iterator[Databases]:
    databases = Databases(stack)
    yield databases
    databases.drop_all()


@pytest.fixture
def database(databases: Databases) -> Iterator[Callable[[str], Database]]:
    """`database("upload")`: a fresh database with that service's tables, dropped after the test."""
    made: list[Database] = []

    def make(service: str) -> Database:
        made.append(databases.migrated(service))
        return made[-1]

    yield make
    for database in made:
        databases.drop(database.name)


@pytest.fixture(scope="session")
def kafka_servers(stack: Stack) -> str:
    """`host:port`, comma-separated."""
    return stack.kafka_servers


@pytest.fixture(scope="session")
def s3(stack: Stack) -> Store:
    """Endpoint, and the keys of each service's user and of root."""
    return stack.store


@pytest.fixture(scope="session")
def mail_folder(stack: Stack) -> Path:
    """Where every message sent appears as one `.eml` file."""
    return stack.mail_folder
