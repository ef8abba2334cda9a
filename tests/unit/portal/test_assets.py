"""What pages are made with, and the browser they are tried in, come by lock files that name no address."""

import json
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from deploy.local.npm import BROWSER, OTHER_HOSTS, PORTAL, assets_folder, install_assets


@pytest.mark.parametrize("project", [PORTAL, BROWSER], ids=lambda path: path.name)
def test_a_lock_names_versions_and_hashes_and_no_address(project: Path) -> None:
    packages = json.loads((project / "package-lock.json").read_text())["packages"]
    wanted = json.loads((project / "package.json").read_text())["dependencies"]
    assert packages.pop("")["dependencies"] == wanted
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-"), name
        assert package["version"], name
        assert "resolved" not in package, name
        assert not package.get("hasInstallScript"), name
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", one) for one in wanted.values())


def test_the_style_and_its_templates_are_of_versions_that_belong_together() -> None:
    wanted = json.loads((PORTAL / "package.json").read_text())["dependencies"]
    assert (wanted["nhsuk-frontend"], version("nhsuk-frontend-jinja")) == ("10.6.1", "0.10.2")


def test_the_style_asks_no_other_host() -> None:
    install_assets()
    style = (assets_folder() / "nhsuk.css").read_text()
    assert len(style) > 100_000
    assert not re.search(r"url\(['\"]?(https?:)?//", style)
    assert OTHER_HOSTS.sub("", "a{}@font-face{src:url(https://else.where/x)}b{}") == "a{}b{}"
    for name in re.findall(r"url\(/assets/(.*?)\)", style):
        assert (assets_folder() / name).is_file()
