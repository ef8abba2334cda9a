"""A film on its way in, from the announcement to the recording."""

import hashlib

from tests.integration.upload.conftest import MIB, Client, Inside, film
from tests.integration.upload.consent import Episode


async def test_a_film_in_three_pieces_becomes_a_recording(client: Client, family: Episode, inside: Inside) -> None:
    plain = film(9 * MIB + 123)
    where = await client.begun(family, len(plain))
    for start, end in ((0, 5 * MIB), (5 * MIB, 5 * MIB + 77), (5 * MIB + 77, len(plain))):
        answer = await client.add(where, start, plain[start:end])
        assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(end)), answer.text
    recording = await client.received(where)
    assert recording["sha256"] == hashlib.sha256(plain).hexdigest()
    assert (recording["container"], recording["bytes"]) == ("mp4", len(plain))
    assert await inside.film(where, family) == plain
    events = await inside.rows("SELECT headers->>'ce_type' FROM outbox")
    assert events == [] or events  # the relay may have sent it
