"""`sensorpi sensor run` against a real broker: nothing lost, order kept, through freezes and restarts."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer

from sensorpi.common.reading import TOPIC
from tests.fakes.recordings import write_astro_pi
from tests.integration.kafka_fixture import KafkaBroker
from tests.integration.ports import free_ports
from tests.integration.waiting import wait_until

COMMAND = Path(sys.executable).with_name("sensorpi")


class Sensor:
    """The command as a process of its own, with its events in a file."""

    def __init__(
        self, directory: Path, servers: str, name: str, *options: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self.events_file = directory / f"events-{time.monotonic_ns()}"
        places = ["--state-directory", str(directory / "state"), "--events", str(self.events_file)]
        self.log = directory / "sensor.log"
        board = ["--board", "emulated", "--bootstrap-servers", servers, "--sensor", name, "--host", "pi"]
        with self.log.open("ab") as log:
            command: list[str | Path] = [COMMAND, "sensor", "run", *board, *places, *options]
            self.process = subprocess.Popen(command, stderr=log, env={**os.environ, **(environment or {})})

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Events of one kind so far."""
        if not self.events_file.exists():
            return []
        whole_lines = self.events_file.read_text(encoding="utf-8").split("\n")[:-1]
        return [event for event in map(json.loads, whole_lines) if event["event"] == kind]

    def acknowledged(self) -> int:
        """How many readings of this run the broker has."""
        events = self.events("acknowledged")
        return int(events[-1]["count"]) if events else 0

    def stop(self) -> dict[str, Any]:
        """End it as systemd does; the last event."""
        self.process.send_signal(signal.SIGTERM)
        return self.end(30)

    def end(self, timeout_s: float) -> dict[str, Any]:
        """Wait for its end; the last event."""
        try:
            assert self.process.wait(timeout_s) == 0, self.log.read_text(encoding="utf-8")
        finally:
            self.process.kill()
        return self.events("end")[0]


def messages(broker: KafkaBroker, sensor: str) -> list[dict[str, Any]]:
    """All messages of a sensor in the topic, in the order of its partition."""
    consumer = KafkaConsumer(
        TOPIC,
        bootstrap_servers=broker.bootstrap_servers,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        consumer_timeout_ms=3000,
    )
    try:
        return [json.loads(record.value) for record in consumer if record.key == f"pi/{sensor}".encode()]
    finally:
        consumer.close()


