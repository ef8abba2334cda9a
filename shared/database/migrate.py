"""Migrations: one branch for the tables that every service has, one for the service's own.

`python -m shared.database migrate SERVICE`; for developers, `python -m shared.database revision SERVICE "why"` writes
the next step of whichever branch's tables changed.
"""

import argparse
import asyncio
import importlib
from pathlib import Path
from types import ModuleType

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData, text

import shared.care_team
import shared.jobs
import shared.messaging.tables  # noqa: F401  (their tables are in every database)
from shared.contracts import SERVICES
from shared.database.connection import Database
from shared.database.tables import metadata
from shared.settings import DatabaseSettings

HERE = Path(__file__).parent / "migrations"
SHARED_VERSIONS = HERE / "versions"
ONE_AT_A_TIME = 0x617474756E65


def own(service: str) -> ModuleType:
    """`services.SERVICE.migrations`: the `metadata` of the service's tables, and its versions beside it."""
    return importlib.import_module(f"services.{service}.migrations")


def metadata_of(service: str) -> list[MetaData]:
    """All the tables of a service's database."""
    return [metadata, own(service).metadata]


def config(connection: Connection, tables: list[MetaData], *versions: Path) -> Config:
    settings = Config()
    settings.set_main_option("script_location", str(HERE))
    settings.set_main_option("path_separator", "newline")
    settings.set_main_option("version_locations", "\n".join(map(str, (SHARED_VERSIONS, *versions))))
    settings.attributes.update(connection=connection, metadata=tables)
    return settings


def upgrade(connection: Connection, service: str) -> None:
    command.upgrade(config(connection, metadata_of(service), _versions(service)), "heads")


def _versions(service: str) -> Path:
    return Path(own(service).__path__[0])


async def migrate(service: str) -> None:
    """Bring the service's database to the newest version; two that start at once wait for each other."""
    database = Database(DatabaseSettings(), service)
    try:
        async with database.engine.connect() as connection:
            for limit in ("transaction_timeout", "lock_timeout"):
                await connection.execute(text(f"SET {limit} = 0"))
            await connection.commit()
            async with connection.begin():
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({ONE_AT_A_TIME})"))
                await connection.run_sync(upgrade, service)
    finally:
        await database.close()


async def revision(service: str, why: str, *, common: bool) -> None:
    """Write the next migration of the shared branch, or of the service's own."""
    database = Database(DatabaseSettings(), service)
    try:
        async with database.engine.begin() as connection:
            if common:
                await connection.run_sync(_write, [metadata], "shared", SHARED_VERSIONS, why)
            else:
                await connection.run_sync(_write, [own(service).metadata], service, _versions(service), why)
    finally:
        await database.close()


def _write(connection: Connection, tables: list[MetaData], branch: str, where: Path, why: str) -> None:
    existing = sum(1 for _ in where.glob(f"{branch}_*.py"))
    command.revision(
        config(connection, tables, *({where} - {SHARED_VERSIONS})),
        message=why,
        autogenerate=True,
        version_path=str(where),
        rev_id=f"{branch}_{existing + 1:04}",
        head=f"{branch}@head" if existing else "base",
        branch_label=None if existing else branch,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m shared.database", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("migrate", help="bring a service's database up to date").add_argument(
        "service", choices=SERVICES
    )
    writing = commands.add_parser("revision", help="write a migration from the difference to the tables")
    writing.add_argument("service", choices=SERVICES)
    writing.add_argument("why")
    writing.add_argument("--shared", action="store_true", dest="common", help="of the tables that every service has")
    given = parser.parse_args()
    if given.command == "migrate":
        asyncio.run(migrate(given.service))
    else:
        asyncio.run(revision(given.service, given.why, common=given.common))
