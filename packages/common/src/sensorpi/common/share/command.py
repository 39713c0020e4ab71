"""`sensorpi share`: the commands that the services of the checkpoint share run."""

import argparse
import logging
import os
import shutil
import subprocess
import time
from collections.abc import Callable

from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.daemon.outage import Outage
from sensorpi.common.daemon.service import notify, set_up_logging
from sensorpi.common.errors import UserError
from sensorpi.common.share.checkpoint import MOUNT_UNIT, SHARE

_log = logging.getLogger(__name__)

#: soft: while the share is unavailable the stream gets an error, which it reports and waits out, instead of hanging.
#: retry=0: mount makes one attempt, and we wait between the attempts.
_MOUNT_OPTIONS = "soft,timeo=100,retrans=2,noatime,nosuid,nodev,noexec,retry=0,X-mount.mkdir"
_HELPER = "mount.nfs4"
_FIRST_WAIT_S, _LONGEST_WAIT_S = 2.0, 60.0
#: The service has a mount namespace of its own, and all services are to see the share: so systemd runs the command in
#: its own namespace, and ends it with the service.
_OUTSIDE = ("systemd-run", "--quiet", "--collect", "--pipe", "--wait", f"--property=BindsTo={MOUNT_UNIT}")
_SHARE_UNIT = "var-lib-sensorpi-checkpoint.mount"


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `share export`, `share unexport`, `share mount` and `share unmount`."""
    share = commands.add_parser("share", help="export or mount the checkpoint share, for its services")
    actions = share.add_subparsers(metavar="ACTION", required=True)
    actions.add_parser("export", help="export it to the clients in $SENSORPI_EXPORTS").set_defaults(run=_export)
    actions.add_parser("unexport", help="stop exporting it").set_defaults(run=_unexport)
    actions.add_parser("mount", help="mount $SENSORPI_SHARE as soon as it is available").set_defaults(run=_mount)
    actions.add_parser("unmount", help="unmount it unless it is in use").set_defaults(run=_unmount)


def _export(_options: argparse.Namespace) -> ExitCode:
    exports = os.environ.get("SENSORPI_EXPORTS", "").split()
    for export in exports:
        _exportfs("-o", os.environ.get("SENSORPI_EXPORT_OPTIONS", "ro"), export)
        print(f"exported {export}")
    return ExitCode.OK


def _unexport(_options: argparse.Namespace) -> ExitCode:
    # The clients that it is exported to, which may be others than those of the present configuration.
    for line in _exportfs("-s").splitlines():
        path, client = line.split()[:2]
        if path == str(SHARE):
            _exportfs("-u", f"{client.partition('(')[0]}:{SHARE}")
    return ExitCode.OK


def _exportfs(*arguments: str) -> str:
    try:
        result = subprocess.run(["exportfs", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UserError(
            f'{SHARE} is not exported, because checkpoint = "nfs" needs an NFS server: apt install nfs-kernel-server'
        ) from None
    if result.returncode != 0:
        raise UserError(f"{SHARE} is not exported: {' '.join(result.stderr.split())}")
    return result.stdout


def _mount(_options: argparse.Namespace) -> ExitCode:
    source = os.environ.get("SENSORPI_SHARE", "")
    if not source:
        raise UserError("SENSORPI_SHARE: expected the share's HOST:PATH")
    set_up_logging()
    mount_when_there(source)
    return ExitCode.OK


def mount_when_there(source: str, pause: Callable[[float], None] = time.sleep) -> None:
    """Mount ``source``, such as 10.0.0.12:/folder. Retry until that works, and log once why it does not."""
    outage = Outage(source, _log, _FIRST_WAIT_S, _LONGEST_WAIT_S)
    notify(ready=True, status=f"mounting {source}")
    while (reason := _attempt(source)) is not None:
        notify(status=f"waiting for {source}: {reason}")
        pause(outage.failed(reason))
    outage.succeeded()
    notify(status=f"{source} is mounted")


def _attempt(source: str) -> str | None:
    """Try to mount ``source``; return why it is not mounted, or None if it is."""
    mounted = _mounted_source()
    if mounted is not None:
        return None if mounted == source else f"{mounted} is still mounted"
    # Only root has the last two in its PATH.
    if shutil.which(_HELPER, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
        return "apt install nfs-common"
    result = _run(*_OUTSIDE, "mount", "-t", "nfs4", "-o", _MOUNT_OPTIONS, source, str(SHARE))
    return None if result.returncode == 0 else " ".join(result.stderr.split()) or f"exit status {result.returncode}"


def _unmount(_options: argparse.Namespace) -> ExitCode:
    mounted = _mounted_source()
    if mounted is not None:
        # By its unit, which also works while the machine shuts down and nothing new can be started.
        result = _run("systemctl", "stop", _SHARE_UNIT)
        if result.returncode != 0:  # for example because a running job uses it
            print(f"{mounted} stays mounted: {' '.join(result.stderr.split())}")
    return ExitCode.OK


def _mounted_source() -> str | None:
    result = _run("findmnt", "--noheadings", "--output", "SOURCE", "--mountpoint", str(SHARE))
    return result.stdout.strip() or None


def _run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False)
