"""The packages' own autopkgtests, run by autopkgtest in a booted machine."""

import re
import shutil
import subprocess

import pytest

from tests.packages.conftest import NewMachine
from tests.packages.newer import ROOT

pytestmark = pytest.mark.timeout(1800)


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_the_autopkgtests_pass(new_machine: NewMachine, suite: str) -> None:
    machine = new_machine(suite)
    machine.install("autopkgtest")
    source = machine.root / "srv/source"
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in files.splitlines():
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    (source / "debian/files").touch()  # marks the tree as built, so that the tests do not build it
    result = machine.try_("autopkgtest", "/srv/source", "--", "null")
    output = result.stdout + result.stderr
    assert result.returncode in (0, 2), output[-6000:]  # 2: nothing failed, and some tests were skipped
    passed = set(re.findall(r"^(\S+) +PASS", output, re.MULTILINE))
    if "service" not in passed:  # trixie's autopkgtest skips it: it does not know that it may change this machine
        machine.install("sensorpi-influx-grafana", "curl")
        machine.do("/srv/source/debian/tests/service")
        passed.add("service")
    assert passed == {"command1", "unit", "service"}
    assert machine.failed() == ""
