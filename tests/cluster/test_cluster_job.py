"""The Spark job dies, or is cut off while another one is started; settings change while readings flow."""

import signal
from functools import partial

import pytest

from tests.cluster.conftest import NewFault
from tests.cluster.site import JOB, JOB_JVM, WHOLE_S, Site
from tests.packages.machine import wait_for

pytestmark = pytest.mark.timeout(1200)


@pytest.mark.parametrize(("part", "words"), [("driver", JOB), ("JVM", JOB_JVM)], ids=["driver", "jvm"])
def test_the_job_is_killed(site: Site, new_fault: NewFault, part: str, words: str) -> None:
    fault = new_fault(f"kill -9 the job's {part}")
    fault.strike(lambda: site.signal(site.job_node(), words, signal.SIGKILL))
    fault.recover(240)
    if part == "JVM" and not site.engine.is_mesos:
        assert "Spark's JVM ended by itself" in site["master02"].journal("sensorpi-spark-job.service")


#: A job that an operator starts on a worker, as the unit of the master does.
_ELSEWHERE = "job-elsewhere.service"
_AS_THE_UNIT = (
    "--property=Type=exec", "--property=User=sensorpi-job", "--property=SupplementaryGroups=sensorpi",
    "--property=StateDirectory=sensorpi/job", "--property=KillMode=mixed", "--property=SuccessExitStatus=143",
    "--setenv=SENSORPI_CONFIG=/run/sensorpi", "--setenv=SPARK_HOME=/usr/share/sensorpi-spark",
    "--setenv=PYTHONPATH=/usr/share/sensorpi-spark/python", "--setenv=PYTHONDONTWRITEBYTECODE=1",
)  # fmt: skip


def test_the_jobs_node_is_cut_off_and_the_job_started_elsewhere(site: Site, new_fault: NewFault) -> None:
    """Two drivers at a time, of which the older one cannot know it: it ends itself once it can."""
    fault = new_fault("the job's node is cut off while the job starts elsewhere")
    site.wait_until_whole()
    old, unit = site.job_node(), "sensorpi-spark-job.service"
    pid = site[old].do("pgrep", "-o", "-f", JOB).strip()
    fault.strike(partial(site.unplug, old))
    if site.engine.is_mesos:
        others = [site[name] for name in site.workers if name != old]
        wait_for("the job elsewhere", lambda: any(each.try_("pgrep", "-f", JOB).stdout for each in others), WHOLE_S)
    else:
        other = site[site.workers[-1]]
        other.do("systemd-run", "-q", "--collect", f"--unit={_ELSEWHERE}", *_AS_THE_UNIT, "sensorpi", "pipeline", "job")
    fault.expect_reading(WHOLE_S)
    assert site[old].try_("kill", "-0", pid).returncode == 0, "the old job has ended by itself, before it could know"
    fault.undo(partial(site.plug, old))
    wait_for("the old job's end", lambda: site[old].try_("kill", "-0", pid).returncode != 0, 120)
    if not site.engine.is_mesos:
        assert f"This job ends, because a newer one runs on {site.workers[-1]}" in site[old].journal(unit)
        other.do("systemctl", "stop", _ELSEWHERE)
        site[old].do("systemctl", "reset-failed", unit)
        site[old].do("systemctl", "start", unit)
    fault.recover(240)


def test_settings_are_applied_under_load(site: Site, new_fault: NewFault) -> None:
    changes = {
        "rate_hz = 5.0": "rate_hz = 6.0",
        "#trigger_ms = 1000": "trigger_ms = 900",
        "#retention_hours = 720": "retention_hours = 700",
    }

    def apply_everywhere() -> None:
        for name, machine in site.machines.items():
            file = machine.root / "etc/sensorpi/cluster.toml"
            text = file.read_text()
            for old, new in changes.items():
                assert old in text
                text = text.replace(old, new)
            file.write_text(text)
            machine.do("sensorpi", "config", "apply")
            if name in site.workers:  # one broker at a time, as anybody would
                site.wait_until_whole()

    fault = new_fault("sensorpi config apply on every node")
    fault.endure(apply_everywhere)
    fault.recover(120)
