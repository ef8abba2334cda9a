"""Real parts for tests: databases of their own, cheaply."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from deploy.local.postgres import program
from deploy.local.stack import Stack
from deploy.local.supervisor import CHECKOUT


@dataclass(frozen=True)
class Database:
    """A database of one test, owned by its service's role."""

    name: str
    url: str  # postgresql://, as the service's role


class Databases:
    """Makes databases by copying a template, which is migrated once per session and service."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.session = uuid4().hex[:8]
        self.templates: dict[str, str] = {}
        self.made: set[str] = set()

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run one statement as the superuser; what it printed."""
        url = self.stack.database_url("postgres", database)
        command = [
            program("psql"),
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            url,
            "-c",
            statement,
        ]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def empty(self, service: str) -> Database:
        """A database without tables."""
        return self._create(service, f"test_{service}_{uuid4().hex[:12]}", "")

    def migrated(self, service: str) -> Database:
        """A database as the service's migrations leave it; without tables while it has none."""
        if service not in self.templates:
            template = self._create(service, f"template_{service}_{self.session}", "")
            if (CHECKOUT / "services" / service / "migrations").is_dir():
                subprocess.run(
                    [sys.executable, "-m", "shared.database", "migrate", service],
                    cwd=CHECKOUT,
                    env=os.environ | {"ATTUNE_DATABASE_URL": template.url},
                    check=True,
                )
            self.templates[service] = template.name
        return self._create(service, f"test_{service}_{uuid4().hex[:12]}", f"TEMPLATE {self.templates[service]}")

    def drop(self, name: str) -> None:
        self.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self.made.discard(name)

    def drop_all(self) -> None:
        for name in list(self.made):
            self.drop(name)

    def _create(self, service: str, name: str, template: str) -> Database:
        self.sql(f"CREATE DATABASE {name} OWNER {service} {template}")
        self.made.add(name)
        return Database(name, self.stack.database_url(service, name))


def joined_folder() -> Path | None:
    """The folder of a stack that runs already and is to be used, from `ATTUNE_TEST_STACK`."""
    folder = os.environ.get("ATTUNE_TEST_STACK")
    return Path(folder) if folder else None
