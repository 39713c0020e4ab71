"""A recovery ends when every sensor has a reading in InfluxDB that was taken after the last fault's end."""

import time
from collections.abc import Sequence

from pytest_mock import MockerFixture

from onebox.ledger import ReadingId
from sensorpi.common.reading import FIELDS
from tests.chaos.ledger import Taken
from tests.chaos.recovery import PATIENCE_S, Recovery
from tests.chaos.schedule import SENSORS, Fault

FREEZE, BOARD = Fault(1, 0.0, 5.0, "freeze", "kafka"), Fault(2, 0.0, 5.0, "i2c", "sensor01")
WHOLE = dict.fromkeys(FIELDS, 1.0)


class Watch:
    """A recovery with a clock and a database that the test sets."""

    def __init__(self, mocker: MockerFixture) -> None:
        self.now_s = 100.0
        self.database: set[ReadingId] = set()
        mocker.patch.object(time, "monotonic", side_effect=lambda: self.now_s)
        self.recovery = Recovery(self._stored)

    def _stored(self, host: str, readings: Sequence[Taken]) -> set[ReadingId]:
        assert {reading.host for reading in readings} == {host}
        return {reading.reading for reading in readings} & self.database

    def take(self, at_s: float, sensors: Sequence[str] = SENSORS, values: dict[str, float] = WHOLE) -> None:
        readings = [Taken(ReadingId("S", host, int(at_s)), host, at_s, values, 1) for host in sensors]
        self.recovery.taken(readings)
        self.database |= {reading.reading for reading in readings}

    def poll(self, now_s: float) -> tuple[float, Sequence[str]] | None:
        self.now_s = now_s
        recovered = self.recovery.poll()
        return None if recovered is None else (recovered.seconds, recovered.silent)


def test_readings_of_every_sensor_after_the_end_count(mocker: MockerFixture) -> None:
    watch = Watch(mocker)
    assert watch.poll(101) is None
    watch.recovery.ended(FREEZE)
    watch.take(90)
    assert watch.poll(102) is None
    watch.take(102, SENSORS[1:])
    assert watch.poll(103) is None
    watch.take(104)
    assert watch.poll(105) == (4.0, ())
    assert not watch.recovery.pending


def test_where_faults_overlap_the_last_end_counts(mocker: MockerFixture) -> None:
    watch = Watch(mocker)
    watch.recovery.ended(FREEZE)
    watch.take(101)
    watch.now_s = 110.0
    watch.recovery.ended(BOARD)
    assert watch.poll(111) is None
    watch.take(112)
    assert watch.poll(113) == (3.0, ())


def test_after_a_board_s_fault_all_fields_count(mocker: MockerFixture) -> None:
    watch = Watch(mocker)
    watch.recovery.ended(BOARD)
    watch.take(101, values={"heading": 1.0})
    assert watch.poll(102) is None
    watch.take(103, SENSORS[:1])
    assert watch.poll(104) == (4.0, ())


def test_a_silent_sensor_is_named_and_not_waited_for_again(mocker: MockerFixture) -> None:
    watch = Watch(mocker)
    watch.recovery.ended(FREEZE)
    watch.take(101, SENSORS[1:])
    assert watch.poll(102) is None
    assert watch.poll(101 + PATIENCE_S) == (1 + PATIENCE_S, (SENSORS[0],))
    watch.recovery.ended(FREEZE)
    watch.take(103 + PATIENCE_S, SENSORS[1:])
    assert watch.poll(104 + PATIENCE_S) == (3.0, (SENSORS[0],))
    watch.recovery.ended(FREEZE)
    watch.take(110 + PATIENCE_S)
    assert watch.poll(111 + PATIENCE_S) == (7.0, ())
