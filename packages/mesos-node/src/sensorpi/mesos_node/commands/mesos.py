"""`sensorpi zookeeper run`, `sensorpi mesos master` and `sensorpi mesos agent`: what Mesos needs on this node."""

import argparse
import os
import shutil
from pathlib import Path

from sensorpi.common.cli.config_option import add_config_option
from sensorpi.common.cluster.identity import identify_or_fail
from sensorpi.common.cluster.model import FILE_NAME, Cluster, Node, load
from sensorpi.common.daemon.service import set_up_logging
from sensorpi.common.daemon.waiting import hold, wait_if_told
from sensorpi.common.errors import UserError
from sensorpi.common.files import render
from sensorpi.mesos_node.daemons import mesos_flags
from sensorpi.mesos_node.daemons.leftover_tasks import end_tasks, is_for_good
from sensorpi.mesos_node.daemons.mesos_probe import AGENT_PATH, MASTER_PATH, mesos_probe
from sensorpi.mesos_node.daemons.offer import offer_of, refusal
from sensorpi.mesos_node.daemons.zookeeper import java_command, server_id, zoo_cfg, zookeeper_probe
from sensorpi.mesos_node.launcher import launch

_STATE = Path("/var/lib/sensorpi")
#: A broker needs a while to stop in good order.
_TASKS_GRACE_S = 100.0


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `zookeeper` and `mesos`."""
    zookeeper = commands.add_parser("zookeeper", help="this node's ZooKeeper server, where Mesos is the engine")
    actions = zookeeper.add_subparsers(metavar="ACTION", required=True)
    run = actions.add_parser("run", help="run it in the foreground until SIGTERM or Ctrl-C")
    _add_options(run, "zookeeper")
    run.set_defaults(run=_zookeeper)
    mesos = commands.add_parser("mesos", help="this node's Mesos master or agent")
    actions = mesos.add_subparsers(metavar="ACTION", required=True)
    master = actions.add_parser("master", help="run the master in the foreground until SIGTERM or Ctrl-C")
    _add_options(master, "mesos-master")
    master.set_defaults(run=_master)
    agent = actions.add_parser("agent", help="the same with the agent; its tasks go on without it")
    _add_options(agent, "mesos-agent")
    agent.set_defaults(run=_agent)


def _add_options(command: argparse.ArgumentParser, folder: str) -> None:
    add_config_option(command)
    command.add_argument("--node", metavar="NAME", help="be this node (default: the one this machine is)")
    command.add_argument(
        "--data",
        type=Path,
        default=_STATE / folder,
        metavar="DIR",
        help="where it keeps its files (default: %(default)s)",
    )


def _place(options: argparse.Namespace, role: str) -> tuple[Cluster, Node]:
    cluster = load(options.config / FILE_NAME)
    node = identify_or_fail(cluster, options.config, options.node)
    if role not in node.roles:
        raise UserError(f"{node.name} has not the role {role}")
    return cluster, node


def _zookeeper(options: argparse.Namespace) -> int:
    set_up_logging()
    if wait_if_told(options.config, "mesos-worker"):
        return 0
    cluster, node = _place(options, "mesos-worker")
    number, data = server_id(cluster, node), options.data.absolute()
    render({"myid": f"{number}\n"}, data)
    # Under systemd it is in /run; by hand it lies beside the data.
    files = Path(os.environ.get("RUNTIME_DIRECTORY") or data)
    render({"zoo.cfg": zoo_cfg(cluster, data)}, files)
    probe = zookeeper_probe(cluster.mesos.zookeeper_port)
    return launch(f"ZooKeeper server {number}", java_command(files / "zoo.cfg"), probe)


def _master(options: argparse.Namespace) -> int:
    set_up_logging()
    if wait_if_told(options.config, "mesos-master"):
        return 0
    cluster, node = _place(options, "mesos-master")
    program = _program(mesos_flags.MASTER)
    command = mesos_flags.master_command(cluster, node, options.data.absolute(), program)
    address = mesos_flags.own_ip_address(cluster, node)
    return launch("Mesos master", command, mesos_probe(address, cluster.mesos.master_port, MASTER_PATH))


def _agent(options: argparse.Namespace) -> int:
    set_up_logging()
    if wait_if_told(options.config, "mesos-worker"):
        return 0
    cluster, node = _place(options, "mesos-worker")
    program, work = _program(mesos_flags.AGENT), options.data.absolute()
    offer = offer_of(cluster, node)
    if reason := refusal(offer, work):
        hold(reason)
        status = 0
    else:
        command = mesos_flags.agent_command(cluster, node, work, offer, program)
        address = mesos_flags.own_ip_address(cluster, node)
        status = launch("Mesos agent", command, mesos_probe(address, cluster.mesos.agent_port, AGENT_PATH))
    if is_for_good(options.config):
        end_tasks(_TASKS_GRACE_S)
    return status


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise UserError(f"{name} is not on PATH: apt install aventer-mesos, or a package made by make mesos-deb")
    return found
