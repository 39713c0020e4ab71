"""The driver's JVM: how it starts and ends. A shell script is in place of Java."""

from pathlib import Path

import pytest

from sensorpi.common.errors import UserError
from sensorpi.pipeline.job.jvm import RememberedNames, SparkJvm, java_program

#: A port and a secret, as PythonGatewayServer writes them; then it waits for the end of its input.
_ANSWER = r"""
printf '\000\000\037\220\000\000\000\003abc' >"$_PYSPARK_DRIVER_CONN_INFO_PATH.new"
mv "$_PYSPARK_DRIVER_CONN_INFO_PATH.new" "$_PYSPARK_DRIVER_CONN_INFO_PATH"
"""


def jvm(tmp_path: Path, script: str) -> SparkJvm:
    java = tmp_path / "java"
    java.write_text(f"#!/bin/sh\n{script}")
    java.chmod(0o755)
    return SparkJvm(str(java), tmp_path, ["/jars/*"], ["-Xmx64m"])


def test_pyspark_is_given_its_port_and_secret(tmp_path: Path) -> None:
    started = jvm(tmp_path, f"{_ANSWER}\nexec cat")
    assert started.environment == {"PYSPARK_GATEWAY_PORT": "8080", "PYSPARK_GATEWAY_SECRET": "abc"}
    started.check()
    started.close()
    with pytest.raises(UserError, match="ended by itself with status 0"):
        started.check()


def test_a_jvm_that_does_not_start_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Spark's JVM does not start: it ended with status 7"):
        jvm(tmp_path, "exit 7")


def test_no_java_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match="Java is not installed; apt install default-jre-headless"):
        java_program()


class View:
    """Counts how often each name is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> str:
        if name == "Missing":
            raise AttributeError(name)
        self.asked.append(name)
        return f"the class {name}"


def test_each_name_in_the_jvm_is_looked_up_once() -> None:
    names = RememberedNames(view := View())
    assert [names.PythonRDD, names.PythonRDD, names.PythonUtils] == 2 * ["the class PythonRDD"] + [
        "the class PythonUtils"
    ]
    assert view.asked == ["PythonRDD", "PythonUtils"]
    with pytest.raises(AttributeError):
        _ = names.Missing
