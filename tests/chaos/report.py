"""What a run reports: a line for each fault and each recovery, and at the end each reading that is not right."""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from onebox.display import say
from onebox.ledger import ReadingId
from tests.chaos.checker import Finding, Verdict
from tests.chaos.ledger import Taken
from tests.chaos.recovery import Recovered
from tests.chaos.schedule import Fault

#: What changes all the time in a status line.
_COUNTS = re.compile(r"[0-9]+([.,][0-9]+)*")
#: As many findings of a kind are printed; all are in the file.
_MOST_PRINTED = 10


class Report:
    """Prints to standard error, and keeps the same and more in ``report.txt`` and ``faults.jsonl``."""

    def __init__(self, folder: Path, planned: int) -> None:
        self._text, self._faults_file = folder / "report.txt", folder / "faults.jsonl"
        self._planned = planned
        self._began_s = time.monotonic()
        #: Each fault with the times of its beginning and its end, by the monotonic clock.
        self._struck: dict[int, tuple[Fault, float, float]] = {}
        self._recoveries: list[Recovered] = []
        self._statuses: dict[str, str] = {}

    def begin(self) -> float:
        """The schedule begins now; the value of the monotonic clock."""
        self._began_s = time.monotonic()
        return self._began_s

    def struck(self, fault: Fault, what: str) -> None:
        """A fault began."""
        now_s = time.monotonic()
        self._struck[fault.number] = fault, now_s, now_s
        self.say(f"{fault.number:3}/{self._planned}  {fault}")
        self._keep({"event": "struck", **vars(fault), "done": what})

    def mended(self, fault: Fault) -> None:
        """A fault ended."""
        _, since_s, _ = self._struck[fault.number]
        self._struck[fault.number] = fault, since_s, time.monotonic()
        self._keep({"event": "mended", "number": fault.number})

    def recovered(self, recovered: Recovered) -> None:
        """All is as before."""
        self._recoveries.append(recovered)
        silent = f", but {', '.join(recovered.silent)} stays silent" if recovered.silent else ""
        self.say(f"         recovered after {recovered.seconds:.1f} s{silent}")
        numbers = [fault.number for fault in recovered.faults]
        self._keep({"event": "recovered", "numbers": numbers, "seconds": recovered.seconds, "silent": recovered.silent})

    def restarted(self, part: str) -> None:
        """A part was started again."""
        self._keep({"event": "restarted", "part": part})

    def statuses(self, statuses: Mapping[str, str]) -> None:
        """What the parts say of themselves, kept when it changes: their logs have no times."""
        for part, status in statuses.items():
            text = _COUNTS.sub("…", status)
            if text != self._statuses.get(part, ""):
                self._statuses[part] = text
                self._keep({"event": "status", "part": part, "status": status})

    def say(self, text: str) -> None:
        """Print a line with the time since the beginning, and keep it."""
        seconds = time.monotonic() - self._began_s
        line = f"{int(seconds // 60):3}:{int(seconds % 60):02}  {text}"
        say(line)
        self._append(self._text, line)

    def end(self, verdict: Verdict, taken: Mapping[ReadingId, Taken]) -> dict[str, Any]:
        """Print what is wrong, and return the summary."""
        findings = {
            "lost": verdict.lost,
            "cut": verdict.cut,
            "stored more than once": verdict.duplicated,
            "altered": verdict.altered,
            "out of order": verdict.out_of_order,
        }
        for kind, found in findings.items():
            self._list(kind, found, taken)
        self._table()
        return {
            "faults": len(self._struck),
            "readings": verdict.readings,
            "lost": len(verdict.lost),
            "cut": len(verdict.cut),
            "duplicated": len(verdict.duplicated),
            "altered": len(verdict.altered),
            "out_of_order": len(verdict.out_of_order),
            "dead_lettered": verdict.dead_lettered,
            "recovery_s": self._longest(lambda fault: fault.kind),
        }

    def _list(self, kind: str, found: Sequence[Finding], taken: Mapping[ReadingId, Taken]) -> None:
        for number, finding in enumerate(found):
            line = f"{kind}: {finding}{self._circumstances(taken.get(finding.reading))}"
            self._append(self._text, line)
            if number < _MOST_PRINTED:
                say(f"  {line}")
        if len(found) > _MOST_PRINTED:
            say(f"  … and {len(found) - _MOST_PRINTED} more that are {kind}; see {self._text}")

    def _circumstances(self, taken: Taken | None) -> str:
        """When it was taken, and what was wrong then."""
        if taken is None:
            return ""
        at_s = taken.taken_s - self._began_s
        faults = [
            f"fault {fault.number}: {fault}"
            for fault, since_s, until_s in self._struck.values()
            if since_s - 2.0 <= taken.taken_s <= until_s + 2.0
        ]
        at = f"{int(at_s // 60)}:{at_s % 60:04.1f}"
        return f" [taken by {taken.host} at {at}; {'; '.join(faults) or 'no fault then'}]"

    def _table(self) -> None:
        longest = self._longest(lambda fault: f"{fault.kind} {fault.target.rstrip('0123456789')}")
        if longest:
            say("\n  The longest recovery after each fault, in seconds since the end of the last that overlapped:")
        for name, seconds in sorted(longest.items()):
            line = f"{name:24}{seconds:6.1f}"
            self._append(self._text, line)
            say(f"    {line}")

    def _longest(self, key: Callable[[Fault], str]) -> dict[str, float]:
        longest: dict[str, float] = {}
        for recovered in self._recoveries:
            for fault in recovered.faults:
                longest[key(fault)] = max(recovered.seconds, longest.get(key(fault), 0.0))
        return longest

    def _keep(self, event: dict[str, Any]) -> None:
        now_s = time.monotonic()
        event = {"at_s": round(now_s - self._began_s, 2), "monotonic_s": round(now_s, 3), **event}
        self._append(self._faults_file, json.dumps(event))

    @staticmethod
    def _append(file: Path, line: str) -> None:
        with file.open("a", encoding="utf-8") as opened:
            opened.write(line + "\n")
