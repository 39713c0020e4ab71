"""The readers that are compared: each is started with Kafka's topic in front of it and an empty InfluxDB behind it."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from bench import telegraf
from bench.lines import PASSWORD, URL
from bench.measured import CEILING, HAND_WRITTEN, JOB, TELEGRAF
from bench.stack import Stack
from onebox.home import ROOT
from onebox.process import Service
from sensorpi.common.reading import TOPIC
from sensorpi.pipeline.influx.client import DATABASE, RAW, READINGS, WRITER


@dataclass(frozen=True)
class Work:
    """What a reader has to do, and with how many cores."""

    readings: int
    sensors: int
    cores: int


#: Starts a reader.
Start = Callable[[Stack, Work], Service]


def readers() -> dict[str, Start]:
    """Those that can run here, in the order in which they take turns."""
    found: dict[str, Start] = {JOB: _start_job, TELEGRAF: _start_telegraf, HAND_WRITTEN: _start_hand_written,
                               CEILING: _start_ceiling}  # fmt: skip
    if telegraf.program() is None:
        del found[TELEGRAF]
    return found


def _start_job(stack: Stack, work: Work) -> Service:
    """The configuration has the cores: `Stack.set_scale`."""
    return stack.stages.start_job()


def _start_telegraf(stack: Stack, work: Work) -> Service:
    configuration = stack.home.path / "telegraf.conf"
    telegraf.write_configuration(
        configuration, brokers=stack.bootstrap_servers, topic=TOPIC, measurement=READINGS, url=stack.influxdb_url,
        database=DATABASE, policy=RAW, username=WRITER, password=stack.stages.credentials.writer_password,
    )  # fmt: skip
    argv = [str(telegraf.program()), "--config", str(configuration)]
    environment = os.environ | {"GOMAXPROCS": str(work.cores)}
    return stack.add(Service("telegraf", argv, stack.home.logs / "telegraf.log", environment))


def _start_hand_written(stack: Stack, work: Work) -> Service:
    return _start_program(stack, HAND_WRITTEN, "bench.hand_written", [stack.bootstrap_servers, TOPIC])


def _start_ceiling(stack: Stack, work: Work) -> Service:
    words = [str(number) for number in (work.readings, work.sensors, work.cores)]
    return _start_program(stack, CEILING, "bench.prepared_lines", words)


def _start_program(stack: Stack, name: str, module: str, words: list[str]) -> Service:
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        URL: stack.influxdb_url,
        PASSWORD: stack.stages.credentials.writer_password,
    }
    argv = [sys.executable, "-m", module, *words]
    return stack.add(Service(name, argv, stack.home.logs / f"{name}.log", environment))
