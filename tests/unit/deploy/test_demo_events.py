"""Events as the demo counts them."""

from deploy.demo.events import Told, firsts


def told(id: str, round: int, participant: str) -> Told:
    value = {"round": round, "participant": participant}
    return Told(id, "attune.erasure.acknowledged.v1", "e", "t", f"attune.{participant}", 0, int(id), value)


def test_a_purge_that_is_acknowledged_twice_counts_once() -> None:
    acknowledged = [
        told("1", 1, "upload"),
        told("2", 1, "curation"),
        told("3", 1, "curation"),
        told("4", 2, "curation"),
    ]
    assert [event.id for event in firsts(acknowledged, ["round", "participant"])] == ["1", "2", "4"]


def test_without_fields_each_event_counts() -> None:
    acknowledged = [told("1", 1, "upload"), told("2", 1, "upload"), told("2", 1, "upload")]
    assert [event.id for event in firsts(acknowledged, [])] == ["1", "2"]
