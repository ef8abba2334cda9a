"""The local stack on real parts: what it makes, what survives a kill, and that it leaves nothing behind."""

import json
import os
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from minio import Minio, S3Error

from deploy.local.child import State
from deploy.local.stack import Stack, StackError, Store
from deploy.local.supervisor import CHECKOUT
from deploy.local.traces import find
from deploy.system import BUCKETS, DATABASES, STORE_USERS, Bucket
from tests.patience import PATIENCE_SECONDS
from tests.stack import Databases


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def client(store: Store, user: str) -> Minio:
    access, secret = store.keys[user]
    return Minio(store.endpoint, access_key=access, secret_key=secret, secure=False, region=store.region)


def allowed(call: Callable[[], object]) -> bool:
    """Whether the store lets this happen. Raises: S3Error when it fails for another reason."""
    try:
        call()
    except S3Error as error:
        if error.code == "AccessDenied":
            return False
        raise
    return True


# what it makes


async def test_a_database_belongs_to_its_service_alone(stack: Stack, databases: Databases) -> None:
    made = databases.empty("upload")
    connection = await asyncpg.connect(made.url)
    assert await connection.fetchval("SELECT current_user") == "upload"
    assert int(await connection.fetchval("SHOW server_version_num")) >= 180000
    await connection.execute("CREATE TABLE films (id int)")
    await connection.close()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(stack.database_url("curation", "upload"))
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(stack.database_url("upload").replace("//upload:", "//upload:not"))


async def test_postgres_does_not_write_values_to_its_log(stack: Stack, databases: Databases) -> None:
    canary = f"canary{uuid4().hex}"
    connection = await asyncpg.connect(databases.empty("consent").url)
    await connection.execute("CREATE TABLE people (name text PRIMARY KEY)")
    await connection.execute("INSERT INTO people VALUES ($1)", canary)
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(f"INSERT INTO people VALUES ('{canary}')")
    await connection.close()
    until(lambda: "people_pkey" in stack.log("postgres").read_text())
    assert canary not in stack.log("postgres").read_text()


@pytest.mark.parametrize("bucket", BUCKETS, ids=lambda bucket: bucket.name)
@pytest.mark.parametrize("user", STORE_USERS)
def test_each_user_of_the_store_may_do_what_the_table_says(s3: Store, user: str, bucket: Bucket) -> None:
    mine, root = client(s3, user), client(s3, "root")
    key = f"{uuid4()}/{uuid4()}/{uuid4()}"
    root.put_object(bucket_name=bucket.name, object_name=key, data=BytesIO(b"sealed"), length=6)
    owner = user == bucket.owner

    def get() -> object:
        return mine.get_object(bucket_name=bucket.name, object_name=key).read()

    def put() -> object:
        return mine.put_object(bucket_name=bucket.name, object_name=f"{key}-new", data=BytesIO(b"new"), length=3)

    assert allowed(get) == (owner or user in bucket.readers)
    assert allowed(lambda: list(mine.list_objects(bucket_name=bucket.name, prefix=key))) == (user in bucket.listers)
    assert allowed(put) == owner
    assert allowed(lambda: mine.remove_object(bucket_name=bucket.name, object_name=key)) == owner
    assert not allowed(lambda: mine.make_bucket(bucket_name=f"b-{uuid4()}"))
    for name in (key, f"{key}-new"):
        root.remove_object(bucket_name=bucket.name, object_name=name)


def test_the_store_answers_nobody_unknown(s3: Store) -> None:
    assert httpx.get(f"http://{s3.endpoint}/recordings").status_code == 403


async def test_topics_are_never_made_by_a_typo(kafka_servers: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_servers)
    await admin.start()
    try:
        described = await admin.describe_topics([f"typo-{uuid4()}"])
        assert described[0]["error_code"] == 3  # unknown topic
    finally:
        await admin.close()


def test_a_mail_becomes_a_file(stack: Stack, mail_folder: Path) -> None:
    message = EmailMessage()
    message["Subject"] = f"A message {uuid4()}"
    message.set_content("Please ring us.")
    with smtplib.SMTP("127.0.0.1", stack.port("mail")) as smtp:
        smtp.send_message(message, "team@example.org", ["one@example.org", "two@example.org"])
    (found,) = (path for path in mail_folder.glob("*.eml") if message["Subject"] in path.read_text())
    assert "X-Envelope-To: two@example.org" in found.read_text()


