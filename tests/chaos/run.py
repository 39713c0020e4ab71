"""A run: the parts start, the nemesis follows its schedule, everything drains, and the checker compares."""

import argparse
import json
import shutil
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from kafka.errors import KafkaError

from onebox.display import say
from onebox.home import Home
from onebox.ledger import ReadingId
from onebox.stages import check_set_up
from sensorpi.common.errors import UserError
from sensorpi.pipeline.influx.client import INFLUXDB_ERRORS, reader_client
from tests.chaos import stored
from tests.chaos.checker import Evidence, Finding, Verdict, check
from tests.chaos.ledger import Ledger
from tests.chaos.nemesis import Nemesis
from tests.chaos.parts import Parts
from tests.chaos.recovery import PATIENCE_S, Recovery, in_influxdb
from tests.chaos.report import Report
from tests.chaos.schedule import SENSORS, Fault, schedule

_STEP_S = 0.05
#: The maximum time for a sensor's stop.
_STOP_S = 20.0
#: A sensor that stopped with readings in its spool is started again, this often and for so long.
_MOST_STARTS, _DRAIN_SENSOR_S = 3, 10.0
#: After the sensors' stop: between two comparisons, and without anything more that arrives until the last one.
_COMPARE_S, _PATIENCE_S = 2.0, 45.0
#: The maximum time for a server that is still starting then, on a machine under load.
_STARTS_S = 300.0
_ERRORS = (*INFLUXDB_ERRORS, KafkaError)


class _Interrupted:
    """Ctrl-C or SIGTERM: during the start it stops everything; later it ends the schedule; twice, everything."""

    def __init__(self) -> None:
        self.times = 0
        self.at_once = True
        signal.signal(signal.SIGINT, self._handle)
        signal.signal(signal.SIGTERM, self._handle)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.times += 1
        if self.at_once or self.times > 1:
            raise KeyboardInterrupt


def run(options: argparse.Namespace) -> int:
    """The exit status: 0 if nothing was lost, doubled, altered or out of order.

    Raises UserError for what a user can mend, and KeyboardInterrupt when it is stopped at once.
    """
    interrupted = _Interrupted()
    check_set_up()
    home = Home(Home().path / "chaos")
    lock = home.lock()
    if lock is None:
        raise UserError(f"{home.path} is in use: another `make chaos` is running; stop that one first")
    _remove_earlier_run(home.path)
    faults = schedule(options.seed, options.minutes)
    say(f"Random seed {options.seed}: {len(faults)} faults in {options.minutes:g} minutes; {home.path} keeps the logs.")
    say("Starting Kafka, InfluxDB, Spark and the sensors …")
    parts = Parts(home.path)
    try:
        parts.start()
        return _Run(options, home.path, parts, faults, interrupted).run()
    finally:
        interrupted.at_once = False
        say("Stopping …")
        parts.stop()
        lock.close()


def _remove_earlier_run(home: Path) -> None:
    for entry in home.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != "lock":
            entry.unlink()


