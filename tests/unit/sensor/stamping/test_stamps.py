"""Timestamps: strictly increasing across clock steps and restarts, and only from a synchronised clock."""

import errno
import itertools
import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_mock import MockerFixture

from sensorpi.common.daemon import system_clock
from sensorpi.sensor.stamping.clock import Clock
from sensorpi.sensor.stamping.held import HeldFile
from sensorpi.sensor.stamping.stamps import LatestTimestamps, Sample, Stamper


class FakeClock:
    """A clock that a test sets; the monotonic one starts at 0."""

    def __init__(self, synchronised: bool = True, zero_ms: int = 1_700_000_000_000) -> None:
        self.is_synchronised, self.zero_ms = synchronised, zero_ms

    def synchronised(self) -> bool:
        return self.is_synchronised

    def at_ms(self, monotonic_ns: int) -> int:
        return self.zero_ms + monotonic_ns // 1_000_000


def sample(at_s: float, sequence: int = 1, sensor: str = "S", **times: int) -> Sample:
    return Sample(sensor, "H", "b", sequence, int(at_s * 1e9), {}, **times)


def stamper(directory: Path, clock: FakeClock, most_held: int = 100) -> Stamper:
    return Stamper(clock, LatestTimestamps(None, directory), most_held)


def timestamps(stamper: Stamper, *samples: Sample) -> list[int]:
    return [reading.timestamp_ms for each in samples for _, reading in stamper.stamp(each)]


def test_a_reading_has_the_time_at_which_it_was_taken(tmp_path: Path) -> None:
    assert timestamps(stamper(tmp_path, FakeClock()), sample(1.5)) == [1_700_000_001_500]


@given(steps=st.lists(st.integers(-10_000_000, 10_000_000), max_size=20))
def test_timestamps_strictly_increase_across_clock_steps(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int]
) -> None:
    clock = FakeClock()
    stamps = Stamper(clock, LatestTimestamps(None, tmp_path_factory.getbasetemp() / "unused"))
    seen = []
    for number, step in enumerate(steps):
        clock.zero_ms += step
        seen += timestamps(stamps, sample(number))
    assert all(later > earlier for earlier, later in itertools.pairwise(seen))


def test_two_readings_in_one_millisecond_are_one_apart(tmp_path: Path) -> None:
    assert timestamps(stamper(tmp_path, FakeClock(zero_ms=5)), *[sample(0)] * 3) == [5, 6, 7]


def test_each_sensor_has_timestamps_of_its_own(tmp_path: Path) -> None:
    assert timestamps(stamper(tmp_path, FakeClock(zero_ms=5)), sample(0, sensor="a"), sample(0, sensor="b")) == [5, 5]


def test_timestamps_increase_across_a_restart_and_a_step_back(tmp_path: Path) -> None:
    latest = LatestTimestamps(None, tmp_path)
    (before,) = timestamps(Stamper(FakeClock(), latest), sample(0))
    latest.close()
    assert timestamps(stamper(tmp_path, FakeClock(zero_ms=1000)), sample(0)) == [before + 1]


def test_timestamps_increase_across_a_kill_and_a_step_back(tmp_path: Path) -> None:
    runtime, state = tmp_path / "run", tmp_path / "state"
    (before,) = timestamps(Stamper(FakeClock(), LatestTimestamps(runtime, state)), sample(0))
    assert not state.exists()
    again = Stamper(FakeClock(zero_ms=1000), LatestTimestamps(runtime, state))
    assert timestamps(again, sample(0)) == [before + 1]


def test_timestamps_follow_what_is_in_the_spool(tmp_path: Path) -> None:
    latest = LatestTimestamps(None, tmp_path)
    latest.include({"S": 2_000_000_000_000})
    assert timestamps(Stamper(FakeClock(), latest), sample(0)) == [2_000_000_000_001]


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"S": "x"}', '{"S": null}'])
def test_a_damaged_file_of_timestamps_is_ignored_with_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    (tmp_path / "latest-timestamps.json").write_text(content)
    assert timestamps(stamper(tmp_path, FakeClock(zero_ms=7)), sample(0)) == [7]
    assert len(caplog.records) == 1


def test_readings_that_waited_get_the_time_when_they_were_taken(tmp_path: Path) -> None:
    clock = FakeClock(synchronised=False, zero_ms=0)
    stamps = stamper(tmp_path, clock)
    assert timestamps(stamps, sample(1), sample(2), sample(3)) == []
    clock.is_synchronised, clock.zero_ms = True, 1_700_000_000_000
    released = [reading.timestamp_ms for _, reading in stamps.release()]
    assert released == [1_700_000_001_000, 1_700_000_002_000, 1_700_000_003_000]
    assert stamps.release() == []


def test_held_readings_are_bounded_and_the_oldest_dropped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock(synchronised=False)
    stamps = stamper(tmp_path, clock, most_held=3)
    timestamps(stamps, *[sample(number, number) for number in range(10)])
    clock.is_synchronised = True
    assert [reading.sequence for _, reading in stamps.release()] == [7, 8, 9]
    assert len(caplog.records) == 1


