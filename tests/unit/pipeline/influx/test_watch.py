"""When InfluxDB is restarted: on a good disk only, with growing waits, and never because of anything else."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import requests
from influxdb.exceptions import InfluxDBClientError, InfluxDBServerError

from sensorpi.pipeline.influx.influxd import Disk, Influxd
from sensorpi.pipeline.influx.watch import FIRST_WAIT_S, LOOK_S, WRITE_S, Refused, Silent, Watch, write_probe

FULL = Disk("only 0 MB are free", refuses=True)
NEARLY_FULL = Disk("only 9 MB are free")


@dataclass(frozen=True)
class FakeInfluxd(Influxd):
    """One that tells when it is killed."""

    killed: Callable[[], None] = lambda: None

    def kill(self) -> None:
        self.killed()


@dataclass
class Machine:
    """A machine with an InfluxDB, and the watch over it."""

    now_s: float = 1000.0
    pid: int | None = 1
    cpu_s: float = 0.0
    is_stopped: bool = False
    disk: Disk = field(default_factory=Disk)
    fails: Exception | None = None
    #: Whether it is well after a restart.
    heals: bool = True
    killed_s: list[float] = field(default_factory=list)
    writes: int = 0

    def __post_init__(self) -> None:
        self.watch = Watch("InfluxDB", self.write, self.find, lambda: self.disk, lambda: self.now_s)

    def write(self) -> None:
        self.writes += 1
        if self.fails is not None:
            raise self.fails

    def find(self) -> Influxd | None:
        if self.pid is None:
            return None
        return FakeInfluxd(self.pid, self.pid, self.cpu_s, self.is_stopped, self.restart)

    def restart(self) -> None:
        assert self.pid is not None
        self.pid += 1
        self.killed_s.append(self.now_s)
        if self.heals:
            self.fails = None

    def passes(self, seconds: float, busy: float = 0.0) -> None:
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.watch.look()
            self.now_s += LOOK_S
            self.cpu_s += LOOK_S * busy


@pytest.mark.parametrize("fails", [Refused("HTTP 500: no space left on device"), Silent("no connection")])
def test_one_that_does_not_store_is_restarted_once(fails: Exception, caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine()
    machine.passes(10)
    machine.fails = fails
    machine.passes(200)
    assert len(machine.killed_s) == 1
    down, killed, back = [record.getMessage() for record in caplog.records]
    assert down == f"InfluxDB cannot store points: {fails}."
    assert killed == f"InfluxDB is killed to be restarted: {fails}. Not again within 30 s."
    assert back.startswith("InfluxDB stores points again after")


def test_trouble_that_passes_is_neither_logged_nor_restarted(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine(fails=Refused("HTTP 503"))
    machine.passes(20)
    machine.fails = None
    machine.passes(200)
    assert (machine.killed_s, caplog.records) == ([], [])


@pytest.mark.parametrize("bad", [FULL, Disk("read-only", refuses=True)])
def test_no_restart_while_the_disk_is_bad_and_one_after(bad: Disk) -> None:
    machine = Machine(fails=Refused("HTTP 500"))
    machine.passes(10)
    machine.disk = bad
    machine.passes(600)
    assert (machine.killed_s, machine.watch.status) == ([], bad.problem)
    machine.disk = Disk()
    machine.passes(200)
    assert len(machine.killed_s) == 1
    assert machine.watch.status == "InfluxDB stores points"


def test_after_a_full_disk_it_is_restarted_unasked() -> None:
    """A test write goes to today's shard only: those of other days may refuse theirs."""
    machine = Machine(disk=FULL)
    machine.passes(LOOK_S)
    machine.disk = Disk()
    machine.passes(200)
    assert len(machine.killed_s) == 1


def test_a_disk_that_was_only_nearly_full_is_no_reason() -> None:
    machine = Machine(disk=NEARLY_FULL, fails=Refused("HTTP 500"))
    machine.passes(100)
    machine.disk, machine.fails = Disk(), None
    machine.passes(200)
    assert machine.killed_s == []


def test_a_disk_that_fills_again_and_again_makes_no_loop() -> None:
    machine = Machine()
    for _ in range(100):
        machine.disk = FULL
        machine.passes(LOOK_S)
        machine.disk = Disk()
        machine.passes(2 * LOOK_S)
    assert len(machine.killed_s) <= 7


def test_one_that_stays_broken_is_restarted_less_and_less_often() -> None:
    machine = Machine(heals=False, fails=Refused("HTTP 500"))
    machine.passes(8 * 3600)
    waits_s = [later - before for before, later in zip(machine.killed_s, machine.killed_s[1:], strict=False)]
    assert waits_s == sorted(waits_s)
    assert 10 < len(machine.killed_s) < 20


def test_the_first_wait_applies_again_after_a_good_time(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine()
    for _ in range(4):
        machine.fails = Refused("HTTP 500")
        machine.passes(100 + 2 * WRITE_S + FIRST_WAIT_S)
    killed = [record.getMessage() for record in caplog.records if "is killed" in record.getMessage()]
    assert [message.rpartition(". ")[2] for message in killed] == ["Not again within 30 s."] * 4


def test_one_that_was_stopped_stays_stopped(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine(pid=None, fails=Silent("no connection"))
    machine.passes(3600)
    assert (machine.killed_s, machine.writes, caplog.records) == ([], 0, [])
    assert machine.watch.status == "InfluxDB does not run"


def test_one_that_computes_or_is_frozen_is_not_hung() -> None:
    for machine, busy in [(Machine(), 0.5), (Machine(is_stopped=True), 0.0)]:
        machine.fails = Silent("no answer in time")
        machine.passes(3600, busy)
        assert machine.killed_s == []


def test_a_healthy_one_gets_one_write_a_minute() -> None:
    machine = Machine()
    machine.passes(3600)
    assert machine.writes == pytest.approx(60, abs=2)


class Client:
    """A client whose writes fail."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def write(self, *_arguments: object, **_options: object) -> None:
        raise self.error


@pytest.mark.parametrize("code", [400, 401, 403, 404, 413, 429])
def test_what_a_restart_does_not_change_is_ignored(code: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    write_probe(Client(InfluxDBClientError("no", code)))
    assert caplog.records == []


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InfluxDBServerError("no space left on device"), Refused),
        (requests.ConnectionError("refused"), Silent),
        (requests.Timeout("5 s"), Silent),
    ],
)
def test_what_a_restart_may_change_is_told_apart(error: Exception, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        write_probe(Client(error))
