"""`sensorpi kafka`: run the broker, declare the topics, show what the broker is made from, command the brokers."""

import argparse
import os
import re
from pathlib import Path

from sensorpi.common.cli.config_option import add_config_option
from sensorpi.common.cluster.identity import identify_or_fail
from sensorpi.common.cluster.model import FILE_NAME, Cluster, load
from sensorpi.common.cluster.secrets import FILE_NAME as KEY_FILE_NAME
from sensorpi.common.cluster.secrets import kafka_cluster_id, load_key
from sensorpi.common.daemon.jvm import JVM_ENVIRONMENT
from sensorpi.common.daemon.service import notify, set_up_logging
from sensorpi.common.daemon.system_clock import wait_until_synchronised
from sensorpi.common.daemon.waiting import is_told_to_wait, wait_if_told
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
#: With a clock a week behind, a broker would stamp messages so that they expire when the clock is set.
_CLOCK_S = 180.0
_JARS = Path("/usr/share/sensorpi/kafka")


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `kafka run`, `kafka topics`, `kafka properties`, `kafka broker` and `kafka topic`."""
    kafka = commands.add_parser("kafka", help="the Kafka brokers, and the topics")
    actions = kafka.add_subparsers(metavar="ACTION", required=True)
    run = actions.add_parser("run", help="run this node's broker in the foreground until SIGTERM or Ctrl-C")
    _add_broker_options(run)
    run.add_argument("--jars", type=Path, default=_JARS, metavar="DIR", help="Kafka's jars (default: %(default)s)")
    run.set_defaults(run=_run)
    add_broker_commands(actions)
    topics = actions.add_parser("topics", help="make the topics as declared, and print them")
    add_config_option(topics)
    topics.set_defaults(run=_topics)
    add_topic_commands(actions)
    properties = actions.add_parser("properties", help="print the broker's server.properties")
    _add_broker_options(properties)
    properties.set_defaults(run=_properties)


def _add_broker_options(command: argparse.ArgumentParser) -> None:
    add_config_option(command)
    command.add_argument("--node", metavar="NAME", help="be this node (default: the one this machine is)")
    command.add_argument(
        "--data", type=Path, default=DATA, metavar="DIR", help="the brokers' data (default: %(default)s)"
    )
    command.add_argument(
        "--id", type=int, metavar="N", help="the broker's id (default: the worker's place in the file)"
    )
    command.add_argument("--port", type=int, metavar="PORT", help="of its clients (default: from cluster.toml)")
    command.add_argument("--heap", type=int, metavar="MB", help="of its JVM (default: from cluster.toml)")
    command.add_argument(
        "--set", action="append", default=[], dest="properties", metavar="KEY=VALUE", help="a property on top"
    )
    command.add_argument("--jvm-options", default="", metavar="WORDS", help="for the JVM")
    command.add_argument(
        "--has-run", action="store_true", help="it was formatted before: an empty folder is a lost one"
    )


def _cluster(options: argparse.Namespace) -> Cluster:
    return load(options.config / FILE_NAME)


def _broker(options: argparse.Namespace) -> Broker:
    cluster = _cluster(options)
    node = identify_or_fail(cluster, options.config, options.node)
    return Broker(
        cluster,
        node,
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


def _run(options: argparse.Namespace) -> int:
    set_up_logging()
    if wait_if_told(options.config, _ROLE):
        return 0
    broker = _broker(options)
    cluster_id = kafka_cluster_id(load_key(options.config / KEY_FILE_NAME))
    # Under systemd the files are in /run, under Mesos in the sandbox; by hand they lie beside the data.
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


def _topics(options: argparse.Namespace) -> int:
    if is_told_to_wait(options.config, _ROLE):
        return 0
    cluster = _cluster(options)
    specs = topic_specs(cluster)
    cluster_id = kafka_cluster_id(load_key(options.config / KEY_FILE_NAME))
    for line in ensure_topics(cluster.bootstrap_servers, specs, cluster_id):
        print(line)
    for spec in specs:
        settings = " ".join(f"{key}={value}" for key, value in spec.settings.items())
        print(f"{spec.name} partitions={spec.partitions} replication-factor={spec.replication_factor} {settings}")
    return 0


def _properties(options: argparse.Namespace) -> int:
    print(_broker(options).properties_text(), end="")
    return 0
