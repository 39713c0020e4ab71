"""Runs programs of the build host in an environment that is the same everywhere, and reports failures."""

import os
import subprocess
import tempfile
from pathlib import Path

from sensorpi.common.errors import UserError

#: Debian's own programs only, not those of a version manager such as pyenv.
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_KEPT = ("http_proxy", "https_proxy", "no_proxy", "TMPDIR")
_LAST_LINES = 25


def environment(epoch: int, **more: str) -> dict[str, str]:
    """The environment of each program; ``epoch`` (seconds) is the time of everything in the image."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {
        "PATH": _PATH, "HOME": "/", "LC_ALL": "C.UTF-8", "TZ": "UTC", "DEBIAN_FRONTEND": "noninteractive",
        "SOURCE_DATE_EPOCH": str(epoch), **kept, **more,
    }  # fmt: skip


def run(*command: str | Path, env: dict[str, str], text: str | None = None) -> str:
    """Run a program and return its standard output. Raises ``UserError`` with its last lines if it fails."""
    words = [str(word) for word in command]
    with tempfile.TemporaryFile("w+") as log:
        result = subprocess.run(words, input=text, stdout=subprocess.PIPE, stderr=log, text=True, env=env)
        if result.returncode == 0:
            return result.stdout
        log.seek(0)
        said = (result.stdout + log.read()).splitlines()[-_LAST_LINES:]
    lines = "\n".join(f"  {line}" for line in said)
    raise UserError(f"{' '.join(words)[:200]}: exit status {result.returncode}\n{lines}")