class _Run:
    def __init__(
        self, options: argparse.Namespace, home: Path, parts: Parts, faults: Sequence[Fault], interrupted: _Interrupted
    ) -> None:
        self._options, self._home, self._parts, self._interrupted = options, home, parts, interrupted
        self._waiting = list(faults)
        self._lasting: list[Fault] = []
        self._ledger = Ledger([parts.events(sensor) for sensor in SENSORS])
        self._nemesis = Nemesis(parts, options.seed)
        self._recovery = Recovery(in_influxdb(parts.endpoint, parts.credentials.reader_password))
        self._report = Report(home, len(faults))

    def run(self) -> int:
        self._wait_for_first_readings()
        self._interrupted.at_once = False
        began_s = self._report.begin()
        while (self._waiting or self._lasting) and not self._interrupted.times:
            self._follow_schedule(time.monotonic() - began_s)
            self._step()
        for fault in list(self._lasting):
            self._mend(fault)
        while self._recovery.pending and not self._interrupted.times:
            self._step()
        self._stop_sensors()
        verdict = self._verdict()
        self._keep_state()
        summary = self._report.end(verdict, self._ledger.everything())
        print(json.dumps(summary) if self._options.json else _sentence(summary), flush=True)
        return 0 if verdict.good else 1

    def _wait_for_first_readings(self) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while {taken.host for taken in self._ledger.taken.values()} != set(SENSORS):
            if time.monotonic() > deadline_s:
                raise UserError(f"not every sensor takes readings; see {self._home / 'logs'}")
            self._step()

    def _follow_schedule(self, now_s: float) -> None:
        for fault in [fault for fault in self._lasting if fault.end_s <= now_s]:
            self._mend(fault)
        while self._waiting and self._waiting[0].start_s <= now_s:
            fault = self._waiting.pop(0)
            self._lasting.append(fault)
            self._report.struck(fault, self._nemesis.strike(fault))
            if not fault.duration_s:
                self._mend(fault)

    def _mend(self, fault: Fault) -> None:
        self._lasting.remove(fault)
        self._nemesis.mend(fault)
        self._report.mended(fault)
        self._recovery.ended(fault)

    def _step(self) -> None:
        """What goes on all the time."""
        for part in self._parts.watch():
            self._report.restarted(part)
        self._report.statuses(
            {
                part: f"{service.status}{'' if service.ready else ' (not ready)'}"
                for part, service in self._parts.services.items()
            }
        )
        self._nemesis.watch()
        self._recovery.taken(self._ledger.read_on())
        if not self._lasting and (recovered := self._recovery.poll()) is not None:
            self._report.recovered(recovered)
        time.sleep(_STEP_S)

    def _stop_sensors(self) -> None:
        """Stop all sensors, and start those again that have left readings in their spools."""
        say("Stopping the sensors, and waiting until everything is stored …")
        left = list(SENSORS)
        for _ in range(_MOST_STARTS):
            statuses = self._parts.stop_sensors(left, _STOP_S)
            for sensor, status in statuses.items():
                if status != 0:
                    self._report.say(f"{sensor} stopped with exit status {status}")
            self._ledger.read_on()
            left = [sensor for sensor in left if self._ledger.spooled(sensor)]
            if not left:
                return
            self._report.say(f"{', '.join(left)} stopped with readings in the spool: started again to send them")
            self._parts.start_sensors(left)
            deadline_s = time.monotonic() + _DRAIN_SENSOR_S
            while time.monotonic() < deadline_s:
                self._step()
        self._parts.stop_sensors(left, _STOP_S)
        self._ledger.read_on()

    def _verdict(self) -> Verdict:
        """Compare until nothing is missing, or nothing more arrives. Raises UserError when a server does not answer."""
        fewest, since_s = -1, time.monotonic()
        longest_s = since_s + _STARTS_S
        while True:
            if not self._parts.are_ready and time.monotonic() < longest_s:
                since_s = time.monotonic()  # nothing can arrive
            verdict = None
            with suppress(*_ERRORS):
                verdict = self._compare()
            if verdict is not None and not verdict.lost:
                return verdict
            if verdict is not None and (fewest < 0 or len(verdict.lost) < fewest):
                fewest, since_s = len(verdict.lost), time.monotonic()
            if time.monotonic() - since_s > _PATIENCE_S:
                if verdict is None:
                    raise UserError(f"InfluxDB or Kafka does not answer; see {self._home / 'logs'}")
                return verdict
            deadline_s = time.monotonic() + _COMPARE_S
            while time.monotonic() < deadline_s:
                self._step()

    def _compare(self) -> Verdict:
        client = reader_client(self._parts.endpoint, self._parts.credentials)
        try:
            rows = stored.rows(client)
        finally:
            client.close()
        letters = stored.letters(self._parts.cluster.bootstrap_servers)
        hostile = self._nemesis.hostile
        evidence = Evidence(
            taken=self._ledger.everything(),
            rows=rows,
            letters=[letter.value for letter in letters if letter.key not in hostile],
            log=stored.log(self._parts.cluster.bootstrap_servers),
            kills=self._nemesis.kills,
            clocks=self._nemesis.clocks,
            epoch_s=time.time() - time.monotonic(),
        )
        verdict = check(evidence)
        vanished = hostile.keys() - {letter.key for letter in letters}
        verdict.lost += [
            Finding(ReadingId("hostile message", place, 0), f"is not a dead letter: {hostile[place][:80]!r}")
            for place in sorted(vanished)
        ]
        return verdict

    def _keep_state(self) -> None:
        """Copy what is on the sensors' disks, which vanish with this process."""
        for sensor in SENSORS:
            shutil.copytree(self._parts.disks[sensor].folder, self._home / "state" / sensor)


def _sentence(summary: dict[str, object]) -> str:
    return ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in summary.items() if name != "recovery_s")
