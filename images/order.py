"""The order for the image of one node, checked as a whole before anything is built."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sensorpi.common.card.file import SOURCE, put_together, take_apart
from sensorpi.common.card.table import card_settings
from sensorpi.common.cluster import secrets
from sensorpi.common.cluster.model import Cluster, Node, parse, read
from sensorpi.common.cluster.schema import ROLES
from sensorpi.common.cluster.validators import nearest
from sensorpi.common.errors import UserError

SUITES = ("bookworm", "trixie")
ARCHITECTURES = ("arm64", "armel")

#: The example cluster, whose images anyone can build. Its key is made when it is first needed.
SHIPPED = Path(__file__).parents[1] / "packages/common/src/sensorpi/common/cluster/cluster.toml"
SHIPPED_KEY = Path(__file__).parents[1] / secrets.FILE_NAME

#: The table on a card without CARD.
CARD_TEMPLATE = """\
[card]                         # of this card only, not a part of the cluster file
#user = "pi"                   # who logs in by SSH with
#ssh_key = "ssh-ed25519 AAAA…" # this key, or ["…", "…"]; there are no passwords
#wifi = "NAME"                 # the network's name
#wifi_password = "…"
#country = "DE"                # where the radio is used
#timezone = "Europe/Berlin"
"""

#: These roles do not need the cluster's key.
_WITHOUT_KEY = {"sensor"}

#: Debian packages that a role's package leaves to the administrator to install.
_EXTRA = {"sensor": ("i2c-tools",)}
_NFS = {"mesos-worker": ("nfs-common",), "mesos-master": ("nfs-kernel-server",)}


@dataclass(frozen=True)
class Order:
    """One image. ``cluster_text`` is the given cluster file, ``key`` is None for a node that does not need it."""

    role: str
    node: Node
    cluster: Cluster
    cluster_text: str
    key: bytes | None
    suite: str
    architecture: str
    mirror: str | None = None
    url: str | None = None
    #: The given table ``[card]``.
    card: str = ""

    @property
    def name(self) -> str:
        """The name of its files, without a suffix."""
        return f"sensorpi-{self.role}-{self.node.name}-{self.suite}-{self.architecture}"

    @property
    def packages(self) -> list[str]:
        """The packages that are installed on the base: all roles of the node, and what they need on a card."""
        extra = [package for role in self.node.roles for package in _EXTRA.get(role, ())]
        if self.cluster.spark.checkpoint == "nfs":
            extra += [package for role in self.node.roles for package in _NFS.get(role, ())]
        return [*(f"sensorpi-{role}" for role in self.node.roles), *extra]

    @property
    def boot_files(self) -> dict[str, bytes]:
        """The files that identify the card, by their names on its boot partition."""
        text = put_together(self.node.name, self.card or CARD_TEMPLATE, self.cluster_text)
        files = {SOURCE: text.encode()}
        if self.key is not None:
            files[secrets.FILE_NAME] = self.key
        return files


def order(values: Mapping[str, str]) -> Order:
    """The order in the variables of `make image`: ROLE, NODE, CLUSTER, KEY, CARD, SUITE, ARCH, MIRROR, URL.

    An empty value counts as missing. Raises ``UserError`` for the first mistake.
    """
    role = _choice(values, "ROLE", ROLES)
    suite = _choice(values, "SUITE", SUITES, "bookworm")
    architecture = _choice(values, "ARCH", ARCHITECTURES, "arm64")
    path = Path(values.get("CLUSTER") or SHIPPED)
    given = _read(path, "CLUSTER")
    text = take_apart(given, os.fspath(path)).cluster_text  # the sensorpi.toml of a card can be given, too
    cluster = parse(text, os.fspath(path))
    names = [node.name for node in cluster.nodes]
    name = values.get("NODE") or ""
    if name not in names:
        raise UserError(f"{_said('NODE', name)}: {path} has no such node; {nearest(name, names)}")
    node = cluster.node(name)
    if role not in node.roles:
        raise UserError(f"ROLE={role}: {name} has the role {' and '.join(node.roles)} in {path}")
    if architecture == "armel" and (suite != "bookworm" or node.roles != ("sensor",)):
        raise UserError("ARCH=armel: only for a Pi Zero W or Pi 1 as sensor, with SUITE=bookworm")
    url = values.get("URL") or None
    if url is not None and not re.fullmatch(r"https?://\S+", url):
        raise UserError(f"URL={url}: expected the http address of the repository")
    card = _card(values, given, path)
    key = _key(path, values, node, cluster)
    return Order(role, node, cluster, text, key, suite, architecture, values.get("MIRROR") or None, url, card)


def _choice(values: Mapping[str, str], name: str, allowed: tuple[str, ...], default: str = "") -> str:
    value = values.get(name) or default
    if value not in allowed:
        raise UserError(f"{_said(name, value)}: expected one of {', '.join(allowed)}")
    return value


def _said(name: str, value: str) -> str:
    return f"{name}={value}" if value else f"{name} is missing"


def _read(path: Path, name: str) -> str:
    try:
        return read(path)
    except UserError as error:
        raise UserError(f"{name}={error}") from None


def _card(values: Mapping[str, str], text: str, path: Path) -> str:
    """The checked table in the file CARD, or else in the cluster file."""
    if given := values.get("CARD"):
        path = Path(given)
        text = _read(path, "CARD")
        if not take_apart(text, os.fspath(path)).card_text:
            raise UserError(f"CARD={path}: expected a table [card]")
    card_settings(text, os.fspath(path))
    return take_apart(text, os.fspath(path)).card_text


def _key(path: Path, values: Mapping[str, str], node: Node, cluster: Cluster) -> bytes | None:
    """The cluster's key: KEY, or else the one beside the cluster file, which is made for the example cluster."""
    if set(node.roles) <= _WITHOUT_KEY or cluster.is_one_machine:
        return None
    given = values.get("KEY")
    file = Path(given) if given else path.with_name(secrets.FILE_NAME)
    if not given and path.resolve() == SHIPPED.resolve():
        file = SHIPPED_KEY
        if not file.exists():
            secrets.make_key(file)
    return secrets.load_key(file)
