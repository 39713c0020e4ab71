"""`sensorpi kafka topic list|add|update|rebalance`, on either engine."""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from kafka import KafkaAdminClient

from sensorpi.common.cli.config_option import add_config_option
from sensorpi.common.cluster.model import Cluster
from sensorpi.common.cluster.secrets import FILE_NAME as KEY_FILE_NAME
from sensorpi.common.cluster.secrets import kafka_cluster_id, load_key
from sensorpi.common.config.apply import installed_roles
from sensorpi.common.config.effective import effective
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.kafka import topic_admin
from sensorpi.mesos_node.kafka.topic_admin import Topic
from sensorpi.mesos_node.kafka.topics import TopicSpec, topic_specs
from sensorpi.mesos_node.notation.expressions import broker_ids, seconds, settings

_TIMED_OUT = 1


def add_topic_commands(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `topic` to the actions of `sensorpi kafka`."""
    topic = actions.add_parser("topic", help="list, add, update and rebalance topics")
    commands = topic.add_subparsers(metavar="COMMAND", required=True)
    listing = _command(commands, "list", "show topics, their replicas and their options", default="*")
    listing.set_defaults(run=_list)
    add = _command(commands, "add", "make topics, by names separated with commas")
    add.add_argument("--partitions", type=int, metavar="N", help="default: as in cluster.toml")
    add.add_argument("--replicas", type=int, metavar="N", help="default: as many as cluster.toml gives every topic")
    add.add_argument("--options", default="", metavar="KEY=VALUE,…", help="such as retention.ms=86400000")
    add.set_defaults(run=_add)
    update = _command(commands, "update", "add partitions to topics, or change their options")
    update.add_argument("--partitions", type=int, metavar="N", help="so many in all; a topic cannot shrink")
    update.add_argument("--options", default="", metavar="KEY=VALUE,…", help="KEY= brings back Kafka's own value")
    update.set_defaults(run=_update)
    rebalance = _command(commands, "rebalance", "spread replicas evenly over the brokers; status shows what moves")
    rebalance.add_argument("--broker", default="*", metavar="IDS", help="over these only, such as 0..2 (default: all)")
    rebalance.add_argument("--replicas", type=int, metavar="N", help="of each partition (default: as many as it has)")
    rebalance.add_argument("--timeout", default="5m", metavar="TIME", help="wait at most so long (%(default)s); 0: not")
    rebalance.set_defaults(run=_rebalance)


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, about: str, default: str | None = None
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=about)
    how_many = {"nargs": "?", "default": default} if default is not None else {}
    command.add_argument("topics", metavar="TOPICS", help="a,b or * or prefix*", **how_many)  # type: ignore[arg-type]
    command.add_argument("--json", action="store_true", help="print JSON")
    add_config_option(command)
    return command


@contextmanager
def _admin(options: argparse.Namespace) -> Iterator[tuple[KafkaAdminClient, Cluster]]:
    cluster = effective(options.config, installed_roles()).cluster
    cluster_id = kafka_cluster_id(load_key(options.config / KEY_FILE_NAME))
    with topic_admin.admin_of(cluster.bootstrap_servers, cluster_id) as admin:
        yield admin, cluster


def _list(options: argparse.Namespace) -> int:
    with _admin(options) as (admin, _):
        _print(topic_admin.describe(admin, options.topics), options.json)
    return 0


def _add(options: argparse.Namespace) -> int:
    names = [name.strip() for name in options.topics.split(",")]
    for name in names:
        if not re.fullmatch(r"[a-zA-Z0-9._-]{1,249}", name) or name in (".", ".."):
            raise UserError(f'"{name}": expected a topic name of letters, digits, ., _ and -, at most 249')
        if name.startswith("__"):
            raise UserError(f"topic {name}: Kafka makes its own, whose names begin with __, as it needs them")
    values = settings(options.options, "an option")
    with _admin(options) as (admin, cluster):
        partitions = _positive(options.partitions, "--partitions") or cluster.kafka.partitions
        replicas = _positive(options.replicas, "--replicas") or cluster.replication_factor
        topic_admin.add(admin, [TopicSpec(name, partitions, replicas, values) for name in names])
        _print(topic_admin.describe(admin, options.topics), options.json)
    return 0


def _update(options: argparse.Namespace) -> int:
    values = settings(options.options, "an option")
    partitions = _positive(options.partitions, "--partitions")
    if partitions is None and not values:
        raise UserError("topic update: nothing to do; give --partitions or --options")
    with _admin(options) as (admin, cluster):
        topics = topic_admin.describe(admin, options.topics)
        for topic in topics:
            _refuse_declared(topic, topic_specs(cluster), partitions, values)
        topic_admin.update(admin, topics, partitions, values)
        _print(topic_admin.describe(admin, options.topics), options.json)
    return 0


def _refuse_declared(
    topic: Topic, declared: Sequence[TopicSpec], partitions: int | None, values: Mapping[str, str]
) -> None:
    """What cluster.toml says of a topic would come back at the next start."""
    for spec in declared:
        if spec.name == topic.name:
            fixed = [
                *(["--partitions"] if partitions is not None else []),
                *(key for key in values if key in spec.settings),
            ]
            if fixed:
                raise UserError(f"topic {topic.name}: {fixed[0]} follows from [kafka] in cluster.toml; change it there")


def _rebalance(options: argparse.Namespace) -> int:
    timeout_s = seconds(options.timeout)
    with _admin(options) as (admin, _):
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
            print(f"{len(moved) - left} of {len(moved)} partitions have moved", file=sys.stderr, flush=True)

        done = timeout_s == 0 or topic_admin.wait_until_moved(admin, moved, timeout_s, progress)
        if not options.json:
            print(f"{len(moved)} partitions {'were to move' if timeout_s == 0 or not done else 'have moved'}")
        _print(topic_admin.describe(admin, options.topics), options.json)
    if not done:
        line = (
            f"not within {options.timeout}, and it goes on; sensorpi kafka topic rebalance status shows how far it is"
        )
        print(f"sensorpi: {line}", file=sys.stderr)
    return 0 if done else _TIMED_OUT


def _status(admin: KafkaAdminClient, as_json: bool) -> int:
    moving = topic_admin.moving(admin)
    if as_json:
        found = [{"topic": each.topic, "partition": each.partition, **dict(state)} for each, state in moving.items()]
        print(json.dumps(found))
    else:
        for each, state in sorted(moving.items()):
            print(f"{each.topic}-{each.partition}: to {state['adding_replicas']} from {state['removing_replicas']}")
        print(f"{len(moving)} partitions are on the move")
    return 0


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
