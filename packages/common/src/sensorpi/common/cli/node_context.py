"""What most commands begin with: the cluster file, this machine's node in it, the key, and whether a role waits."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sensorpi.common.cluster import model, secrets
from sensorpi.common.cluster.identity import identify, identify_or_fail
from sensorpi.common.cluster.model import Cluster, Node
from sensorpi.common.daemon import waiting
from sensorpi.common.errors import UserError


@dataclass(frozen=True)
class NodeContext:
    """What the configuration says on this node. Each part is read when it is first used, and raises ``UserError``."""

    #: The folder with cluster.toml and cluster.key.
    config: Path
    #: Be this node, instead of the one that this machine is.
    node_name: str | None = None

    @property
    def cluster_file(self) -> Path:
        """Where cluster.toml is, or would be."""
        return self.config / model.FILE_NAME

    @cached_property
    def cluster(self) -> Cluster:
        """The cluster that the file describes."""
        return model.load(self.cluster_file)

    @cached_property
    def known_node(self) -> Node | None:
        """The node, or None where neither the option, nor a name, nor an address of this machine tells."""
        return identify(self.cluster, self.config) if self.node_name is None else self.node

    @cached_property
    def node(self) -> Node:
        """The node. Where nothing tells which one, the error says how to name it."""
        return identify_or_fail(self.cluster, self.config, self.node_name)

    @cached_property
    def key(self) -> bytes:
        """The cluster's key."""
        return secrets.load_key(self.config / secrets.FILE_NAME)

    def node_with(self, role: str) -> Node:
        """The node, which must have this role."""
        if role not in self.node.roles:
            raise UserError(f"{self.node.name} does not have the role {role} in {self.cluster_file}")
        return self.node

    def is_told_to_wait(self, role: str) -> bool:
        """Whether ``sensorpi config apply`` found a reason for this role to wait."""
        return waiting.is_told_to_wait(self.config, role)

    def wait_if_told(self, role: str) -> bool:
        """Return False at once, or wait for SIGTERM where this role has a reason to wait, and return True."""
        return waiting.wait_if_told(self.config, role)


#: What a command does with its context and its options; returns the exit status.
Run = Callable[[NodeContext, argparse.Namespace], int]


def add_config_option(command: argparse.ArgumentParser) -> None:
    """Add `--config DIR`, which every command that reads the configuration has."""
    command.add_argument(
        "--config",
        type=Path,
        default=model.config_directory(),
        metavar="DIR",
        help="where cluster.toml and cluster.key are (default: $SENSORPI_CONFIG, else /etc/sensorpi)",
    )


def run_with_context(command: argparse.ArgumentParser, run: Run, *, node_option: bool = False) -> None:
    """Add `--config`, and `--node` if wanted, to a command, which then calls ``run`` with the context they name."""
    add_config_option(command)
    if node_option:
        command.add_argument("--node", metavar="NAME", help="be this node (default: the one that this machine is)")

    def run_in_context(options: argparse.Namespace) -> int:
        return run(NodeContext(options.config, options.node if node_option else None), options)

    command.set_defaults(run=run_in_context)
