"""One task on an agent: its executor, its sandbox, and its statuses, stored until the framework acknowledges them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from .link import Link
from .model import TERMINAL

Json = dict[str, Any]

_PROGRAM = Path(__file__).with_name("mesos-executor")

#: A status that is not acknowledged is sent again after this time; the wait doubles.
_FIRST_RETRY_S = 10.0


class Run:
    """One run of a task. ``meta`` is its folder for what must survive the agent."""

    def __init__(self, meta: Path) -> None:
        self.meta = meta
        self.spec: Json = json.loads((meta / "spec").read_text(encoding="utf-8"))
        self.framework_id: str = self.spec["framework_id"]
        self.info: Json = self.spec["task_info"]
        self.task_id: str = self.info["task_id"]["value"]
        self.sandbox = Path(self.spec["sandbox"])
        self.link: Link | None = None
        self.pending: list[Json] = []
        self.status: Json | None = None
        self.ended_at: float | None = None
        self.abandoned = False
        self.retry_at = 0.0
        self._retry_s = _FIRST_RETRY_S
        self._read_statuses()

    @classmethod
    def make(cls, meta: Path, spec: Json) -> "Run":
        """A new run with empty folders."""
        meta.mkdir(parents=True)
        (meta / "spec").write_text(json.dumps(spec), encoding="utf-8")
        return cls(meta)

    @property
    def latest(self) -> str:
        """The last state that the executor or the agent reported."""
        return str(self.status["state"]) if self.status is not None else "TASK_STAGING"

    @property
    def done(self) -> bool:
        """Whether it has ended and the framework knows."""
        return self.latest in TERMINAL and not self.pending

    def start_executor(self) -> None:
        """Start the executor, with its output in the sandbox."""
        self.sandbox.mkdir(parents=True)
        latest = self.sandbox.with_name("latest")
        latest.unlink(missing_ok=True)
        latest.symlink_to(self.sandbox.name)
        if self.spec["user"]:
            shutil.chown(self.sandbox, self.spec["user"])
        with (self.sandbox / "stdout").open("ab") as out, (self.sandbox / "stderr").open("ab") as err:
            process = subprocess.Popen(
                [sys.executable, _PROGRAM, self.meta / "spec"],
                cwd=self.sandbox,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        threading.Thread(target=process.wait, daemon=True).start()  # or it would remain as a zombie
        if self.spec["user"]:
            for name in ("stdout", "stderr"):
                shutil.chown(self.sandbox / name, self.spec["user"])

    def kill_processes(self) -> None:
        """End the processes that a dead executor has left."""
        with suppress(OSError, ValueError):
            os.killpg(int((self.meta / "pid").read_text(encoding="ascii")), signal.SIGKILL)

    def keep(self, status: Json) -> None:
        """Store a status; one that the last agent has stored already may arrive again."""
        if status.get("uuid") not in self._uuids:
            self._write({"status": status})
            self._take(status)
            if self.done:
                self.ended_at = time.time()

    def acknowledge(self, uuid: str) -> bool:
        """Remove the first pending status if it has that uuid; return whether it has."""
        if not self.pending or self.pending[0].get("uuid") != uuid:
            return False
        self._write({"acknowledged": uuid})
        self.pending.pop(0)
        self.retry_at, self._retry_s = 0.0, _FIRST_RETRY_S
        if self.done:
            self.ended_at = time.time()
        return True

    def abandon(self) -> None:
        """The framework is removed: no status will be acknowledged."""
        if not self.abandoned:
            self._write({"abandoned": True})
        self._abandon()

    def _abandon(self) -> None:
        self.abandoned = True
        self.pending.clear()
        if self.done:
            self.ended_at = time.time()

    def sent(self) -> None:
        """The first pending status was sent; retry after a wait."""
        self.retry_at = time.monotonic() + self._retry_s
        self._retry_s = min(self._retry_s * 2, 600.0)

    def sent_in_vain(self) -> None:
        """Send again as soon as there is a master."""
        self.retry_at, self._retry_s = 0.0, _FIRST_RETRY_S

    def _take(self, status: Json) -> None:
        self._uuids.add(status.get("uuid"))
        if not self.abandoned:
            self.pending.append(status)
        self.status = status if "healthy" in status or self.status is None else self._with_health(status)

    def _with_health(self, status: Json) -> Json:
        """A status that does not mention health leaves it unchanged."""
        known = (self.status or {}).get("healthy")
        return status if known is None else {**status, "healthy": known}

    def _read_statuses(self) -> None:
        self._uuids: set[Any] = set()
        file = self.meta / "statuses"
        for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
            with suppress(json.JSONDecodeError):  # torn by a power cut
                entry = json.loads(line)
                if "status" in entry:
                    self._take(entry["status"])
                elif "abandoned" in entry:
                    self._abandon()
                elif self.pending:
                    self.pending.pop(0)
        if self.done:
            self.ended_at = file.stat().st_mtime

    def _write(self, entry: Json) -> None:
        with (self.meta / "statuses").open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
