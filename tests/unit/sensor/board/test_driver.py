"""The driver on the emulated board: what ENVIROPHAT.md's table of faults asks for, and whole readings."""

import errno
import logging
import time
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from sensorpi.sensor.board.cpu_heat import CpuHeat
from sensorpi.sensor.board.driver import EnviroPhat
from sensorpi.sensor.board.emulated import bmp280, lsm303d, tcs3472
from sensorpi.sensor.board.emulated.board import EmulatedBoard
from sensorpi.sensor.board.emulated.environment import Conditions, Moment
from sensorpi.sensor.board.emulated.faults import FailingTransactions, TornByte

CONDITIONS = Conditions(
    temperature_c=21.5, pressure_pa=101_000.0, heading_deg=123.0, clear=1000, red=400, green=300, blue=200,
    acceleration_g=(0.1, -0.2, 0.9),
)  # fmt: skip
FIELDS_OF = {
    bmp280.ADDRESS: {"temperature", "pressure"},
    tcs3472.ADDRESS: {"lightv", "lightr", "lightg", "lightb"},
    lsm303d.ADDRESS: {"heading", "motionx", "motiony", "motionz"},
}
ALL_FIELDS = set[str]().union(*FIELDS_OF.values())
CHIPS = [pytest.param(address, id=f"0x{address:02x}") for address in FIELDS_OF]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's set-up waits 0.6 s."""
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)


class Bench:
    """A board with its driver, read once a second of the environment's time."""

    def __init__(self) -> None:
        self.board = EmulatedBoard()
        self.driver = EnviroPhat(self.board)
        self._second = 0

    def read(self, conditions: Conditions = CONDITIONS) -> dict[str, float]:
        self.board.feel(Moment(self._second, self._second, conditions))
        self._second += 1
        return self.driver.read()

    def read_until_whole(self, most: int = 60) -> int:
        """How many readings it took to have all fields again."""
        for number in range(1, most + 1):
            if set(self.read()) == ALL_FIELDS:
                return number
        pytest.fail(f"not whole after {most} readings")


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_first_reading_is_whole_and_right(bench: Bench) -> None:
    values = bench.read()
    assert set(values) == ALL_FIELDS
    assert values["temperature"] == pytest.approx(21.5, abs=0.0002)
    assert values["pressure"] == pytest.approx(101_000, abs=0.1)
    assert values["heading"] == pytest.approx(123, abs=0.05)
    assert [values[field] for field in ("lightv", "lightr", "lightg", "lightb")] == [1000, 102, 76, 51]
    assert [values[f"motion{axis}"] for axis in "xyz"] == pytest.approx([0.1, -0.2, 0.9], abs=4e-5)


def test_colours_are_those_of_the_library(bench: Bench) -> None:
    values = bench.read(Conditions(clear=87, red=29, green=28, blue=24))
    assert tuple(values[field] for field in ("lightr", "lightg", "lightb")) == bench.driver._library.light.rgb()


def test_dark_weightless_and_constant_are_valid(bench: Bench) -> None:
    nothing = Conditions(acceleration_g=(0.0, 0.0, 0.0))
    for _ in range(5):
        values = bench.read(nothing)
        assert set(values) == ALL_FIELDS
        assert [values[field] for field in ("lightv", "lightr", "motionx")] == [0, 0, 0]
    assert bench.driver.missing == []


@pytest.mark.parametrize("address", CHIPS)
@pytest.mark.parametrize("number", [errno.EREMOTEIO, errno.EIO])
def test_a_transient_error_is_tried_again_and_costs_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture, address: int, number: int
) -> None:
    bench.read()
    bench.board.bus.faults.append(FailingTransactions(address, number, times=2))
    assert set(bench.read()) == ALL_FIELDS
    assert caplog.records == []


@pytest.mark.parametrize("address", CHIPS)
def test_a_dead_chip_s_fields_are_left_out_the_others_are_read(bench: Bench, address: int) -> None:
    bench.read()
    bench.board.bus.faults.append(FailingTransactions(address, errno.EREMOTEIO))
    for _ in range(10):
        assert set(bench.read()) == ALL_FIELDS - FIELDS_OF[address]


