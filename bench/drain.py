"""One drain: a reader stores all readings of the topic, from the oldest on, while its progress is sampled."""

import time

from bench import processes
from bench.figures import steady_per_s
from bench.measured import CEILING, TITLES, Drain
from bench.readers import Start, Work
from bench.stack import Stack
from bench.stored import expected
from onebox.process import Service
from sensorpi.common.errors import UserError

#: More points than this are readings: the job's own figures are a few.
_FIRST_POINTS = 100
_FIRST_POLL_S, _POLL_S = 0.05, 0.25
#: A reader that stores nothing more for this long has failed.
_PATIENCE_S = 300.0


def drain(stack: Stack, scenario: str, reader: str, start: Start, work: Work) -> Drain:
    """Run it once. Raises UserError when the reader ends, stands still, or has stored anything else than all points."""
    stack.reset()
    launched_s = time.monotonic()
    service = start(stack, work)
    try:
        root = service.pid
        if root is None:
            raise UserError(f"{TITLES[reader]} ended at once; see {stack.home.logs}")
        samples = [(0.0, 0)]
        _follow(stack, service, reader, launched_s, samples, _FIRST_POINTS, _FIRST_POLL_S)
        first_s, first_points = samples[-1]
        first_cpu_s = processes.cpu_s(root)
        _follow(stack, service, reader, launched_s, samples, work.readings, _POLL_S)
        last_s = samples[-1][0]
        last_cpu_s = processes.cpu_s(root)
        pss_mb = processes.pss_mb(root)
        _check(stack, reader, work.readings)
    finally:
        stack.remove(service)
    steady = steady_per_s(samples, work.readings)
    if reader == CEILING:  # it makes the lines first, which is not part of the measurement
        return Drain(scenario, reader, steady)
    million = work.readings / 1e6
    return Drain(
        scenario,
        reader,
        steady_per_s=steady,
        from_launch_per_s=work.readings / last_s,
        cpu_s_per_million=last_cpu_s / million,
        cpu_s_per_million_after_start=(last_cpu_s - first_cpu_s) / ((work.readings - first_points) / 1e6),
        first_point_s=first_s,
        first_point_cpu_s=first_cpu_s,
        pss_mb=pss_mb,
    )


def _follow(
    stack: Stack, service: Service, reader: str, launched_s: float, samples: list[tuple[float, int]], until: int,
    poll_s: float,
) -> None:  # fmt: skip
    """Add samples (seconds since the launch, points) until that many points are stored."""
    grown_s = time.monotonic()
    while samples[-1][1] < until:
        time.sleep(poll_s)
        points = stack.written_points()
        now_s = time.monotonic()
        if points > samples[-1][1]:
            grown_s = now_s
        samples.append((now_s - launched_s, points))
        if service.exit_status is not None or now_s - grown_s > _PATIENCE_S:
            raise UserError(f"{TITLES[reader]} stopped after {points} of {until} points; see {stack.home.logs}")


def _check(stack: Stack, reader: str, count: int) -> None:
    """Raise UserError unless exactly the readings are stored. The last of them may take a moment more."""
    deadline = time.monotonic() + 30.0
    while (stored := stack.stored()) != expected(count):
        if time.monotonic() > deadline:
            raise UserError(f"{TITLES[reader]} stored {stored}, not {expected(count)}")
        time.sleep(0.5)
