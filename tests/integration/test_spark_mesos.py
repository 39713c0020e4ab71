"""The job on Mesos as far as it goes without one: what a library without Java bindings comes to."""

import ctypes.util
import os
import subprocess
import sys
from pathlib import Path

from onebox.home import ROOT
from sensorpi.common.cluster.secrets import make_key
from tests.fakes.clusters import ONE_NODE

COMMAND = str(Path(sys.executable).with_name("sensorpi"))


def test_a_library_without_java_bindings_is_one_line(tmp_path: Path) -> None:
    name = ctypes.util.find_library("c")
    library = next(Path("/lib").glob(f"*/{name}"))
    spark = f'[spark]\nmaster = "mesos://127.0.0.1:5050"\nmesos_native_library = "{library}"\n'
    (tmp_path / "cluster.toml").write_text(ONE_NODE + spark)
    (tmp_path / "node").write_text("box\n")
    make_key(tmp_path / "cluster.key")
    command = [COMMAND, "pipeline", "job", "--config", str(tmp_path), "--state", str(tmp_path / "state")]
    jars = ["--jars", str(ROOT / ".cache/jars/spark")]
    ended = subprocess.run(command + jars, capture_output=True, text=True, timeout=120, env=os.environ)
    assert ended.returncode == 2
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("sensorpi: Spark does not start with mesos://127.0.0.1:5050: java.lang.UnsatisfiedLinkError")