@pytest.mark.parametrize("address", CHIPS)
def test_a_dead_chip_is_reported_once_down_and_once_up(
    bench: Bench, caplog: pytest.LogCaptureFixture, address: int
) -> None:
    bench.read()
    bench.board.bus.faults.append(FailingTransactions(address, errno.EREMOTEIO))
    for _ in range(20):
        bench.read()
    assert len(bench.driver.missing) == 1
    bench.board.bus.faults.clear()
    bench.read_until_whole()
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "is down" in caplog.messages[0]
    assert "is back after" in caplog.messages[1]
    assert bench.driver.missing == []


@pytest.mark.parametrize(
    ("address", "register"), [(bmp280.ADDRESS, 0xE0), (tcs3472.ADDRESS, 0x80), (lsm303d.ADDRESS, 0x20)]
)
def test_a_chip_that_was_down_is_always_set_up_again(
    bench: Bench, mocker: MockerFixture, address: int, register: int
) -> None:
    bench.read()
    write = mocker.spy(bench.board.chips[address], "write")
    bench.board.bus.faults.append(FailingTransactions(address, errno.EIO, times=3))
    bench.read_until_whole()
    assert write.call_args_list[0].args[0] == register


def test_a_dead_chip_is_tried_ever_more_seldom(bench: Bench) -> None:
    bench.read()
    fault = FailingTransactions(lsm303d.ADDRESS, errno.EREMOTEIO, times=1_000_000)
    bench.board.bus.faults.append(fault)
    for _ in range(300):
        bench.read()
    assert 1_000_000 - (fault._left or 0) < 110


def test_a_chip_is_back_soon_after_a_long_fault(bench: Bench) -> None:
    bench.read()
    fault = FailingTransactions(lsm303d.ADDRESS, errno.EREMOTEIO)
    bench.board.bus.faults.append(fault)
    for _ in range(120):
        bench.read()
    bench.board.bus.faults.clear()
    bench.read_until_whole(13)


@pytest.mark.parametrize("address", CHIPS)
def test_a_chip_whose_first_access_fails_is_set_up_later(monkeypatch: pytest.MonkeyPatch, address: int) -> None:
    board = EmulatedBoard()
    board.bus.faults.append(FailingTransactions(address, errno.EREMOTEIO, times=3))
    bench = Bench.__new__(Bench)
    bench.board, bench.driver, bench._second = board, EnviroPhat(board), 0
    bench.read_until_whole()
    values = bench.read()
    assert values["lightv"] == 1000
    assert values["motionz"] == pytest.approx(0.9, abs=4e-5)


@pytest.mark.parametrize("address", CHIPS)
def test_a_chip_is_set_up_again_after_a_brown_out(bench: Bench, address: int) -> None:
    bench.read()
    bench.board.brown_out(address)
    assert set(bench.read()) == ALL_FIELDS - FIELDS_OF[address]
    assert bench.read_until_whole() <= 2
    assert bench.read()["pressure"] == pytest.approx(101_000, abs=0.1)


@pytest.mark.parametrize(
    ("address", "register"),
    [(0x77, 0xF4), (0x77, 0xF5), (0x29, 0x80), (0x29, 0x81), (0x1D, 0x20), (0x1D, 0x21), (0x1D, 0x24), (0x1D, 0x26)],
)
def test_a_chip_with_one_wrong_control_register_is_set_up_again(bench: Bench, address: int, register: int) -> None:
    whole = bench.read()
    bench.board.bus.write_byte_data(address, register, 0x01)
    assert set(bench.read()) == ALL_FIELDS - FIELDS_OF[address]
    bench.read()
    assert bench.read() == whole


def test_no_reading_carries_the_values_of_a_brown_out(bench: Bench) -> None:
    before = bench.read()
    for _ in range(3):
        bench.board.brown_out()
        for _ in range(4):
            values = bench.read()
            assert values == {field: before[field] for field in values}


