"""`sensorpi sensor`: reading, probing, running, and the ways in which a board can be missing."""

import errno
import importlib
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_mock import MockerFixture

from sensorpi.common.cli.main import main
from sensorpi.common.reading import FIELDS, json_schema
from sensorpi.sensor.board import probe
from sensorpi.sensor.board.driver import EnviroPhat
from sensorpi.sensor.board.emulated.board import EmulatedBoard
from sensorpi.sensor.board.emulated.faults import FailingTransactions
from sensorpi.sensor.board.emulated.synthetic import Beat, SyntheticDay
from sensorpi.sensor.board.gpio import LgpioGPIO, StandInGPIO, gpio_modules
from sensorpi.sensor.board.library import BoardMissingError, load_library
from sensorpi.sensor.board.real_board import RealBoard
from sensorpi.sensor.publishing.events import Events
from sensorpi.sensor.publishing.producer import Settled, UnreachableError
from sensorpi.sensor.publishing.spool import Spool
from sensorpi.sensor.recordings.replay import Replay
from sensorpi.sensor.run import SensorConfig, SensorService
from sensorpi.sensor.stamping.clock import Clock
from sensorpi.sensor.stamping.entry import Entry
from sensorpi.sensor.stamping.held import take_held
from sensorpi.sensor.stamping.stamps import LatestTimestamps


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's set-up waits 0.6 s."""
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)