def test_a_trace_is_found_by_the_short_reference_of_its_recording(traces: str) -> None:
    trace_id, reference = uuid4().hex, f"Q{uuid4().hex[:7].upper()}"
    now = int(time.time() * 1e6)
    spans = [
        {
            "traceId": trace_id,
            "id": f"{number:016x}",
            "name": name,
            "timestamp": now + number,
            "duration": 1000,
            "localEndpoint": {"serviceName": service},
            "tags": {"attune.recording.reference": reference},
        }
        for number, (name, service) in enumerate([("first", "upload"), ("second", "curation")], 1)
    ]
    httpx.post(f"{traces}/api/v2/spans", json=spans).raise_for_status()
    until(lambda: bool(find(traces, reference)))
    (found,) = find(traces, reference.lower())
    assert (found.id, found.name, found.services) == (trace_id, "first", ("curation", "upload"))
    assert httpx.get(f"{traces}/zipkin/api/v2/trace/{trace_id}").status_code == 200
    assert find(traces, "00000000") == []


def test_every_part_listens_on_the_loopback_alone(stack: Stack, traces: str) -> None:
    assert httpx.get(f"{traces}/api/v2/services").status_code == 200
    pids = {process["pid"]: name for name, process in stack.status().items() if process["pid"]}
    listening = [
        (pids[connection.pid], connection.laddr.ip)
        for connection in psutil.net_connections("tcp")
        if connection.pid in pids and connection.status == psutil.CONN_LISTEN
    ]
    assert {name for name, _ in listening} >= {"postgres", "kafka", "s3", "mail", "traces"}
    assert {ip.removeprefix("::ffff:") for _, ip in listening} == {"127.0.0.1"}


def test_what_a_stack_is_can_be_read_from_its_file(stack: Stack) -> None:
    state = json.loads((stack.folder / "stack.json").read_text())
    assert state["processes"]["postgres"]["port"] == stack.port("postgres")
    assert (stack.folder / "stack.json").stat().st_mode & 0o777 == 0o600


