"""The hour that a clock repeats when it is put back: which of two possible times a row has follows from the order."""

from collections.abc import Mapping, MutableSequence, Sequence
from itertools import pairwise


class UnclearError(Exception):
    """A row's time cannot be told from the order; ``index`` is the row."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


def settle(order: Sequence[int], times_ms: MutableSequence[int], later_ms: Mapping[int, int]) -> None:
    """Decide the times of one sensor's rows.

    ``order`` has the rows' indices, oldest first. ``later_ms`` has the other possible time of those that need a
    decision; where it is right, it replaces the one in ``times_ms``. Raises UnclearError.
    """
    place = 0
    while place < len(order):
        if order[place] not in later_ms:
            place += 1
            continue
        end = place + 1
        first = order[place]
        length_ms = later_ms[first] - times_ms[first]
        while end < len(order) and order[end] in later_ms and abs(times_ms[order[end]] - times_ms[first]) < length_ms:
            end += 1
        run = order[place:end]
        before_ms = times_ms[order[place - 1]] if place else None
        after_ms = times_ms[order[end]] if end < len(order) else None
        for index in run[_first_later(run, times_ms, length_ms, before_ms, after_ms) :]:
            times_ms[index] = later_ms[index]
        for earlier, later in pairwise(order[max(place - 1, 0) : end + 1]):
            if times_ms[earlier] > times_ms[later]:
                raise UnclearError(later if later in later_ms else earlier)
        place = end


def _first_later(
    run: Sequence[int], times_ms: Sequence[int], length_ms: int, before_ms: int | None, after_ms: int | None
) -> int:
    """The place in a run from which the rows have the later time."""
    steps = [(times_ms[there] - times_ms[here], place) for place, (here, there) in enumerate(pairwise(run), 1)]
    if steps and min(steps)[0] < 0:
        return min(steps)[1]  # the clock was put back here
    if len(run) == 2 and steps[0][0] == 0:
        return 1  # one row an hour
    is_continued = before_ms is not None and times_ms[run[0]] - before_ms <= length_ms
    if not is_continued and after_ms is not None and after_ms - times_ms[run[-1]] <= 2 * length_ms:
        return 0  # the rows go on after the change, and begin in it
    return len(run)
