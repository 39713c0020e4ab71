"""One fault: when it struck, when it was undone, and how long it took until all was as before."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.cluster.site import Site


@dataclass(frozen=True)
class Recovery:
    """What one behaviour took, in seconds since the fault."""

    engine: str
    behaviour: str
    #: How long the test kept it up; 0 where it was over in a moment.
    lasted_s: float
    #: Until the first reading that was taken after the fault was queryable; None where no sensor took part.
    reading_s: float | None
    #: Until every service was active, every replica in sync and every reading stored.
    whole_s: float
    #: In InfluxDB by then, each once.
    readings: int = 0

    def __str__(self) -> str:
        lasted = f" (for {self.lasted_s:.1f} s)" if self.lasted_s else ""
        reading = "" if self.reading_s is None else f"first reading after {self.reading_s:.1f} s, "
        count = f"; {self.readings} readings, none lost, none twice" if self.readings else ""
        return f"{self.engine}: {self.behaviour}{lasted}: {reading}all as before after {self.whole_s:.1f} s{count}"


#: Takes each recovery as it is known.
Report = Callable[[Recovery], None]


@dataclass
class Fault:
    """``strike``, perhaps ``undo``, then ``recover``."""

    site: Site
    behaviour: str
    report: Report
    _began_s: float = 0.0
    _struck_at_s: float = 0.0
    _lasted_s: float = 0.0
    _reading_s: float = 0.0
    _undone: list[float] = field(default_factory=list)

    def strike(self, action: Callable[[], object]) -> None:
        """Let it happen to a cluster that is whole."""
        self.site.wait_until_whole()
        self._began_s = time.monotonic()
        action()
        # A reading that was under way before does not count as one after.
        self._struck_at_s = time.time()

    def endure(self, action: Callable[[], object]) -> None:
        """The same with something that takes its time."""
        self.strike(action)
        self._lasted_s = time.monotonic() - self._began_s

    def keep_away(self, seconds: float) -> None:
        """Leave it so, counted from the beginning of the fault."""
        time.sleep(max(0.0, self._began_s + seconds - time.monotonic()))

    def expect_reading(self, limit_s: float) -> None:
        """Readings that are taken after the fault arrive within so many seconds from now."""
        self.site.wait_for_reading_since(self._struck_at_s, limit_s)
        self._reading_s = self._reading_s or time.monotonic() - self._began_s

    def undo(self, action: Callable[[], object]) -> None:
        """Bring back what was taken away."""
        self._lasted_s = time.monotonic() - self._began_s
        action()

    def recover(self, limit_s: float) -> Recovery:
        """Readings arrive within the limit, then all is as before and nothing was lost; it is reported."""
        self.expect_reading(limit_s)
        self.site.wait_until_whole()
        readings = self.site.verify()
        whole_s = time.monotonic() - self._began_s
        recovery = Recovery(self.site.engine.title, self.behaviour, self._lasted_s, self._reading_s, whole_s, readings)
        self.report(recovery)
        return recovery
