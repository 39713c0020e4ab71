"""`sensorpi kafka topic`: list, add, update and rebalance topics. They are Kafka's, so no engine has a part in it."""

import argparse
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from kafka import KafkaAdminClient

from sensorpi.common.cli.exit_code import ExitCode
from sensorpi.common.cli.node_context import NodeContext, Run, run_with_context
from sensorpi.common.cli.output import complain
from sensorpi.common.cluster.model import Cluster
from sensorpi.common.cluster.secrets import kafka_cluster_id
from sensorpi.common.config.apply import installed_roles
from sensorpi.common.config.effective import effective
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.kafka import topic_admin
from sensorpi.mesos_node.kafka.topic_admin import Topic
from sensorpi.mesos_node.kafka.topics import TopicSpec, topic_specs
from sensorpi.mesos_node.notation.expressions import broker_ids, seconds, settings


def add_topic_commands(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `topic` to the actions of `sensorpi kafka`."""
    topic = actions.add_parser("topic", help="list, add, update and rebalance topics")
    commands = topic.add_subparsers(metavar="COMMAND", required=True)
    _command(commands, "list", _list, "show topics, their replicas and their options", default="*")
    add = _command(commands, "add", _add, "make topics, by names separated with commas")
    add.add_argument("--partitions", type=int, metavar="N", help="default: as in cluster.toml")
    add.add_argument("--replicas", type=int, metavar="N", help="default: as many as cluster.toml gives every topic")
    add.add_argument("--options", default="", metavar="KEY=VALUE,…", help="such as retention.ms=86400000")
    update = _command(commands, "update", _update, "add partitions to topics, or change their options")
    update.add_argument("--partitions", type=int, metavar="N", help="the new total; a topic cannot shrink")
    update.add_argument("--options", default="", metavar="KEY=VALUE,…", help="KEY= returns to Kafka's default")
    about = "spread replicas evenly over the brokers; `status` instead of TOPICS shows what is being moved"
    rebalance = _command(commands, "rebalance", _rebalance, about)
    rebalance.add_argument("--broker", default="*", metavar="IDS", help="over these only, such as 0..2 (default: all)")
    rebalance.add_argument("--replicas", type=int, metavar="N", help="of each partition (default: as many as it has)")
    rebalance.add_argument(
        "--timeout", default="5m", metavar="TIME", help="maximum wait; 0 does not wait (default: %(default)s)"
    )


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Run,
    about: str,
    default: str | None = None,
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=about)
    nargs = None if default is None else "?"
    command.add_argument("topics", nargs=nargs, default=default, metavar="TOPICS", help="a,b or * or prefix*")
    command.add_argument("--json", action="store_true", help="print JSON")
    run_with_context(command, run)
    return command


@contextmanager
def _admin(context: NodeContext) -> Iterator[tuple[KafkaAdminClient, Cluster]]:
    # On a fresh machine the brokers are those of its own one-machine cluster, not of the example file.
    cluster = effective(context.config, installed_roles()).cluster
    with topic_admin.admin_of(cluster.bootstrap_servers, kafka_cluster_id(context.key)) as admin:
        yield admin, cluster


def _list(context: NodeContext, options: argparse.Namespace) -> ExitCode:
    with _admin(context) as (admin, _):
        _print(topic_admin.describe(admin, options.topics), options.json)
    return ExitCode.OK


def _add(context: NodeContext, options: argparse.Namespace) -> ExitCode:
    names = [name.strip() for name in options.topics.split(",")]
    for name in names:
        if not re.fullmatch(r"[a-zA-Z0-9._-]{1,249}", name) or name in (".", ".."):
            raise UserError(f'"{name}": expected a topic name of letters, digits, ., _ and -, at most 249')
        if name.startswith("__"):
            raise UserError(f"topic {name}: names that begin with __ are for the topics that Kafka makes for itself")
    values = settings(options.options, "an option")
    with _admin(context) as (admin, cluster):
        partitions = _positive(options.partitions, "--partitions") or cluster.kafka.partitions
        replicas = _positive(options.replicas, "--replicas") or cluster.replication_factor
        topic_admin.add(admin, [TopicSpec(name, partitions, replicas, values) for name in names])
        _print(topic_admin.describe(admin, options.topics), options.json)
    return ExitCode.OK


def _update(context: NodeContext, options: argparse.Namespace) -> ExitCode:
    values = settings(options.options, "an option")
    partitions = _positive(options.partitions, "--partitions")
    if partitions is None and not values:
        raise UserError("topic update: nothing to do; give --partitions or --options")
    with _admin(context) as (admin, cluster):
        topics = topic_admin.describe(admin, options.topics)
        for topic in topics:
            _refuse_declared(topic, topic_specs(cluster), partitions, values)
        topic_admin.update(admin, topics, partitions, values)
        _print(topic_admin.describe(admin, options.topics), options.json)
    return ExitCode.OK


def _refuse_declared(
    topic: Topic, declared: Sequence[TopicSpec], partitions: int | None, values: Mapping[str, str]
) -> None:
    """Refuse to change what cluster.toml declares of a topic: the next start would change it back."""
    for spec in declared:
        if spec.name == topic.name:
            fixed = [
                *(["--partitions"] if partitions is not None else []),
                *(key for key in values if key in spec.settings),
            ]
            if fixed:
                raise UserError(f"topic {topic.name}: {fixed[0]} follows from [kafka] in cluster.toml; change it there")


def _rebalance(context: NodeContext, options: argparse.Namespace) -> ExitCode:
    wait_s = seconds(options.timeout)
    with _admin(context) as (admin, _):
        if options.topics == "status":
            return _status(admin, options.json)
        live = topic_admin.live_brokers(admin)
        brokers = broker_ids(options.broker, live)
        if missing := [str(broker) for broker in brokers if broker not in live]:
            raise UserError(f"broker {', '.join(missing)} is not up")
        topics = topic_admin.describe(admin, options.topics)
        replicas = _positive(options.replicas, "--replicas")
        moved = topic_admin.start_moving(admin, topics, brokers, replicas)

        def progress(left: int) -> None:
            complain(f"{len(moved) - left} of {len(moved)} partitions have moved")

        done = wait_s == 0 or topic_admin.wait_until_moved(admin, moved, wait_s, progress)
        if not options.json:
            print(f"{len(moved)} partitions {'have moved' if done and wait_s > 0 else 'are on the move'}")
        _print(topic_admin.describe(admin, options.topics), options.json)
    if not done:
        complain(
            f"sensorpi: not within {options.timeout}, and the move continues; "
            "`sensorpi kafka topic rebalance status` shows how far it is"
        )
    return ExitCode.OK if done else ExitCode.TIMED_OUT


def _status(admin: KafkaAdminClient, as_json: bool) -> ExitCode:
    moving = topic_admin.moving(admin)
    if as_json:
        found = [{"topic": each.topic, "partition": each.partition, **dict(state)} for each, state in moving.items()]
        print(json.dumps(found))
    else:
        for each, state in sorted(moving.items()):
            print(f"{each.topic}-{each.partition}: to {state['adding_replicas']} from {state['removing_replicas']}")
        print(f"{len(moving)} partitions are on the move")
    return ExitCode.OK


def _positive(number: int | None, option: str) -> int | None:
    if number is not None and not 1 <= number <= 10_000:
        raise UserError(f"{option} {number}: expected a number from 1 to 10000")
    return number


def _print(topics: Sequence[Topic], as_json: bool) -> None:
    if as_json:
        print(json.dumps([asdict(topic) for topic in topics]))
        return
    for topic in topics:
        behind = sum(len(part.in_sync) < len(part.replicas) for part in topic.partitions)
        state = f"{behind} not in sync" if behind else "all in sync"
        replicas = max((len(part.replicas) for part in topic.partitions), default=0)
        print(f"{topic.name}: {len(topic.partitions)} partitions, {replicas} replicas, {state}")
        for part in topic.partitions:
            print(f"  {part.id}: leader {part.leader}, replicas {_ids(part.replicas)}, in sync {_ids(part.in_sync)}")
        for key, value in topic.options.items():
            print(f"  {key}={value}")


def _ids(brokers: Sequence[int]) -> str:
    return ",".join(map(str, brokers)) or "none"
