"""How the stand-in treats offers, tasks and agents, where the recordings do not show it and other tests rely on it."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from sensorpi.mesos_node.mesos import calls
from sensorpi.mesos_node.mesos.errors import InvalidCallError
from tests.fakes.mesos_framework import Framework
from tests.fakes.mesos_recorder import SCHEDULER, ask
from tests.fakes.mesos_recordings import lines
from tests.integration.mesos_fixture import DOUBLE, MesosCluster
from tests.integration.ports import free_ports
from tests.integration.waiting import wait_until

INFO = lines("conversation.jsonl")[0]["request"]["subscribe"]["framework_info"]
MORE_S = 30.0


@pytest.fixture(scope="module")
def mesos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MesosCluster]:
    with MesosCluster(tmp_path_factory.mktemp("mesos"), hostnames=("worker01", "worker02")) as cluster:
        address = cluster.leader.address
        wait_until(lambda: len(json.loads(ask(address, "/state")[2])["slaves"]) == 2, "both agents at the master")
        yield cluster


@contextmanager
def framework_on(mesos: MesosCluster, **info: Any) -> Iterator[Framework]:
    """A framework that acknowledges everything and is torn down at the end."""

    def acknowledge(event: Any) -> None:
        if event["type"] == "UPDATE" and calls.needs_acknowledgement(event["update"]["status"]):
            framework.client.call(*calls.acknowledge(event["update"]["status"]))

    framework = Framework({**INFO, **info}, lambda: mesos.leader.address, on_event=acknowledge)
    with framework:
        framework.wait_for(lambda: framework.events, "subscribed")
        yield framework
        if framework.client.subscribed:
            framework.client.call(*calls.teardown())


def offers(framework: Framework, hostname: str = "") -> list[Any]:
    """All offers so far, of one host or any, the last one last."""
    events = [event for event in framework.events if event["type"] == "OFFERS"]
    return [each for event in events for each in event["offers"]["offers"] if hostname in each["hostname"]]


def task(offer: Any, script: str, identifier: str = "task", cpus: float = 0.1, **more: Any) -> Any:
    resources = [{"name": "cpus", "type": "SCALAR", "scalar": {"value": cpus}}]
    told = {"shell": True, "value": script}
    known = {"name": identifier, "task_id": {"value": identifier}, "agent_id": offer["agent_id"]}
    return known | {"resources": resources, "command": told} | more


def launch(framework: Framework, script: str, hostname: str = "worker01", **more: Any) -> Any:
    """Launch on the last offer of that host and return it."""
    offer = framework.wait_for(lambda: offers(framework, hostname), "an offer")[-1]
    framework.client.call(*calls.accept([offer["id"]["value"]], [task(offer, script, **more)], 0.1))
    return offer


def last_state(framework: Framework, state: str, identifier: str = "task") -> Any:
    """Wait for the state and return the status."""
    framework.wait_for(lambda: framework.states(identifier)[-1:] == [state], f"{identifier} {state}", MORE_S)
    return framework.statuses(identifier)[-1]


def executor_pid(framework: Framework) -> int:
    return int(framework.statuses("task")[-1]["container_status"]["executor_pid"])


def test_declined_offers_return_after_the_filter_or_revive(mesos: MesosCluster) -> None:
    with framework_on(mesos) as framework:
        [first, second] = framework.wait_for(lambda: len(offers(framework)) == 2 and offers(framework), "two offers")
        framework.client.call(*calls.decline([first["id"]["value"]], 1.0))
        framework.client.call(*calls.decline([second["id"]["value"]], 3600.0))
        again = framework.wait_for(lambda: offers(framework)[2:], "the one that was declined for a second")
        assert [each["hostname"] for each in again] == [first["hostname"]]
        framework.client.call(*calls.suppress())
        framework.client.call(*calls.decline([again[0]["id"]["value"]], 0.1))
        time.sleep(2.5)  # two rounds in which nothing may be offered
        assert len(offers(framework)) == 3
        framework.client.call(*calls.revive())
        framework.wait_for(lambda: len(offers(framework)) == 5, "both agents after all")


def test_two_frameworks_do_not_get_each_others_resources(mesos: MesosCluster) -> None:
    with framework_on(mesos) as one, framework_on(mesos) as other:
        one.wait_for(lambda: len(offers(one)) == 2, "all is offered to the first")
        for each in offers(one)[:2]:
            one.client.call(*calls.decline([each["id"]["value"]], 3600.0))
        other.wait_for(lambda: len(offers(other)) == 2, "then to the second")
        launch(other, "exec sleep 600", cpus=1.5)
        last_state(other, "TASK_RUNNING")
        one.client.call(*calls.revive())
        rest = one.wait_for(lambda: offers(one, "worker01")[1:], "the rest of worker01")[0]
        assert {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.5}}.items() <= next(
            each for each in rest["resources"] if each["name"] == "cpus"
        ).items()
        one.client.call(*calls.accept([rest["id"]["value"]], [task(rest, "true", "task")]))
        last_state(one, "TASK_FINISHED")  # a task's name is the framework's own
        assert other.states("task")[-1] == "TASK_RUNNING"


def test_framework_absent_too_long_is_removed_with_its_tasks(mesos: MesosCluster) -> None:
    with framework_on(mesos, failover_timeout=0.5) as framework:
        launch(framework, "exec sleep 600")
        last_state(framework, "TASK_RUNNING")
        pid, framework_id = executor_pid(framework), framework.client.framework_id
        framework.stop()
        framework.outcome.result(timeout=20)
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the executor has ended")
    state = json.loads(ask(mesos.leader.address, "/state")[2])
    assert framework_id in [each["id"] for each in state["completed_frameworks"]]


def test_what_ignores_sigterm_is_killed_after_its_grace(mesos: MesosCluster, tmp_path: Path) -> None:
    deaf = tmp_path / "deaf"
    with framework_on(mesos) as framework:
        launch(framework, f"trap '' TERM; touch {deaf}; while :; do sleep 0.1; done")
        last_state(framework, "TASK_RUNNING")
        wait_until(deaf.exists, "the trap is set")
        began = time.monotonic()
        framework.client.call(*calls.kill("task", grace_s=1.5))
        status = last_state(framework, "TASK_KILLED")
        assert time.monotonic() - began > 1.4
        assert status["message"] == "Command terminated with signal Killed"
        assert framework.states("task")[-2:] == ["TASK_KILLING", "TASK_KILLED"]


def test_a_clean_end_in_time_is_killed_with_its_status(mesos: MesosCluster, tmp_path: Path) -> None:
    polite = tmp_path / "polite"
    with framework_on(mesos) as framework:
        launch(framework, f"trap 'exit 143' TERM; touch {polite}; while :; do sleep 0.1; done")
        last_state(framework, "TASK_RUNNING")
        wait_until(polite.exists, "the trap is set")
        framework.client.call(*calls.kill("task", grace_s=20))
        assert last_state(framework, "TASK_KILLED")["message"] == "Command exited with status 143"


def test_a_task_gets_its_environment_its_user_and_its_sandbox(mesos: MesosCluster, tmp_path: Path) -> None:
    greeting_file = tmp_path / "greeting"
    greeting_file.touch(mode=0o666)
    greeting_file.chmod(0o666)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    variables = {"variables": [{"name": "GREETING", "value": "hello there"}]}
    with framework_on(mesos) as framework:
        told = {
            "shell": True,
            "value": f'echo "$GREETING $(id -un) $PWD $MESOS_SANDBOX" > {greeting_file} && touch in-the-sandbox',
            "environment": variables,
        } | ({"user": "nobody"} if os.geteuid() == 0 else {})
        launch(framework, "", command=told)
        last_state(framework, "TASK_FINISHED")
    *greeting, user, directory, sandbox = greeting_file.read_text(encoding="utf-8").split()
    assert greeting == ["hello", "there"]
    assert directory == sandbox
    if os.geteuid() == 0:
        assert user == "nobody"


def test_failing_check_kills_and_passing_one_is_reported_once(mesos: MesosCluster) -> None:
    every = {"delay_seconds": 0, "interval_seconds": 0.3, "grace_period_seconds": 0.2, "consecutive_failures": 2}
    check = {"type": "COMMAND", "command": {"shell": True, "value": "test ! -e sick"}} | every
    with framework_on(mesos) as framework:
        launch(framework, "sleep 2; touch sick; exec sleep 600", health_check=check)
        assert last_state(framework, "TASK_KILLED")["healthy"] is False
        assert [each.get("healthy") for each in framework.statuses("task")] == [
            None,
            None,
            True,
            False,
            False,
            None,
            False,
        ]


def test_a_port_that_opens_within_its_grace_is_healthy(mesos: MesosCluster) -> None:
    [port] = free_ports(1)
    check = {"type": "TCP", "tcp": {"port": port}, "delay_seconds": 0, "interval_seconds": 0.3,
             "grace_period_seconds": 30, "consecutive_failures": 1}  # fmt: skip
    script = f"sleep 1.5; exec python3 -m http.server {port} --bind 127.0.0.1"
    with framework_on(mesos) as framework:
        launch(framework, script, health_check=check)
        framework.wait_for(
            lambda: framework.statuses("task")[-1:] and "healthy" in framework.statuses("task")[-1], "word"
        )
        assert framework.statuses("task")[-1]["healthy"] is True


def test_an_executor_that_dies_takes_its_task_along(mesos: MesosCluster, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    with framework_on(mesos) as framework:
        launch(framework, f"echo $$ > {pid_file}; exec sleep 600")
        last_state(framework, "TASK_RUNNING")
        wait_until(lambda: pid_file.exists() and bool(pid_file.read_text()), "the task's pid")
        os.kill(executor_pid(framework), 9)
        status = last_state(framework, "TASK_FAILED")
        assert (status["source"], status["reason"]) == ("SOURCE_AGENT", "REASON_EXECUTOR_TERMINATED")
        wait_until(lambda: not Path(f"/proc/{pid_file.read_text().strip()}/cwd").exists(), "the task has ended")


def test_end_during_an_agents_absence_is_reported_later(mesos: MesosCluster, tmp_path: Path) -> None:
    go, pid_file = tmp_path / "go", tmp_path / "pid"
    agent = mesos.agents[0]
    with framework_on(mesos) as framework:
        launch(framework, f"echo $$ > {pid_file}; while ! test -e {go}; do sleep 0.05; done; exit 3")
        last_state(framework, "TASK_RUNNING")
        pid = executor_pid(framework)
        wait_until(lambda: pid_file.exists() and bool(pid_file.read_text()), "the task's pid")
        agent.kill()
        go.touch()
        wait_until(lambda: not Path(f"/proc/{pid_file.read_text().strip()}/cwd").exists(), "the task has ended")
        assert Path(f"/proc/{pid}").exists()  # the executor waits to report
        agent.start()
        assert last_state(framework, "TASK_FAILED")["message"] == "Command exited with status 3"
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the executor has ended")


def test_agent_is_the_same_after_a_boot_and_drops_its_tasks(mesos: MesosCluster) -> None:
    agent = mesos.agents[0]
    with framework_on(mesos) as framework:
        offer = launch(framework, "exec sleep 600")
        last_state(framework, "TASK_RUNNING")
        agent.kill()
        os.kill(executor_pid(framework), 9)
        (agent.work_dir / "meta/boot_id").write_text("another boot", encoding="ascii")
        agent.start()
        status = last_state(framework, "TASK_DROPPED")
        assert status["message"] == "Reconciliation: task unknown to the agent"
        assert status["agent_id"] == offer["agent_id"]
        framework.wait_for(lambda: "cpus" in str(offers(framework, "worker01")[-1]), "all of it is on offer again")


@pytest.mark.parametrize(
    ("agent_id", "aware", "state"),
    [(None, True, "TASK_UNKNOWN"), ("unknown-S9", True, "TASK_UNKNOWN"), ("unknown-S9", False, "TASK_LOST")],
)
def test_reconciliation_of_an_unknown_task(mesos: MesosCluster, agent_id: str | None, aware: bool, state: str) -> None:
    capabilities = INFO["capabilities"] if aware else [{"type": "MULTI_ROLE"}]
    with framework_on(mesos, capabilities=capabilities) as framework:
        framework.client.call(*calls.reconcile([("never", agent_id)]))
        assert last_state(framework, state, "never")["message"] == "Reconciliation: Task is unknown"
        framework.client.call(*calls.kill("nor-this"))
        last_state(framework, state, "nor-this")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"agent_id": {"value": "unknown-S9"}}, "Task uses invalid agent unknown-S9 while agent"),
        ({"resources": []}, "Task uses no resources"),
        ({"executor": {"executor_id": {"value": "own"}}}, "CommandInfo or ExecutorInfo"),
    ],
)
def test_a_faulty_task_is_an_error(mesos: MesosCluster, change: Any, message: str) -> None:
    with framework_on(mesos) as framework:
        launch(framework, "true", **change)
        assert message in last_state(framework, "TASK_ERROR")["message"]


def test_an_executor_without_an_id_is_an_invalid_call(mesos: MesosCluster) -> None:
    with framework_on(mesos) as framework, pytest.raises(InvalidCallError, match="executor_id"):
        launch(framework, "true", executor={})


def test_a_new_leader_shows_its_state_before_it_takes_calls(tmp_path: Path) -> None:
    with MesosCluster(tmp_path, hostnames=()) as mesos:
        address = mesos.masters[0].address
        seen: list[tuple[int, int]] = []

        def has_recovered() -> bool:
            with suppress(OSError):
                seen.append((ask(address, SCHEDULER, {})[0], ask(address, "/state")[0]))
            return (400, 200) in seen

        wait_until(has_recovered, "the recovery")
        assert (503, 200) in seen


def test_running_is_reported_before_the_first_words(mesos: MesosCluster, tmp_path: Path) -> None:
    with framework_on(mesos) as framework:
        launch(framework, f"touch {tmp_path}/words; exec sleep 600")
        reported_s = last_state(framework, "TASK_RUNNING")["timestamp"]
        wait_until((tmp_path / "words").exists, "the first words")
        assert reported_s < (tmp_path / "words").stat().st_mtime


def test_a_task_with_the_name_of_one_that_runs_is_an_error(mesos: MesosCluster) -> None:
    with framework_on(mesos) as framework:
        launch(framework, "exec sleep 600")
        last_state(framework, "TASK_RUNNING")
        framework.wait_for(lambda: offers(framework, "worker01")[1:], "the rest of worker01")
        launch(framework, "true")
        assert last_state(framework, "TASK_ERROR")["message"] == "Task has duplicate ID: task"


def test_frozen_agent_is_unreachable_and_its_task_returns(mesos: MesosCluster) -> None:
    process = mesos.agents[0].process
    assert process is not None
    with framework_on(mesos) as framework:
        launch(framework, "exec sleep 600")
        pid = last_state(framework, "TASK_RUNNING")["container_status"]["executor_pid"]
        process.send_signal(signal.SIGSTOP)
        try:
            last_state(framework, "TASK_UNREACHABLE")
        finally:
            process.send_signal(signal.SIGCONT)
        back = last_state(framework, "TASK_RUNNING")
        assert (back["reason"], back["container_status"]["executor_pid"]) == ("REASON_AGENT_REREGISTERED", pid)


def test_a_new_leader_is_silent_about_an_absent_agent(tmp_path: Path) -> None:
    """Seen on a real 1.11; it pings only agents that have registered with it."""
    with MesosCluster(tmp_path, masters=2) as mesos:
        leader, [agent] = mesos.leader, mesos.agents
        with framework_on(mesos) as framework:
            offer = launch(framework, "exec sleep 600")
            last_state(framework, "TASK_RUNNING")
            agent.kill()
            leader.kill()
            framework.wait_for(lambda: framework.disconnects, "the end of the subscription")
            framework.wait_for(lambda: framework.events[-1]["type"] == "SUBSCRIBED", "another leader", MORE_S)
            heard = len(framework.events)
            framework.client.call(*calls.reconcile([("task", offer["agent_id"]["value"])]))
            framework.client.call(*calls.reconcile())
            time.sleep(5)  # longer than a registered agent may miss pings here
            assert framework.events[heard:] == []
            agent.start()
            framework.wait_for(lambda: offers(framework)[1:], "the agent that is back")
            framework.client.call(*calls.reconcile([("task", offer["agent_id"]["value"])]))
            framework.wait_for(
                lambda: framework.statuses("task")[-1].get("reason") == "REASON_RECONCILIATION", "its task"
            )


def test_a_reregister_timeout_below_ten_minutes_is_an_error(tmp_path: Path) -> None:
    command = [str(DOUBLE / "mesos-master"), f"--work_dir={tmp_path}", "--agent_reregister_timeout=5mins"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert result.returncode == 1
    assert "Must be at least 10mins" in result.stderr


@pytest.mark.parametrize("program", ["mesos-master", "mesos-agent"])
def test_it_serves_from_a_copy_on_path(tmp_path: Path, program: str) -> None:
    shutil.copytree(DOUBLE, tmp_path / "lib/mesos")
    link = tmp_path / program
    link.symlink_to(tmp_path / "lib/mesos" / program)
    environment = {"PATH": f"{tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin"}
    result = subprocess.run(
        [program, "--version"], env=environment, cwd="/", capture_output=True, text=True, check=True
    )
    assert result.stdout == "mesos 1.11.0\n"
