"""What is deployed, read once; and the secrets that a deployment is given, made up once."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from deploy.images.make_secrets import make
from tests.contract.deployment.deployed import Document, compose, rendered
from tests.contract.deployment.packages import EXTRAS, link


@pytest.fixture(scope="package")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders that `make_secrets` fills."""
    folder = tmp_path_factory.mktemp("secrets")
    make(folder, production=True)
    return folder


@pytest.fixture(scope="package")
def composed() -> Document:
    return compose()


@pytest.fixture(scope="package")
def production() -> list[Document]:
    return rendered("overlays/production")


@pytest.fixture(scope="package")
def dev() -> list[Document]:
    return rendered("overlays/dev")


@pytest.fixture(scope="package")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """By image, the folder from which its packages can be imported, and no others."""
    return {image: link(image, tmp_path_factory.mktemp(image)) for image in EXTRAS}