def test_recorded_times_are_kept_whatever_the_clock_says(tmp_path: Path) -> None:
    stamps = stamper(tmp_path, FakeClock(synchronised=False))
    assert timestamps(stamps, sample(0, timestamp_ms=50), sample(0, timestamp_ms=10)) == [50, 10]


def test_recorded_spacing_starts_now_with_at_least_a_millisecond(tmp_path: Path) -> None:
    stamps = stamper(tmp_path, FakeClock(zero_ms=1000))
    taken = [sample(number / 10, after_first_ms=after) for number, after in enumerate((0, 500, 500, 400, 1000))]
    assert timestamps(stamps, *taken) == [1000, 1500, 1501, 1502, 2000]


def test_recorded_spacing_starts_after_the_times_of_earlier_runs(tmp_path: Path) -> None:
    latest = LatestTimestamps(None, tmp_path)
    latest.include({"S": 9000})
    taken = [sample(0, after_first_ms=after) for after in (0, 500)]
    assert timestamps(Stamper(FakeClock(zero_ms=1000), latest), *taken) == [9001, 9501]


def test_the_state_directory_is_not_written_before_the_end(tmp_path: Path) -> None:
    latest = LatestTimestamps(None, tmp_path)
    timestamps(Stamper(FakeClock(), latest), sample(0))
    assert list(tmp_path.iterdir()) == []
    latest.close()
    assert json.loads((tmp_path / "latest-timestamps.json").read_text()) == {"S": 1_700_000_000_000}


def test_the_clock_is_trusted_once_timesyncd_has_set_it(tmp_path: Path, mocker: MockerFixture) -> None:
    mocker.patch.object(system_clock, "kernel_says_synchronised", return_value=False)
    (tmp_path / "systemd/timesync").mkdir(parents=True)
    clock = Clock(tmp_path)
    assert not clock.synchronised()
    (tmp_path / "systemd/timesync/synchronized").touch()
    assert clock.synchronised()


def test_the_clock_is_trusted_once_the_kernel_reports_that(tmp_path: Path, mocker: MockerFixture) -> None:
    mocker.patch.object(system_clock, "kernel_says_synchronised", return_value=True)
    assert Clock(tmp_path).synchronised()


@pytest.mark.parametrize(("service", "trusted"), [(None, True), ("systemd/timesync", False), ("ntpd.pid", False)])
def test_without_a_time_service_the_clock_is_trusted_later(
    tmp_path: Path, mocker: MockerFixture, service: str | None, trusted: bool
) -> None:
    mocker.patch.object(system_clock, "kernel_says_synchronised", return_value=False)
    if service is not None:
        (tmp_path / service).mkdir(parents=True)
    now_s = time.monotonic()
    clock = Clock(tmp_path)
    assert not clock.synchronised()
    mocker.patch.object(time, "monotonic", return_value=now_s + 200)
    assert clock.synchronised() is trusted


def test_the_clock_gives_the_time_of_a_monotonic_instant() -> None:
    ago_ns = time.monotonic_ns() - 5_000_000_000
    assert Clock(trusted=True).at_ms(ago_ns) == pytest.approx(time.time() * 1000 - 5000, abs=50)


def held_file(directory: Path, boot_id: str = "this") -> HeldFile:
    file = directory / "boot_id"
    file.write_text(boot_id)
    return HeldFile(directory / "state", file)


def test_readings_that_wait_for_the_clock_survive_a_restart(tmp_path: Path) -> None:
    samples = [sample(1, 1), sample(2, 2, after_first_ms=7)]
    held_file(tmp_path).keep(samples)
    assert held_file(tmp_path).take() == samples
    assert held_file(tmp_path).take() == []
    assert list((tmp_path / "state").iterdir()) == []


def test_without_waiting_readings_there_is_no_file(tmp_path: Path) -> None:
    held_file(tmp_path).keep([])
    assert not (tmp_path / "state").exists()


def test_waiting_readings_from_before_a_reboot_are_put_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    held_file(tmp_path, "before").keep([sample(1)])
    assert held_file(tmp_path, "after").take() == []
    assert [file.name.split("-1")[0] for file in (tmp_path / "state").iterdir()] == ["held-readings.json.useless"]
    assert len(caplog.records) == 1


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"boot_id": "this", "samples": [{}]}'])
def test_a_damaged_file_of_waiting_readings_is_put_aside(tmp_path: Path, content: str) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state/held-readings.json").write_text(content)
    assert held_file(tmp_path).take() == []
    assert len(list((tmp_path / "state").glob("*.useless-*"))) == 1


def test_readings_that_cannot_be_kept_are_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mocker: MockerFixture
) -> None:
    mocker.patch.object(os, "fsync", side_effect=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    held_file(tmp_path).keep([sample(1), sample(2)])
    [line] = caplog.messages
    assert line.startswith("2 readings that waited for the clock are lost: ")
    assert line.endswith("held-readings.json: cannot be written: No space left on device")
    assert [path for path in (tmp_path / "state").rglob("*") if path.is_file()] == []
