"""Does to the parts what the schedule says, and undoes it."""

import random
import signal
import time
from dataclasses import dataclass, field

from kafka.errors import KafkaError

from sensorpi.common.files import write
from tests.chaos import hostile, torn
from tests.chaos.checker import ClockChanged, Killed
from tests.chaos.parts import ADDRESSES, Parts
from tests.chaos.schedule import SENSORS, Fault
from tests.chaos.waits import Waits, is_stopped

#: The names of the processes of a part that is killed in part: as the kernel has them.
_VICTIMS = {"JVM": "java", "Python worker": "python"}


@dataclass
class Nemesis:
    """``strike`` at a fault's beginning, ``mend`` at its end. It remembers what the checker has to know."""

    parts: Parts
    seed: int
    kills: list[Killed] = field(default_factory=list)
    clocks: list[ClockChanged] = field(default_factory=list)
    #: Hostile messages that Kafka has: the place in the log -> the value.
    hostile: dict[str, bytes] = field(default_factory=dict)
    waits: dict[str, Waits] = field(default_factory=lambda: {sensor: Waits() for sensor in SENSORS})
    _clock_since_s: dict[str, float] = field(default_factory=dict)

    def strike(self, fault: Fault) -> str:
        """Begin the fault; what exactly was done, for the evidence."""
        part, parts = fault.target, self.parts
        numbers = random.Random(f"{self.seed} {fault.number}")
        match fault.kind:
            case "kill":
                return self._kill(part, fault.variant)
            case "freeze":
                return f"pids {parts.signal(part, signal.SIGSTOP)}"
            case "cut":
                parts.network.cut(part)
            case "slow":
                parts.network.slow(part)
            case "clock":
                self._clock_since_s[part] = time.monotonic()
                parts.set_clock(part, fault.variant)
            case "full_disk":
                parts.disks[part].fill(nearly=fault.variant == "nearly full")
            case "read_only_disk":
                return self._make_read_only(part)
            case "i2c":
                self._board(part, fault.variant, fault.number)
            case "hostile":
                return self._send_hostile(numbers)
            case "torn_state":
                killed = self._kill(part)
                if part in SENSORS:
                    return f"{killed}; {torn.tear_sensor(numbers, parts.disks[part].folder, parts.runtime(part))}"
                return f"{killed}; {torn.tear_job(numbers, parts.disks[part].folder)}"
        return ""

    def mend(self, fault: Fault) -> None:
        """End the fault."""
        part, parts = fault.target, self.parts
        match fault.kind:
            case "freeze":
                parts.signal(part, signal.SIGCONT)
            case "cut":
                parts.network.plug(part)
            case "slow":
                parts.network.restore_speed(part)
            case "clock":
                parts.set_clock(part, "+0")
                self.clocks.append(ClockChanged(part, self._clock_since_s.pop(part), time.monotonic()))
            case "full_disk":
                parts.disks[part].empty()
            case "read_only_disk":
                parts.disks[part].make_writable()
            case "i2c":
                self._board(part, "", fault.number)

    def clocks_now(self) -> list[ClockChanged]:
        """Every change of a clock, also those that last still."""
        now_s = time.monotonic()
        return [*self.clocks, *(ClockChanged(part, since_s, now_s) for part, since_s in self._clock_since_s.items())]

    def _kill(self, part: str, variant: str = "") -> str:
        if part in SENSORS and (pid := self.parts.services[part].pid) is not None:
            # Stopped first: the kernel tells how long a thread has waited only when that has run again.
            self.parts.signal(part, signal.SIGSTOP)
            while not is_stopped(pid) and self.parts.services[part].pid == pid:
                time.sleep(0.001)
            now_s = time.monotonic()
            self.waits[part].sample(pid)
            self.kills.append(Killed(part, now_s, self.waits[part].until_now()))
        return f"killed {self.parts.kill(part, _VICTIMS.get(variant))}"

    def watch(self) -> None:
        """Note how long the sensors could not run."""
        for sensor, waits in self.waits.items():
            waits.sample(self.parts.services[sensor].pid)

    def _make_read_only(self, part: str) -> str:
        """A process that has files open for writing is killed, as by the reboot after which a bad card is read-only."""
        if self.parts.disks[part].make_read_only():
            return ""
        killed = self._kill(part)
        while not self.parts.disks[part].make_read_only():
            time.sleep(0.01)
        return killed

    def _board(self, sensor: str, name: str, number: int) -> None:
        content = f'{{"fault": "{name}", "number": {number}}}\n'
        write(self.parts.board_file(sensor), content)

    def _send_hostile(self, numbers: random.Random) -> str:
        try:
            places = hostile.send(f"{ADDRESSES['kafka']}:{self.parts.cluster.kafka.port}", hostile.messages(numbers))
        except KafkaError as error:
            return f"not sent: {error}"
        self.hostile.update(places)
        return f"{len(places)} messages"
