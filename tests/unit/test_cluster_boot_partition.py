"""What lies on a card's boot partition is taken once, and only when it is right."""

from pathlib import Path

import pytest

from sensorpi.common.boot_partition import take_in
from sensorpi.common.cluster import load
from sensorpi.common.errors import UserError
from tests.fakes.clusters import ONE_NODE, shipped_text


class Card:
    """The boot partition of a card, and the system beside it."""

    def __init__(self, folder: Path) -> None:
        self.boot, self.etc, self.lib = folder / "boot", folder / "etc", folder / "lib"
        self.boot.mkdir()
        self.etc.mkdir()
        (self.etc / "cluster.toml").write_text(shipped_text())

    def take_in(self) -> str | None:
        return take_in(self.etc, self.lib, [self.boot.with_name("missing"), self.boot])


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return Card(tmp_path)


def test_an_empty_partition_changes_nothing(card: Card) -> None:
    assert card.take_in() is None
    assert (card.etc / "cluster.toml").read_text() == shipped_text()


def test_a_new_file_replaces_the_old_one_and_keeps_it(card: Card) -> None:
    (card.boot / "sensorpi.toml").write_text(ONE_NODE)
    assert "took" in str(card.take_in())
    assert (card.etc / "cluster.toml").read_text() == ONE_NODE
    assert (card.etc / "cluster.toml.old").read_text() == shipped_text()


def test_it_is_taken_once_so_that_later_edits_stay(card: Card) -> None:
    (card.boot / "sensorpi.toml").write_text(ONE_NODE)
    card.take_in()
    (card.etc / "cluster.toml").write_text(shipped_text())
    assert card.take_in() is None
    assert (card.etc / "cluster.toml").read_text() == shipped_text()
    (card.boot / "sensorpi.toml").write_text(ONE_NODE + "# another\n")
    assert card.take_in() is not None


def test_it_may_name_the_node(card: Card) -> None:
    (card.boot / "sensorpi.toml").write_bytes(b'node = "worker02"  # this card\r\n' + shipped_text().encode())
    card.take_in()
    assert (card.etc / "node").read_text() == "worker02\n"
    assert load(card.etc / "cluster.toml").nodes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[nodes.a]\n", "nodes.a"),
        ('node = "worker09"\n' + shipped_text(), 'node = "worker09"'),
        ("nonsense", "not TOML"),
    ],
)
def test_a_mistake_is_said_and_nothing_is_taken(card: Card, text: str, message: str) -> None:
    (card.boot / "sensorpi.toml").write_text(text)
    with pytest.raises(UserError, match=message):
        card.take_in()
    assert (card.etc / "cluster.toml").read_text() == shipped_text()
    assert not (card.etc / "node").exists()


def test_a_key_is_moved_away_from_the_partition(card: Card) -> None:
    (card.boot / "cluster.key").write_bytes(bytes(32))
    card.take_in()
    assert (card.etc / "cluster.key").read_bytes() == bytes(32)
    assert (card.etc / "cluster.key").stat().st_mode & 0o777 == 0o640
    assert not (card.boot / "cluster.key").exists()


def test_a_broken_key_stays_where_it_is(card: Card) -> None:
    (card.boot / "cluster.key").write_bytes(b"short")
    with pytest.raises(UserError, match="32 bytes, not 5"):
        card.take_in()
    assert (card.boot / "cluster.key").exists()
    assert not (card.etc / "cluster.key").exists()
