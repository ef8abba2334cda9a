"""A training run of Kafka, after which the JVM starts it in half the time."""

import asyncio
import logging
import subprocess
import tempfile
from pathlib import Path
from signal import Signals

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError

from deploy.local.cache import locked
from deploy.local.environment import kafka_servers
from deploy.local.instance import Instance
from deploy.local.jars import aot_cache
from deploy.local.kafka import launch
from deploy.local.linux import before_exec


def train() -> None:
    """Make the cache of `aot_cache`, unless it is there: run a broker, let it work a little, and stop it."""
    cache = aot_cache()
    with locked(cache.with_name(f".{cache.name}.lock")):
        if not cache.is_file():
            with tempfile.TemporaryDirectory(dir=cache.parent) as folder:
                asyncio.run(_train(Instance.claim(Path(folder)), cache))


async def _train(instance: Instance, cache: Path) -> None:
    part = instance.folder / "part.aot"
    broker = launch(instance, "kafka", [f"-XX:AOTCacheOutput={part}"])
    await broker.before()
    with (instance.folder / "log").open("wb") as log:
        running = subprocess.Popen(
            broker.command, stdout=log, stderr=log, preexec_fn=before_exec(Signals.SIGKILL, unprivileged=False)
        )
        try:
            await asyncio.wait_for(_work(kafka_servers(instance)), 60)
        finally:
            running.terminate()
            running.wait()
    part.rename(cache)


async def _work(servers: str) -> None:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # that the broker does not answer yet
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True)
    while True:
        try:
            await producer.start()
            break
        except KafkaConnectionError:
            await asyncio.sleep(0.1)
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    await admin.create_topics([NewTopic("training", 3, 1)])
    await admin.close()
    for _ in range(100):
        await producer.send_and_wait("training", b"work")
    await producer.stop()
