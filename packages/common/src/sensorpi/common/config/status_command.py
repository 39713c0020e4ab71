"""`sensorpi status`: the roles of this node, and each of their services with its state and its own status line."""

import argparse
import subprocess
from collections.abc import Callable, Mapping

from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.config.apply import installed_roles

#: A unit's name -> some of its properties, as `systemctl show` names them.
Show = Callable[[str], Mapping[str, str]]

_PROPERTIES = (
    "LoadState", "ActiveState", "SubState", "StatusText", "Wants", "ConditionResult", "ConditionTimestampMonotonic",
)  # fmt: skip


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `status`."""
    status = commands.add_parser(
        "status", help="show the services of this node's roles; the exit status is 1 if one has failed"
    )
    status.set_defaults(run=_run)


def _run(_options: argparse.Namespace) -> ExitCode:
    lines, none_failed = status_lines(installed_roles(), show)
    print("\n".join(lines))
    return ExitCode.OK if none_failed else ExitCode.FAILED


def show(unit: str) -> dict[str, str]:
    """Some of the unit's properties, from systemd."""
    command = ["systemctl", "show", f"--property={','.join(_PROPERTIES)}", unit]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return dict(line.split("=", 1) for line in result.stdout.splitlines() if "=" in line)


def _is_held_back(unit: Mapping[str, str]) -> bool:
    """Whether the cluster file does not ask for it here, such as for a service of the other engine."""
    was_asked = unit.get("ConditionTimestampMonotonic", "0") != "0"
    return unit["ActiveState"] == "inactive" and was_asked and unit.get("ConditionResult") == "no"


def status_lines(roles: list[str], show: Show) -> tuple[list[str], bool]:
    """A line for each role and for each installed service, and whether none has failed."""
    if not roles:
        packages = "sensorpi-sensor, sensorpi-mesos-worker, sensorpi-mesos-master or sensorpi-influx-grafana"
        return [f"no role is installed here: install {packages}"], True
    lines, none_failed = [], True
    for role in roles:
        target = show(f"sensorpi-{role}.target")
        lines.append(f"{role}: {target.get('ActiveState', 'unknown')}")
        for unit in sorted(target.get("Wants", "").split()):
            service = show(unit)
            is_ours_to_show = service.get("LoadState") == "loaded" and unit.endswith(".service")
            if not is_ours_to_show or _is_held_back(service):
                continue
            state = service["ActiveState"]
            none_failed = none_failed and state != "failed"
            about = service.get("StatusText") or service["SubState"]
            lines.append(f"  {unit.removesuffix('.service')}: {state}: {about}")
    return lines, none_failed
