"""How long a reading takes until a query returns it, at a steady rate, and what the processes take meanwhile."""

import threading
import time

from influxdb import InfluxDBClient

from bench import processes
from bench.figures import percentile
from bench.load import PROBE_HOST, Paced
from bench.measured import JOB, TITLES, Flow
from bench.readers import Start, Work
from bench.stack import Stack
from onebox.home import Scale
from onebox.process import Service
from sensorpi.common.errors import UserError
from sensorpi.pipeline.influx.client import INFLUXDB_ERRORS, RAW, READINGS, reader_client

#: Between two queries; half of it is part of each measured latency.
_POLL_S = 0.01
#: After the last reading was sent, and for the reader's start.
_PATIENCE_S, _START_S = 30.0, 300.0
#: Readings before the measurement, until the reader is warm: their rate, and for how long.
_WARM_UP_HZ, _WARM_UP_S = 10.0, 5.0


def flows(stack: Stack, reader: str, start: Start, scale: Scale, rates: list[tuple[float, float]]) -> list[Flow]:
    """Run one reader on an empty topic, at each rate (readings a second, seconds) after the other."""
    stack.set_scale(scale)
    stack.reset()
    service = start(stack, Work(readings=0, sensors=0, cores=scale.cores))
    try:
        _measure(stack, Paced(stack.bootstrap_servers, _WARM_UP_HZ, _WARM_UP_S), _START_S)
        return [_flow(stack, service, reader, scale, rate_hz, seconds) for rate_hz, seconds in rates]
    finally:
        stack.remove(service)


def _flow(stack: Stack, service: Service, reader: str, scale: Scale, rate_hz: float, seconds: float) -> Flow:
    if service.pid is None:
        raise UserError(f"{TITLES[reader]} ended; see {stack.home.logs}")
    roots = {"Kafka": stack.pids()["kafka"], "InfluxDB": stack.pids()["influxdb"], TITLES[reader]: service.pid}
    paced = Paced(stack.bootstrap_servers, rate_hz, seconds)
    before, began_s = _cpu_s(roots), time.monotonic()
    latencies_ms, missing = _measure(stack, paced, _PATIENCE_S)
    took_s = time.monotonic() - began_s
    after = _cpu_s(roots)
    return Flow(
        reader=reader,
        trigger_ms=scale.trigger_ms if reader == JOB else None,
        rate_hz=rate_hz,
        seconds=took_s,
        probes=len(paced.sent),
        p50_ms=percentile(latencies_ms, 50),
        p99_ms=percentile(latencies_ms, 99),
        missing=missing,
        sender_behind_ms=paced.behind_s * 1000,
        core_share={name: (after.get(name, 0.0) - before.get(name, 0.0)) / took_s for name in after | before},
    )


def _cpu_s(roots: dict[str, int]) -> dict[str, float]:
    """CPU seconds by process; those that a part started are named after both."""
    found: dict[str, float] = {}
    for name, root in roots.items():
        by_process = processes.cpu_s_by_process(root)
        for process, cpu_s in by_process.items():
            found[name if process == "main" else f"{name}: {process}"] = cpu_s
    return found


def _measure(stack: Stack, paced: Paced, patience_s: float) -> tuple[list[float], int]:
    """Send the readings and see each probe arrive: the latencies in ms, and how many probes are missing."""
    client = reader_client(stack.stages.endpoint, stack.stages.credentials)
    sender = threading.Thread(target=paced.run, name="sender", daemon=True)
    sender.start()
    waiting: dict[int, float] = {}
    taken, latencies_ms, ended_s = 0, list[float](), time.monotonic()
    try:
        while sender.is_alive() or waiting or taken < len(paced.sent):
            new = paced.sent[taken:]
            taken += len(new)
            waiting |= dict(new)
            if waiting:
                found, now_s = _stored(client, min(waiting)), time.monotonic()
                latencies_ms += [(now_s - waiting.pop(time_ms)) * 1000 for time_ms in found if time_ms in waiting]
            if sender.is_alive():
                ended_s = time.monotonic()
            elif time.monotonic() - ended_s > patience_s:
                break
            time.sleep(_POLL_S)
    finally:
        sender.join()
        client.close()
    return latencies_ms, len(waiting)


def _stored(client: InfluxDBClient, from_ms: int) -> list[int]:
    """The times of the probes that can be queried, in ms."""
    query = f'SELECT "sequence" FROM "{RAW}"."{READINGS}" WHERE "host" = \'{PROBE_HOST}\' AND time >= {from_ms}ms'
    try:
        return [int(point["time"]) for point in client.query(query, epoch="ms").get_points()]
    except INFLUXDB_ERRORS:  # it is busy: that is part of the latency
        return []