# what happens to it


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of these tests alone, in a folder whose name is longer than the path of a socket may be."""
    folder = tmp_path_factory.mktemp("own") / ("x" * 100)
    with Stack(folder) as stack:
        yield stack.start(infrastructure=True, without=["traces"])


async def test_what_is_stored_survives_a_kill_of_everything(own: Stack) -> None:
    connection = await asyncpg.connect(own.database_url("upload"))
    await connection.execute("CREATE TABLE kept AS SELECT 42 AS x")
    await connection.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=own.kafka_servers)
    await admin.start()
    await admin.create_topics([NewTopic("kept", 1, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=own.kafka_servers, acks="all")
    await producer.start()
    await producer.send_and_wait("kept", b"42")
    await producer.stop()
    root = client(own.store, "root")
    root.put_object(bucket_name="recordings", object_name="a/b/c", data=BytesIO(b"42"), length=2)

    for name in ("postgres", "kafka", "s3", "mail"):
        own.kill(name)
    own.wait_ready("postgres", "kafka", "s3", "mail")

    connection = await asyncpg.connect(own.database_url("upload"))
    assert await connection.fetchval("SELECT x FROM kept") == 42
    await connection.close()
    consumer = AIOKafkaConsumer("kept", bootstrap_servers=own.kafka_servers, auto_offset_reset="earliest")
    await consumer.start()
    assert (await consumer.getone()).value == b"42"
    await consumer.stop()
    assert root.get_object(bucket_name="recordings", object_name="a/b/c").read() == b"42"
    assert {name: process["exits"] for name, process in own.status().items()} == dict.fromkeys(
        ("postgres", "kafka", "s3", "mail"), 1
    )


def test_a_stack_comes_back_with_the_same_addresses_and_data(tmp_path: Path) -> None:
    with Stack(tmp_path) as first:
        first.start(only=["postgres", "mail"])
        Databases(first).sql("CREATE TABLE kept ()", "upload")
        ports = first.port("postgres"), first.port("mail")
    with Stack(tmp_path) as second:
        second.start(only=["postgres"])
        assert Databases(second).sql("SELECT count(*) FROM kept", "upload") == "0"
        with socket.socket() as stranger:
            stranger.bind(("127.0.0.1", ports[1]))
            assert (second.port("postgres"), second.port("mail")) == ports
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", ports[1]))
        stranger.listen()
        with Stack(tmp_path) as third:
            third.start(only=["postgres", "mail"])
            assert third.port("mail") != ports[1]


def test_a_paused_process_does_not_answer_and_a_resumed_one_does(own: Stack) -> None:
    health = f"{own.url('s3')}/health"
    own.pause("s3")
    assert own.state("s3") is State.PAUSED
    with pytest.raises(httpx.TimeoutException):
        httpx.get(health, timeout=1)
    own.resume("s3")
    own.wait_ready("s3")
    assert httpx.get(health).status_code == 200


def test_two_stacks_run_at_once(own: Stack, stack: Stack) -> None:
    assert set(ports(own).values()).isdisjoint(ports(stack).values())
    assert own.instance.name != stack.instance.name
    secrets = {own.database_url(role).split("@")[0] for role in DATABASES}
    assert secrets.isdisjoint(stack.database_url(role).split("@")[0] for role in DATABASES)


def test_a_folder_has_one_supervisor(own: Stack) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "deploy.local", "--folder", str(own.folder), "up"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
    )
    assert second.returncode == 1
    assert "running already" in second.stderr


def test_a_running_stack_keeps_its_settings(own: Stack) -> None:
    assert own.start(only=["mail"]).state("mail") is State.READY
    with pytest.raises(StackError, match="other settings"):
        own.start(only=["mail"], env={"ATTUNE_PERMIT_SECONDS": "3"})


def test_what_does_not_run_cannot_be_killed(own: Stack) -> None:
    with pytest.raises(StackError, match="not running"):
        own.kill("traces")
    with pytest.raises(StackError):
        own.start_process("no-such-process")


async def test_of_three_brokers_one_may_die(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTUNE_BROKERS", "3")
    with Stack(tmp_path) as three:
        three.start(only=["kafka", "kafka-2", "kafka-3"])
        assert len(three.kafka_servers.split(",")) == 3
        admin = AIOKafkaAdminClient(bootstrap_servers=three.kafka_servers)
        await admin.start()
        await admin.create_topics([NewTopic("kept", 3, 3)])
        await admin.close()
        producer = AIOKafkaProducer(bootstrap_servers=three.kafka_servers, acks="all", enable_idempotence=True)
        await producer.start()
        try:
            await producer.send_and_wait("kept", b"before", partition=0)
            three.start_process("kafka-2", restart=False)
            three.stop_process("kafka-2")
            for partition in range(3):
                await producer.send_and_wait("kept", b"while it is away", partition=partition)
            assert three.state("kafka-2") is State.STOPPED
        finally:
            await producer.stop()


# that it leaves nothing behind


def ports(stack: Stack) -> dict[str, int]:
    return {name: process["port"] for name, process in stack.status().items()}


def family(pid: int) -> list[psutil.Process]:
    """A process and all that descend from it."""
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def all_gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


EVERY_PART, SOME = ["postgres", "kafka", "s3", "mail", "traces"], ["postgres", "s3", "mail"]


@pytest.fixture
def parts() -> list[str]:
    return EVERY_PART


@pytest.fixture
def serving(tmp_path: Path, parts: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A supervisor with these parts running, of a program that is not this one."""
    program = (
        "import sys; from deploy.local.stack import Stack\n"
        f"Stack({str(tmp_path)!r}).start(only={parts})\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdout
        assert running.stdout.readline() == b"ready\n"
        yield running
        running.kill()


def test_a_stack_ends_with_the_program_that_started_it_even_when_that_is_killed(
    serving: subprocess.Popen[bytes],
) -> None:
    processes = family(serving.pid)
    assert len(processes) > 8  # the guard, the supervisor, PostgreSQL with its children, Kafka, S3, mail, traces
    serving.kill()
    serving.wait()
    until(lambda: all_gone(processes))


@pytest.mark.parametrize(
    ("victims", "parts"),
    [(["supervisor"], EVERY_PART), (["guard"], SOME), (["guard", "supervisor"], SOME)],
    ids=["supervisor", "guard", "guard-supervisor"],
)
def test_nothing_is_left_when_the_supervisor_is_killed(
    serving: subprocess.Popen[bytes], victims: list[str], tmp_path: Path
) -> None:
    supervisor = psutil.Process(Stack(tmp_path).supervisor)
    guard = supervisor.parent()
    assert guard
    processes = family(guard.pid)
    for victim in victims:
        {"supervisor": supervisor, "guard": guard}[victim].kill()
    until(lambda: all_gone(processes))


def test_ctrl_c_ends_everything_that_up_started_and_status_and_down_know_it(tmp_path: Path) -> None:
    local = [sys.executable, "-m", "deploy.local", "--folder", str(tmp_path / ".local")]

    def say(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*local, *words], cwd=CHECKOUT, capture_output=True, text=True)

    assert "not running" in say("status").stderr
    with subprocess.Popen(
        [*local, "up", "--infrastructure"], cwd=CHECKOUT, start_new_session=True, stdout=subprocess.PIPE, text=True
    ) as up:
        assert up.stdout
        printed = []
        for line in up.stdout:
            printed.append(line)
            if "Ctrl-C" in line:
                break
        assert any("TOKEN=ey" in line for line in printed)
        assert sum(line.split()[1:2] == ["ready"] for line in printed) == 5
        status = say("status")
        assert status.stdout.count(" ready ") == 5
        processes = family(up.pid)
        os.killpg(up.pid, signal.SIGINT)
        assert up.wait(PATIENCE_SECONDS) == 0
    assert all_gone(processes)
    assert say("down").returncode == 0
    assert say("clean").returncode == 0
    assert not (tmp_path / ".local").exists()
