"""An agent: starts executors, stores their statuses, registers with the leading master, recovers its tasks."""

import base64
import socket
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from .link import Link
from .model import TERMINAL, Json, new_id, ordered_status
from .recovery import Memory
from .run import Run

_RECONNECT_S = 0.3


class Agent:
    """The state of one agent; its methods take its lock."""

    def __init__(
        self,
        info: Json,
        memory: Memory,
        switch_user: bool,
        environment: dict[str, str],
        gc_delay_s: float,
        recovery_timeout_s: float,
        reregistration_timeout_s: float,
    ) -> None:
        self.info = info
        self.id = memory.agent_id
        self.lock = threading.RLock()
        self.runs: dict[tuple[str, str], Run] = {}
        self.frameworks: dict[str, Json] = {}
        self.leader: Json | None = None
        self.registered = False
        self._memory = memory
        self._switch_user, self._environment = switch_user, environment
        self._gc_delay_s, self._recovery_timeout_s = gc_delay_s, recovery_timeout_s
        self._reregistration_timeout_s = reregistration_timeout_s
        self._link: Link | None = None
        self._look_for_master = threading.Event()
        self._socket = f"mesos-executors-{new_id()}" if self.id is None else memory.socket_name

    def start(self) -> None:
        """Reconnect with the old executors, then find a master."""
        for run in self._memory.runs():
            self.runs[run.framework_id, run.task_id] = run
            self.frameworks.setdefault(run.framework_id, run.spec["framework_info"])
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("\0" + self._socket)
        listener.listen(64)
        threading.Thread(target=self._accept_executors, args=(listener,), daemon=True).start()
        self._await_executors()
        for work in (self._stay_registered, self._retry):
            threading.Thread(target=work, daemon=True).start()

    def _await_executors(self) -> None:
        deadline = time.monotonic() + self._reregistration_timeout_s
        while time.monotonic() < deadline and any(self._misses_executor(run) for run in self.runs.values()):
            time.sleep(0.05)
        with self.lock:
            for run in self.runs.values():
                if self._misses_executor(run):
                    run.kill_processes()
                    message = "Abnormal executor termination: unknown container"
                    self._end(run, "TASK_FAILED", "REASON_EXECUTOR_TERMINATED", message)

    @staticmethod
    def _misses_executor(run: Run) -> bool:
        return run.latest not in TERMINAL and run.link is None

    # --- executors ---

    def _accept_executors(self, listener: socket.socket) -> None:
        while True:
            sock, _ = listener.accept()
            link = Link(sock)
            found: list[Run] = []

            def take(message: Json, link: Link = link, found: list[Run] = found) -> None:
                self._from_executor(link, message, found)

            def end(link: Link = link, found: list[Run] = found) -> None:
                self._executor_ended(link, found)

            link.start(take, end)

    def _from_executor(self, link: Link, message: Json, found: list[Run]) -> None:
        with self.lock:
            if "hello" in message:
                hello = message["hello"]
                run = self.runs.get((hello["framework_id"], hello["task_id"]))
                if run is None or run.spec["container_id"] != hello["container_id"]:
                    link.send({"kill": None})
                    return
                run.link = link
                found[:] = [run]
            elif "update" in message:
                status = message["update"]
                if found:
                    found[0].keep(status)
                    self._forward(found[0])
                link.send({"kept": status["uuid"]})

    def _executor_ended(self, link: Link, found: list[Run]) -> None:
        with self.lock:
            for run in found:
                if run.link is link:
                    run.link = None
                    if run.latest not in TERMINAL:
                        run.kill_processes()
                        self._end(run, "TASK_FAILED", "REASON_EXECUTOR_TERMINATED", "Executor terminated")

    def _end(self, run: Run, state: str, reason: str, message: str) -> None:
        run.keep(self._status(run.task_id, state, reason, message))
        self._forward(run)

    def _status(self, task_id: str, state: str, reason: str, message: str) -> Json:
        return ordered_status(
            {
                "task_id": {"value": task_id},
                "state": state,
                "message": message,
                "source": "SOURCE_AGENT",
                "reason": reason,
                "agent_id": {"value": self.id},
                "timestamp": time.time(),
                "uuid": base64.b64encode(uuid.uuid4().bytes).decode(),
            }
        )

    # --- the master ---

    def new_leader(self, leader: Json | None) -> None:
        """Take the leading master as ZooKeeper has it; None: there is none."""
        with self.lock:
            if leader is not None and (self.leader is None or leader["id"] != self.leader["id"]):
                self.leader = leader
                if self._link is not None:
                    self._link.close()
                self._look_for_master.set()

    def _stay_registered(self) -> None:
        while True:
            leader = self.leader
            if leader is None:
                self._look_for_master.wait()
                continue
            self._look_for_master.clear()
            sock = _connect(leader["address"]["ip"], leader["port"])
            if sock is None:
                self._look_for_master.wait(_RECONNECT_S)
                continue
            ended = threading.Event()
            with self.lock:
                link = self._link = Link(sock)
                link.send({"register": self._registration()})
            link.start(self._from_master, ended.set)
            ended.wait()
            with self.lock:
                self._link, self.registered = None, False
                for run in self.runs.values():
                    run.sent_in_vain()

    def _registration(self) -> Json:
        tasks = [
            {"framework_id": run.framework_id, "info": run.info, "status": run.status, "latest": run.latest}
            for run in self.runs.values()
            if not run.done
        ]
        frameworks = {run.framework_id: self.frameworks[run.framework_id] for run in self.runs.values() if not run.done}
        return {"id": self.id, "info": self.info, "tasks": tasks, "frameworks": frameworks}

    def _from_master(self, message: Json) -> None:
        with self.lock:
            for kind, body in message.items():
                match kind:
                    case "registered":
                        self._take_id(body["id"])
                        for framework_id, task_id in body["missing"]:
                            self._drop(framework_id, task_id)
                        for known in list(self.runs.values()):
                            self._forward(known)
                    case "launch":
                        self._launch(body)
                    case "kill":
                        run = self.runs.get((body["framework_id"], body["task_id"]))
                        if run is not None and run.link is not None:
                            run.link.send({"kill": body["kill_policy"]})
                    case "ack":
                        run = self.runs.get((body["framework_id"], body["task_id"]))
                        if run is not None and run.acknowledge(body["uuid"]):
                            self._forward(run)
                    case "shutdown_framework":
                        self._shut_down(body)
                    case "ping":
                        self._send({"pong": body})

    def _take_id(self, identifier: str) -> None:
        self.registered = True
        if self.id is None:
            self.id = identifier
            self._memory.begin(identifier, self.info, self._socket)

    def _launch(self, order: Json) -> None:
        framework_id, info, framework = order["framework_id"], order["task_info"], order["framework_info"]
        self.frameworks[framework_id] = framework
        container_id = new_id()
        meta = self._memory.run_directory(framework_id, info["task_id"]["value"], container_id)
        sandbox = self._memory.sandbox(framework_id, info["task_id"]["value"], container_id)
        user = info["command"].get("user") or framework.get("user") or None
        spec = {
            "socket": self._socket,
            "framework_id": framework_id,
            "framework_info": framework,
            "agent_id": self.id,
            "container_id": container_id,
            "ip": self.info["ip"],
            "task_info": info,
            "says_killing": {"type": "TASK_KILLING_STATE"} in framework.get("capabilities", []),
            "checkpoint": framework.get("checkpoint", False),
            "recovery_timeout_s": self._recovery_timeout_s,
            "user": user if self._switch_user else None,
            "sandbox": str(sandbox),
            "pid_file": str(meta / "pid"),
            "environment": {
                **self._environment,
                "MESOS_SANDBOX": str(sandbox),
                "MESOS_DIRECTORY": str(sandbox),
                "MESOS_FRAMEWORK_ID": framework_id,
                "MESOS_EXECUTOR_ID": info["task_id"]["value"],
                "MESOS_TASK_ID": info["task_id"]["value"],
                "MESOS_AGENT_ENDPOINT": f"{self.info['ip']}:{self.info['port']}",
            },
        }
        run = self.runs[framework_id, info["task_id"]["value"]] = Run.make(meta, spec)
        try:
            run.start_executor()
        except (OSError, LookupError) as error:
            message = f"Failed to launch container: {error}"
            self._end(run, "TASK_FAILED", "REASON_CONTAINER_LAUNCH_FAILED", message)

    def _drop(self, framework_id: str, task_id: str) -> None:
        message = "Reconciliation: task unknown to the agent"
        status = self._status(task_id, "TASK_DROPPED", "REASON_RECONCILIATION", message)
        self._send({"update": {"framework_id": framework_id, "status": status, "latest": "TASK_DROPPED"}})

    def _shut_down(self, framework_id: str) -> None:
        for run in [run for run in self.runs.values() if run.framework_id == framework_id]:
            run.abandon()
            if run.link is not None:
                run.link.send({"kill": None})

    def _forward(self, run: Run) -> None:
        """Send one status at a time: the next when this one is acknowledged."""
        if self.registered and run.pending and run.retry_at <= time.monotonic():
            body = {"framework_id": run.framework_id, "status": run.pending[0], "latest": run.latest}
            self._send({"update": body})
            run.sent()

    def _send(self, message: Json) -> None:
        if self._link is not None:
            self._link.send(message)

    def _retry(self) -> None:
        while True:
            time.sleep(1.0)
            with self.lock:
                for key, run in list(self.runs.items()):
                    self._forward(run)
                    if run.ended_at is not None and time.time() - run.ended_at > self._gc_delay_s:
                        self._memory.forget(run)
                        del self.runs[key]

    def state(self) -> Json:
        """The content of /state."""
        with self.lock:
            frameworks: dict[str, Any] = {}
            for run in self.runs.values():
                info = self.frameworks[run.framework_id]
                empty = {"id": run.framework_id, "name": info["name"], "executors": [], "completed_executors": []}
                framework = frameworks.setdefault(run.framework_id, empty)
                executor = {
                    "id": run.task_id,
                    "name": f"Command Executor (Task: {run.task_id})",
                    "container": run.spec["container_id"],
                    "directory": str(run.sandbox),
                }
                framework["completed_executors" if run.done else "executors"].append(executor)
            return {
                "version": "1.11.0",
                "id": self.id or "",
                "pid": f"slave(1)@{self.info['ip']}:{self.info['port']}",
                "hostname": self.info["hostname"],
                "attributes": {a["name"]: (a.get("text") or a["scalar"])["value"] for a in self.info["attributes"]},
                "master_hostname": self.leader["hostname"] if self.leader else "",
                "frameworks": list(frameworks.values()),
                "completed_frameworks": [],
            }

    def may_read(self, path: Path) -> bool:
        """Whether it lies in a sandbox."""
        with self.lock:
            return any(path.is_relative_to(run.sandbox) for run in self.runs.values())


def _connect(ip: str, port: int) -> socket.socket | None:
    """A connection that the leader has accepted as an agent's link; None without one."""
    with suppress(OSError):
        sock = socket.create_connection((ip, port), 5.0)
        sock.sendall(b"POST /agent HTTP/1.1\r\nHost: master\r\nContent-Length: 0\r\n\r\n")
        answer = b""
        while not answer.endswith(b"\r\n\r\n") and (byte := sock.recv(1)):
            answer += byte
        if answer.startswith(b"HTTP/1.1 101"):
            sock.settimeout(None)
            return sock
        sock.close()
    return None
