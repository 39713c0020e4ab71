"""How far a recording has been played."""


def progress(done: int, total: int, rate_hz: float) -> str:
    """For example ``1200 of 16585 readings (7 %), 350.0/s, 44 s left``."""
    text = f"{done} of {total} readings ({100 * done // max(total, 1)} %), {rate_hz:.1f}/s"
    left_s = (total - done) / rate_hz if rate_hz > 0 else None
    return text if left_s is None or done >= total else f"{text}, {_duration(left_s)} left"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
