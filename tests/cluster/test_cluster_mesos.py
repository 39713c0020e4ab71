"""What holds brokers and job dies; they go on."""

import signal

import pytest

from tests.cluster.conftest import NewFault
from tests.cluster.site import BROKER, Site

pytestmark = [pytest.mark.timeout(1200), pytest.mark.engine_mesos]


def broker_pids(site: Site) -> list[str]:
    """The broker's process on each worker."""
    return [site[worker].do("pgrep", "-f", BROKER).strip() for worker in site.workers]


def kill_main(site: Site, name: str, unit: str) -> None:
    """Kill a service's main process."""
    site[name].do("systemctl", "kill", "--kill-whom=main", "--signal=KILL", unit)


def test_the_scheduler_is_killed(site: Site, new_fault: NewFault) -> None:
    fault = new_fault("kill -9 the scheduler")
    site.wait_until_whole()
    before = broker_pids(site)
    fault.strike(lambda: kill_main(site, "master02", "sensorpi-scheduler.service"))
    fault.recover(60)
    assert broker_pids(site) == before


def test_the_leading_master_is_killed(site: Site, new_fault: NewFault) -> None:
    fault = new_fault("kill -9 the leading Mesos master")
    site.wait_until_whole()
    before = broker_pids(site)
    fault.strike(lambda: site.signal("master02", "mesos-master", signal.SIGKILL))
    fault.recover(60)
    assert broker_pids(site) == before


def test_zookeepers_leader_is_killed(site: Site, new_fault: NewFault) -> None:
    fault = new_fault("kill -9 ZooKeeper's leader")
    site.wait_until_whole()
    before = broker_pids(site)
    unit = "sensorpi-zookeeper.service"
    leader = next(worker for worker in site.workers if site[worker].status(unit).endswith(" leader"))
    fault.strike(lambda: site.signal(leader, "QuorumPeerMain", signal.SIGKILL))
    fault.recover(60)
    assert broker_pids(site) == before


@pytest.mark.parametrize("verb", ["restart", "kill"])
def test_an_agent_ends(site: Site, new_fault: NewFault, verb: str) -> None:
    fault = new_fault("restart the agents" if verb == "restart" else "kill -9 the agents")
    site.wait_until_whole()
    before = broker_pids(site)
    unit = "sensorpi-mesos-agent.service"

    def strike() -> None:
        for worker in site.workers:
            if verb == "restart":
                site[worker].do("systemctl", "restart", unit)
            else:
                kill_main(site, worker, unit)

    fault.endure(strike)
    fault.recover(60)
    assert broker_pids(site) == before
