"""An outbox full of events of 512 B is drained by the relay (claim, ordered send, acknowledgements, delete), from its
start to an empty outbox. The bare tool is an aiokafka producer with the same settings (idempotent, acks=all), keys,
headers and values, from its start to the last acknowledgement: 500 ordered `send()`, then their acknowledgements
gathered, and again. Neither makes spans.
"""

import asyncio
import json
import time
from uuid import uuid4

from shared.contracts import cloudevents
from shared.messaging import Relay
from tests.benchmarks import messages
from tests.benchmarks.figures import Figure, Goal, in_turn
from tests.benchmarks.messages import BATCH, TOPIC
from tests.benchmarks.run import Run

EPISODES = 100
FILL = """
INSERT INTO outbox (event_id, key, headers, value)
SELECT gen_random_uuid(), ($1::uuid[])[1 + n % $2], $3, $4 FROM generate_series(1, $5) n
"""


async def measure(run: Run) -> list[Figure]:
    count, wires = run.sized(20_000, 5_000), messages.wires(EPISODES)
    event = messages.happened(1, wires[0])
    value, headers = cloudevents.encode(event, wires[0]), messages.headers(event, wires[0], uuid4())
    keys = [wire.key for wire in wires]
    async with run.stand(infrastructure=True) as stand:
        place = await messages.prepared(stand)
        run.say(f"relay against bare send(), {count:,} events a round")

        async def ours() -> float:
            database = place.writer()
            async with messages.connected(place.writer_url) as connection:
                await connection.execute(FILL, keys, len(keys), json.dumps(headers), value, count)
                began = time.perf_counter()
                async with messages.beside(Relay(database, place.kafka).run()):
                    while await connection.fetchval("SELECT EXISTS (SELECT FROM outbox)"):
                        await asyncio.sleep(0.01)
                    took = time.perf_counter() - began
            await database.close()
            return count / took

        async def bare() -> float:
            as_sent = [(name, text.encode()) for name, text in headers.items()]
            began = time.perf_counter()
            async with messages.producing(place.kafka.servers) as producer:
                for batch in range(0, count, BATCH):
                    acknowledged = [
                        await producer.send(TOPIC, value, str(keys[number % EPISODES]).encode(), headers=as_sent)
                        for number in range(batch, min(count, batch + BATCH))
                    ]
                    await asyncio.gather(*acknowledged)
                took = time.perf_counter() - began
            return count / took

        pairs = await in_turn(run.sized(5, 3), ours, bare)
    return [Figure.of_pairs("relay: events sent", "/s", pairs, Goal(least=0.7))]
