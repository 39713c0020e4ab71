"""The program mesos-master: flags, election, HTTP."""

import ipaddress
import socket
import sys
import threading
import time
from typing import Any

from .election import Contender, Detector, Registry, connect
from .flags import MASTER, VERSION, FlagError, duration_s, load_or_exit, zookeeper
from .master import Master
from .master_http import MasterHandler, Place
from .model import new_id
from .web import listen

#: For this long at least, a new leader says nothing about an agent of its registry that has not come back.
_LEAST_REREGISTER_S = 600.0

#: How long a new leader takes to read its registry.
_RECOVERY_S = 1.0


def main() -> None:
    """Run until killed."""
    flags = load_or_exit("mesos-master", MASTER, ["work_dir"])
    if "zk" in flags and "quorum" not in flags:
        print("Need to specify --quorum for replicated log based registry when using ZooKeeper", file=sys.stderr)
        raise SystemExit(1)
    try:
        settings = {
            "ping_timeout_s": duration_s(flags.get("agent_ping_timeout", "15secs")),
            "reregister_timeout_s": duration_s(flags.get("agent_reregister_timeout", "10mins")),
        }
        if settings["reregister_timeout_s"] < _LEAST_REREGISTER_S:
            raise FlagError(f"Invalid value '{flags['agent_reregister_timeout']}' for --agent_reregister_timeout: "
                            "Must be at least 10mins")  # fmt: skip
        session_s = duration_s(flags.get("zk_session_timeout", "10secs"))
        interval_s = duration_s(flags.get("allocation_interval", "1secs"))
        hosts, path = zookeeper(flags["zk"]) if "zk" in flags else ("", "")
    except FlagError as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None
    ip, port = flags.get("ip", "0.0.0.0"), int(flags.get("port", "5050"))
    info = _info(ip, port, flags.get("hostname"))
    place: Place

    class Bound(MasterHandler):
        """The connections of this process."""

    server = listen(ip, port, Bound)
    if not hosts:
        place = _place(info, lambda _agents: None, settings, flags, interval_s)
        place.leader, place.serving, place.recovered = info, True, True
        place.master.lead({})
    else:
        client = connect(hosts, session_s)
        registry = Registry(client, path)
        registry.make()
        place = _place(info, registry.write, settings, flags, interval_s)
        contender = Contender(client, path, info, session_s)
        quorum = int(flags["quorum"])

        def on_leader(leader: dict[str, Any] | None, contenders: int) -> None:
            place.leader = leader
            mine = leader is not None and leader["id"] == info["id"]
            if contender.is_leader and not mine:
                contender.lost()
            if mine and contenders >= quorum and not place.serving:
                contender.is_leader = place.serving = True
                print(f"Elected as the leading master {info['pid']}", file=sys.stderr, flush=True)
                threading.Thread(target=recover, daemon=True).start()

        def recover() -> None:
            time.sleep(_RECOVERY_S)
            place.master.lead(registry.read())
            place.recovered = True

        contender.start()
        Detector(client, path, on_leader).start()
    Bound.place = place
    print(f"Master {info['pid']} started", file=sys.stderr, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Event().wait()


def _place(
    info: dict[str, Any], write: Any, settings: dict[str, float], flags: dict[str, str], interval_s: float
) -> Place:
    missed = int(flags.get("max_agent_ping_timeouts", "5"))
    master = Master(info, write, settings["ping_timeout_s"], missed, settings["reregister_timeout_s"])
    master.offers.interval_s = interval_s
    return Place(master)


def _info(ip: str, port: int, hostname: str | None) -> dict[str, Any]:
    if ip == "0.0.0.0":
        ip = socket.gethostbyname(socket.gethostname())
    hostname = hostname or ip
    return {
        "address": {"hostname": hostname, "ip": ip, "port": port},
        "capabilities": [{"type": "AGENT_UPDATE"}, {"type": "AGENT_DRAINING"}, {"type": "QUOTA_V2"}],
        "hostname": hostname,
        "id": new_id(),
        "ip": int.from_bytes(ipaddress.ip_address(ip).packed, "little"),
        "pid": f"master@{ip}:{port}",
        "port": port,
        "version": VERSION,
    }
