"""What an agent stores below its work_dir, and whether an agent with other flags may continue with it."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .resources import from_json
from .run import Run

Json = dict[str, Any]

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Memory:
    """The folders of one agent: ``meta`` for itself, ``slaves`` for the sandboxes."""

    def __init__(self, work_dir: Path) -> None:
        self._work_dir = work_dir
        self._latest = work_dir / "meta/slaves/latest"
        self.agent_id: str | None = None
        self.socket_name = ""
        self._rebooted = False

    def recover(self, info: Json, policy: str) -> None:
        """Continue as the last agent, or end the process when the new description does not allow that."""
        boot_id = _BOOT_ID.read_text(encoding="ascii").strip()
        boot_file = self._work_dir / "meta/boot_id"
        self._rebooted = boot_file.exists() and boot_file.read_text(encoding="ascii") != boot_id
        boot_file.parent.mkdir(parents=True, exist_ok=True)
        if self._latest.exists():
            remembered = json.loads((self._latest / "slave.info").read_text(encoding="utf-8"))
            fault = (_additive_fault if policy == "additive" else _equal_fault)(remembered["info"], info)
            if fault is None:
                self.agent_id, self.socket_name = remembered["id"], remembered["socket"]
                self._write_info(info)
            elif not self._rebooted:
                _refuse(fault, self._latest)
        boot_file.write_text(boot_id, encoding="ascii")

    def begin(self, agent_id: str, info: Json, socket_name: str) -> None:
        """Store the id that a master has assigned."""
        self.agent_id, self.socket_name = agent_id, socket_name
        folder = self._latest.with_name(agent_id)
        folder.mkdir(parents=True, exist_ok=True)
        self._latest.unlink(missing_ok=True)
        self._latest.symlink_to(agent_id)
        self._write_info(info)

    def _write_info(self, info: Json) -> None:
        content = {"id": self.agent_id, "info": info, "socket": self.socket_name}
        (self._latest / "slave.info").write_text(json.dumps(content), encoding="utf-8")

    def runs(self) -> Iterator[Run]:
        """Every stored run; those from before a boot have ended."""
        if self.agent_id is None or self._rebooted:
            return
        for spec in sorted(self._latest.glob("frameworks/*/executors/*/runs/*/spec")):
            yield Run(spec.parent)

    def run_directory(self, framework_id: str, task_id: str, container_id: str) -> Path:
        """The folder for what must survive the agent."""
        return self._latest.resolve() / _below(framework_id, task_id, container_id)

    def sandbox(self, framework_id: str, task_id: str, container_id: str) -> Path:
        """The folder where the task runs."""
        return self._work_dir / "slaves" / str(self.agent_id) / _below(framework_id, task_id, container_id)

    @staticmethod
    def forget(run: Run) -> None:
        """Remove both folders."""
        shutil.rmtree(run.meta, ignore_errors=True)
        shutil.rmtree(run.sandbox, ignore_errors=True)


def _below(framework_id: str, task_id: str, container_id: str) -> Path:
    return Path("frameworks", framework_id, "executors", quote(task_id, safe=""), "runs", container_id)


def _equal_fault(old: Json, new: Json) -> str | None:
    return None if old == new else f"Incompatible agent info detected.\nOld agent info: {old}\nNew agent info: {new}"


def _additive_fault(old: Json, new: Json) -> str | None:
    prefix = "Configuration change not permitted under `additive` policy:"
    for name in ("hostname", "port"):
        if old[name] != new[name]:
            return f"{prefix} {name} changed from {old[name]} to {new[name]}"
    before, after = from_json(old["resources"]), from_json(new["resources"])
    if not after.contains(before):
        return f"{prefix} resources decreased from {before} to {after}"
    for attribute in old["attributes"]:
        if attribute not in new["attributes"]:
            return f"{prefix} attribute {attribute['name']} changed or missing"
    return None


def _refuse(fault: str, latest: Path) -> None:
    print(
        f"EXIT with status 1: Failed to perform recovery: {fault}\n"
        f"To remedy this do as follows:\nStep 1: rm -f {latest}\n"
        "        This ensures agent doesn't recover old live executors.\nStep 2: Restart the agent.",
        file=sys.stderr,
    )
    raise SystemExit(1)
