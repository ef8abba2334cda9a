"""`docs/operating.md` is complete: what is known elsewhere stands in it as it is there."""

import re

import pytest

from deploy.images.locked import CHECKOUT
from deploy.operating import PAGE, written
from deploy.system import INFRASTRUCTURE, PRODUCT
from services.consent.erasures.model import ErasureState
from shared import settings as s
from shared.failpoints import Failpoint
from shared.telemetry.metrics import DEFINITIONS


def test_its_tables_are_up_to_date() -> None:
    """Else: `python -m deploy.operating`."""
    page = PAGE.read_text()
    assert page == written(page)


def test_it_says_of_every_metric_what_to_do() -> None:
    page = PAGE.read_text()
    assert [one.name for one in DEFINITIONS if f"`{one.name}`" not in page or one.remedy not in page] == []
    assert [point for point in Failpoint if f"`{point.value}`" not in page] == []


def test_a_table_that_has_lost_its_place_is_found() -> None:
    with pytest.raises(LookupError, match="no place for metrics"):
        written(PAGE.read_text().replace("<!-- metrics -->", ""))


def test_it_names_every_process_every_state_and_what_makes_h() -> None:
    page = PAGE.read_text()
    for process in PRODUCT:
        assert f"`{process.name}`" in page or process.name.startswith("migrate-"), process.name
    assert [p.name for p in INFRASTRUCTURE if p.name not in page and p.name != "s3"] == []
    assert [state for state in ErasureState if state not in page] == []
    for field, default in s.HorizonSettings.model_fields.items():
        assert f"| `ATTUNE_{field.upper()}` | {default.default} |" in page
    assert f"H is their sum, {s.HorizonSettings().horizon} s" in page


def test_the_settings_it_names_exist() -> None:
    known = {
        f"{kind.model_config.get('env_prefix', '')}{field}".upper()
        for kind in vars(s).values()
        if isinstance(kind, type) and issubclass(kind, s.BaseSettings)
        for field in kind.model_fields
    } | {"ATTUNE_FAILPOINT", "ATTUNE_X_FILE"}
    named = set(re.findall(r"`(ATTUNE_[A-Z0-9_]+)[`=]", PAGE.read_text()))
    assert len(named) > 5
    assert named <= known


def test_the_files_and_commands_it_names_exist() -> None:
    page = PAGE.read_text()
    for module in set(re.findall(r"python -m ((?:deploy|shared|services)[a-z_.]*)", page)):
        path = CHECKOUT / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module
    for link in re.findall(r"\]\(([^)#:]+)\)", page):
        assert (PAGE.parent / link).exists(), link
    for path in re.findall(r"`((?:deploy|k8s|shared)/[A-Za-z_/.]+)`", page):
        assert (CHECKOUT / path).exists(), path
