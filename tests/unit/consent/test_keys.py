"""Keys wrapped by keys."""

from pathlib import Path
from uuid import uuid4

import pytest

from services.consent.keys import KeyUnusable, Wrapping, new_key
from shared.errors import AttuneError

MASTER = Wrapping(new_key())


def test_a_wrapped_key_opens_for_what_it_is_of() -> None:
    key, of = new_key(), uuid4()
    wrapped = MASTER.wrap(key, of)
    assert MASTER.unwrap(wrapped, of) == key
    assert key not in wrapped


def test_the_same_key_is_never_wrapped_the_same_way() -> None:
    key, of = new_key(), uuid4()
    assert len({MASTER.wrap(key, of) for _ in range(100)}) == 100


def test_it_opens_for_nothing_else() -> None:
    """A wrapped key moved to another row is as good as lost."""
    wrapped = MASTER.wrap(new_key(), uuid4())
    with pytest.raises(KeyUnusable):
        MASTER.unwrap(wrapped, uuid4())


def test_another_key_does_not_open_it() -> None:
    of = uuid4()
    with pytest.raises(KeyUnusable):
        Wrapping(new_key()).unwrap(MASTER.wrap(new_key(), of), of)


@pytest.mark.parametrize("at", [0, 11, 12, -1])
def test_a_changed_one_does_not_open(at: int) -> None:
    of = uuid4()
    wrapped = bytearray(MASTER.wrap(new_key(), of))
    wrapped[at] ^= 1
    with pytest.raises(KeyUnusable):
        MASTER.unwrap(bytes(wrapped), of)


def test_a_key_does_not_show_where_it_is_printed() -> None:
    assert repr(MASTER) == "Wrapping()"


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_master_key_has_32_bytes(tmp_path: Path, length: int) -> None:
    (tmp_path / "master.key").write_bytes(b"k" * length)
    with pytest.raises(AttuneError):
        Wrapping.from_file(tmp_path / "master.key")
