"""Every place where something is kept says what it holds."""

import logging
import sys
from pathlib import Path
from typing import get_args

import pytest
from pydantic_settings import BaseSettings
from sqlalchemy import Table

from deploy.system import BUCKETS
from shared import settings
from shared.contracts import SERVICES, topic_of
from shared.database import metadata
from shared.database.data_map import ELSEWHERE, Holds, holds
from shared.database.migrate import own
from shared.telemetry.logs import setup_logs

TABLES = [(service, table) for service in SERVICES for table in own(service).metadata.sorted_tables]
TABLES += [("every service", table) for table in metadata.sorted_tables]
SETTINGS = [one for one in vars(settings).values() if isinstance(one, type) and issubclass(one, BaseSettings)]


@pytest.mark.parametrize(("service", "table"), TABLES, ids=lambda one: str(one))
def test_every_table_and_column_says_what_it_holds(service: str, table: Table) -> None:
    assert all(holds(part) in Holds for part in (table, *table.c))
    assert Holds.MEDIA not in {holds(part) for part in (table, *table.c)}


@pytest.mark.parametrize(("service", "table"), TABLES, ids=lambda one: str(one))
def test_what_is_emptied_may_be_empty(service: str, table: Table) -> None:
    if holds(table) is not Holds.ABOUT_MEDIA:
        assert [column.name for column in table.c if holds(column) is Holds.ABOUT_MEDIA and not column.nullable] == []


def test_every_bucket_folder_topic_and_log_says_what_it_holds() -> None:
    folders = {
        name
        for one in SETTINGS
        for name, field in one.model_fields.items()
        if Path in (field.annotation, *get_args(field.annotation)) and not name.endswith("_file")
    }
    kept = {("bucket", one.name) for one in BUCKETS} | {("topic", topic_of(one)) for one in SERVICES}
    kept |= {("folder", name) for name in folders}
    assert kept | {("log", "stdout")} == set(ELSEWHERE)


def test_there_is_one_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(logging.root, "level", logging.root.level)
    setup_logs("sample")
    assert [getattr(one, "stream", None) for one in logging.root.handlers] == [sys.stdout]
