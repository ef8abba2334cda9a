"""Each patch still says what it takes out and names a test that is there; none is called noticed that was not."""

import ast
import re
from pathlib import Path

import pytest

from deploy.local.supervisor import CHECKOUT
from tests.faults.bugs.outcomes import asserted
from tests.faults.bugs.patches import Bug, Stale, all_bugs, parsed
from tests.faults.bugs.running import SUITES, Outcome, judged

BUGS = all_bugs()


def test_there_are_at_least_twelve_and_each_takes_something_else_out() -> None:
    assert len(BUGS) >= 12
    assert len({bug.test for bug in BUGS}) == len(BUGS)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_patch_applies_to_the_product_as_it_stands(bug: Bug) -> None:
    changed = bug.planted(CHECKOUT)
    assert changed
    for file, content in changed.items():
        assert file.startswith(("services/", "shared/")), "a bug is in the product, not in its tests"
        assert content != (CHECKOUT / file).read_text()
        ast.parse(content)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_patch_names_tests_that_are_there(bug: Bug) -> None:
    assert re.search(r" \([IH]\d+[^)]*\)\.$", bug.sentence), "it says which invariant or hazard"
    assert "::test_" in bug.test
    for known in (bug.test, *bug.beside, *bug.also, *bug.perhaps):
        file, *names = known.split("::")
        assert file.split("/")[1] in SUITES
        assert (CHECKOUT / file).exists(), known
        assert not names or names[-1] == "runTest" or _holds(CHECKOUT / file, names), known


def _holds(file: Path, names: list[str]) -> bool:
    """Whether a module has this function, or this class this method."""
    found = ast.parse(file.read_text()).body
    for name in names:
        held = [
            node
            for node in found
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
        ]
        if not held:
            return False
        found = held[0].body
    return True


PATCH = """tests/a.py::test_one
Something is taken out (I1).
Beside: tests/a.py tests/b
Also: tests/b/c.py::test_two
Perhaps: tests/b/c.py::test_five
--- a/f.py
+++ b/f.py
@@ -1,3 +1,2 @@
 one
-two

@@ -9,2 +8,3 @@
 eight
+nine
"""
BUG = parsed("a-bug", PATCH)


def test_a_patch_is_planted_by_what_it_says_and_not_by_its_line_numbers(tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text("nought\none\ntwo\n\nseven\neight\nten\n")
    BUG.plant(tmp_path)
    assert (tmp_path / "f.py").read_text() == "nought\none\n\nseven\neight\nnine\nten\n"
    assert (BUG.test, BUG.beside, BUG.also, BUG.perhaps) == (
        "tests/a.py::test_one",
        ("tests/a.py", "tests/b"),
        ("tests/b/c.py::test_two",),
        ("tests/b/c.py::test_five",),
    )


@pytest.mark.parametrize("content", ["one\nten\n", "one\ntwo\n\neight\none\ntwo\n\n"])
def test_a_patch_that_no_longer_applies_says_so_and_changes_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "f.py").write_text(content)
    with pytest.raises(Stale):
        BUG.plant(tmp_path)
    assert (tmp_path / "f.py").read_text() == content


def test_a_patch_of_a_file_that_is_no_more_says_so(tmp_path: Path) -> None:
    with pytest.raises(Stale):
        BUG.plant(tmp_path)


@pytest.mark.parametrize("wrong", [PATCH.replace("Also", "Or"), PATCH.replace("::", ":"), PATCH[: PATCH.index("---")]])
def test_what_is_no_such_patch_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="a-bug"):
        parsed("a-bug", wrong)


NOTICED = Outcome("tests/a.py::test_one[2]", "failed", asserted=True)


def test_a_bug_is_noticed_when_its_test_says_no_and_nobody_else_does() -> None:
    passed = [Outcome("tests/a.py::test_one[1]", "passed"), Outcome("tests/b/c.py::test_three", "passed")]
    also = Outcome("tests/b/c.py::test_two", "failed", said="TimeoutError: ")
    whole = Outcome("tests/end_to_end/test_d.py::test_four", "failed", asserted=True)
    left = Outcome("tests/a.py::test_one[2]", "failed", said="not put away", when="teardown")
    assert judged(BUG, 1, [NOTICED, left, also, whole, *passed]) == []
    perhaps = Outcome("tests/b/c.py::test_five", "failed", asserted=True)
    assert judged(BUG, 1, [NOTICED, also, perhaps]) == []
    assert judged(BUG, 1, [NOTICED, *passed]) == []  # what was not run cannot fail


@pytest.mark.parametrize(
    ("code", "found"),
    [
        (0, [Outcome("tests/a.py::test_one", "passed")]),
        (1, [Outcome("tests/a.py::test_one", "failed", said="KeyError: 'x'")]),
        (1, [NOTICED, Outcome("tests/a.py::test_one[1]", "failed", said="KeyError: 'x'")]),
        (1, [NOTICED, Outcome("tests/b/c.py::test_two", "passed")]),
        (1, [NOTICED, Outcome("tests/a.py::test_one_more", "failed", asserted=True)]),
        (1, [NOTICED, Outcome("tests/b/c.py::test_three", "failed", asserted=True)]),
        (2, [NOTICED, Outcome("tests/b/c.py", "failed", said="it cannot be collected", when="collect")]),
        (1, [Outcome("tests/b/c.py::test_two", "failed", asserted=True)]),
        (4, []),
        (2, [NOTICED]),
        (None, [NOTICED]),
    ],
)
def test_anything_else_is_a_surprise(code: int | None, found: list[Outcome]) -> None:
    assert judged(BUG, code, found)


def test_an_assertion_is_told_from_what_breaks_down() -> None:
    with pytest.raises(BaseException) as missing, pytest.raises(KeyError):  # noqa: PT011
        pass
    assert asserted(missing.value)
    assert asserted(AssertionError())
    assert asserted(ExceptionGroup("of a task group", [AssertionError(), AssertionError()]))
    for broken in (KeyError(), TimeoutError(), ExceptionGroup("mixed", [AssertionError(), KeyError()])):
        assert not asserted(broken)
