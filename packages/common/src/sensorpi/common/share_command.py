"""`sensorpi share`: what the export unit of the checkpoint share runs."""

import argparse
import os
import subprocess

from sensorpi.common.checkpoint_share import SHARE
from sensorpi.common.errors import UserError


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `share export` and `share unexport`."""
    share = commands.add_parser("share", help="export the checkpoint share; sensorpi-checkpoint-export.service does")
    actions = share.add_subparsers(metavar="ACTION", required=True)
    actions.add_parser("export", help="to the clients in $SENSORPI_EXPORTS").set_defaults(run=_export)
    actions.add_parser("unexport", help="to nobody any more").set_defaults(run=_unexport)


def _export(_options: argparse.Namespace) -> int:
    exports = os.environ.get("SENSORPI_EXPORTS", "").split()
    for export in exports:
        _exportfs("-o", os.environ.get("SENSORPI_EXPORT_OPTIONS", "ro"), export)
        print(f"exported {export}")
    return 0


def _unexport(_options: argparse.Namespace) -> int:
    # Whoever was exported to, and not who would be by the configuration of today.
    for line in _exportfs("-s").splitlines():
        path, client = line.split()[:2]
        if path == str(SHARE):
            _exportfs("-u", f"{client.partition('(')[0]}:{SHARE}")
    return 0


def _exportfs(*arguments: str) -> str:
    try:
        result = subprocess.run(["exportfs", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UserError(
            f'{SHARE} is not exported: checkpoint = "nfs" needs an NFS server here: apt install nfs-kernel-server'
        ) from None
    if result.returncode != 0:
        raise UserError(f"{SHARE} is not exported: {' '.join(result.stderr.split())}")
    return result.stdout
