"""Whether the consumer of one topic gets on, and how long what it has not settled has waited."""

import math
import time
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import IllegalStateError

STALLED_SECONDS = 90.0  # longer than a rebalance may take, and than an attempt with all that it waits for


class Progress:
    """To get on is to take a record, to end an attempt, to join or to leave for a rebalance, or to have nothing to do.

    consumer: gives the FastStream subscriber's consumer; none before its start and after its stop.
    """

    def __init__(self, consumer: Callable[[], AIOKafkaConsumer | None]) -> None:
        self._consumer = consumer
        self._in_hand: ConsumerRecord | None = None
        self._member = False  # of its group, between two rebalances; its share of the partitions may be none
        self._got_on: float | None = None  # never, until it has joined

    def joined(self) -> None:
        self._member, self._in_hand, self._got_on = True, None, time.monotonic()

    def left(self) -> None:
        """For a rebalance: it joins again."""
        self._member = False
        if self._got_on is not None:
            self._got_on = time.monotonic()

    def stopped(self) -> None:
        self._member, self._in_hand, self._got_on = False, None, None

    def took(self, record: ConsumerRecord) -> None:
        self._in_hand = record
        self.tried()

    def tried(self) -> None:
        """An attempt has ended, however."""
        self._got_on = time.monotonic()

    def put_down(self) -> None:
        """Settled, or left to the partition's next owner."""
        self._in_hand = None

    async def gets_on(self) -> bool:
        """False before it has joined its group, and when it has stood still for STALLED_SECONDS."""
        still = await self._stands_still()
        return still is not None and still < STALLED_SECONDS

    async def lag(self, *, away: bool) -> float:
        """Seconds since the record in hand was written, by the broker's clock; 0 when none waits.

        When one waits that nobody has in hand, how long the consumer has stood still. NaN when nobody can know what
        waits: the broker is `away`, or it is in no group.
        """
        if self._in_hand is not None:
            written: float = self._in_hand.timestamp / 1000
            return max(0.0, time.time() - written)
        still = await self._stands_still()
        return math.nan if away or still is None or not self._member else still

    async def _stands_still(self) -> float | None:
        """For how many seconds; none while it has yet to join."""
        consumer = self._consumer()
        if consumer is None or self._got_on is None:
            return None
        if self._member and self._in_hand is None and not await _behind(consumer):
            self._got_on = time.monotonic()
            return 0.0
        return time.monotonic() - self._got_on


async def _behind(consumer: AIOKafkaConsumer) -> bool:
    """Whether a record waits that was not taken. The broker is asked: a consumer that stands still stops fetching."""
    ends = await consumer.end_offsets(mine) if (mine := consumer.assignment()) else {}
    try:
        return any([await consumer.position(one) < end for one, end in ends.items()])
    except IllegalStateError:  # a rebalance began meanwhile
        return False