def test_read_prints_every_field_with_its_unit(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sensor", "read", "--board", "emulated"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} == set(FIELDS)
    assert next(line for line in lines if line.startswith("pressure")).endswith(" Pa")


def test_read_prints_one_message_that_fits_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sensor", "read", "--board", "emulated", "--json"]) == 0
    message = json.loads(capsys.readouterr().out)
    jsonschema.validate(message, json_schema())
    assert set(FIELDS) <= set(message)


def test_read_without_a_board_is_one_line(capsys: pytest.CaptureFixture[str], mocker: MockerFixture) -> None:
    mocker.patch.object(RealBoard, "smbus_module", side_effect=BoardMissingError("I²C is off"))
    assert main(["sensor", "read"]) == 2
    assert capsys.readouterr().err == "sensorpi: I²C is off\n"


def test_probe_names_each_chip_of_a_whole_board(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sensor", "probe", "--board", "emulated"]) == 0
    assert capsys.readouterr().out.count("answers") == 4


@pytest.mark.parametrize(
    ("present", "said", "all_well"),
    [
        ([0x77, 0x29, 0x1D, 0x49], "0x49  ADS1015 (analogue inputs): answers", True),
        ([0x77, 0x29, 0x1D, 0x48], "0x48  ADS1015 (analogue inputs): answers", True),
        ([0x77, 0x29, 0x1D], "0x49  ADS1015 (analogue inputs): no answer", True),
        ([0x29, 0x1D, 0x49], "0x77  BMP280 (temperature, pressure): no answer", False),
        ([0x29, 0x1D, 0x49], "check the soldering", False),
        ([], "no chip answers", False),
        ([0x23, 0x76], "this is an Enviro, another board", False),
        ([0x23, 0x76, 0x49], "this is an Enviro, another board", False),
    ],
)
def test_probe_reports_what_is_wrong_with_a_board(present: list[int], said: str, all_well: bool) -> None:
    board = EmulatedBoard()
    some = next(iter(board.chips.values()))
    board.bus.chips = {address: board.chips.get(address, some) for address in present}
    lines, verdict = probe.probe_board(board)
    assert any(said in line for line in lines), lines
    assert verdict is all_well


def test_probe_passes_on_what_is_wrong_with_the_bus_itself() -> None:
    board = EmulatedBoard()
    board.bus.faults.append(FailingTransactions(0x77, errno.EBADF))
    with pytest.raises(OSError, match="Bad file descriptor"):
        probe.probe_board(board)


def test_probe_without_a_bus_tells_how_to_switch_it_on(tmp_path: Path) -> None:
    trouble = probe.i2c_trouble(tmp_path)
    assert trouble is not None
    assert "raspi-config nonint do_i2c 0" in trouble
    assert "modprobe i2c-dev" in trouble


def test_probe_without_permission_names_the_group(tmp_path: Path, mocker: MockerFixture) -> None:
    (tmp_path / "i2c-1").touch()
    mocker.patch.object(os, "access", return_value=False)  # root may do anything
    assert "adduser $USER i2c" in (probe.i2c_trouble(tmp_path) or "")


def test_probe_reports_nothing_for_a_bus_that_can_be_opened(tmp_path: Path) -> None:
    (tmp_path / "i2c-1").touch()
    assert probe.i2c_trouble(tmp_path) is None


def test_probe_ends_with_1_when_something_is_wrong(capsys: pytest.CaptureFixture[str], mocker: MockerFixture) -> None:
    mocker.patch.object(EmulatedBoard, "smbus_module", side_effect=RealBoard(Path("/nowhere")).smbus_module)
    assert main(["sensor", "probe", "--board", "emulated"]) == 1
    assert "I²C is off" in capsys.readouterr().out


def test_without_smbus_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "i2c-1").touch()
    monkeypatch.setitem(sys.modules, "smbus", None)
    with pytest.raises(BoardMissingError, match="install python3-smbus"):
        RealBoard(tmp_path).smbus_module()


class BrokenGPIO(StandInGPIO):
    """Imports, and fails at its first use, as RPi.GPIO does without rights."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def setup(self, pin: int, direction: int) -> None:
        raise self.error


@pytest.mark.parametrize(
    "error", [RuntimeError("no access to /dev/mem"), OSError(errno.EBUSY, "busy"), SystemExit("no"), KeyError("lgpio")]
)
def test_readings_are_taken_with_the_stand_in_when_gpio_fails(error: BaseException) -> None:
    board = EmulatedBoard()
    board.gpio_modules = lambda: [BrokenGPIO(error), StandInGPIO()]  # type: ignore[method-assign]
    driver = EnviroPhat(board)
    assert set(driver.read()) == set(FIELDS)
    driver.close()


@pytest.mark.parametrize(
    "error", [OSError(errno.EACCES, "denied"), SystemExit("requires python3-smbus"), ImportError("x")]
)
def test_a_bus_that_cannot_be_opened_is_a_missing_board(error: BaseException) -> None:
    def refuse(_number: int) -> None:
        raise error

    board = EmulatedBoard()
    module = ModuleType("smbus")
    module.SMBus = refuse  # type: ignore[attr-defined]
    board.smbus_module = lambda: module  # type: ignore[method-assign]
    with pytest.raises(BoardMissingError, match="the envirophat library cannot be used"):
        load_library(board)


def test_loading_the_library_leaves_no_module_behind() -> None:
    before = set(sys.modules)
    load_library(EmulatedBoard())
    assert {name for name in set(sys.modules) - before if name.startswith(("envirophat", "RPi", "smbus"))} == set()


def test_two_boards_have_libraries_of_their_own() -> None:
    boards = [EmulatedBoard(), EmulatedBoard()]
    assert [load_library(board).weather.i2c_bus for board in boards] == [board.bus for board in boards]


def test_lgpio_s_files_go_to_the_runtime_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LG_WD", raising=False)
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/sensorpi/sensor")
    load_library(EmulatedBoard())
    assert os.environ["LG_WD"] == "/run/sensorpi/sensor"


class FakeLgpio(ModuleType):
    """As much of lgpio as the LEDs need."""

    def __init__(self) -> None:
        super().__init__("lgpio")
        self.levels: dict[int, int] = {}

    def gpiochip_open(self, number: int) -> int:
        return number

    def gpio_claim_output(self, _chip: int, pin: int, level: int) -> None:
        self.levels[pin] = level

    def gpio_write(self, _chip: int, pin: int, level: int) -> None:
        self.levels[pin] = level


def test_leds_are_driven_through_lgpio() -> None:
    lgpio = FakeLgpio()
    board = EmulatedBoard()
    board.gpio_modules = lambda: [LgpioGPIO(lgpio)]  # type: ignore[method-assign]
    leds = load_library(board).leds
    leds.on()
    assert lgpio.levels == {4: 1}
    leds.off()
    assert lgpio.levels == {4: 0}


@pytest.mark.parametrize(
    ("works", "names"),
    [
        ({"RPi.GPIO", "lgpio"}, ["module", "LgpioGPIO", "StandInGPIO"]),
        ({"lgpio"}, ["LgpioGPIO", "StandInGPIO"]),
        (set(), ["StandInGPIO"]),
    ],
)
def test_gpio_libraries_are_tried_in_order(mocker: MockerFixture, works: set[str], names: list[str]) -> None:
    def fake_import(name: str) -> ModuleType:
        if name not in works:
            raise RuntimeError("this module can only be run on a Raspberry Pi")
        return FakeLgpio() if name == "lgpio" else ModuleType(name)

    mocker.patch.object(importlib, "import_module", side_effect=fake_import)
    found = [type(module).__name__ for module in gpio_modules()]
    mocker.stopall()
    assert found == names


def test_a_synthetic_day_is_the_same_for_the_same_seed() -> None:
    def first(seed: int) -> list[Any]:
        moments = SyntheticDay(2.0, seed, first_s=0).moments()
        return [next(moments) for _ in range(5)]

    assert first(1) == first(1)
    assert first(1) != first(2)


def test_a_synthetic_day_is_warmer_and_lighter_than_its_night() -> None:
    day = SyntheticDay(1.0, seed=3, first_s=0)
    noon, night = day.conditions(13 * 3600), day.conditions(2 * 3600)
    assert noon.temperature_c > night.temperature_c
    assert noon.clear > 5 * night.clear > 0


def test_events_without_a_reader_stop_nothing(caplog: pytest.LogCaptureFixture) -> None:
    events = Events("/dev/full")
    events.emit("first")
    events.emit("second")
    events.close()
    assert [record.getMessage() for record in caplog.records] == [
        "No more events are written: No space left on device. Readings are still taken."
    ]


def test_a_beat_keeps_its_rate() -> None:
    moments = Beat(4.0).moments()
    assert [next(moments).due_s for _ in range(3)] == [0, 0.25, 0.5]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--bootstrap-servers", "worker01"],
        ["--bootstrap-servers", "worker01:x"],
        ["--rate", "0"],
        ["--rate", "nan"],
        ["--speed", "-1"],
        ["--sensor", 'a"b'],
        ["--sensor", "\udcff"],
        ["--host", "\udcff"],
        ["--host", ""],
    ],
)
def test_a_wrong_option_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sensor", "run", *arguments]) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith(f"sensorpi: argument {arguments[0]}: ")
    assert complaint.count("\n") == 1


def test_a_recording_with_a_mistake_publishes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.jsonl").write_text('{"timestamp":1,"heading":1}\n{"timestamp":1,"heading":2}\n')
    arguments = ["--replay", str(tmp_path / "r.jsonl"), "--timestamps", "original"]
    arguments += ["--state-directory", str(tmp_path / "state")]
    assert main(["sensor", "run", *arguments]) == 2
    assert "line 2" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


def test_the_command_line_alone_imports_nothing_of_the_rest() -> None:
    program = "import sys, sensorpi.sensor.command; print(*(name for name in sys.modules if 'sensorpi.sensor' in name))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["sensorpi.sensor", "sensorpi.sensor.command"]


CLUSTER = """
[nodes.attic]
address = "127.0.0.1"
roles = ["sensor", "mesos-worker", "mesos-master", "influx-grafana"]
[kafka]
port = 7123
[sensor]
rate_hz = 0.5
"""


@pytest.mark.parametrize(
    ("cluster", "arguments", "settings"),
    [
        (None, [], (("localhost:9092",), None, 1.0)),
        (CLUSTER, [], (("127.0.0.1:7123",), "attic", 0.5)),
        (CLUSTER, ["--bootstrap-servers", "a:1,b:2", "--host", "me", "--rate", "3"], (("a:1", "b:2"), "me", 3.0)),
    ],
)
def test_options_come_before_the_cluster_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mocker: MockerFixture,
    cluster: str | None,
    arguments: list[str],
    settings: tuple[Any, ...],
) -> None:
    monkeypatch.setenv("SENSORPI_CONFIG", str(tmp_path))
    if cluster is not None:
        (tmp_path / "cluster.toml").write_text(cluster)
        (tmp_path / "node").write_text("attic\n")
    service = mocker.patch("sensorpi.sensor.run.SensorService", autospec=True)
    service.return_value.run.return_value = 0
    mocker.patch("sensorpi.common.daemon.service.stop_on_signals")
    mocker.patch("sensorpi.common.daemon.service.set_up_logging")
    assert main(["sensor", "run", *arguments]) == 0
    config, _board, environment, *_ = service.call_args.args
    host = None if config.host == socket.gethostname() else config.host
    assert (config.bootstrap_servers, host, environment._rate) == settings


class Service:
    """A service on the emulated board whose Kafka keeps everything."""

    def __init__(self, directory: Path, board: EmulatedBoard, for_s: float | None) -> None:
        self.sent: list[dict[str, Any]] = []
        self.events_file = directory / "events"
        self.stop = threading.Event()
        settings = SensorConfig("S", "H", ("127.0.0.1:9",), directory / "state", for_s=for_s)
        environment = SyntheticDay(50.0, seed=1, first_s=0)
        events = Events(str(self.events_file))
        self.service = SensorService(settings, board, environment, events, self.stop, connect=lambda: self)

    def send(self, _key: bytes, value: bytes, settled: Settled) -> None:
        self.sent.append(json.loads(value))
        settled(None, None)

    def close(self) -> None:
        """Nothing is open."""

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.events_file.read_text().splitlines()]


def test_a_run_ends_after_its_time_with_everything_acknowledged(tmp_path: Path) -> None:
    service = Service(tmp_path, EmulatedBoard(), for_s=0.2)
    assert service.service.run() == 0
    events = service.events()
    assert events[-1] == {"event": "end", "readings": 10, "acknowledged": 10, "spooled": 0}
    read = [event for event in events if event["event"] == "read"]
    assert [event["sequence"] for event in read] == list(range(1, 11))
    assert [event["timestamp"] for event in read] == [message["timestamp"] for message in service.sent]
    assert {message["boot"] for message in service.sent} == {read[0]["boot"]}
    for message in service.sent:
        jsonschema.validate(message, json_schema())


def test_a_reading_is_an_event_before_it_is_sent(tmp_path: Path) -> None:
    class WatchedService(Service):
        def send(self, key: bytes, value: bytes, settled: Settled) -> None:
            super().send(key, value, settled)
            known = [event["sequence"] for event in self.events() if event["event"] == "read"]
            assert self.sent[-1]["sequence"] in known

    service = WatchedService(tmp_path, EmulatedBoard(), for_s=0.2)
    assert service.service.run() == 0
    assert len(service.sent) == 10


def test_values_that_the_board_does_not_measure_join_the_reading(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text('{"timestamp":1643631675000,"temperature":20.5,"humidity":57}\n')
    service = Service(tmp_path, EmulatedBoard(), for_s=None)
    service.service._environment = Replay(tmp_path / "r.jsonl", None, None, True, "S", "H")
    assert service.service.run() == 0
    (message,) = service.sent
    assert message.keys() == {"sensor", "host", "boot", "sequence", "timestamp", "temperature", "humidity"}
    assert (message["humidity"], message["timestamp"]) == (57, 1_643_631_675_000)


def test_a_reading_that_waits_for_the_clock_is_an_event(tmp_path: Path, mocker: MockerFixture) -> None:
    mocker.patch.object(Clock, "synchronised", side_effect=[False, False, False, True] + [True] * 1000)
    service = Service(tmp_path, EmulatedBoard(), for_s=0.2)
    service.service.run()
    held = [event for event in service.events() if event["event"] == "held"]
    read = [event for event in service.events() if event["event"] == "read"]
    assert held
    for first, then in zip(held, read, strict=False):
        assert {**first, "event": "read"} == {name: then[name] for name in first}


def test_leds_are_off_when_a_run_ends(tmp_path: Path, mocker: MockerFixture) -> None:
    board = EmulatedBoard()
    mocker.patch.object(board, "feel", side_effect=lambda _moment: board.gpio.output(4, 1))
    Service(tmp_path, board, for_s=0.05).service.run()
    assert board.gpio.levels == {4: 0}


def test_a_run_without_a_board_waits_and_logs_that_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    board = EmulatedBoard()
    there, tries = board.smbus_module, 0

    def missing_twice() -> ModuleType:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise BoardMissingError("I²C is off")
        return there()

    board.smbus_module = missing_twice  # type: ignore[method-assign]
    service = Service(tmp_path, board, for_s=0.05)
    service.service.run()
    assert service.events()[-1]["readings"] > 0
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "the board is down: I²C is off" in caplog.messages[0]


def test_a_run_without_a_board_can_be_stopped(tmp_path: Path) -> None:
    board = EmulatedBoard()

    def missing() -> ModuleType:
        service.stop.set()
        raise BoardMissingError("I²C is off")

    board.smbus_module = missing  # type: ignore[method-assign]
    service = Service(tmp_path, board, for_s=None)
    assert service.service.run() == 0
    assert service.events()[-1]["readings"] == 0


def test_a_run_without_kafka_ends_with_its_readings_in_the_spool(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(tmp_path, EmulatedBoard(), for_s=None)

    def unreachable() -> Any:
        raise UnreachableError("connection refused")

    service.service._publisher._connect = unreachable
    threading.Timer(0.3, service.stop.set).start()
    service.service.run()
    end = service.events()[-1]
    assert end["spooled"] == end["readings"] > 0
    assert (tmp_path / "state/spool.sqlite3").exists()
    assert caplog.messages[-1] == f"{end['spooled']} readings wait in {tmp_path}/state for the next start"


def test_a_stop_with_a_spool_that_cannot_be_read_tells_that(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spool = Spool(tmp_path / "state")
    spool.append([Entry("S", "b", 1, b"{}")])
    service = Service(tmp_path, EmulatedBoard(), for_s=0.05)
    assert service.service.run() == 0
    assert "an earlier run left in" in caplog.messages[-1]


def test_what_an_earlier_run_left_is_not_counted_as_this_run_s(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    test_a_run_without_kafka_ends_with_its_readings_in_the_spool(tmp_path, caplog)
    (tmp_path / "events").unlink()
    service = Service(tmp_path, EmulatedBoard(), for_s=0.1)
    service.service.run()
    end = service.events()[-1]
    assert end["acknowledged"] == end["readings"] < len(service.sent)
    timestamps = [message["timestamp"] for message in service.sent]
    assert timestamps == sorted(set(timestamps))


def test_timestamps_follow_those_of_a_killed_run_in_the_spool(tmp_path: Path) -> None:
    ahead_ms = time.time_ns() // 1_000_000 + 3_600_000
    spool = Spool(tmp_path / "state")
    spool.append([Entry("S", "killed", ahead_ms, json.dumps({"timestamp": ahead_ms}).encode())])
    spool.close()
    service = Service(tmp_path, EmulatedBoard(), for_s=0.05)
    service.service.run()
    assert [message["timestamp"] for message in service.sent][:3] == [ahead_ms, ahead_ms + 1, ahead_ms + 2]


def damaged_spool(directory: Path, count: int) -> Path:
    spool = Spool(directory)
    spool.append([Entry("S", "b", n, b'{"sensor":"S","boot":"b","timestamp":%d}' % n) for n in range(1, count + 1)])
    spool.close()
    return spool.path.rename(directory / "spool.sqlite3.damaged-1")


def test_recover_puts_readings_back_into_the_spool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged_spool(tmp_path, 30)
    elsewhere = damaged_spool(tmp_path / "card", 5)
    assert main(["sensor", "recover", "--state-directory", str(tmp_path), str(elsewhere)]) == 0
    out = capsys.readouterr().out
    assert out == f"35 readings are in {tmp_path}/spool.sqlite3; the sensor sends them when it is started\n"
    spool = Spool(tmp_path)
    spool.open()
    assert len(spool) == 35
    assert list(tmp_path.glob("**/*.damaged-*")) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")
def test_recover_by_root_leaves_the_spool_to_the_sensors_user(tmp_path: Path) -> None:
    damaged_spool(tmp_path, 3)
    os.chown(tmp_path, 12345, 12346)
    assert main(["sensor", "recover", "--state-directory", str(tmp_path)]) == 0
    assert {
        (file.stat().st_uid, file.stat().st_gid) for file in tmp_path.glob("spool.sqlite3*") if "recov" not in file.name
    } == {(12345, 12346)}


@pytest.mark.parametrize("how", ["running", "missing"])
def test_recover_tells_what_is_in_its_way(tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str) -> None:
    sensor = Spool(tmp_path)
    sensor.append([Entry("S", "b", 1, b"{}")])
    files = ["/nowhere"] if how == "missing" else []
    assert main(["sensor", "recover", "--state-directory", str(tmp_path), *files]) == 2
    complaint = capsys.readouterr().err
    assert ("is the sensor stopped?" if how == "running" else "sensorpi: /nowhere: not a file") in complaint
    assert complaint.count("\n") == 1


def test_a_stop_that_loses_readings_tells_how_many(
    tmp_path: Path, mocker: MockerFixture, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(tmp_path, EmulatedBoard(), for_s=None)
    mocker.patch.object(Spool, "append", side_effect=OSError("the disk is full"))
    mocker.patch.object(service.service._publisher, "_connect", side_effect=UnreachableError("connection refused"))
    threading.Timer(0.3, service.stop.set).start()
    assert service.service.run() == 1
    end = service.events()[-1]
    assert end["lost"] == end["readings"] > 0
    assert end["spooled"] == 0
    assert f"{end['lost']} readings are lost" in caplog.messages[-1]
    assert not any("wait in" in message for message in caplog.messages)


JUNK = [
    b"", b"{", b"[1]", b"1e400", b'{"S": 1e400}', b'{"S": NaN}', b'{"S": "x"}', b'{"S": null}', b"[" * 100_000,
    b'{"S": ' * 5000, b'{"S": ' + b"9" * 5000 + b"}", b"\xff\xfe\x00", b'{"S": -1}', b'{"S": 1.5}', b'{"S": true}',
    b'{"boot_id": "0f", "samples": 7}', b'{"boot_id": [], "samples": [{}]}', b'"\\ud800"', b"{}" * 10,
]  # fmt: skip


@pytest.mark.parametrize("name", ["held-readings.json", "latest-timestamps.json"])
@pytest.mark.parametrize("junk", JUNK, ids=[str(number) for number in range(len(JUNK))])
def test_junk_in_a_state_file_is_one_line_and_set_aside(
    tmp_path: Path, name: str, junk: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / name).write_bytes(junk)
    service = Service(tmp_path, EmulatedBoard(), for_s=0.05)
    assert service.service.run() == 0
    assert service.events()[-1]["acknowledged"] == service.events()[-1]["readings"]
    aside = tmp_path / "state" / f"{name}.damaged"
    assert aside.read_bytes() == junk
    assert len(caplog.records) == 1


@pytest.mark.parametrize("name", ["held-readings.json", "latest-timestamps.json", "spool.sqlite3"])
@pytest.mark.parametrize("kind", ["folder", "pipe", "dangling"])
def test_something_else_in_place_of_a_state_file_is_set_aside(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / "state").mkdir()
    path = tmp_path / "state" / name
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("nowhere/at/all")
    service = Service(tmp_path, EmulatedBoard(), for_s=0.05)
    assert service.service.run() == 0
    assert service.events()[-1]["acknowledged"] == service.events()[-1]["readings"]


@given(
    content=st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "S",
                        "boot_id",
                        "samples",
                        "sensor",
                        "host",
                        "boot",
                        "sequence",
                        "monotonic_ns",
                        "values",
                        "after_first_ms",
                        "timestamp_ms",
                    ]
                ),
                inner,
            )
        ),
        max_leaves=12,
    )
)
@settings(max_examples=150, deadline=None)
def test_any_json_in_a_state_file_lets_the_sensor_start(
    tmp_path_factory: pytest.TempPathFactory, content: object
) -> None:
    directory = tmp_path_factory.mktemp("state")
    for name in ("held-readings.json", "latest-timestamps.json"):
        (directory / name).write_text(json.dumps(content))
    latest = LatestTimestamps(None, directory)
    assert latest.newest() >= 0
    for entry in take_held(directory, "0f"):
        entry.stamped(1)
