"""Lets the build host run programs of another architecture under QEMU's user emulation."""

import subprocess
from pathlib import Path

from images.process import environment, run
from sensorpi.common.errors import UserError

_KERNEL = Path("/proc/sys/fs/binfmt_misc")
_HANDLERS = {"arm64": "qemu-aarch64", "armel": "qemu-arm"}


def enable(architecture: str) -> None:
    """Let this host run programs of that architecture. Raises ``UserError`` if it cannot."""
    test = ["arch-test", architecture]
    if subprocess.run(test, capture_output=True).returncode == 0:
        return
    env = environment(0)
    if not (_KERNEL / "register").exists():
        run("mount", "-t", "binfmt_misc", "binfmt_misc", _KERNEL, env=env)
    run("update-binfmts", "--enable", _HANDLERS[architecture], env=env)
    if subprocess.run(test, capture_output=True).returncode != 0:
        raise UserError(f"this host cannot run programs for {architecture}: check qemu-user-static and binfmt_misc")
