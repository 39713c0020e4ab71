"""The emulated chips' registers, and their inverse formulas, under the real library's classes."""

import errno
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorpi.sensor.board.emulated import bmp280, lsm303d, tcs3472
from sensorpi.sensor.board.emulated.board import EmulatedBoard
from sensorpi.sensor.board.emulated.environment import Conditions, Moment
from sensorpi.sensor.board.library import load_library


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's set-up waits 0.6 s."""
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)


def felt(board: EmulatedBoard, conditions: Conditions) -> None:
    board.sleep(2)
    board.feel(Moment(0.0, 0.0, conditions))


class Boards:
    """A board that was set up and warmed up, shared by the examples of a property."""

    def __init__(self) -> None:
        self.board = EmulatedBoard()
        self.library = load_library(self.board)
        for chip in (self.library.weather, self.library.light, self.library.motion):
            chip.i2c_bus = self.board.bus
        self.library.weather.temperature()
        self.library.light.raw()
        self.library.motion.heading()
        self.board.sleep(2)


@pytest.fixture(scope="module")
def boards() -> Boards:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", lambda _seconds: None)
        return Boards()


@given(temperature=st.floats(-40, 85), pressure=st.floats(30_000, 110_000))
def test_library_measures_the_temperature_and_pressure_felt(
    boards: Boards, temperature: float, pressure: float
) -> None:
    felt(boards.board, Conditions(temperature_c=temperature, pressure_pa=pressure))
    assert boards.library.weather.temperature() == pytest.approx(temperature, abs=0.0002)
    assert boards.library.weather.pressure() == pytest.approx(pressure, abs=0.1)


@given(heading=st.floats(0, 360), acceleration=st.tuples(*[st.floats(-2, 2)] * 3))
def test_library_measures_the_heading_felt_at_any_tilt(
    boards: Boards, heading: float, acceleration: tuple[float, float, float]
) -> None:
    felt(boards.board, Conditions(heading_deg=heading, acceleration_g=acceleration))
    off = (boards.library.motion.heading() - heading) % 360
    assert min(off, 360 - off) <= 0.05


@pytest.mark.parametrize(
    "acceleration", [(0, 0, 0), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (1, 1, 0), (-2, 2, 1), (1.5, 0.3, 0)]
)
@pytest.mark.parametrize("heading", [0.0, 89.9, 180.0, 359.99])
def test_heading_is_right_weightless_and_at_the_limit_of_1_g(
    boards: Boards, heading: float, acceleration: tuple[float, float, float]
) -> None:
    felt(boards.board, Conditions(heading_deg=heading, acceleration_g=acceleration))
    off = (boards.library.motion.heading() - heading) % 360
    assert min(off, 360 - off) <= 0.05


@given(acceleration=st.tuples(*[st.floats(-1.9999, 1.9999)] * 3))
def test_library_measures_the_acceleration_felt_to_half_a_count(
    boards: Boards, acceleration: tuple[float, float, float]
) -> None:
    felt(boards.board, Conditions(acceleration_g=acceleration))
    measured = boards.library.motion.accelerometer()
    assert tuple(measured) == pytest.approx(acceleration, abs=0.5 / 16_384 + 1e-12)


@given(counts=st.tuples(*[st.integers(0, 65_535)] * 4))
def test_library_measures_the_light_counts_felt(boards: Boards, counts: tuple[int, int, int, int]) -> None:
    red, green, blue, clear = counts
    felt(boards.board, Conditions(red=red, green=green, blue=blue, clear=clear))
    assert boards.library.light.raw() == counts


def test_the_reference_values_of_the_data_sheet_formulas() -> None:
    assert bmp280.raw_values(25.0825, 100_653.27) == (pytest.approx(519_888, abs=15), pytest.approx(415_148, abs=2))


@pytest.mark.parametrize(
    ("felt_values", "measured"),
    [((90.0, 120_000.0), (85.0, 110_000.0)), ((-60.0, 10_000.0), (-40.0, 30_000.0))],
)
def test_temperature_and_pressure_saturate_at_the_rated_range(
    boards: Boards, felt_values: tuple[float, float], measured: tuple[float, float]
) -> None:
    felt(boards.board, Conditions(temperature_c=felt_values[0], pressure_pa=felt_values[1]))
    assert boards.library.weather.temperature() == pytest.approx(measured[0], abs=0.0002)
    assert boards.library.weather.pressure() == pytest.approx(measured[1], abs=0.1)


def test_light_and_acceleration_saturate_at_their_registers_ends(boards: Boards) -> None:
    felt(boards.board, Conditions(clear=1e6, red=-5, acceleration_g=(9.0, -9.0, 0.0)))
    assert boards.library.light.light() == 65_535
    assert boards.library.light.raw()[0] == 0
    assert tuple(boards.library.motion.accelerometer()) == (32_767 / 16_384, -2.0, 0.0)


