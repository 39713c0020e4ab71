"""The exit codes: one number for each meaning, documented, and the same as in the job's unit."""

import re
from pathlib import Path

import pytest

from sensorpi.common.cli.exit_code import ExitCode

ROOT = Path(__file__).parents[4]
MAN_PAGES = sorted(ROOT.glob("packages/*/man/*.1"))


def section(page: Path) -> str:
    """What a man page says below EXIT STATUS."""
    return page.read_text(encoding="utf-8").partition(".SH EXIT STATUS\n")[2].partition("\n.SH ")[0]


def test_systemd_does_not_restart_a_superseded_job() -> None:
    unit = (ROOT / "systemd/system/sensorpi-spark-job.service").read_text(encoding="utf-8")
    assert re.findall(r"^RestartPreventExitStatus=(.*)$", unit, re.MULTILINE) == [str(ExitCode.SUPERSEDED.value)]


def test_only_a_superseded_job_keeps_systemd_from_restarting() -> None:
    units = [path.name for path in (ROOT / "systemd").rglob("*") if path.is_file()
             and "RestartPreventExitStatus=" in path.read_text(encoding="utf-8")]  # fmt: skip
    assert units == ["sensorpi-spark-job.service"]


def test_jobs_of_earlier_packages_end_with_the_same_number() -> None:
    """One that runs during an upgrade meets the new unit."""
    assert ExitCode.SUPERSEDED == 3


def test_sensorpi_1_documents_every_number() -> None:
    text = section(ROOT / "packages/common/man/sensorpi.1")
    documented = [int(number) for number in re.findall(r"^\.TP\n\.B (\d+)$", text, re.MULTILINE)]
    assert documented == sorted(ExitCode)


@pytest.mark.parametrize("page", MAN_PAGES, ids=lambda page: page.name)
def test_the_other_pages_agree_and_refer_to_it(page: Path) -> None:
    text = section(page)
    assert page.name == "sensorpi.1" or ".BR sensorpi (1)" in text
    assert {int(number) for number in re.findall(r"(?<!\()\b\d+\b", text)} <= set(ExitCode)
