"""`make demo`: starts the stack, tells the story on a film, and has the report checked by a stranger to the code."""

import argparse
import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from joserfc.jwk import OKPKey
from rich.console import Console

from deploy.demo.events import PATIENCE_SECONDS, Events
from deploy.demo.report import Report
from deploy.demo.story import Story
from deploy.demo.world import World
from deploy.local.instance import Instance, write_secret
from deploy.local.stack import Stack
from deploy.local.supervisor import CHECKOUT
from deploy.system import DATABASES, DEVELOPMENT_ISSUER
from shared.identity.tokens import Role, mint
from tests import films

# H is computed from these three; short, so that nobody has to wait a minute for each of two erasures
SHORT_HORIZON = {"ATTUNE_PERMIT_SECONDS": "8", "ATTUNE_PUT_SECONDS": "8", "ATTUNE_CLOCK_SKEW_SECONDS": "4"}
SECONDS, RATE, SIZE = 20, 25, "1920x1080"
ENCODER = (
    "-c:v",
    "libx264",
    "-preset",
    "superfast",
    "-b:v",
    "12M",
    "-pix_fmt",
    "yuv420p",
    "-c:a",
    "aac",
    "-b:a",
    "128k",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.demo", description=__doc__)
    parser.add_argument("film", nargs="?", type=Path, help="a film of yours; without one, one is made")
    parser.add_argument("--folder", type=Path, default=Path(".local"), help="where the stack keeps its state")
    parser.add_argument(
        "--patience", type=float, default=PATIENCE_SECONDS, help="seconds to wait for anything that must happen"
    )
    parser.add_argument("--again", action="store_true", help="only have the report of an earlier run checked again")
    given = parser.parse_args()
    if given.film and not given.film.is_file():
        parser.error(f"there is no file {given.film}")
    if given.again and not (given.folder / "demo" / "report.json").is_file():
        parser.error(f"there is no report in {given.folder}")
    sys.exit(asyncio.run(demo(given.folder.absolute(), given.film, given.patience, given.again)))


async def demo(folder: Path, film: Path | None, patience: float = PATIENCE_SECONDS, again: bool = False) -> int:
    """Exit code: 0 when every step went well and the checker confirmed every one of them."""
    console = Console(highlight=False, soft_wrap=True)
    ours = folder / "demo"
    ours.mkdir(parents=True, exist_ok=True)
    path = ours / "report.json"
    report = Report.read(console, path) if again else Report(console, path)
    report.write()  # that an earlier run said "ok" is not what this one says
    with Stack(folder) as stack:
        console.print(
            "Starting PostgreSQL, Kafka, the S3 server, the trace viewer, the mail catcher and the services …"
        )
        await asyncio.to_thread(stack.start, env=SHORT_HORIZON)
        console.print(f"All are up after {report.elapsed():.0f} s. H is short here: {SHORT_HORIZON}\n")
        access = _access(stack, ours)
        told = again or await _tell(stack, report, film, patience)
        for complaint in await asyncio.to_thread(_check, report, access, patience) if told else []:
            told = False
            report.not_so(complaint)
        report.ok = told
        report.write()
        _last_words(console, stack, report)
    return 0 if report.ok else 1


async def _tell(stack: Stack, report: Report, given: Path | None, patience: float) -> bool:
    folder = report.path.parent
    film, short = await asyncio.to_thread(_films, given, folder)
    report.facts |= {"film": str(film.absolute()), "short_film": str(short.absolute())}
    key = OKPKey.import_key(json.loads(stack.instance.key_file(DEVELOPMENT_ISSUER).read_text()))

    def token(role: str, person: UUID, family: UUID | None) -> str:
        return mint(key, str(person), Role(role), datetime.now(UTC), timedelta(hours=1), family)

    world = World(stack.url, token)
    try:
        async with Events(stack.kafka_servers, patience) as events:
            await Story(world, events, report, film, short, stack.mail_folder, folder).tell()
    except Exception:
        return False  # the step that failed has said why
    finally:
        await world.close()
    return True


def _films(given: Path | None, folder: Path) -> tuple[Path, Path]:
    """The film of the story, and a short one: to discard, and for the second family."""
    film = given or _made(folder / "film.mp4", SECONDS * RATE, SIZE, ENCODER)
    return film, _made(folder / "short.mp4", 2 * RATE, "640x360", films.H264)


def _made(path: Path, frames: int, size: str, encoder: Sequence[str]) -> Path:
    """The film of that name, made if it is not there, whole or not at all."""
    if not path.is_file():
        films.make(path.with_stem("unfinished"), frames, RATE, size, encoder=encoder).rename(path)
    return path


def _access(stack: Stack, folder: Path) -> Path:
    """What the checker needs to look for itself; secrets, so for this user's eyes alone."""
    instance: Instance = stack.instance
    key, secret = stack.store.keys["root"]
    private = load_pem_private_key(instance.certificate_key_file.read_bytes(), None)
    public = folder / "certificates.public.pem"
    public.write_bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    access = {
        "kafka": stack.kafka_servers,
        "databases": {service: stack.database_url(service) for service in DATABASES},
        "s3": {
            "endpoint": stack.store.endpoint,
            "key": key,
            "secret": secret,
            "folder": str(instance.folder / "s3" / "data"),
        },
        "traces": stack.url("traces"),
        "mail": str(stack.mail_folder),
        "master_key": str(instance.master_key_file),
        "scratch": str(stack.scratch_folders),
        "canaries": [*films.PLANTED, "Canary"],
        "certificates": str(folder),
        "certificate_public_key": str(public),
        "verify_certificate": str(CHECKOUT / "services" / "consent" / "erasures" / "verify_certificate.py"),
    }
    path = folder / "access.json"
    write_secret(path, json.dumps(access, indent=2).encode())
    return path


def _check(report: Report, access: Path, patience: float) -> list[str]:
    """What the independent checker finds not to be so."""
    report.write()
    checker = Path(__file__).with_name("check.py")
    command = [sys.executable, "-I", str(checker), str(report.path), str(access), str(patience)]
    checked = subprocess.run(command, capture_output=True, text=True)
    if checked.returncode not in (0, 1):
        return [f"the checker itself failed: {checked.stderr.strip().splitlines()[-1:]}"]
    return checked.stdout.splitlines()


def _last_words(console: Console, stack: Stack, report: Report) -> None:
    for step in report.steps:
        if step.name in ("received", "withdrawn") and step.events:
            trace = step.events[0]["trace_id"]
            kept = report.path.with_name(f"{step.name}.trace.json")
            kept.write_bytes(httpx.get(f"{stack.url('traces')}/api/v2/trace/{trace}", timeout=30).content)
            console.print(f"trace of “{step.name}”, {trace}: {kept}")
    console.print("To look at one, drop it on the page of the trace viewer that `make up` starts.")
    console.print(f"report: {report.path}")
    outcome = "[green]everything was so[/]" if report.ok else "[red]not everything was so[/]"
    console.print(f"{outcome}, after {report.elapsed():.0f} s")


if __name__ == "__main__":
    main()
