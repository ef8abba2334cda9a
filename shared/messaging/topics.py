"""Topics are declared, never made by a typo: `python -m shared.messaging.topics`."""

import asyncio

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError

from shared.contracts import PARTITIONS, RETENTION_DAYS, SERVICES, topic_of
from shared.settings import KafkaSettings


async def declare(settings: KafkaSettings) -> None:
    """Make the topics that do not exist yet; replication as the cluster's `default.replication.factor` says."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.servers)
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        wanted = [
            NewTopic(
                topic_of(service),
                num_partitions=PARTITIONS,
                replication_factor=settings.replication,
                topic_configs={
                    "retention.ms": str(RETENTION_DAYS * 24 * 60 * 60 * 1000),
                    "cleanup.policy": "delete",
                    "min.insync.replicas": str(max(1, settings.replication - 1)),
                },
            )
            for service in SERVICES
            if topic_of(service) not in existing
        ]
        for topic in wanted:
            try:
                await admin.create_topics([topic])
            except TopicAlreadyExistsError:  # another process was quicker
                continue
    finally:
        await admin.close()


if __name__ == "__main__":
    asyncio.run(declare(KafkaSettings()))
