"""What a command knows of its node: each part is read once, when it is used."""

import argparse
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from sensorpi.common.cli.node_context import NodeContext, run_with_context
from sensorpi.common.cluster.model import example_text
from sensorpi.common.cluster.secrets import make_key
from sensorpi.common.errors import UserError


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "cluster.toml").write_text(example_text())
    (tmp_path / "node").write_text("worker02\n")
    return tmp_path


def test_nothing_is_read_before_it_is_used(tmp_path: Path) -> None:
    context = NodeContext(tmp_path / "missing")
    assert not context.wait_if_told("sensor")
    for part in ("cluster", "node", "known_node", "key"):
        with pytest.raises(UserError, match=r"No such file|is missing"):
            getattr(context, part)


def test_each_part_is_read_once(config: Path) -> None:
    key = make_key(config / "cluster.key")
    context = NodeContext(config)
    first = (context.cluster, context.node, context.known_node, context.key)
    for file in list(config.iterdir()):
        file.unlink()
    assert (context.cluster, context.node, context.known_node, context.key) == first
    assert (context.node.name, context.key) == ("worker02", key)


def test_an_option_names_another_node(config: Path) -> None:
    context = NodeContext(config, "worker01")
    assert context.node == context.known_node == context.cluster.node("worker01")


def test_an_unknown_machine_is_not_an_error_by_itself(config: Path, mocker: MockerFixture) -> None:
    mocker.patch("socket.gethostname", return_value="elsewhere")
    (config / "node").unlink()
    assert NodeContext(config).known_node is None
    with pytest.raises(UserError, match="write one of sensor01"):
        _ = NodeContext(config).node


def test_a_missing_role_is_named(config: Path) -> None:
    context = NodeContext(config)
    assert context.node_with("mesos-worker").name == "worker02"
    with pytest.raises(UserError, match=r"^worker02 does not have the role mesos-master in /.*/cluster\.toml$"):
        context.node_with("mesos-master")


def test_a_reason_to_wait_is_found(config: Path) -> None:
    (config / "waiting").mkdir()
    (config / "waiting/sensor").write_text("no broker\n")
    assert NodeContext(config).is_told_to_wait("sensor")
    assert not NodeContext(config).is_told_to_wait("mesos-worker")


@pytest.mark.parametrize(("node_option", "words"), [(False, []), (True, ["--node", "worker03"])])
def test_a_command_is_given_its_context(
    config: Path, mocker: MockerFixture, node_option: bool, words: list[str]
) -> None:
    run = mocker.Mock(return_value=7)
    command = argparse.ArgumentParser()
    run_with_context(command, run, node_option=node_option)
    command.add_argument("--more", action="store_true")
    options = command.parse_args(["--config", str(config), "--more", *words])
    assert options.run(options) == 7
    assert options.more
    run.assert_called_once_with(NodeContext(config, "worker03" if node_option else None), options)
