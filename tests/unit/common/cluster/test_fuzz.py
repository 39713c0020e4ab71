"""Cluster files, cards' files and keys of any content: a value, or one line that names the file."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorpi.common.card.boot_partition import take_in
from sensorpi.common.card.table import card_settings
from sensorpi.common.card.wifi import supplicant_file
from sensorpi.common.cluster.model import example_text, load, parse
from sensorpi.common.errors import UserError
from tests.fakes.clusters import ONE_NODE
from tests.fakes.damage import damaged

CARD = f"""node = "box"
[card]
user = "pi"
ssh_key = "ssh-ed25519 AAAAC3Nz pi@desk"
wifi = "net"
wifi_password = "12345678"
country = "DE"
timezone = "Europe/Berlin"
{ONE_NODE}
[spark]
master = "spark://192.0.2.7:7077"
[mesos]
job_agent_timeout_s = 30
"""
#: Values where others are expected.
VALUES = (
    '""', '"x"', "0", "-1", "1e400", "nan", "inf", "true", "[]", "[[]]", "{}", "{ a = 1 }", "1979-05-27T07:32:00Z",
    "07:32:00", "9" * 400, '"local[999999999999]"', '"spark://[::1"', '"mesos://"', '"fe80::1%eth0"', '"\\u0000"',
)  # fmt: skip


@st.composite
def changed(draw: st.DrawFn, text: str) -> str:
    """The text with another value in some lines, some lines left out, or other bytes."""
    lines = text.split("\n")
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        key, equals, _ = lines[at].removeprefix("#").partition("=")
        lines[at] = f"{key}= {draw(st.sampled_from(VALUES))}" if equals and draw(st.booleans()) else ""
    whole = "\n".join(lines)
    return draw(st.one_of(st.just(whole), damaged(whole.encode()).map(lambda each: each.decode("utf-8", "replace"))))


def is_one_line(error: UserError, file: str) -> None:
    assert str(error).startswith(file)
    assert "\n" not in str(error)
    assert len(str(error)) < 2000


@pytest.mark.fuzz
@given(st.one_of(changed(example_text()), changed(ONE_NODE), changed(CARD)))
def test_a_cluster_file_is_a_cluster_or_one_line(text: str) -> None:
    try:
        cluster = parse(text, "c.toml")
    except UserError as error:
        is_one_line(error, "c.toml: ")
        return
    assert cluster.bootstrap_servers
    assert cluster.workers


@pytest.mark.fuzz
@given(changed(CARD))
def test_a_cards_table_is_settings_or_one_line(text: str) -> None:
    try:
        settings = card_settings(text, "s.toml")
    except UserError as error:
        is_one_line(error, "s.toml: ")
        return
    if settings.wifi is not None:
        assert supplicant_file(settings.wifi).count("network={") == 1


@pytest.mark.fuzz
@given(damaged(CARD.encode()), st.one_of(st.none(), st.binary(max_size=40)), st.one_of(st.none(), st.binary()))
def test_a_boot_partition_is_taken_or_one_line(text: bytes, key: bytes | None, taken: bytes | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        partition, config, state = (Path(folder) / name for name in ("boot", "etc", "state"))
        partition.mkdir()
        (partition / "sensorpi.toml").write_bytes(text)
        if key is not None:
            (partition / "cluster.key").write_bytes(key)
        if taken is not None:
            state.mkdir()
            (state / "taken").write_bytes(taken)
        try:
            take_in(config, state, [partition])
        except UserError as error:
            is_one_line(error, str(partition))
            return
        load(config / "cluster.toml")


@pytest.mark.fuzz
@given(damaged(example_text().encode()))
def test_any_bytes_in_a_file_are_a_cluster_or_one_line(content: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(content)
        try:
            load(Path(file.name))
        except UserError as error:
            is_one_line(error, f"{file.name}: ")