def test_a_brown_out_in_the_middle_of_a_measurement_is_noticed(bench: Bench) -> None:
    bench.read()

    class BrownOut:
        armed = True

        def before(self, address: int) -> None:
            """Let it pass."""

        def after(self, address: int, register: int, value: int) -> int:
            if self.armed and register == 0xFC:
                self.armed = False
                bench.board.brown_out(bmp280.ADDRESS)
            return value

    bench.board.bus.faults.append(BrownOut())
    assert set(bench.read()) == ALL_FIELDS - FIELDS_OF[bmp280.ADDRESS]


@pytest.mark.parametrize(
    ("register", "difference"), [(0xFA, 1), (0xFA, -1), (0xF7, 1), (0xF7, -1), (0xF8, 0x80), (0xFB, 0x80)]
)
def test_a_torn_read_makes_no_spike(bench: Bench, register: int, difference: int) -> None:
    calm = bench.read()
    for before in range(3):
        torn = TornByte(bmp280.ADDRESS, register, difference)
        bench.board.bus.faults[:] = [torn]
        assert bench.read() == calm, before


def test_a_torn_read_would_make_a_spike_of_1_28_degrees(bench: Bench) -> None:
    calm = bench.read()
    bench.board.bus.faults.append(TornByte(bmp280.ADDRESS, 0xFA, 1))
    assert bench.driver._library.weather.temperature() - calm["temperature"] == pytest.approx(1.28, abs=0.02)


def test_the_median_never_spans_two_samples(bench: Bench) -> None:
    for temperature in (10.0, 30.0, 10.0, 50.0):
        values = bench.read(Conditions(temperature_c=temperature))
        assert values["temperature"] == pytest.approx(temperature, abs=0.0002)


def test_readings_of_the_first_second_after_set_up_are_discarded(bench: Bench) -> None:
    bench.read()
    bench.board.brown_out(tcs3472.ADDRESS)
    bench.driver.read()
    start_s = bench.board.now_s()
    seen = []
    while bench.board.now_s() < start_s + 2:
        bench.board.sleep(0.05)
        if "lightv" in (values := bench.driver.read()):
            seen.append(values["lightv"])
    assert set(seen) == {1000}


def test_a_heading_that_cannot_be_computed_is_left_out(bench: Bench, mocker: MockerFixture) -> None:
    mocker.patch.object(bench.driver._library.motion, "heading", return_value=None)
    assert set(bench.read()) == ALL_FIELDS - {"heading"}


def test_leds_are_off_after_the_end(bench: Bench) -> None:
    bench.driver._library.leds.on()
    assert bench.board.gpio.levels == {4: 1}
    bench.driver.close()
    assert bench.board.gpio.levels == {4: 0}


def test_a_gpio_that_fails_at_the_end_does_not_matter(bench: Bench, mocker: MockerFixture) -> None:
    mocker.patch.object(bench.board.gpio, "output", side_effect=RuntimeError("not set up"))
    bench.driver.close()


def test_cpu_heat_is_not_compensated_by_default(bench: Bench) -> None:
    assert "temperature_raw" not in bench.read()


def test_cpu_heat_is_compensated_and_the_raw_value_kept(tmp_path: Path) -> None:
    cpu = tmp_path / "temp"
    cpu.write_text("46500\n")
    values = {"temperature": 30.0, "pressure": 100_000.0}
    CpuHeat(2.0, cpu)(values)
    assert values == {"temperature": 21.75, "temperature_raw": 30.0, "pressure": 100_000.0}


@pytest.mark.parametrize("content", [None, "hot"])
def test_without_a_cpu_temperature_nothing_is_compensated(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "temp").write_text(content)
    values = {"temperature": 30.0}
    CpuHeat(2.0, tmp_path / "temp")(values)
    assert values == {"temperature": 30.0}


def test_a_reading_without_temperature_is_not_compensated(tmp_path: Path) -> None:
    (tmp_path / "temp").write_text("46500")
    values = {"pressure": 1.0}
    CpuHeat(2.0, tmp_path / "temp")(values)
    assert values == {"pressure": 1.0}
