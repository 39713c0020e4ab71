"""`sensorpi config apply` and `sensorpi join`: bring a changed configuration to the running services."""

import argparse
import subprocess
from pathlib import Path

from sensorpi.common.card.boot_partition import take_in, waits
from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.cli.node_context import NodeContext, run_with_context
from sensorpi.common.cli.output import complain
from sensorpi.common.cluster import secrets
from sensorpi.common.cluster.identity import identify_or_fail
from sensorpi.common.cluster.model import FILE_NAME, load, read
from sensorpi.common.config import mistake_signs
from sensorpi.common.config.apply import Applied, Places, apply, installed_roles
from sensorpi.common.errors import UserError
from sensorpi.common.files import rename, render

_SYSTEMD_RUNS = Path("/run/systemd/system")


def add_apply_command(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `apply` to the actions of `sensorpi config`."""
    command = actions.add_parser(
        "apply", help="render the configuration for the services, and restart the services that a change affects"
    )
    run_with_context(command, _apply)
    command.add_argument(
        "--boot",
        action="store_true",
        help="before the services start: restart nothing, and use the last good configuration if this one is wrong",
    )


def add_join_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `join`."""
    command = commands.add_parser("join", help="make this machine a node of the cluster that a file describes")
    command.add_argument("file", type=Path, metavar="FILE", help="the cluster file")
    command.add_argument(
        "--key", type=Path, metavar="FILE", help="the cluster's key (default: cluster.key in the file's folder, if any)"
    )
    command.add_argument("--node", metavar="NAME", help="the node to become (default: by host name or address)")
    run_with_context(command, _join)


def _apply(context: NodeContext, options: argparse.Namespace) -> ExitCode:
    return _apply_configuration(context.config, at_boot=options.boot)


def _apply_configuration(config: Path, *, at_boot: bool) -> ExitCode:
    places = Places(config=config)
    mistakes = _take_in_boot_partition(places) if at_boot else []
    try:
        applied = apply(places, installed_roles(), at_boot=at_boot)
    except UserError as error:
        if at_boot:
            mistake_signs.show([*mistakes, str(error)], places.rendered, mistake_signs.LEDS)
        raise
    if applied.mistake is not None:
        mistakes.append(f"{applied.mistake}; the last good configuration is used")
        complain(f"sensorpi: {mistakes[-1]}")
    if at_boot or not waits(places.last_good):  # only a boot reads the boot partition, and shows its mistakes
        mistake_signs.show(mistakes, places.rendered, mistake_signs.LEDS)
    _report_and_restart(applied, restart=not at_boot)
    return ExitCode.OK


def _take_in_boot_partition(places: Places) -> list[str]:
    try:
        done = take_in(places.config, places.last_good)
    except (UserError, OSError) as error:  # the configuration in /etc stays in use
        reason = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
        mistake = f"{reason}; the file is ignored"
        complain(f"sensorpi: {mistake}")
        return [mistake]
    if done is not None:
        print(done)
    return []


def _report_and_restart(applied: Applied, restart: bool) -> None:
    for role, reason in applied.waiting.items():
        print(f"{role}: {reason}")
    if not restart or not _SYSTEMD_RUNS.exists():
        return
    changed = applied.changed_systemd_units
    # A unit that failed with the old configuration may not be part of the new one.
    if failed := [unit for unit in changed if _state(unit) == "failed"]:
        _systemctl("reset-failed", *failed)
    # Not try-restart, which skips a service that is still starting, such as a broker that waits for the others.
    running = [unit for unit in changed if _state(unit) in ("active", "activating", "reloading")]
    if running:
        print(f"restarting {', '.join(running)}")
        _systemctl("restart", *running)
    if not changed:
        return
    # Services that waited for a configuration start now. A role that was stopped by hand stays stopped.
    targets = [f"sensorpi-{role}.target" for role in installed_roles()]
    active = [target for target in targets if _state(target) == "active"]
    if active:
        _systemctl("start", *active)


def _systemctl(verb: str, *systemd_units: str) -> None:
    # Do not wait: the start of a broker ends only when enough other brokers have started.
    subprocess.run(["systemctl", "--no-block", verb, *systemd_units], check=False)


def _state(unit: str) -> str:
    result = subprocess.run(["systemctl", "is-active", unit], capture_output=True, text=True, check=False)
    return result.stdout.strip()


def _join(context: NodeContext, options: argparse.Namespace) -> ExitCode:
    directory = context.config
    node = identify_or_fail(load(options.file), directory, options.node)
    key_file = options.key or options.file.with_name(secrets.FILE_NAME)
    key = secrets.load_key(key_file) if options.key or key_file.exists() else None
    if options.file.resolve() == (directory / FILE_NAME).resolve():
        raise UserError(f"{options.file} is already this machine's own file; sensorpi config apply puts it into effect")
    _keep_old(directory)
    render({FILE_NAME: read(options.file), "node": f"{node.name}\n"}, directory, mode=0o644)
    if key is not None:
        render({secrets.FILE_NAME: key}, directory, group_id=secrets.group_id())
    print(f"this machine is now {node.name}: {', '.join(node.roles)}")
    return _apply_configuration(directory, at_boot=False)


def _keep_old(directory: Path) -> None:
    """Keep the files of the cluster that the machine was part of before, with ``.old`` at the end of their names."""
    for name in (FILE_NAME, secrets.FILE_NAME):
        file = directory / name
        if file.exists():
            rename(file, file.with_name(f"{name}.old"))
