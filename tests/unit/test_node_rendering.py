"""Rendered files: whole or not at all, and only where something changed."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorpi.common.cluster import parse
from sensorpi.common.errors import UserError
from sensorpi.common.secrets import INFLUXDB_READER, password
from sensorpi.mesos_node.node_files import node_files
from sensorpi.mesos_node.render import render
from tests.fakes.clusters import ONE_NODE, shipped

KEY = bytes(32)
names = st.text("abcdefgh.", min_size=1, max_size=8).filter(lambda name: name.strip("."))


@given(st.dictionaries(names, st.text()))
def test_rendering_twice_changes_nothing_the_second_time(files: dict[str, str]) -> None:
    with TemporaryDirectory() as directory:
        assert render(files, Path(directory)) == list(files)
        assert render(files, Path(directory)) == []
        assert {path.name: path.read_bytes().decode() for path in Path(directory).iterdir()} == files


def test_only_what_differs_is_written(tmp_path: Path) -> None:
    render({"a": "1", "sub/b": "2"}, tmp_path)
    untouched = (tmp_path / "a").stat().st_ino
    assert render({"a": "1", "sub/b": "3"}, tmp_path) == ["sub/b"]
    assert (tmp_path / "a").stat().st_ino == untouched


def test_a_reader_keeps_the_old_file_whole(tmp_path: Path) -> None:
    render({"a": "old"}, tmp_path)
    with (tmp_path / "a").open() as reader:
        render({"a": "new and longer"}, tmp_path)
        assert reader.read() == "old"


def test_a_rendered_file_is_for_owner_and_group_only(tmp_path: Path) -> None:
    render({"a": "secret"}, tmp_path)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_failure_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"cannot be written: No space left on device$"):
        render({"a": "1"}, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("node", "files"),
    [
        ("worker02", ["kafka/server.properties", "kafka/log4j2.xml"]),
        ("master01", ["influxdb.env", "grafana.env"]),
        ("master02", []),
        ("sensor01", []),
    ],
)
def test_a_nodes_roles_decide_its_files(node: str, files: list[str]) -> None:
    cluster = shipped()
    assert list(node_files(cluster, cluster.node(node), Path("/data"), KEY)) == files


def test_influxdb_asks_for_a_password_and_backs_up_over_loopback_only() -> None:
    cluster = shipped()
    lines = node_files(cluster, cluster.node("master01"), Path("/data"), KEY)["influxdb.env"].splitlines()
    assert {"INFLUXDB_HTTP_AUTH_ENABLED=true", "INFLUXDB_BIND_ADDRESS=127.0.0.1:8088"} <= set(lines)
    assert "INFLUXDB_HTTP_BIND_ADDRESS=:8086" in lines


def test_influxdb_on_one_machine_listens_on_loopback() -> None:
    cluster = parse(ONE_NODE, "cluster.toml")
    lines = node_files(cluster, cluster.nodes[0], Path("/data"), KEY)["influxdb.env"].splitlines()
    assert "INFLUXDB_HTTP_BIND_ADDRESS=127.0.0.1:8086" in lines


def test_grafana_gets_the_reading_users_password_only() -> None:
    cluster = shipped()
    text = node_files(cluster, cluster.node("master01"), Path("/data"), KEY)["grafana.env"]
    assert f"SENSORPI_INFLUXDB_PASSWORD={password(KEY, INFLUXDB_READER)}\n" in text
    for name in ("influxdb/admin", "influxdb/writer"):
        assert password(KEY, name) not in text