def without_doubles(found: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """(boot, sequence) in the order of their first appearance."""
    return list(dict.fromkeys((message["boot"], message["sequence"]) for message in found))


def test_full_speed_recording_reaches_kafka_without_spool(kafka_broker: KafkaBroker, tmp_path: Path) -> None:
    recording = write_astro_pi(tmp_path / "recording.csv", rows=13_723)
    started_s = time.monotonic()
    options = ["--replay", str(recording), "--map", "astro-pi", "--speed", "max", "--timestamps", "original"]
    sensor = Sensor(tmp_path, kafka_broker.bootstrap_servers, "full-speed", *options)
    end = sensor.end(60)
    assert time.monotonic() - started_s < 30
    assert end == {"event": "end", "readings": 13_723, "acknowledged": 13_723, "spooled": 0}
    assert sensor.events("spooled") == []
    sequences = [message["sequence"] for message in messages(kafka_broker, "full-speed")]
    assert sequences == list(range(1, 13_724))


@pytest.mark.timeout(180)
def test_frozen_broker_costs_no_reading_and_15_s_at_most(kafka_broker: KafkaBroker, tmp_path: Path) -> None:
    sensor = Sensor(tmp_path, kafka_broker.bootstrap_servers, "frozen", "--rate", "10")
    try:
        wait_until(lambda: sensor.acknowledged() > 20, "readings acknowledged", 30)
        kafka_broker.pause()
        try:
            wait_until(lambda: bool(sensor.events("spooled")), "readings spooled", 30)
            wait_until(lambda: len(sensor.events("read")) > 250, "readings go on", 30)
        finally:
            kafka_broker.resume()
        resumed_s = time.monotonic()
        taken = len(sensor.events("read"))
        wait_until(lambda: sensor.acknowledged() >= taken, "live again", 30)
        assert time.monotonic() - resumed_s < 15
    finally:
        end = sensor.stop()
    assert end["spooled"] == 0
    assert end["acknowledged"] == end["readings"]
    found = without_doubles(messages(kafka_broker, "frozen"))
    assert [sequence for _boot, sequence in found] == list(range(1, end["readings"] + 1))
    lines = sensor.log.read_text(encoding="utf-8").splitlines()
    assert sum("is down" in line for line in lines) == 1
    assert sum("is back after" in line for line in lines) == 1


@pytest.mark.timeout(180)
@pytest.mark.parametrize("frozen_s", [0.4, 3.0, 9.0, 12.5])
def test_kill_while_the_broker_is_frozen_costs_a_second(
    kafka_broker: KafkaBroker, tmp_path: Path, frozen_s: float
) -> None:
    name = f"cut-{frozen_s}"
    first = Sensor(tmp_path, kafka_broker.bootstrap_servers, name, "--rate", "20")
    wait_until(lambda: first.acknowledged() > 20, "readings acknowledged", 30)
    kafka_broker.pause()
    try:
        time.sleep(frozen_s)
        cut_ns = time.monotonic_ns()
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
    finally:
        kafka_broker.resume()
    taken = {event["sequence"]: event["monotonic_ns"] for event in first.events("read")}
    boot = first.events("read")[0]["boot"]
    Sensor(tmp_path, kafka_broker.bootstrap_servers, name, "--for", "1").end(60)
    stored = {message["sequence"] for message in messages(kafka_broker, name) if message["boot"] == boot}
    assert max(((cut_ns - taken[each]) / 1e9 for each in set(taken) - stored), default=0) <= 1.0


@pytest.mark.timeout(120)
def test_clock_a_year_ahead_neither_silences_nor_doubles(kafka_broker: KafkaBroker, tmp_path: Path) -> None:
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if library is None:
        pytest.skip("needs the package faketime")
    setting = tmp_path / "faketime"
    setting.write_text("+0\n")
    environment = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(setting),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    began_ms = time.time_ns() // 1_000_000
    sensor = Sensor(tmp_path, kafka_broker.bootstrap_servers, "ahead", "--rate", "20", environment=environment)
    wait_until(lambda: sensor.acknowledged() > 20, "readings acknowledged", 30)
    setting.write_text("+365d\n")
    wait_until(lambda: len(sensor.events("held")) > 100, "readings held", 30)
    setting.write_text("+0\n")
    end = sensor.stop()
    ended_ms = time.time_ns() // 1_000_000
    assert end["acknowledged"] == end["readings"] > 100
    found = messages(kafka_broker, "ahead")
    assert [sequence for _, sequence in without_doubles(found)] == list(range(1, end["readings"] + 1))
    timestamps = [message["timestamp"] for message in found]
    assert timestamps == sorted(set(timestamps))
    assert began_ms <= timestamps[0] <= timestamps[-1] <= ended_ms


def test_spooled_readings_arrive_before_the_next_runs(kafka_broker: KafkaBroker, tmp_path: Path) -> None:
    (nobody,) = free_ports(1)
    first = Sensor(tmp_path, f"127.0.0.1:{nobody}", "restarted", "--rate", "10")
    wait_until(lambda: bool(first.events("spooled")), "readings spooled", 30)
    taken = first.stop()
    assert taken["acknowledged"] == 0
    assert taken["spooled"] == taken["readings"] > 0

    second = Sensor(tmp_path, kafka_broker.bootstrap_servers, "restarted", "--rate", "10", "--for", "2")
    end = second.end(30)
    assert end["acknowledged"] == end["readings"]
    found = messages(kafka_broker, "restarted")
    assert len(without_doubles(found)) == taken["readings"] + end["readings"]
    timestamps = [message["timestamp"] for message in found]
    assert timestamps == sorted(set(timestamps))
    assert not (tmp_path / "state/spool.sqlite3").exists()


def test_readings_on_disk_survive_a_kill(kafka_broker: KafkaBroker, tmp_path: Path) -> None:
    (nobody,) = free_ports(1)
    first = Sensor(tmp_path, f"127.0.0.1:{nobody}", "killed", "--rate", "10")
    wait_until(lambda: sum(event["count"] for event in first.events("spooled")) > 10, "readings spooled", 30)
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    spooled = sum(event["count"] for event in first.events("spooled"))

    Sensor(tmp_path, kafka_broker.bootstrap_servers, "killed", "--for", "1").end(30)
    boots = [message["boot"] for message in messages(kafka_broker, "killed")]
    assert boots.count(boots[0]) >= spooled
