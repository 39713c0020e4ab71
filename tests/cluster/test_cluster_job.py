"""The Spark job dies; settings change while readings flow."""

import signal

import pytest

from tests.cluster.conftest import NewFault
from tests.cluster.site import JOB, JOB_JVM, Site

pytestmark = pytest.mark.timeout(1200)


@pytest.mark.parametrize(("part", "words"), [("driver", JOB), ("JVM", JOB_JVM)], ids=["driver", "jvm"])
def test_the_job_is_killed(site: Site, new_fault: NewFault, part: str, words: str) -> None:
    fault = new_fault(f"kill -9 the job's {part}")
    fault.strike(lambda: site.signal(site.job_node(), words, signal.SIGKILL))
    fault.recover(240)
    if part == "JVM" and not site.engine.is_mesos:
        assert "Spark's JVM ended by itself" in site["master02"].journal("sensorpi-spark-job.service")


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
