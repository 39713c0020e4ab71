"""The program mesos-agent: flags, recovery, master detection, HTTP."""

import grp
import json
import os
import pwd
import socket
import stat
import sys
import threading
from pathlib import Path
from typing import Any

from .agent import Agent
from .election import Detector, connect
from .flags import AGENT, FlagError, duration_s, load_or_exit, zookeeper
from .recovery import Memory
from .resources import attributes, parse
from .web import Handler, listen

#: An agent returns no more of a file at once.
_MOST_BYTES = 16 * 4096


class AgentHandler(Handler):
    """One connection to an agent; ``agent`` is set on the class."""

    agent: Agent

    def get(self, path: str, parameters: dict[str, str]) -> None:
        """The operators' endpoints."""
        match path.removeprefix("/slave(1)"):
            case "/health":
                self.answer(200)
            case "/state":
                self.json(self.agent.state())
            case "/metrics/snapshot":
                self.json({"slave/registered": float(self.agent.registered)})
            case "/files/browse" | "/files/browse.json":
                self._browse(Path(parameters.get("path", "")))
            case "/files/read" | "/files/read.json":
                self._read(Path(parameters.get("path", "")), parameters)
            case _:
                self.answer(404)

    def post(self, path: str, body: bytes) -> None:
        """Nothing: the stand-in does not need it."""
        self.answer(404)

    def _browse(self, path: Path) -> None:
        if not self.agent.may_read(path) or not path.is_dir():
            self.answer(404, content_type="text/plain; charset=utf-8")
            return
        self.json([_entry(each) for each in sorted(path.iterdir())])

    def _read(self, path: Path, parameters: dict[str, str]) -> None:
        if not self.agent.may_read(path) or not path.is_file():
            self.answer(404, content_type="text/plain; charset=utf-8")
            return
        offset = int(parameters.get("offset", -1))
        with path.open("rb") as file:
            if offset == -1:
                self.json({"data": "", "offset": file.seek(0, os.SEEK_END)})
                return
            file.seek(offset)
            length = int(parameters.get("length", -1))
            data = file.read(_MOST_BYTES if length < 0 else min(length, _MOST_BYTES))
        # Bytes that are not text are sent as they are, as the real agent does.
        content = json.dumps({"data": data.decode("utf-8", "surrogateescape"), "offset": offset}, ensure_ascii=False)
        compact = content.replace('", "offset": ', '","offset":').replace('{"data": ', '{"data":', 1)
        self.answer(200, compact.encode("utf-8", "surrogateescape"), "application/json")


def _entry(path: Path) -> dict[str, Any]:
    status = path.stat()
    return {
        "gid": grp.getgrgid(status.st_gid).gr_name,
        "mode": stat.filemode(status.st_mode),
        "mtime": float(int(status.st_mtime)),
        "nlink": status.st_nlink,
        "path": str(path),
        "size": status.st_size,
        "uid": pwd.getpwuid(status.st_uid).pw_name,
    }


def main() -> None:
    """Run until killed; the tasks keep running."""
    flags = load_or_exit("mesos-agent", AGENT, ["master", "work_dir"])
    work_dir = Path(flags["work_dir"]).absolute()
    work_dir.mkdir(parents=True, exist_ok=True)
    try:
        times = {
            "gc_delay_s": duration_s(flags.get("gc_delay", "1weeks")),
            "recovery_timeout_s": duration_s(flags.get("recovery_timeout", "15mins")),
            "reregistration_timeout_s": duration_s(flags.get("executor_reregistration_timeout", "2secs")),
        }
        session_s = duration_s(flags.get("zk_session_timeout", "10secs"))
        on_zookeeper = zookeeper(flags["master"]) if flags["master"].startswith("zk://") else None
        info = _info(flags, work_dir)
    except (FlagError, ValueError) as error:
        print(f"Failed to determine agent resources or flags: {error}", file=sys.stderr)
        raise SystemExit(1) from None

    class Bound(AgentHandler):
        """The connections of this process."""

    server = listen(info["ip"], info["port"], Bound)
    memory = Memory(work_dir)
    memory.recover(info, flags.get("reconfiguration_policy", "equal"))
    switch_user = flags.get("switch_user", "true") == "true" and os.geteuid() == 0
    environment = json.loads(flags.get("executor_environment_variables", "{}"))
    agent = Bound.agent = Agent(info, memory, switch_user, environment, **times)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    agent.start()
    if on_zookeeper is not None:
        hosts, path = on_zookeeper
        Detector(connect(hosts, session_s), path, lambda leader, _contenders: agent.new_leader(leader)).start()
    else:
        ip, _, port = flags["master"].rpartition(":")
        address = {"hostname": ip, "ip": ip, "port": int(port)}
        agent.new_leader({"id": "fixed", "hostname": ip, "port": int(port), "address": address})
    threading.Event().wait()


def _info(flags: dict[str, str], work_dir: Path) -> dict[str, Any]:
    ip = flags.get("ip") or socket.gethostbyname(socket.gethostname())
    return {
        "ip": ip,
        "port": int(flags.get("port", "5051")),
        "hostname": flags.get("hostname") or ip,
        "resources": parse(flags.get("resources", ""), work_dir).to_json(allocated=False),
        "attributes": attributes(flags.get("attributes", "")),
    }
