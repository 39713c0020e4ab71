"""Checks each kind of file that holds configuration: a cluster's, a card's, a node's, and the cluster's key."""

import tomllib
from pathlib import Path

from voluptuous import Invalid

from sensorpi.common.card.file import check_node, take_apart
from sensorpi.common.card.table import card_settings
from sensorpi.common.cluster import secrets
from sensorpi.common.cluster.identity import identify_or_fail
from sensorpi.common.cluster.model import FILE_NAME, Cluster, load, parse, read
from sensorpi.common.cluster.validators import node_name
from sensorpi.common.errors import UserError


def described(path: Path) -> str:
    """What kind of file it is, and for which nodes. Raises ``UserError`` for its first mistake."""
    if path.name == secrets.FILE_NAME:
        secrets.load_key(path)
        return "a cluster's key"
    text = read(path)
    if _is_node_name(text.strip()):
        return _described_node(path, text.strip())
    file, source = take_apart(text, str(path)), str(path)
    if file.node is None and not file.card_text:
        return f"a cluster file; {_nodes(parse(text, source))}"
    card_settings(text, source)
    if file.node is None and not tomllib.loads(file.cluster_text):
        return "the table [card] of a card's file, for CARD of `make image`"
    cluster = parse(file.cluster_text, source)
    check_node(file.node, cluster, source)
    return f"a card's file{'' if file.node is None else f', for {file.node}'}; {_nodes(cluster)}"


def _nodes(cluster: Cluster) -> str:
    return f"nodes: {len(cluster.nodes)}, brokers: {len(cluster.workers)}"


def _is_node_name(text: str) -> bool:
    try:
        node_name(text)
    except Invalid:
        return False
    return True


def _described_node(path: Path, name: str) -> str:
    cluster_file = path.with_name(FILE_NAME)
    if cluster_file.is_file():
        try:
            identify_or_fail(load(cluster_file), path.parent, name)
        except UserError as mistake:
            raise UserError(f"{path}: {mistake}") from None
    return f"a node's file, which makes a machine {name}"
