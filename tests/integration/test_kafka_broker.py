"""The broker's life: first start, ready, restart, stop, and what must not count as any of these."""

import os
import shutil
import signal
import socket
import threading
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from sensorpi.mesos_node.kafka.probe import kafka_probe
from sensorpi.mesos_node.kafka.topics import TopicSpec, ensure_topics
from sensorpi.mesos_node.launcher import ProbeError
from tests.integration.kafka_fixture import KafkaBroker, one_broker
from tests.integration.waiting import wait_until

KEPT = TopicSpec("kept", 1, 1, {})


def send(broker: KafkaBroker, topic: str, value: bytes) -> None:
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers)
    try:
        producer.send(topic, value).get(timeout=30)
    finally:
        producer.close(timeout=5)


def read_one(broker: KafkaBroker, topic: str) -> bytes:
    consumer = KafkaConsumer(
        bootstrap_servers=broker.bootstrap_servers, auto_offset_reset="earliest", consumer_timeout_ms=30_000
    )
    try:
        consumer.assign([TopicPartition(topic, 0)])
        value: bytes = next(consumer).value
        return value
    finally:
        consumer.close()


def test_a_restart_keeps_what_was_written_and_formats_nothing(fresh_broker: KafkaBroker) -> None:
    fresh_broker.start()
    ensure_topics(fresh_broker.bootstrap_servers, [KEPT], fresh_broker.cluster_id)
    send(fresh_broker, "kept", b"before the restart")
    fresh_broker.stop()
    identity = (fresh_broker.log_directory / "meta.properties").read_bytes()

    fresh_broker.start()

    assert read_one(fresh_broker, "kept") == b"before the restart"
    assert (fresh_broker.log_directory / "meta.properties").read_bytes() == identity


def test_the_data_belongs_to_the_cluster_of_the_key(kafka_broker: KafkaBroker) -> None:
    lines = (kafka_broker.log_directory / "meta.properties").read_text().splitlines()
    assert f"cluster.id={kafka_broker.cluster_id}" in lines


def test_ready_and_watchdog_follow_the_brokers_answers(fresh_broker: KafkaBroker, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(os.fspath(tmp_path / "notify"))
        systemd.settimeout(90)
        fresh_broker.launch({"NOTIFY_SOCKET": os.fspath(tmp_path / "notify")})
        early = []
        while "READY=1" not in (message := systemd.recv(4096).decode()).splitlines():
            early.append(message)
        answer = kafka_probe(fresh_broker.bootstrap_servers, 0, fresh_broker.cluster_id)()

        assert early, "it takes a while, and says so"
        assert not any("WATCHDOG=1" in message for message in early)
        assert answer.startswith("answers at ")
        while "WATCHDOG=1" not in systemd.recv(4096).decode().splitlines():
            pass


def test_a_frozen_broker_does_not_reset_the_watchdog(fresh_broker: KafkaBroker, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(os.fspath(tmp_path / "notify"))
        systemd.settimeout(90)
        fresh_broker.launch({"NOTIFY_SOCKET": os.fspath(tmp_path / "notify")})
        while "READY=1" not in systemd.recv(4096).decode().splitlines():
            pass
        fresh_broker.pause()
        while not (message := systemd.recv(4096).decode()).startswith("STATUS=not answering: "):
            pass
        assert "WATCHDOG=1" not in systemd.recv(4096).decode()
        fresh_broker.resume()
        while "WATCHDOG=1" not in (message := systemd.recv(4096).decode()):
            pass
        assert "STATUS=answers at " in message
    wait_until(lambda: "is back after" in fresh_broker.output(), "the end of the outage logged", 10)
    assert fresh_broker.output().count(" is down: ") == 1


def test_sigterm_is_a_clean_stop(fresh_broker: KafkaBroker) -> None:
    fresh_broker.start()
    jvm = fresh_broker.jvm_pid

    assert fresh_broker.stop() == 0

    assert not Path(f"/proc/{jvm}").exists()
    assert "ERROR" not in fresh_broker.output()
    assert (fresh_broker.log_directory / ".kafka_cleanshutdown").exists()


def test_a_jvm_that_dies_is_one_line_and_its_status(fresh_broker: KafkaBroker) -> None:
    fresh_broker.start()
    assert fresh_broker.process is not None
    os.kill(fresh_broker.jvm_pid, signal.SIGKILL)

    assert fresh_broker.process.wait(timeout=30) == 128 + signal.SIGKILL

    assert fresh_broker.output().count("Kafka broker 0 ended by itself with status 137") == 1


def test_the_jvm_goes_when_its_launcher_is_killed(fresh_broker: KafkaBroker) -> None:
    fresh_broker.start()
    assert fresh_broker.process is not None
    jvm = fresh_broker.jvm_pid
    fresh_broker.process.kill()
    fresh_broker.process.wait(timeout=10)

    wait_until(lambda: not Path(f"/proc/{jvm}").exists(), "the JVM gone", 60)


def test_a_lost_folder_is_refused_with_one_line(fresh_broker: KafkaBroker) -> None:
    fresh_broker.start()
    fresh_broker.stop()
    shutil.rmtree(fresh_broker.log_directory)

    assert fresh_broker.launch().wait(timeout=60) == 2

    [line] = fresh_broker.output().splitlines()
    assert line == (
        f"sensorpi: {fresh_broker.log_directory} is empty, but broker 0 was formatted here before: restore it, "
        f"or remove {fresh_broker.data}/0.formatted to start with an empty folder and lose what only this broker had"
    )
    assert not fresh_broker.log_directory.exists()


def test_a_broker_behind_a_taken_port_is_never_ready(kafka_broker: KafkaBroker, tmp_path: Path) -> None:
    """Another Kafka answers there: it must not be taken for the one that could not bind."""
    second = one_broker(tmp_path)
    file = second.config / "cluster.toml"
    file.write_text(file.read_text().replace(f"\nport = {second.cluster.kafka.port}",
                                             f"\nport = {kafka_broker.cluster.kafka.port}"))  # fmt: skip
    try:
        assert second.launch().wait(timeout=90) == 1
    finally:
        second.stop()
    assert "Address already in use" in second.output()
    assert "is ready" not in second.output()


@pytest.mark.parametrize(
    ("broker_id", "cluster_id", "reason"),
    [(0, "another-cluster-id-____", "belongs to another cluster"), (1, None, "broker 1 is not yet in its cluster")],
)
def test_the_probe_wants_this_broker_of_this_cluster(
    kafka_broker: KafkaBroker, broker_id: int, cluster_id: str | None, reason: str
) -> None:
    probe = kafka_probe(kafka_broker.bootstrap_servers, broker_id, cluster_id or kafka_broker.cluster_id)
    with pytest.raises(ProbeError, match=reason):
        probe()


def test_probes_that_get_no_answer_leave_no_thread_behind() -> None:
    """One every second, for as long as a broker is frozen, would end the launcher."""
    threads = threading.active_count()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        probe = kafka_probe(f"127.0.0.1:{silent.getsockname()[1]}", 0, "id", timeout_s=0.3)
        with pytest.raises(ProbeError):
            probe()
    assert threading.active_count() == threads
