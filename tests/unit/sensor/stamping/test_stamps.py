"""Timestamps: strictly increasing across clock steps and restarts, and only from a clock that is right."""

import itertools
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_mock import MockerFixture

from sensorpi.common.daemon import system_clock
from sensorpi.common.reading import Reading
from sensorpi.sensor.stamping import clock as clock_module
from sensorpi.sensor.stamping.brokers_time import BrokersTime
from sensorpi.sensor.stamping.clock import Clock, ClockState
from sensorpi.sensor.stamping.entry import Entry, Taken
from sensorpi.sensor.stamping.held import take_held
from sensorpi.sensor.stamping.stamps import LatestTimestamps, Stamper, kernel_boot

BOOT = "0f"
TRUE_MS = 1_700_000_000_000
HOUR_MS = 3_600_000


class Times:
    """The machine's clocks: the monotonic one starts at 0 when the true time is TRUE_MS."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.ahead_ms = 0

    def monotonic(self) -> float:
        return self.now_s

    def monotonic_ns(self) -> int:
        return round(self.now_s * 1e9)

    def time_ns(self) -> int:
        return self.true_ms() * 1_000_000 + self.ahead_ms * 1_000_000

    def true_ms(self) -> int:
        return TRUE_MS + round(self.now_s * 1000)


class Bench:
    """A stamper whose clocks the test sets."""

    def __init__(self, directory: Path, runtime: Path | None = None) -> None:
        self.times = Times()
        clock_module.time = self.times  # type: ignore[attr-defined, assignment]
        self.clock = Clock(trusted=True, brokers_time=BrokersTime(runtime, BOOT) if runtime is not None else None)
        self.latest = LatestTimestamps(runtime, directory)
        self.stamper = Stamper(self.clock, self.latest, BOOT)

    def hear(self, ahead_ms: int = 0) -> None:
        """A broker acknowledges a message."""
        now_ns = self.times.monotonic_ns()
        self.clock.heard(self.times.true_ms() + ahead_ms, now_ns - 10_000_000, now_ns)

    def stamp(self, *entries: Entry, as_probe: bool = False) -> list[int | None]:
        stamped = [self.stamper.stamp(each, as_probe) for each in entries]
        return [None if each is None else each.timestamp_ms for each in stamped]

    def take(self, at_s: float) -> int | None:
        """The timestamp of a reading that is taken at this time."""
        self.times.now_s = at_s
        return self.stamp(sample(at_s))[0]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(clock_module, "time", time)
    return Bench(tmp_path)


def sample(at_s: float, sequence: int = 1, sensor: str = "S", after_first_ms: int | None = None) -> Entry:
    message = Reading(sensor, "H", "b", sequence, 0, {}).to_json()
    return Entry(sensor, "b", None, message, Taken(BOOT, round(at_s * 1e9), after_first_ms))


def test_a_reading_has_the_time_at_which_it_was_taken(bench: Bench) -> None:
    bench.times.now_s = 5.0
    (stamped,) = [bench.stamper.stamp(sample(1.5))]
    assert stamped is not None
    assert stamped.timestamp_ms == TRUE_MS + 1500
    assert json.loads(stamped.message)["timestamp"] == TRUE_MS + 1500


@given(steps=st.lists(st.integers(-10_000_000, 10_000_000), max_size=20))
def test_without_a_brokers_time_timestamps_always_increase(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int]
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(clock_module, "time", time)
        bench = Bench(tmp_path_factory.getbasetemp() / "unused")
        bench.clock.heard(None, 0, 0)
        seen = []
        for number, step in enumerate(steps):
            bench.times.ahead_ms += step
            seen.append(bench.take(number))
    assert all(later > earlier for earlier, later in itertools.pairwise(seen))  # type: ignore[operator]


@given(steps=st.lists(st.tuples(st.integers(-200_000, 200_000), st.booleans()), max_size=40))
def test_no_timestamp_is_used_twice_across_clock_steps(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, bool]]
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(clock_module, "time", time)
        bench = Bench(tmp_path_factory.getbasetemp() / "unused")
        seen: list[int] = []
        for number, (ahead_ms, is_heard) in enumerate(steps):
            bench.times.ahead_ms = ahead_ms
            bench.times.now_s = number / 10
            stamped = bench.stamper.stamp(sample(number / 10), as_probe=True)
            if stamped is not None and stamped.timestamp_ms is not None:
                seen.append(stamped.timestamp_ms)
                if is_heard:
                    bench.hear()
                    bench.stamper.was_sent(stamped)
    assert len(seen) == len(set(seen))


def test_two_readings_in_one_millisecond_are_one_apart(bench: Bench) -> None:
    assert bench.stamp(*[sample(0)] * 3) == [TRUE_MS, TRUE_MS + 1, TRUE_MS + 2]


def test_each_sensor_has_timestamps_of_its_own(bench: Bench) -> None:
    assert bench.stamp(sample(0, sensor="a"), sample(0, sensor="b")) == [TRUE_MS, TRUE_MS]


def test_timestamps_increase_across_a_restart_and_a_step_back(tmp_path: Path, bench: Bench) -> None:
    bench.times.ahead_ms = 30_000
    before = bench.take(0)
    bench.latest.close()
    again = Bench(tmp_path)
    assert [again.take(0), before] == [TRUE_MS + 30_001, TRUE_MS + 30_000]


def test_timestamps_increase_across_a_kill_and_a_step_back(tmp_path: Path, bench: Bench) -> None:
    runtime, state = tmp_path / "run", tmp_path / "state"
    bench = Bench(state, runtime)
    bench.times.ahead_ms = 30_000
    bench.take(0)
    bench.latest.keep()
    assert not state.exists()
    assert Bench(state, runtime).take(0) == TRUE_MS + 30_001


def test_timestamps_follow_what_is_in_the_spool(bench: Bench) -> None:
    bench.latest.include({"S": TRUE_MS + 40})
    assert bench.take(0) == TRUE_MS + 41


def test_a_clock_that_jumps_stamps_nothing_until_it_is_back(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.take(0)
    bench.hear()
    bench.times.ahead_ms = 365 * 24 * HOUR_MS
    assert [bench.take(second) for second in range(1, 11)] == [None] * 10
    bench.times.ahead_ms = 0
    assert bench.take(11) == TRUE_MS + 11_000
    assert bench.stamp(sample(1)) == [TRUE_MS + 11_001]  # the publisher stamps in order: this cannot happen there
    assert [message.partition(":")[0] for message in caplog.messages] == [
        "this clock is 31536000 s ahead of the brokers' clock",
        "the clocks agree again after 10 s",
    ]


def test_a_small_difference_of_the_clocks_is_no_reason_to_wait(bench: Bench) -> None:
    bench.times.ahead_ms = 59_000
    bench.hear()
    assert bench.take(1) == TRUE_MS + 60_000


def test_a_year_ahead_from_the_start_costs_one_reading(bench: Bench) -> None:
    bench.times.ahead_ms = 365 * 24 * HOUR_MS
    probe = bench.stamper.stamp(sample(0), as_probe=True)
    assert probe is not None
    bench.hear()
    bench.stamper.was_sent(probe)
    assert bench.take(1) is None
    bench.times.ahead_ms = 0
    assert [bench.take(2), bench.take(3)] == [TRUE_MS + 2000, TRUE_MS + 3000]


def test_a_timestamp_that_was_sent_too_early_is_not_used_again(bench: Bench) -> None:
    bench.times.ahead_ms = 90_000
    probe = bench.stamper.stamp(sample(0), as_probe=True)
    assert probe is not None
    assert probe.timestamp_ms == TRUE_MS + 90_000
    bench.hear()
    bench.stamper.was_sent(probe)
    bench.times.ahead_ms = 0
    assert [bench.take(1), bench.take(90)] == [TRUE_MS + 1000, TRUE_MS + 90_001]


def test_wrong_times_of_earlier_runs_do_not_silence_a_sensor(tmp_path: Path, bench: Bench) -> None:
    (tmp_path / "latest-timestamps.json").write_text(json.dumps({"S": TRUE_MS + 8760 * HOUR_MS}))
    bench = Bench(tmp_path)
    assert bench.take(1) is None  # nobody has confirmed yet which of the two is wrong
    assert bench.stamp(sample(1), as_probe=True) == [TRUE_MS + 1000]
    bench.hear()
    assert bench.take(2) == TRUE_MS + 2000


def test_a_jump_without_a_broker_is_doubtful_until_one_is_heard(bench: Bench) -> None:
    bench.take(0)
    bench.times.ahead_ms = -HOUR_MS
    assert bench.take(1) is None
    assert bench.clock.state() is ClockState.IN_DOUBT
    bench.hear(-HOUR_MS)  # it had been an hour ahead before
    assert bench.take(2) == TRUE_MS - HOUR_MS + 2000


def test_no_right_timestamp_is_used_twice_after_a_wrong_one(bench: Bench) -> None:
    bench.hear()
    bench.times.ahead_ms = 59_000
    assert bench.take(0) == TRUE_MS + 59_000
    bench.latest.include({"S": TRUE_MS + HOUR_MS})
    bench.times.ahead_ms = -59_000
    assert bench.take(1) == TRUE_MS + 59_001


def test_a_wrong_timestamp_is_known_while_it_was_not_used(bench: Bench) -> None:
    bench.times.ahead_ms = HOUR_MS
    stamped = bench.stamper.stamp(sample(0))
    assert stamped is not None
    assert not bench.stamper.is_wrong(stamped)
    bench.hear()
    assert bench.stamper.is_wrong(stamped)


def test_the_brokers_time_is_known_after_a_restart(tmp_path: Path, bench: Bench) -> None:
    runtime = tmp_path / "run"
    bench = Bench(tmp_path, runtime)
    bench.take(0)
    bench.hear()
    again = Bench(tmp_path, runtime)
    again.times.ahead_ms = 365 * 24 * HOUR_MS
    assert [again.take(1), again.take(2)] == [None, None]
    again.times.ahead_ms = 0
    assert again.take(3) == TRUE_MS + 3000
    assert BrokersTime(runtime, "another").read() is None


@pytest.mark.parametrize("junk", ["", "[]", '{"boot": "0f", "least_ns": 1e400, "most_ns": 1}', '{"least_ns": 1}'])
def test_junk_instead_of_the_brokers_time_is_set_aside(tmp_path: Path, junk: str) -> None:
    (tmp_path / "brokers-time.json").write_text(junk)
    assert BrokersTime(tmp_path, BOOT).read() is None
    assert len(list(tmp_path.glob("brokers-time.json.damaged"))) == 1


def test_a_reading_from_before_a_reboot_cannot_be_stamped(bench: Bench) -> None:
    assert not bench.stamper.is_lost(sample(0))
    assert bench.stamper.is_lost(Entry("S", "b", None, b"", Taken("another", 1)))


def test_recorded_spacing_starts_now_with_at_least_a_millisecond(bench: Bench) -> None:
    taken = [sample(number / 10, after_first_ms=after) for number, after in enumerate((0, 500, 500, 400, 1000))]
    assert bench.stamp(*taken) == [TRUE_MS + after for after in (0, 500, 501, 502, 1000)]


def test_recorded_spacing_starts_after_the_times_of_earlier_runs(bench: Bench) -> None:
    bench.latest.include({"S": TRUE_MS + 9000})
    taken = [sample(0, after_first_ms=after) for after in (0, 500)]
    assert bench.stamp(*taken) == [TRUE_MS + 9001, TRUE_MS + 9501]


def test_the_state_directory_is_not_written_before_the_end(tmp_path: Path, bench: Bench) -> None:
    bench.take(0)
    bench.latest.keep()
    assert list(tmp_path.iterdir()) == []
    bench.latest.close()
    assert json.loads((tmp_path / "latest-timestamps.json").read_text()) == {"S": TRUE_MS}


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


def test_the_kernels_boot_is_known_and_replaced_where_it_is_not(tmp_path: Path) -> None:
    assert kernel_boot() == kernel_boot()
    assert kernel_boot(tmp_path / "missing") != kernel_boot(tmp_path / "missing")


HELD = {
    "boot_id": BOOT,
    "samples": [
        {
            "sensor": "S",
            "host": "H",
            "boot": "b",
            "sequence": 1,
            "monotonic_ns": 7,
            "values": {},
            "timestamp_ms": None,
            "after_first_ms": None,
        }
    ],
}


def test_readings_that_an_earlier_version_kept_are_taken_over(tmp_path: Path) -> None:
    (tmp_path / "held-readings.json").write_text(json.dumps(HELD))
    (entry,) = take_held(tmp_path, BOOT)
    assert entry == sample(7e-9)
    assert list(tmp_path.iterdir()) == []


def test_kept_readings_from_before_a_reboot_are_put_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "held-readings.json").write_text(json.dumps(HELD))
    assert take_held(tmp_path, "another") == []
    assert [file.name for file in tmp_path.iterdir()] == ["held-readings.json.damaged"]
    assert len(caplog.records) == 1
