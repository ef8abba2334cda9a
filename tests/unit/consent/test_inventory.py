"""The stores against the register."""

import ast
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from services.consent import verifier
from services.consent.episodes.model import EpisodeState
from services.consent.erasures import inventory, verifying
from services.consent.erasures.inventory import Listing, Place, Register, Scope, Stray, remains
from shared.media_store import Entry
from shared.media_store import inventory as list_store

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
EPISODE, OTHER = UUID(int=1), UUID(int=2)
RECORDING, FILM, THEIRS = (UUID(int=number) for number in range(3, 6))


def name(episode: UUID, artefact: UUID) -> str:
    return f"{episode}/{artefact}/{uuid4()}"


def listing(*entries: Entry) -> Listing:
    listed = Listing("recordings", NOW, NOW)
    listed.add(entries)
    return listed


@pytest.mark.parametrize("what", ["object", "version", "marker", "upload"])
def test_everything_that_is_listed_has_a_place(what: str) -> None:
    """Versions, delete markers and unfinished uploads are remains as much as objects are."""
    listed = listing(Entry(what, name(EPISODE, RECORDING), "1", 0))
    assert remains(Scope(EPISODE), listed.places) == [Place("recordings", EPISODE, RECORDING)]
    assert listed.counts[what] == 1


@pytest.mark.parametrize(
    "stranger", ["", "readme", "a/b/c", f"{EPISODE}", f"{EPISODE}/{RECORDING}", f"x{EPISODE}/{RECORDING}/{UUID(int=6)}"]
)
def test_what_is_not_named_as_ours_is_counted(stranger: str) -> None:
    listed = listing(Entry("object", stranger, "", 1))
    assert (listed.strangers, listed.places) == (1, {})


def test_an_episode_is_looked_for_by_its_whole_prefix_and_its_artefacts_anywhere() -> None:
    here, unregistered = Place("recordings", EPISODE, RECORDING), Place("renditions", EPISODE, uuid4())
    moved, theirs = Place("renditions", OTHER, FILM), Place("renditions", OTHER, THEIRS)
    scope = Scope(EPISODE, frozenset({RECORDING, FILM}))
    assert remains(scope, [here, unregistered, moved, theirs]) == sorted([here, unregistered, moved])


def test_a_recording_is_looked_for_by_its_artefacts() -> None:
    of_it = frozenset({RECORDING, FILM})
    here, moved = Place("recordings", EPISODE, RECORDING), Place("renditions", OTHER, FILM)
    kept = Place("recordings", EPISODE, uuid4())
    assert remains(Scope(EPISODE, of_it, of_it), [here, moved, kept]) == sorted([here, moved])


def test_what_lies_under_the_wrong_prefix_is_looked_for_there_alone() -> None:
    """It is registered, and rightly kept, in another episode."""
    scope = Scope(EPISODE, frozenset(), frozenset({RECORDING}))
    wrong, right = Place("recordings", EPISODE, RECORDING), Place("recordings", OTHER, RECORDING)
    assert remains(scope, [wrong, right]) == [wrong]


def register(
    state: EpisodeState = EpisodeState.OPEN, *, discarded: bool = False, erasing: Iterable[Scope] = ()
) -> Register:
    return Register({EPISODE: state}, {RECORDING: (EPISODE, discarded)}, list(erasing))


HERE = Place("recordings", EPISODE, RECORDING)


def test_what_is_registered_may_be_there() -> None:
    assert register().stray(HERE) is None
    assert register(EpisodeState.SUSPENDED).stray(HERE) is None


@pytest.mark.parametrize(
    ("known", "place", "stray"),
    [
        (register(), Place("recordings", OTHER, RECORDING), Stray.UNKNOWN_EPISODE),
        (register(EpisodeState.ENDED), HERE, Stray.ENDED),
        (register(), Place("recordings", EPISODE, uuid4()), Stray.UNREGISTERED),
        (Register({EPISODE: EpisodeState.OPEN}, {RECORDING: (OTHER, False)}, ()), HERE, Stray.UNREGISTERED),
        (register(discarded=True), HERE, Stray.DISCARDED),
    ],
)
def test_what_must_not_be_there(known: Register, place: Place, stray: Stray) -> None:
    assert known.stray(place) is stray


@pytest.mark.parametrize("scope", [Scope(EPISODE), Scope(EPISODE, frozenset(), frozenset({RECORDING}))])
def test_what_is_being_erased_is_no_stray(scope: Scope) -> None:
    assert register(EpisodeState.ENDED, erasing=[scope]).stray(HERE) is None
    assert register(discarded=True, erasing=[scope]).stray(HERE) is None


def test_what_is_being_erased_excuses_nothing_else() -> None:
    another = Scope(EPISODE, frozenset(), frozenset({uuid4()}))
    assert register(discarded=True, erasing=[another, Scope(OTHER)]).stray(HERE) is Stray.DISCARDED


def test_the_verifier_shares_nothing_with_the_purge() -> None:
    """A mistake in how the purge lists or deletes must not hide in how the verifier looks."""
    for module in (verifier, verifying, inventory, sys.modules[list_store.__module__]):
        tree = ast.parse(Path(module.__file__ or "").read_text())
        named = {name.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names}
        sources = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not named & {"purge", "Purged", "Store", "Found", "Kind"}, module.__name__
        assert not sources & {"shared.media_store.purge", "shared.media_store.store"}, module.__name__
