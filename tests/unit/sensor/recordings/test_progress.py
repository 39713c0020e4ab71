"""How far a recording has been played, as it is shown."""

import pytest

from sensorpi.sensor.recordings.progress import progress


@pytest.mark.parametrize(
    ("done", "rate_hz", "shown"),
    [
        (0, 0.0, "0 of 16585 readings (0 %), 0.0/s"),
        (1200, 350.0, "1200 of 16585 readings (7 %), 350.0/s, 44 s left"),
        (1200, 20.0, "1200 of 16585 readings (7 %), 20.0/s, 13 min left"),
        (1200, 1.0, "1200 of 16585 readings (7 %), 1.0/s, 4.3 h left"),
        (16_585, 350.0, "16585 of 16585 readings (100 %), 350.0/s"),
    ],
)
def test_progress_has_count_rate_and_time_left(done: int, rate_hz: float, shown: str) -> None:
    assert progress(done, 16_585, rate_hz) == shown
