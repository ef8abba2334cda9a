"""What a stack remembers."""

import socket
from pathlib import Path

import pytest

from deploy.local.instance import Instance, WrongNumberOfBrokers


def test_ports_and_passwords_are_remembered(tmp_path: Path) -> None:
    first = Instance.claim(tmp_path)
    port, password = first.port("upload"), first.password("database/upload")
    del first  # and with it its hold on the port
    again = Instance.read(tmp_path)
    assert (again.port("upload"), again.password("database/upload")) == (port, password)


def test_only_the_one_who_starts_the_processes_makes_things_up(tmp_path: Path) -> None:
    Instance.claim(tmp_path).port("upload")
    with pytest.raises(KeyError):
        Instance.read(tmp_path).port("curation")
    with pytest.raises(KeyError):
        Instance.read(tmp_path).password("database/upload")


def test_a_port_that_a_stranger_has_taken_since_is_given_up(tmp_path: Path) -> None:
    first = Instance.claim(tmp_path)
    taken, kept = first.port("upload"), first.port("curation")
    del first
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", taken))
        stranger.listen()
        again = Instance.claim(tmp_path)
        assert again.port("upload") != taken
        assert again.port("curation") == kept


def test_stacks_that_choose_at_the_same_time_choose_different_ports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.local.instance.PORTS", range(31000, 31010))
    stacks = [Instance.claim(tmp_path / str(number)) for number in range(2)]
    chosen = [stack.port(str(number)) for number in range(2) for stack in stacks]  # none of them listens yet
    assert len(set(chosen)) == 4


def test_a_cluster_keeps_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Instance.claim(tmp_path).port("kafka")
    monkeypatch.setenv("ATTUNE_BROKERS", "3")
    with pytest.raises(WrongNumberOfBrokers):
        Instance.claim(tmp_path)
