"""A manifest says what an artefact is made of, always in the same bytes."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.media_store import Manifest, Segment

digests = st.binary(min_size=32, max_size=32)
segments = st.builds(Segment, st.uuids(), st.integers(1, 1000), digests)
manifests = st.builds(Manifest, st.text(), st.lists(segments, max_size=8).map(tuple), digests)


@given(manifests)
def test_a_manifest_survives_being_written_down(manifest: Manifest) -> None:
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest


def test_its_bytes_have_not_changed_since_the_first_was_written() -> None:
    manifest = Manifest("video/mp4", (Segment(UUID(int=7), 3, bytes([1]) * 32),), bytes([2]) * 32)
    assert manifest.to_bytes() == (
        b'{"format":1,"length":3,"media_type":"video/mp4","segments":[["00000000-0000-0000-0000-000000000007",3,"'
        + b"01" * 32
        + b'"]],"sha256":"'
        + b"02" * 32
        + b'"}'
    )


@given(manifests, st.data())
def test_stretches_are_the_bytes_asked_for_and_no_others(manifest: Manifest, data: st.DataObject) -> None:
    every = [(segment, byte) for segment in manifest.segments for byte in range(segment.length)]
    first = data.draw(st.integers(0, max(0, len(every) - 1)))
    last = data.draw(st.integers(first, max(first, len(every) - 1)))
    found = [
        (segment, byte) for segment, start, end in manifest.stretches(first, last) for byte in range(start, end + 1)
    ]
    assert found == every[first : last + 1]


def test_hashes_do_not_show_in_a_log_line() -> None:
    manifest = Manifest("video/mp4", (Segment(UUID(int=7), 3, bytes([171]) * 32),), bytes([205]) * 32)
    shown = repr(manifest)
    assert "\\xab" not in shown
    assert "\\xcd" not in shown
