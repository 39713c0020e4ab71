"""The process that forks Spark's Python workers."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pyspark

#: Starts the daemon with a stand-in for PySpark's main loop, which prints what a worker would inherit.
_PROGRAM = """
import sys
import pyspark.daemon
from sensorpi.pipeline.job import worker_daemon
def manager():
    print(pyspark.__file__)
    print([entry for entry in [*sys.path, *sys.path_importer_cache] if entry.endswith((".zip", ".jar"))])
    print("sensorpi.pipeline.job.sink" in sys.modules)
pyspark.daemon.manager = manager
worker_daemon.main()
"""


def test_a_worker_searches_no_archive_for_modules(tmp_path: Path) -> None:
    for archive in ("some.jar", "some.zip"):
        with zipfile.ZipFile(tmp_path / archive, "w") as file:
            file.writestr("module.py", "")
    path = ":".join([str(tmp_path / "some.zip"), str(tmp_path / "some.jar"), *filter(None, sys.path)])
    program = ["-c", f"import module\n{_PROGRAM}"]
    run = subprocess.run(
        [sys.executable, *program], env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=60
    )
    assert run.stdout.splitlines() == [pyspark.__file__, "[]", "True"], run.stderr
