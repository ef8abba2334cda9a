"""What a process does that is traced: statements, an event's way, a long wait; then it says which trace it was."""

import asyncio
import os
import sys
from uuid import UUID, uuid4

import asyncpg
from opentelemetry import trace

from shared import telemetry
from shared.telemetry import metrics

TYPE, TOPIC = "attune.recording.received.v1", "attune.upload"


async def main(recording: UUID, canary: str) -> None:
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    with telemetry.quietly():
        await connection.execute("CREATE TABLE families (name text)")
        await connection.fetch("SELECT 1")
    event = uuid4()
    with telemetry.span("take in", recording=recording) as root:
        async with connection.transaction():
            await connection.execute("INSERT INTO families (name) VALUES ($1)", canary)
            await connection.execute(f"UPDATE families SET name = '{canary}'")
            statement = await connection.prepare("SELECT name FROM families WHERE name = $1")
            await statement.fetch(canary)
        stored = {"ce_type": TYPE, "ce_id": str(event)} | telemetry.create(TYPE, TOPIC, event, recording=recording)
        print(f"{root.get_span_context().trace_id:032x}")
    with telemetry.send(TOPIC, [stored]):
        pass
    for attempt in (1, 2):
        try:
            with telemetry.process(TOPIC, "curation.attune.upload", stored, 3, 17, attempt):
                if attempt == 1:
                    await connection.execute(f"SELECT '{canary}'::int")
        except asyncpg.PostgresError:
            trace.get_current_span().record_exception(ValueError(canary))
    with telemetry.linked_root("job transcode", stored, recording=recording, job=UUID(int=1)):
        pass
    await connection.close()
    metrics.DUPLICATES.add(1, {"topic": TOPIC})


if __name__ == "__main__":
    telemetry.setup("sample")
    asyncio.run(main(UUID(sys.argv[1]), sys.argv[2]))
