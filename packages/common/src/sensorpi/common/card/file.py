"""Takes a card's sensorpi.toml apart: a cluster file, with `node` and `[card]` for this card only.

The file is read as TOML, whatever its layout: tables can be indented, dotted or inline.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sensorpi.common.cluster.model import Cluster, plain_text, read_toml
from sensorpi.common.cluster.validators import nearest
from sensorpi.common.errors import UserError

#: Its name on the boot partition.
SOURCE = "sensorpi.toml"


@dataclass(frozen=True)
class CardFile:
    """``node`` is None, and ``card`` is an empty table, if the file does not have them.

    In ``cluster_text`` the lines have the numbers that they have in the whole file. ``card_text`` is ``[card]`` as it
    is in the file, with its comments.
    """

    node: object = None
    card: object = field(default_factory=dict[str, Any])
    cluster_text: str = ""
    card_text: str = ""


def text_of(content: bytes, source: Path) -> str:
    """The text of a file on the boot partition, which any editor has written. Raises ``UserError``."""
    try:
        return plain_text(content)
    except UnicodeDecodeError as error:
        raise UserError(f"{source}: byte {error.start} is not UTF-8") from None


def take_apart(text: str, source: str) -> CardFile:
    """Take the text apart; ``source`` names it in messages. Raises ``UserError`` if it is not TOML."""
    data = read_toml(text, source)
    cluster, card = [], []
    for statement, key in _statements(text):
        if key == "card":
            card.append(statement)
        cluster.append("\n" * statement.count("\n") if key in ("card", "node") else statement)
    return CardFile(data.get("node"), data.get("card", {}), "".join(cluster), "".join(card))


def check_node(node: object, cluster: Cluster, source: str) -> None:
    """Raise ``UserError`` if a card's file names a node that its cluster does not have."""
    names = [each.name for each in cluster.nodes]
    if node is not None and node not in names:
        raise UserError(f'{source}: node = "{node}": the file has no such node; {nearest(node, names)}')


def put_together(node: str, card_text: str, cluster_text: str) -> str:
    """The text of a card's file. What the cluster file sets before its first table stays before ``[card]``."""
    statements = list(_statements(cluster_text))
    first_table = next((index for index, (text, _) in enumerate(statements) if _is_header(text)), len(statements))
    last_setting = max((index + 1 for index in range(first_table) if statements[index][1] is not None), default=0)
    head = "".join(text for text, _ in statements[:last_setting])
    rest = "".join(text for text, _ in statements[last_setting:])
    parts = (f'node = "{node}"  # the node that this card is for', head, card_text, rest)
    return "\n\n".join(part.strip("\n") for part in parts if part.strip("\n")) + "\n"


def _statements(text: str) -> Iterator[tuple[str, str | None]]:
    """The statements of a TOML text, each of one or more whole lines, with the first part of the key that it sets.

    A comment or an empty line belongs to the table before it, and to None before the first table.
    """
    table, statement = None, ""
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        statement += line
        try:
            data = tomllib.loads(statement)
        except ValueError:  # its value ends on a later line
            continue
        first = next(iter(data), None)
        if _is_header(statement):
            table = first
        yield statement, first if table is None else table
        statement = ""


def _is_header(statement: str) -> bool:
    return statement.lstrip().startswith("[")
