"""`sensorpi config`, `sensorpi cluster`, `sensorpi join`: check, show, apply and create the configuration."""

import argparse
from dataclasses import asdict
from json import dumps
from pathlib import Path

from sensorpi.common import files
from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.cli.node_context import NodeContext, run_with_context
from sensorpi.common.cluster import secrets
from sensorpi.common.cluster.model import example_text
from sensorpi.common.config.apply import installed_roles
from sensorpi.common.config.apply_command import add_apply_command, add_join_command
from sensorpi.common.config.check import described
from sensorpi.common.config.effective import effective


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `config check|show|apply`, `cluster init` and `join`."""
    config = commands.add_parser("config", help="check, show or apply the cluster's configuration")
    actions = config.add_subparsers(metavar="ACTION", required=True)
    check = actions.add_parser("check", help="check a cluster file, a card's or a node's, and print its first mistake")
    check.add_argument("file", nargs="?", type=Path, metavar="FILE", help="default: cluster.toml in DIR")
    run_with_context(check, _check)
    show = actions.add_parser("show", help="print every setting with its value, and which node this is")
    run_with_context(show, _show)
    add_apply_command(actions)

    cluster = commands.add_parser("cluster", help="create a cluster")
    actions = cluster.add_subparsers(metavar="ACTION", required=True)
    init = actions.add_parser("init", help="write the example cluster.toml and a new cluster.key")
    run_with_context(init, _init)
    add_join_command(commands)


def _check(context: NodeContext, options: argparse.Namespace) -> ExitCode:
    path = options.file or context.cluster_file
    print(f"{path}: good; {described(path)}")
    return ExitCode.OK


def _show(context: NodeContext, _options: argparse.Namespace) -> ExitCode:
    roles = installed_roles()
    cluster, this = context.cluster, context.known_node
    if this is None and roles and (configuration := effective(context.config, roles)).is_own:
        cluster, this = configuration.cluster, configuration.node
        print("# cluster.toml is still the example, so this machine is a cluster by itself.")
    print(f'engine = "{cluster.engine}"')
    for node in cluster.nodes:
        mark = "  # this node" if node == this else ""
        print(f"\n[nodes.{node.name}]{mark}\naddress = {dumps(node.address)}\nroles = {dumps(node.roles)}")
        if "mesos-worker" in node.roles:
            attributes = ", ".join(f"{dumps(key)} = {dumps(value)}" for key, value in node.attributes.items())
            print(f"attributes = {{ {attributes} }}\ncpus = {node.cpus}\nmemory_mb = {node.memory_mb}")
    for table in ("sensor", "kafka", "spark", "influxdb", "dashboard", "mesos"):
        print(f"\n[{table}]")
        for key, value in asdict(getattr(cluster, table)).items():
            print(f"{key} = {dumps(value, ensure_ascii=False)}")
    return ExitCode.OK


def _init(context: NodeContext, _options: argparse.Namespace) -> ExitCode:
    file = context.cluster_file
    if files.create(file, example_text(), mode=0o644):
        print(f"wrote {file}; enter your nodes and their addresses there")
    key = context.config / secrets.FILE_NAME
    secrets.make_key(key)
    print(f"wrote {key}; every node except a sensor needs a copy")
    return ExitCode.OK
