"""A sensor's card in QEMU: first boot, second boot, an edited sensorpi.toml, a broken one."""

import re

import pytest

from tests.image.card import CARD_BYTES, Card
from tests.image.conftest import CLUSTER, NewCard
from tests.image.qemu import Report, boot

SERVICES = "sensorpi-config.service card-setup.service sensorpi-sensor.service ssh.service systemd-networkd.service"
WHO = """\
report "host $(hostname)"
report "machine $(cat /etc/machine-id)"
report "key $(sha256sum </etc/ssh/ssh_host_ed25519_key.pub)"
report "root $(findmnt -n -b -o SIZE /)"
report "options $(findmnt -n -o OPTIONS /)"
report "swap $(wc -l </proc/swaps)"
report "journal $(journalctl --header | grep -c /run/log/journal)"
report "watchdog $(systemctl show --value -p RuntimeWatchdogUSec)"
report "memory $(grep -c memory /sys/fs/cgroup/cgroup.controllers)"
report "rate $(grep rate_hz /run/sensorpi/cluster.toml)"
report "address $(grep -h Address /run/systemd/network/20-wired.network.d/address.conf)"
"""


@pytest.fixture(scope="module")
def card(new_card: NewCard) -> Card:
    """It boots several times, in the order of the tests."""
    return new_card("sensor")


@pytest.fixture(scope="module")
def first(card: Card) -> Report:
    """What it reported at its first boot."""
    return boot(card, f"wait_active {SERVICES}\n{WHO}")


def test_at_the_first_boot_every_service_runs(first: Report) -> None:
    first.require_good_end()
    assert {first.values[service] for service in SERVICES.split()} == {"active"}


def test_the_card_knows_who_it_is(first: Report) -> None:
    assert first.values["host"] == "shed"
    assert first.values["address"] == "Address=10.0.0.99/24"
    assert re.fullmatch("[0-9a-f]{32}", first.values["machine"])


def test_the_root_file_system_has_grown_to_the_card(first: Report, card: Card) -> None:
    assert card.starts[1] + card.root_bytes == CARD_BYTES
    assert int(first.values["root"]) > 0.9 * card.root_bytes


def test_it_spares_the_card(first: Report) -> None:
    assert "noatime" in first.values["options"]
    assert first.values["swap"] == "1"  # the table's header
    assert int(first.values["journal"]) > 0
    assert first.values["watchdog"] == "14s"
    assert first.values["memory"] == "1"


@pytest.fixture(scope="module")
def second(first: Report, card: Card) -> Report:
    """The next boot, after sensorpi.toml was edited on a laptop with other line ends."""
    first.require_good_end()
    text = card.boot_text("sensorpi.toml") + "[sensor]\nrate_hz = 2.0\n"
    card.write_boot("sensorpi.toml", text.replace("\n", "\r\n"))
    return boot(card, f"wait_active {SERVICES}\n{WHO}")


def test_a_second_boot_keeps_identity_and_takes_what_was_edited(first: Report, second: Report) -> None:
    second.require_good_end()
    for what in ("host", "machine", "key", "root"):
        assert second.values[what] == first.values[what]
    assert first.values["rate"] != second.values["rate"] == "rate_hz = 2.0"


def test_a_broken_file_is_reported_and_the_last_good_one_used(second: Report, card: Card) -> None:
    second.require_good_end()
    card.write_boot("sensorpi.toml", f'node = "shed"\n{CLUSTER}[sensor]\nrate_hs = 5\n')
    third = boot(card, f"wait_active {SERVICES}\n{WHO}")
    third.require_good_end()
    assert third.values["rate"] == "rate_hz = 2.0"
    assert "rate_hs = 5: unknown key" in third.console


@pytest.mark.parametrize(
    ("board", "kind"),
    [("raspi3b", ("bookworm", "arm64")), ("virt", ("trixie", "arm64")), ("raspi0", ("bookworm", "armel"))],
    ids=["pi3", "trixie", "zero"],
)
def test_it_boots_on_the_boards_from_its_own_partitions(new_card: NewCard, board: str, kind: tuple[str, str]) -> None:
    report = boot(new_card("sensor", *kind), f"wait_active {SERVICES}\nreport host $(hostname)", board=board)
    report.require_good_end()
    assert {report.values[service] for service in SERVICES.split()} == {"active"}
    assert report.values["host"] == "shed"
