"""`sensorpi zookeeper run`, `sensorpi mesos master` and `sensorpi mesos agent`: what Mesos needs on this node."""

import argparse
import os
import shutil
from pathlib import Path

from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.cli.node_context import NodeContext, run_with_context
from sensorpi.common.daemon.service import set_up_logging
from sensorpi.common.daemon.waiting import hold
from sensorpi.common.errors import UserError
from sensorpi.common.files import render
from sensorpi.mesos_node.daemons import mesos_flags
from sensorpi.mesos_node.daemons.leftover_tasks import end_tasks, no_agent_will_start
from sensorpi.mesos_node.daemons.mesos_probe import AGENT_PATH, MASTER_PATH, mesos_probe
from sensorpi.mesos_node.daemons.offer import offer_of, refusal
from sensorpi.mesos_node.daemons.zookeeper import java_command, server_id, zoo_cfg, zookeeper_probe
from sensorpi.mesos_node.launcher import launch

_STATE = Path("/var/lib/sensorpi")
#: A broker needs a while to shut down cleanly.
_TASKS_GRACE_S = 100.0


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `zookeeper` and `mesos`."""
    zookeeper = commands.add_parser("zookeeper", help="this node's ZooKeeper server, for the engine Mesos")
    actions = zookeeper.add_subparsers(metavar="ACTION", required=True)
    run = actions.add_parser("run", help="run it in the foreground until SIGTERM or Ctrl-C")
    run_with_context(run, _zookeeper, node_option=True)
    _add_data_option(run, "zookeeper")
    mesos = commands.add_parser("mesos", help="this node's Mesos master or agent")
    actions = mesos.add_subparsers(metavar="ACTION", required=True)
    master = actions.add_parser("master", help="run the master in the foreground until SIGTERM or Ctrl-C")
    run_with_context(master, _master, node_option=True)
    _add_data_option(master, "mesos-master")
    agent = actions.add_parser("agent", help="run the agent in the foreground; its tasks continue when it stops")
    run_with_context(agent, _agent, node_option=True)
    _add_data_option(agent, "mesos-agent")


def _add_data_option(command: argparse.ArgumentParser, folder: str) -> None:
    command.add_argument(
        "--data",
        type=Path,
        default=_STATE / folder,
        metavar="DIR",
        help="where it keeps its files (default: %(default)s)",
    )


def _zookeeper(context: NodeContext, options: argparse.Namespace) -> int:
    set_up_logging()
    if context.wait_if_told("mesos-worker"):
        return ExitCode.OK
    cluster, node = context.cluster, context.node_with("mesos-worker")
    number, data = server_id(cluster, node), options.data.absolute()
    render({"myid": f"{number}\n"}, data)
    # Under systemd it is in /run; by hand it is beside the data.
    files = Path(os.environ.get("RUNTIME_DIRECTORY") or data)
    render({"zoo.cfg": zoo_cfg(cluster, data)}, files)
    probe = zookeeper_probe(cluster.mesos.zookeeper_port)
    return launch(f"ZooKeeper server {number}", java_command(files / "zoo.cfg"), probe)


def _master(context: NodeContext, options: argparse.Namespace) -> int:
    set_up_logging()
    if context.wait_if_told("mesos-master"):
        return ExitCode.OK
    cluster, node = context.cluster, context.node_with("mesos-master")
    program = _program(mesos_flags.MASTER)
    command = mesos_flags.master_command(cluster, node, options.data.absolute(), program)
    address = mesos_flags.own_ip_address(cluster, node)
    return launch("Mesos master", command, mesos_probe(address, cluster.mesos.master_port, MASTER_PATH))


def _agent(context: NodeContext, options: argparse.Namespace) -> int:
    set_up_logging()
    if context.wait_if_told("mesos-worker"):
        return ExitCode.OK
    cluster, node = context.cluster, context.node_with("mesos-worker")
    program, work = _program(mesos_flags.AGENT), options.data.absolute()
    offer = offer_of(cluster, node)
    status: int = ExitCode.OK
    if reason := refusal(offer, work):
        hold(reason)
    else:
        command = mesos_flags.agent_command(cluster, node, work, offer, program)
        address = mesos_flags.own_ip_address(cluster, node)
        status = launch("Mesos agent", command, mesos_probe(address, cluster.mesos.agent_port, AGENT_PATH))
    if no_agent_will_start(context.config):
        end_tasks(_TASKS_GRACE_S)
    return status


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise UserError(f"{name} is not on PATH: apt install aventer-mesos, or a package made with make mesos-deb")
    return found
