"""Lists, adds, updates and rebalances topics, as the topic commands ask for."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from sensorpi.common.cli.slowness import report_when_slow
from sensorpi.common.errors import UserError
from sensorpi.mesos_node.kafka.probe import connect, describe_cluster
from sensorpi.mesos_node.kafka.reassignment import Replicas, spread
from sensorpi.mesos_node.kafka.topics import TopicSpec

_POLL_S = 0.5
_SHOWN_S = 5.0
#: Kafka's number for the election of the preferred leader, the first replica.
_PREFERRED = 0


@dataclass(frozen=True)
class Partition:
    """The present state of a partition; ``leader`` is -1 when it has none."""

    id: int
    leader: int
    replicas: Replicas
    in_sync: tuple[int, ...]


@dataclass(frozen=True)
class Topic:
    """The present state of a topic; ``options`` are those that were set for it."""

    name: str
    partitions: tuple[Partition, ...]
    options: dict[str, str]


@contextmanager
def admin_of(bootstrap_servers: str, cluster_id: str, timeout_s: float = 30.0) -> Iterator[KafkaAdminClient]:
    """An admin client of the cluster of that id.

    Raises ``UserError`` when no broker answers, when another cluster does, or when a broker refuses what is asked in
    the block.
    """
    try:
        with ExitStack() as stack:
            with report_when_slow(f"Kafka at {bootstrap_servers}"):
                admin = stack.enter_context(connect(bootstrap_servers, timeout_s))
                describe_cluster(admin, bootstrap_servers, cluster_id)
            yield admin
    except KafkaError as error:
        raise UserError(f"Kafka at {bootstrap_servers}: {error}") from error


def matching(expression: str, names: Collection[str]) -> list[str]:
    """The names that an expression matches: ``a,b``, ``*``, ``prefix*``.

    Kafka's internal topics match only a part that begins with ``_``. Raises ``UserError`` when a part without ``*``
    matches nothing.
    """
    found: set[str] = set()
    for part in (part.strip() for part in expression.split(",")):
        hits = {name for name in names if fnmatchcase(name, part)}
        if not part.startswith("_"):
            hits = {name for name in hits if not name.startswith("__")}
        if not hits and "*" not in part:
            raise UserError(f'no topic is called "{part}"; `sensorpi kafka topic list` shows the topics')
        found |= hits
    return sorted(found)


def describe(admin: KafkaAdminClient, expression: str) -> list[Topic]:
    """The topics that an expression matches. Raises ``UserError``."""
    names = matching(expression, admin.list_topics())
    if not names:
        return []
    options = _options(admin, names)
    described = sorted(admin.describe_topics(names), key=lambda topic: str(topic["name"]))
    return [Topic(topic["name"], _partitions(topic["partitions"]), options[topic["name"]]) for topic in described]


def _partitions(described: Sequence[Mapping[str, object]]) -> tuple[Partition, ...]:
    partitions = [
        Partition(each["partition_index"], each["leader_id"], tuple(each["replica_nodes"]), tuple(each["isr_nodes"]))  # type: ignore[arg-type]
        for each in described
    ]
    return tuple(sorted(partitions, key=lambda partition: partition.id))


def _options(admin: KafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    described = admin.describe_configs(resources, config_filter="modified")["topic"]
    return {name: {key: value["value"] for key, value in sorted(described.get(name, {}).items())} for name in names}


def add(admin: KafkaAdminClient, specs: Sequence[TopicSpec]) -> None:
    """Create topics. Raises ``UserError`` when one of them exists, and then creates none."""
    present = set(admin.list_topics())
    for spec in specs:
        if spec.name in present:
            raise UserError(f"topic {spec.name} exists already; `sensorpi kafka topic update` changes it")
    topics = {
        spec.name: {
            "num_partitions": spec.partitions,
            "replication_factor": spec.replication_factor,
            "configs": spec.settings,
        }
        for spec in specs
    }
    # The errors that the library would raise quote the whole answer.
    for made in admin.create_topics(topics, raise_errors=False)["topics"]:
        if made["error_code"]:
            raise UserError(f"Kafka refuses topic {made['name']}: {made['error_message']}")
    admin.wait_for_topics(list(topics))


def update(
    admin: KafkaAdminClient, topics: Sequence[Topic], partitions: int | None, options: Mapping[str, str]
) -> None:
    """Add partitions up to a total, and set options; an empty value returns to the default. Raises ``UserError``."""
    if partitions is not None:
        for topic in topics:
            if len(topic.partitions) > partitions:
                raise UserError(f"topic {topic.name} has {len(topic.partitions)} partitions and cannot shrink")
        grown = {topic.name: partitions for topic in topics if len(topic.partitions) < partitions}
        if grown:
            admin.create_partitions(grown)
            admin.wait_for_topics(list(grown))
    if options:
        changes = {key: ("SET", value) if value else ("DELETE", None) for key, value in options.items()}
        names = [topic.name for topic in topics]
        _alter(admin, names, changes)
        _wait_until_shown(admin, names, options)


def _alter(admin: KafkaAdminClient, names: Sequence[str], changes: Mapping[str, object]) -> None:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, dict(changes)) for name in names]
    try:
        verdicts = admin.alter_configs(resources)["topic"]
    except ValueError as error:  # an option that Kafka does not know
        raise UserError(f"Kafka refuses the options: {error}") from None
    for name, verdict in verdicts.items():
        if verdict != "OK":
            raise UserError(f"Kafka refuses the options of topic {name}: {verdict}")


def _wait_until_shown(admin: KafkaAdminClient, names: Sequence[str], options: Mapping[str, str]) -> None:
    """Wait until a broker shows the change, but not for long: Kafka may write a value differently."""
    deadline = time.monotonic() + _SHOWN_S
    while time.monotonic() < deadline:
        shown = _options(admin, names).values()
        if all(each.get(key, "") == value for each in shown for key, value in options.items()):
            return
        time.sleep(0.1)


def live_brokers(admin: KafkaAdminClient) -> list[int]:
    """The ids of the brokers that are up."""
    return sorted(broker["broker_id"] for broker in admin.describe_cluster()["brokers"] if not broker["is_fenced"])


def start_moving(
    admin: KafkaAdminClient, topics: Sequence[Topic], brokers: Sequence[int], replicas: int | None
) -> list[TopicPartition]:
    """Spread the topics' replicas over the brokers; return the partitions that change. Raises ``UserError``."""
    present = {TopicPartition(topic.name, part.id): part.replicas for topic in topics for part in topic.partitions}
    wanted = spread(present, brokers, replicas)
    changes = {partition: list(chosen) for partition, chosen in wanted.items() if chosen != present[partition]}
    if changes:
        verdicts = admin.alter_partition_reassignments(changes)
        for partition in changes:
            if (error := verdicts.get(partition)) is not None:
                raise UserError(f"Kafka refuses to move {partition.topic}-{partition.partition}: {error.__name__}")
    return list(changes)


def moving(admin: KafkaAdminClient) -> dict[TopicPartition, Mapping[str, list[int]]]:
    """The partitions that are being moved, with what Kafka reports of each."""
    found: dict[TopicPartition, Mapping[str, list[int]]] = admin.list_partition_reassignments()
    return found


def wait_until_moved(
    admin: KafkaAdminClient, partitions: Collection[TopicPartition], timeout_s: float, progress: Callable[[int], None]
) -> bool:
    """Wait until they have moved, then make the preferred replicas lead; return False when ``timeout_s`` is over.

    ``progress`` is called with the number of partitions that still move, whenever it changes.
    """
    deadline = time.monotonic() + timeout_s
    before = -1
    while left := len(set(moving(admin)) & set(partitions)):
        if left != before:
            progress(left)
            before = left
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    if partitions:
        ids = {topic: [each.partition for each in partitions if each.topic == topic] for topic, _ in partitions}
        admin.elect_leaders(_PREFERRED, ids, raise_errors=False)
    return True
