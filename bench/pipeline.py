"""The pipeline's job beside Telegraf, a hand-written consumer and InfluxDB alone, in one run.

Run by `make bench`. Each reader stores the same readings from the same broker in the same InfluxDB, in turn, and is
checked to have stored exactly these. Prints tables in Markdown; a full run also writes them to bench/results/, with a
plot and all figures as JSON.
"""

import argparse
import json
import sys
import time
from datetime import UTC, datetime

from bench import machine, report
from bench.drain import drain
from bench.latency import flows
from bench.load import fill
from bench.measured import JOB, TELEGRAF, TITLES, Drain, Flow
from bench.plan import FULL, QUICK, Plan, Scenario
from bench.plot import draw
from bench.readers import Work, readers
from bench.stack import Stack
from bench.summary import Drains, measurements, summary
from bench.telegraf import FLUSH_INTERVAL_S
from onebox.home import ROOT, Scale
from onebox.stages import check_set_up
from sensorpi.common.cluster.schema import SparkSettings
from sensorpi.common.errors import UserError

_FOLDER = ROOT / ".cache" / "bench"
_RESULTS = ROOT / "bench" / "results"
#: Above this load average, other work disturbs the measurement.
_QUIET_LOAD = 0.5


def main() -> int:
    """Measure and report. Returns the exit status."""
    options = _options()
    try:
        check_set_up()
        return 1 if _run(options) else 0
    except UserError as error:
        _say(f"make bench: {error}")
        return 2
    except KeyboardInterrupt:
        return 130


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='make bench ARGS="…"', usage="%(prog)s", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="within five minutes, and nothing is written")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON on standard output")
    parser.add_argument("--readings", type=_count, metavar="N", help="how many readings are drained each time")
    parser.add_argument("--repeats", type=_count, metavar="N", help="how often each reader drains each topic")
    default = Scale.heap_mb
    parser.add_argument(
        "--heap-mb", type=int, default=default, metavar="N", help=f"the job's heap (default: {default}, as in make run)"
    )
    return parser.parse_args()


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from 1")
    return number


def _run(options: argparse.Namespace) -> int:
    """Returns how many measurements failed; they are left out."""
    plan = (QUICK if options.quick else FULL).shortened(options.readings, options.repeats)
    began, of, parts = time.monotonic(), machine.machine(), machine.versions()
    if TELEGRAF not in readers():
        _say("Telegraf is left out, because it could not be built: Go is not on PATH, or the build failed.")
    if of["load"][0] > _QUIET_LOAD:
        _say(f"The load of this machine is {of['load'][0]:g}: other work disturbs the measurement.")
    stack, failures = Stack(_FOLDER), list[str]()
    try:
        stack.start()
        stack.set_scale(Scale(heap_mb=options.heap_mb))
        stack.archive_classes()
        message_bytes, drained = _drains(stack, plan, options.heap_mb, failures)
        flowed = _flows(stack, plan, options.heap_mb, failures)
    finally:
        stack.stop()
    stack.remove_data()

    date = f"{datetime.now(tz=UTC):%Y-%m-%d}"
    drains, titles = Drains(drained), {scenario.name: scenario.title for scenario in plan.scenarios}
    command = f'make bench ARGS="{" ".join(sys.argv[1:])}"' if sys.argv[1:] else "make bench"
    work = (
        f"{plan.readings:,} readings of {message_bytes:.0f} bytes; the job's heap {options.heap_mb} MB;"
        f" {time.monotonic() - began:.0f} s in all."
    )
    text = "\n".join(
        [
            report.heading(date, command, of, parts, work),
            report.drain_table(drains, titles),
            report.flow_table(flowed),
        ]
    )
    print(text, flush=True)
    result = {
        **summary(drains, flowed),
        "date": date,
        "machine": of,
        "versions": parts,
        "settings": {
            "readings": plan.readings,
            "message_bytes": round(message_bytes),
            "heap_mb": options.heap_mb,
            "telegraf_flush_interval_s": FLUSH_INTERVAL_S,
        },
        "failures": failures,
        **measurements(drains, flowed),
    }
    if not options.quick:
        _write(date, text, result, drains, flowed, titles)
    if options.json:
        print(json.dumps(result), flush=True)
    return len(failures)


def _drains(stack: Stack, plan: Plan, heap_mb: int, failures: list[str]) -> tuple[float, list[Drain]]:
    """The mean size of a message in bytes, and all drains: within a repeat, the readers take turns."""
    found: list[Drain] = []
    message_bytes = 0.0
    for scenario in plan.scenarios:
        stack.set_scale(_scale(scenario, heap_mb))
        message_bytes = fill(stack.bootstrap_servers, scenario.partitions, scenario.sensors, plan.readings)
        work = Work(plan.readings, scenario.sensors, scenario.cores)
        for repeat in range(scenario.repeats):
            for reader, start in readers().items():
                if reader not in scenario.readers:
                    continue
                about = f"{scenario.title}, {repeat + 1} of {scenario.repeats}: {TITLES[reader]}"
                try:
                    found.append(drain(stack, scenario.name, reader, start, work))
                    _say(f"{about} {found[-1].steady_per_s:,.0f} points/s")
                except UserError as error:
                    failures.append(about)
                    _say(f"{about} failed: {error}")
    return message_bytes, found


def _flows(stack: Stack, plan: Plan, heap_mb: int, failures: list[str]) -> list[Flow]:
    scale = Scale(heap_mb=heap_mb)
    usual = Scale(heap_mb=heap_mb, trigger_ms=SparkSettings.trigger_ms)
    found: list[Flow] = []
    for reader, of, rates in (
        (JOB, scale, plan.job_rates),
        (TELEGRAF, scale, plan.telegraf_rates),
        (JOB, usual, plan.usual_trigger_rates),
    ):
        if rates and reader in readers():
            about = f"{TITLES[reader]} at {', '.join(f'{rate:,.0f}' for rate, _ in rates)} readings/s"
            _say(about)
            try:
                found += flows(stack, reader, readers()[reader], of, list(rates))
            except UserError as error:
                failures.append(about)
                _say(f"{about} failed: {error}")
    return found


def _scale(scenario: Scenario, heap_mb: int) -> Scale:
    return Scale(partitions=scenario.partitions, cores=scenario.cores, heap_mb=heap_mb)


def _write(
    date: str, text: str, result: dict[str, object], drains: Drains, flowed: list[Flow], titles: dict[str, str]
) -> None:  # fmt: skip
    _RESULTS.mkdir(exist_ok=True)
    (_RESULTS / f"{date}.md").write_text(text.replace("## ", "# ", 1), encoding="utf-8")
    (_RESULTS / f"{date}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    of = result["machine"]
    assert isinstance(of, dict)
    draw(_RESULTS / f"{date}.svg", drains, flowed, titles, f"make bench, {date}, {of['cores']} cores, {of['model']}")
    _say(f"Written to {_RESULTS.relative_to(ROOT)}/{date}.md, .json and .svg")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
