"""Points per second from Kafka into InfluxDB: the Spark job beside a plain kafka-python consumer, in one run.

Both read the same messages from the same broker into the same InfluxDB, one after the other. Run by
`make bench`; prints a Markdown table for results.md.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from influxdb import InfluxDBClient
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from onebox.home import Home, choose_ports
from onebox.stages import Stages
from sensorpi.common.reading import TOPIC, Reading, kafka_key
from sensorpi.pipeline.influx.client import reader_client, writer_client
from sensorpi.pipeline.job.lines import LineWriter
from sensorpi.pipeline.job.message import Rules

VALUES = {
    "temperature": 21.53, "pressure": 101325.25, "heading": 359.13, "lightv": 300.0, "lightr": 85.0, "lightg": 84.0,
    "lightb": 82.0, "motionx": -0.01, "motiony": 0.02, "motionz": 1.0,
}  # fmt: skip
BATCH = 5_000


def main() -> None:
    """Produce, then drain twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=300_000)
    count = parser.parse_args().messages
    with tempfile.TemporaryDirectory(prefix="sensorpi-bench-") as folder:
        home, ports = Home(Path(folder)), choose_ports()
        stages = Stages(home, ports, home.configure(ports, 1.0))
        try:
            stages.start()
            job = next(service for service in stages.services if service.name == "spark")
            job.stop()
            produce(stages, count)
            client = reader_client(stages.endpoint, stages.credentials)
            print(f"\n{count} messages of {len(message(1))} bytes, one partition; {os.cpu_count()} cores,"
                  f" {platform.machine()}, Python {platform.python_version()}\n")  # fmt: skip
            print("| reader | points a second | CPU seconds |\n| --- | ---: | ---: |")
            consumer_s, cpu_s = consume(stages, count)
            print(f"| kafka-python consumer, strict parser | {count / consumer_s:,.0f} | {cpu_s:.0f} |")
            job_s, cpu_s = drain(client, count, lambda: job.start(), lambda: job.pid)
            print(f"| the Spark job, cold JVM | {count / job_s:,.0f} | {cpu_s:.0f} |")
        finally:
            stages.stop()


def message(sequence: int) -> bytes:
    """A reading as the sensor publishes it."""
    return Reading("EnviroPhat", "bench", "bench", sequence, 1_700_000_000_000 + sequence, VALUES).to_json()


def produce(stages: Stages, count: int) -> None:
    """Fill the topic."""
    producer = KafkaProducer(bootstrap_servers=stages.cluster.bootstrap_servers, linger_ms=50, batch_size=262_144)
    for sequence in range(1, count + 1):
        producer.send(TOPIC, message(sequence), key=kafka_key("EnviroPhat", "bench"))
    producer.flush()
    producer.close()


def consume(stages: Stages, count: int) -> tuple[float, float]:
    """Seconds and CPU seconds that a hand-written consumer takes; it stores under another sensor's name."""
    consumer = KafkaConsumer(bootstrap_servers=stages.cluster.bootstrap_servers, auto_offset_reset="earliest")
    consumer.assign([TopicPartition(TOPIC, 0)])
    consumer.seek_to_beginning()
    writer = LineWriter(writer_client(stages.endpoint, stages.credentials))
    line_of, now_ms = Rules(raw_retention_days=0).line, int(time.time() * 1000)
    started, cpu = time.monotonic(), time.process_time()
    done, lines = 0, list[tuple[int, bytes]]()
    while done < count:
        for records in consumer.poll(timeout_ms=500, max_records=BATCH).values():
            lines += [(record.offset, line_of(record.value, record.key, now_ms)[0]) for record in records]
        if len(lines) >= BATCH or done + len(lines) >= count:
            writer.write([(offset, line.replace(b"host=bench", b"host=peer", 1)) for offset, line in lines])
            done, lines = done + len(lines), []
    consumer.close(autocommit=False)
    return time.monotonic() - started, time.process_time() - cpu


def drain(
    client: InfluxDBClient, count: int, start: Callable[[], None], pid: Callable[[], int | None]
) -> tuple[float, float]:
    """Seconds from the first stored point to the last, and the CPU seconds of the job's processes since its start."""
    start()
    first: float | None = None
    while (stored := _stored(client)) < count:
        if stored and first is None:
            first = time.monotonic()
        time.sleep(0.05)
    seconds = time.monotonic() - (first or time.monotonic())
    return seconds, _cpu_seconds(pid())


def _stored(client: InfluxDBClient) -> int:
    points = client.query("SELECT count(sequence) FROM sensor WHERE host = 'bench'").get_points()
    return sum(int(point["count"]) for point in points)


def _cpu_seconds(pid: int | None) -> float:
    """User and system time of a process and its living and dead descendants."""
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    own = sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")
    threads = Path(f"/proc/{pid}/task").glob("*/children")  # a JVM's child belongs to the thread that started it
    children = " ".join(file.read_text(encoding="utf-8") for file in threads).split()
    return own + sum(_cpu_seconds(int(child)) for child in children)


if __name__ == "__main__":
    main()
