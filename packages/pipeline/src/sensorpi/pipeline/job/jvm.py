"""The driver's JVM, which PySpark calls over py4j.

`spark-submit` would start it as well, but runs a JVM before it that only prints its command line.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyspark.serializers import UTF8Deserializer, read_int

from sensorpi.common.errors import UserError

#: What Spark uses of the JDK's internals; the list is that of Spark's JavaModuleOptions.
_OPEN_PACKAGES = (
    "java.lang", "java.lang.invoke", "java.lang.reflect", "java.io", "java.net", "java.nio", "java.util",
    "java.util.concurrent", "java.util.concurrent.atomic", "jdk.internal.ref", "sun.nio.ch", "sun.nio.cs",
    "sun.security.action", "sun.util.calendar",
)  # fmt: skip
_SERVER = "org.apache.spark.api.python.PythonGatewayServer"

#: The maximum times for the JVM's start and end, in seconds.
_START_S = 120.0
_END_S = 5.0


class SparkJvm:
    """A JVM that has been started and answers py4j calls."""

    def __init__(self, java: str, work: Path, class_path: Sequence[str], flags: Sequence[str]) -> None:
        """``work`` is a folder for scratch files. Raises UserError when the JVM does not start."""
        opens = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPEN_PACKAGES]
        command = [java, *flags, *opens, "-cp", ":".join(class_path), _SERVER]
        with tempfile.TemporaryDirectory(dir=work) as folder:
            answer = Path(folder) / "gateway"
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,  # the JVM ends when this is closed
                env=os.environ | {"_PYSPARK_DRIVER_CONN_INFO_PATH": os.fspath(answer)},
                preexec_fn=_ignore_interrupts,
            )
            self._wait_for(answer)
            with answer.open("rb") as file:
                self._port = read_int(file)  # type: ignore[no-untyped-call]
                self._secret = UTF8Deserializer().loads(file)  # type: ignore[no-untyped-call]

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment variables with which PySpark uses this JVM instead of starting one."""
        return {"PYSPARK_GATEWAY_PORT": str(self._port), "PYSPARK_GATEWAY_SECRET": self._secret}

    def check(self, wait_s: float = 0.0) -> None:
        """Raise UserError when the JVM has ended, or ends within ``wait_s`` seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = self._process.wait(timeout=wait_s)
            raise UserError(f"Spark's JVM ended by itself with status {status}, and the job ends with it")

    def close(self) -> None:
        """End the JVM, unless it has ended. It would outlive this process, and systemd would have to kill it."""
        assert self._process.stdin is not None  # noqa: S101  (it is a pipe)
        self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_END_S)

    def _wait_for(self, answer: Path) -> None:
        deadline = time.monotonic() + _START_S
        while not answer.exists():
            status = self._process.poll()
            if status is not None:
                self.close()
                raise UserError(f"Spark's JVM does not start: it ended with status {status}")
            if time.monotonic() > deadline:
                self.close()
                raise UserError(f"Spark's JVM did not start within {_START_S:g} s")
            time.sleep(0.02)


class RememberedNames:
    """py4j's view of a JVM, with each name looked up once.

    py4j asks the JVM for a name at each use, and PySpark uses several for each job. The JVM looks for most of them in
    several packages, that is several times in each of 200 jars.
    """

    def __init__(self, view: Any) -> None:
        self._view = view

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._view, name)
        setattr(self, name, found)
        return found


def java_program() -> str:
    """The program `java`. Raises UserError when there is none."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(f"{home}/bin/java" if home else "java")
    if java is None:
        raise UserError("Java is not installed; apt install default-jre-headless")
    return java


def _ignore_interrupts() -> None:
    """Ctrl-C is for the driver, which ends the JVM in order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
