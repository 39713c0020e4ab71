"""The files on a card's boot partition are taken once, and only if they are correct."""

import errno
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from sensorpi.common.card import boot_partition
from sensorpi.common.card.boot_partition import take_in
from sensorpi.common.cluster.model import example_text
from sensorpi.common.config import apply_command
from sensorpi.common.config.apply import Places
from sensorpi.common.errors import UserError
from tests.fakes.clusters import ONE_NODE

KEY = bytes(range(32))


class Card:
    """The boot partition of a card, and its system."""

    def __init__(self, folder: Path) -> None:
        self.boot, self.etc, self.lib = folder / "boot", folder / "etc", folder / "lib"
        self.boot.mkdir()
        self.etc.mkdir()
        (self.etc / "cluster.toml").write_text(example_text())

    def take_in(self) -> str | None:
        return take_in(self.etc, self.lib, [self.boot.with_name("missing"), self.boot])


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return Card(tmp_path)


def test_an_empty_partition_changes_nothing(card: Card) -> None:
    assert card.take_in() is None
    assert (card.etc / "cluster.toml").read_text() == example_text()


def test_a_new_file_replaces_the_old_one_and_keeps_it(card: Card) -> None:
    (card.boot / "sensorpi.toml").write_text(ONE_NODE)
    assert "took" in str(card.take_in())
    assert (card.etc / "cluster.toml").read_text() == ONE_NODE
    assert (card.etc / "cluster.toml.old").read_text() == example_text()


def test_a_file_that_changes_nothing_leaves_no_copy(card: Card) -> None:
    (card.boot / "sensorpi.toml").write_text(example_text())
    assert "took" in str(card.take_in())
    assert not (card.etc / "cluster.toml.old").exists()


def test_it_is_taken_once_so_that_later_edits_stay(card: Card) -> None:
    (card.boot / "sensorpi.toml").write_text(ONE_NODE)
    card.take_in()
    (card.etc / "cluster.toml").write_text(example_text())
    assert card.take_in() is None
    assert (card.etc / "cluster.toml").read_text() == example_text()
    (card.boot / "sensorpi.toml").write_text(ONE_NODE + "# another\n")
    assert card.take_in() is not None


@pytest.mark.parametrize("beginning", ['node = "worker02"  # this card', "node = 'worker02'", '\ufeffnode="worker02"'])
def test_it_may_name_the_node(card: Card, beginning: str) -> None:
    text = f"{beginning}\n{example_text()}"
    (card.boot / "sensorpi.toml").write_bytes(text.replace("\n", "\r\n").encode())
    card.take_in()
    assert (card.etc / "node").read_text() == "worker02\n"
    assert (card.etc / "cluster.toml").read_bytes() == f"\n{example_text()}".encode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[nodes.a]\n", "nodes.a"),
        (
            'node = "worker09"\n' + example_text(),
            'node = "worker09": the file has no such node; did you mean "worker0',
        ),
        ("node = worker02\n" + example_text(), "not TOML: .*line 1"),
        ("node = 2\n" + example_text(), 'node = "2": the file has no such node'),
        ("nonsense", "not TOML"),
    ],
)
def test_a_mistake_is_reported_and_nothing_is_taken(card: Card, text: str, message: str) -> None:
    (card.boot / "sensorpi.toml").write_text(text)
    with pytest.raises(UserError, match=message):
        card.take_in()
    assert (card.etc / "cluster.toml").read_text() == example_text()
    assert not (card.etc / "node").exists()


def test_a_key_is_moved_away_from_the_partition(card: Card) -> None:
    (card.boot / "cluster.key").write_bytes(KEY)
    assert str(card.boot / "cluster.key") in str(card.take_in())
    assert (card.etc / "cluster.key").read_bytes() == KEY
    assert (card.etc / "cluster.key").stat().st_mode & 0o777 == 0o640
    assert not (card.boot / "cluster.key").exists()


def test_nothing_of_the_key_stays_in_the_blocks_that_it_had(card: Card) -> None:
    (card.boot / "cluster.key").write_bytes(KEY)
    (card.boot / "blocks").hardlink_to(card.boot / "cluster.key")
    card.take_in()
    assert (card.boot / "blocks").read_bytes() == bytes(32)


def test_a_power_cut_while_the_key_is_erased_does_not_lose_it(card: Card) -> None:
    (card.etc / "cluster.key").write_bytes(KEY)
    (card.boot / "cluster.key").write_bytes(bytes(32))
    card.take_in()
    assert (card.etc / "cluster.key").read_bytes() == KEY
    assert not (card.boot / "cluster.key").exists()


def test_a_key_that_cannot_be_deleted_is_reported(card: Card, mocker: MockerFixture) -> None:
    key = card.boot / "cluster.key"
    key.write_bytes(KEY)
    mocker.patch.object(boot_partition, "erase", side_effect=OSError(errno.EROFS, "Read-only file system", str(key)))
    with pytest.raises(UserError, match=r"cluster\.key: was copied to .*/etc, .* \(Read-only file system\)"):
        card.take_in()
    assert (card.etc / "cluster.key").read_bytes() == KEY


def test_a_broken_key_stays_where_it_is(card: Card) -> None:
    (card.boot / "cluster.key").write_bytes(b"short")
    with pytest.raises(UserError, match="32 bytes, not 5"):
        card.take_in()
    assert (card.boot / "cluster.key").exists()
    assert not (card.etc / "cluster.key").exists()


def test_an_unreadable_partition_is_reported_and_ignored(
    tmp_path: Path, mocker: MockerFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    error = OSError(errno.EIO, "Input/output error", "/boot/firmware/sensorpi.toml")
    mocker.patch.object(apply_command, "take_in", side_effect=error)
    [mistake] = apply_command._take_in_boot_partition(Places(config=tmp_path))
    assert mistake == "/boot/firmware/sensorpi.toml: Input/output error; the file is ignored"
    assert capsys.readouterr().err == f"sensorpi: {mistake}\n"