def test_a_chip_that_is_not_there_fails_with_errno_121() -> None:
    with pytest.raises(OSError, match="Remote I/O") as raised:
        EmulatedBoard().bus.read_byte_data(0x23, 0)
    assert raised.value.errno == errno.EREMOTEIO


def test_bmp280_sleeps_after_power_on_and_reads_80_00_00() -> None:
    board = EmulatedBoard()
    board.sleep(10)
    assert [board.bus.read_byte_data(0x77, register) for register in range(0xF7, 0xFD)] == [0x80, 0, 0] * 2


def test_bmp280_measures_only_once_its_first_conversion_is_over() -> None:
    board = EmulatedBoard()
    board.bus.write_byte_data(0x77, 0xF4, 0xB7)
    assert board.bus.read_byte_data(0x77, 0xF8) == 0
    board.sleep(bmp280.CONVERSION_S)
    assert board.bus.read_byte_data(0x77, 0xF8) != 0


def test_bmp280_sleeps_after_a_reset() -> None:
    board = EmulatedBoard()
    board.bus.write_byte_data(0x77, 0xF4, 0xB7)
    board.bus.write_byte_data(0x77, 0xE0, 0xB6)
    assert board.bus.read_byte_data(0x77, 0xF4) == 0


def test_asleep_the_library_computes_the_values_of_a_brown_out(boards: Boards) -> None:
    board = EmulatedBoard()
    library = load_library(board)
    library.weather.update()
    board.brown_out(bmp280.ADDRESS)
    board.sleep(5)
    assert library.weather.temperature() == pytest.approx(26.4608, abs=1e-4)
    assert library.weather.pressure() == pytest.approx(82_044.5, abs=0.1)


def test_tcs3472_is_dark_while_off() -> None:
    board = EmulatedBoard()
    board.surroundings.conditions = Conditions(clear=1000)
    board.sleep(5)
    assert board.bus.read_word_data(0x29, 0xB4) == 0
    assert board.bus.read_byte_data(0x29, 0x93) & 1 == 0


def test_tcs3472_has_no_then_short_then_whole_integrations() -> None:
    board = EmulatedBoard()
    board.surroundings.conditions = Conditions(clear=21_300)
    board.bus.write_byte_data(0x29, 0x80, 0x03)
    board.bus.write_byte_data(0x29, 0x81, 0x2B)
    seen = [board.bus.read_word_data(0x29, 0xB4)]
    for seconds in (0.1, 0.5):
        board.sleep(seconds)
        seen.append(board.bus.read_word_data(0x29, 0xB4))
    assert seen == [0, 100, 21_300]
    assert board.bus.read_byte_data(0x29, 0x93) & 1 == 1


def test_tcs3472_needs_the_command_bit() -> None:
    board = EmulatedBoard()
    board.bus.write_byte_data(0x29, 0x00, 0x03)
    assert board.bus.read_byte_data(0x29, 0x80) == 0


def test_lsm303d_reads_zeros_while_powered_down() -> None:
    board = EmulatedBoard()
    board.surroundings.conditions = Conditions(acceleration_g=(0.5, 0.5, 0.5))
    assert board.bus.read_i2c_block_data(0x1D, 0xA8, 6) == [0] * 6
    assert board.bus.read_i2c_block_data(0x1D, 0x88, 6) == [0] * 6


def test_lsm303d_repeats_a_register_without_auto_increment() -> None:
    assert EmulatedBoard().bus.read_i2c_block_data(0x1D, 0x0F, 3) == [0x49] * 3


def test_lsm303d_tilt_is_flat_when_weightless() -> None:
    assert lsm303d.tilt((0, 0, 0)) == (0.0, 0.0)


def test_lsm303d_takes_no_roll_where_the_pitch_leaves_none() -> None:
    pitch, roll = lsm303d.tilt((16_384, 8_000, 0))
    assert pitch == pytest.approx(-math.pi / 2)
    assert roll == 0


def test_the_library_reads_the_analogue_inputs(boards: Boards) -> None:
    assert boards.library.analog.read_all() == (0.0, 0.0, 0.0, 0.0)


def test_a_sample_of_the_original_takes_23_transactions(boards: Boards) -> None:
    before = boards.board.bus.transactions
    boards.library.weather.temperature()
    boards.library.weather.pressure()
    boards.library.light.light()
    boards.library.light.rgb()
    boards.library.motion.accelerometer()
    boards.library.motion.heading()
    assert boards.board.bus.transactions - before == 23


def test_the_environment_s_time_never_runs_backwards() -> None:
    board = EmulatedBoard()
    for environment_s in (0.0, 100.0, 50.0):
        board.feel(Moment(0.0, environment_s, Conditions()))
    assert board.now_s() == 100.0


def test_a_tcs3472_saturates_at_what_its_integration_can_count() -> None:
    board = EmulatedBoard()
    board.surroundings.conditions = Conditions(clear=65_535 * 213)
    board.bus.write_byte_data(0x29, 0x80, 0x03)
    board.sleep(3 * tcs3472.CYCLE_S)
    assert board.bus.read_word_data(0x29, 0xB4) == 1024
