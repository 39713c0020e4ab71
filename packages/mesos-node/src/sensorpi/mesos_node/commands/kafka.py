"""`sensorpi kafka`: run this node's broker, make the topics, show the broker's properties; brokers and topics."""

import argparse
import os
import re
from pathlib import Path

from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.cli.node_context import NodeContext, run_with_context
from sensorpi.common.cluster.secrets import kafka_cluster_id
from sensorpi.common.daemon.jvm import JVM_ENVIRONMENT
from sensorpi.common.daemon.service import notify, set_up_logging
from sensorpi.common.daemon.system_clock import wait_until_synchronised
from sensorpi.common.errors import UserError
from sensorpi.common.files import render
from sensorpi.mesos_node.commands.broker import add_broker_commands
from sensorpi.mesos_node.commands.topic import add_topic_commands
from sensorpi.mesos_node.kafka.broker import LOG4J2, SERVER_PROPERTIES, Broker, broker_files
from sensorpi.mesos_node.kafka.formatting import format_once
from sensorpi.mesos_node.kafka.probe import kafka_probe
from sensorpi.mesos_node.kafka.systemd_units import DATA
from sensorpi.mesos_node.kafka.topics import ensure_topics, topic_specs
from sensorpi.mesos_node.launcher import launch

_ROLE = "mesos-worker"
#: A broker whose clock is a week behind would give messages timestamps that expire as soon as the clock is set.
_CLOCK_S = 180.0
_JARS = Path("/usr/share/sensorpi/kafka")


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `kafka run`, `kafka topics`, `kafka properties`, `kafka broker` and `kafka topic`."""
    kafka = commands.add_parser("kafka", help="the Kafka brokers, and the topics")
    actions = kafka.add_subparsers(metavar="ACTION", required=True)
    run = actions.add_parser("run", help="run this node's broker in the foreground until SIGTERM or Ctrl-C")
    run_with_context(run, _run, node_option=True)
    _add_broker_options(run)
    run.add_argument("--jars", type=Path, default=_JARS, metavar="DIR", help="Kafka's jars (default: %(default)s)")
    add_broker_commands(actions)
    topics = actions.add_parser("topics", help="make the topics as declared, and print them")
    run_with_context(topics, _topics)
    add_topic_commands(actions)
    properties = actions.add_parser("properties", help="print the broker's server.properties")
    run_with_context(properties, _properties, node_option=True)
    _add_broker_options(properties)


def _add_broker_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--data", type=Path, default=DATA, metavar="DIR", help="the brokers' data (default: %(default)s)"
    )
    command.add_argument(
        "--id", type=int, metavar="N", help="the broker's id (default: the worker's place in the file)"
    )
    command.add_argument("--port", type=int, metavar="PORT", help="for clients (default: from cluster.toml)")
    command.add_argument("--heap", type=int, metavar="MB", help="heap of its JVM (default: from cluster.toml)")
    command.add_argument(
        "--set",
        action="append",
        default=[],
        dest="properties",
        metavar="KEY=VALUE",
        help="an additional property; can be repeated",
    )
    command.add_argument("--jvm-options", default="", metavar="WORDS", help="for the JVM")
    command.add_argument(
        "--has-run", action="store_true", help="the broker was formatted before: an empty folder means lost data"
    )


def _broker(context: NodeContext, options: argparse.Namespace) -> Broker:
    return Broker(
        context.cluster,
        context.node,
        options.data.absolute(),
        number=options.id,
        own_port=options.port,
        own_heap_mb=options.heap,
        options=dict(_key_and_value(each) for each in options.properties),
        jvm_options=options.jvm_options,
        has_run=options.has_run,
    )


def _key_and_value(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"[!-9;<>-~]+", key):
        raise UserError(f'--set "{text}": expected KEY=VALUE')
    return key, value


def _run(context: NodeContext, options: argparse.Namespace) -> int:
    set_up_logging()
    if context.wait_if_told(_ROLE):
        return ExitCode.OK
    broker = _broker(context, options)
    cluster_id = kafka_cluster_id(context.key)
    # Under systemd the files are in /run, under Mesos in the sandbox; by hand they are beside the data.
    files = Path(os.environ.get("RUNTIME_DIRECTORY") or os.environ.get("MESOS_SANDBOX") or broker.data)
    render(broker_files(broker), files)
    properties, log4j2 = files / SERVER_PROPERTIES, files / LOG4J2
    wait_until_synchronised(_CLOCK_S)
    notify(status="formatting the data folder")
    format_once(broker, cluster_id, options.jars, properties, log4j2)
    command = broker.java_command(options.jars, log4j2, "kafka.Kafka", os.fspath(properties))
    return launch(
        f"Kafka broker {broker.id}",
        command,
        kafka_probe(broker.listener, broker.id, cluster_id),
        environment=JVM_ENVIRONMENT,
    )


def _topics(context: NodeContext, _options: argparse.Namespace) -> ExitCode:
    if context.is_told_to_wait(_ROLE):
        return ExitCode.OK
    specs = topic_specs(context.cluster)
    for line in ensure_topics(context.cluster.bootstrap_servers, specs, kafka_cluster_id(context.key)):
        print(line)
    for spec in specs:
        settings = " ".join(f"{key}={value}" for key, value in spec.settings.items())
        print(f"{spec.name} partitions={spec.partitions} replication-factor={spec.replication_factor} {settings}")
    return ExitCode.OK


def _properties(context: NodeContext, options: argparse.Namespace) -> ExitCode:
    print(_broker(context, options).properties_text(), end="")
    return ExitCode.OK
