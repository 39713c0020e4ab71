"""`sensorpi status`: what this node is, and each service of its roles with the line that it gives of itself."""

import argparse
import subprocess
from collections.abc import Callable, Mapping

from sensorpi.common.config.apply import installed_roles

#: A unit's name -> some of its properties, as `systemctl show` names them.
Show = Callable[[str], Mapping[str, str]]

_PROPERTIES = (
    "LoadState", "ActiveState", "SubState", "StatusText", "Wants", "ConditionResult", "ConditionTimestampMonotonic",
)  # fmt: skip


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `status`."""
    status = commands.add_parser("status", help="show the services of this node's roles; status 1 when one has failed")
    status.set_defaults(run=_run)


def _run(_options: argparse.Namespace) -> int:
    lines, all_well = status_lines(installed_roles(), show)
    print("\n".join(lines))
    return 0 if all_well else 1


def show(unit: str) -> dict[str, str]:
    """The unit's properties as systemd has them."""
    command = ["systemctl", "show", f"--property={','.join(_PROPERTIES)}", unit]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return dict(line.split("=", 1) for line in result.stdout.splitlines() if "=" in line)


def _is_held_back(unit: Mapping[str, str]) -> bool:
    """Whether the cluster file asks for none of it here, such as the other engine's or the checkpoint share."""
    was_asked = unit.get("ConditionTimestampMonotonic", "0") != "0"
    return unit["ActiveState"] == "inactive" and was_asked and unit.get("ConditionResult") == "no"


def status_lines(roles: list[str], show: Show) -> tuple[list[str], bool]:
    """A line for each role and for each service that is installed, and whether none has failed."""
    if not roles:
        return [
            "no role is installed here: install sensorpi-sensor, -mesos-worker, -mesos-master, -influx-grafana"
        ], True
    lines, all_well = [], True
    for role in roles:
        target = show(f"sensorpi-{role}.target")
        lines.append(f"{role}: {target.get('ActiveState', 'unknown')}")
        for unit in sorted(target.get("Wants", "").split()):
            service = show(unit)
            is_ours_to_show = service.get("LoadState") == "loaded" and unit.endswith(".service")
            if not is_ours_to_show or _is_held_back(service):
                continue
            state = service["ActiveState"]
            all_well = all_well and state != "failed"
            about = service.get("StatusText") or service["SubState"]
            lines.append(f"  {unit.removesuffix('.service')}: {state}: {about}")
    return lines, all_well
