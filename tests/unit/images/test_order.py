"""The order of `make image` is checked as a whole before anything is built."""

import tomllib
from pathlib import Path

import pytest

from images import order as images_order
from images.__main__ import main
from images.base import sources
from images.order import SHIPPED, Order, order
from sensorpi.common.card.boot_partition import take_in
from sensorpi.common.errors import UserError

ONE_MACHINE = (
    '[nodes.all]\naddress = "127.0.0.1"\nroles = ["sensor", "mesos-worker", "mesos-master", "influx-grafana"]\n'
)


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    """A copy of the example with a key beside it."""
    (tmp_path / "cluster.toml").write_bytes(SHIPPED.read_bytes())
    (tmp_path / "cluster.key").write_bytes(bytes(range(32)))
    (tmp_path / "cluster.key").chmod(0o640)
    return tmp_path / "cluster.toml"


def asked(cluster: Path, **values: str) -> Order:
    return order({"ROLE": "mesos-worker", "NODE": "worker01", "CLUSTER": str(cluster), **values})


def test_defaults_are_the_shipped_cluster_bookworm_and_arm64() -> None:
    made = order({"ROLE": "sensor", "NODE": "sensor01", "CLUSTER": "", "SUITE": ""})
    assert made.name == "sensorpi-sensor-sensor01-bookworm-arm64"
    assert made.packages[0] == "sensorpi-sensor"


def test_a_sensors_card_has_no_key_and_the_others_have(cluster: Path) -> None:
    assert set(asked(cluster, ROLE="sensor", NODE="sensor01").boot_files) == {"sensorpi.toml"}
    assert asked(cluster).boot_files["cluster.key"] == bytes(range(32))


def test_the_example_clusters_key_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images_order, "SHIPPED_KEY", tmp_path / "cluster.key")
    first, second = (order({"ROLE": "mesos-worker", "NODE": "worker01"}).key for _ in range(2))
    assert first is not None
    assert first == second == (tmp_path / "cluster.key").read_bytes()


def test_the_card_takes_in_what_is_put_on_it(cluster: Path, tmp_path: Path) -> None:
    partition = tmp_path / "boot"
    partition.mkdir()
    for name, content in asked(cluster).boot_files.items():
        (partition / name).write_bytes(content)
    take_in(tmp_path / "etc", tmp_path / "state", [partition])
    assert (tmp_path / "etc/node").read_text() == "worker01\n"
    taken = tomllib.loads((tmp_path / "etc/cluster.toml").read_text())
    assert taken == tomllib.loads(SHIPPED.read_text())
    assert (tmp_path / "etc/cluster.key").read_bytes() == bytes(range(32))
    assert not (partition / "cluster.key").exists()


def test_a_file_from_a_card_can_be_given_again(cluster: Path) -> None:
    card = '[card]\nwifi = "n"\ncountry = "DE"\n'
    text = f'\ufeffnode = "worker02"\n{card}\n{SHIPPED.read_text()}'.replace("\n", "\r\n")
    cluster.write_bytes(text.encode())
    text = asked(cluster).boot_files["sensorpi.toml"].decode()
    assert text.count("node =") == 1
    assert text.count("[card]") == 1
    assert "\r" not in text
    assert tomllib.loads(text)["node"] == "worker01"
    assert tomllib.loads(text)["card"] == {"wifi": "n", "country": "DE"}


def test_card_adds_the_table_of_a_file(cluster: Path, tmp_path: Path) -> None:
    (tmp_path / "card.toml").write_text('[card]\ntimezone = "UTC"\n')
    text = asked(cluster, CARD=str(tmp_path / "card.toml")).boot_files["sensorpi.toml"].decode()
    assert tomllib.loads(text)["card"] == {"timezone": "UTC"}


def test_all_roles_are_installed_with_nfs_for_a_share(cluster: Path) -> None:
    cluster.write_text(SHIPPED.read_text().replace('#checkpoint = "local"', 'checkpoint = "nfs"  #'))
    assert "nfs-common" in asked(cluster).packages
    assert "nfs-kernel-server" in asked(cluster, ROLE="mesos-master", NODE="master02").packages
    cluster.write_text(ONE_MACHINE)
    packages = asked(cluster, NODE="all").packages
    assert {"sensorpi-sensor", "sensorpi-mesos-worker", "sensorpi-influx-grafana"} <= set(packages)


def test_the_mirrors_three_suites(cluster: Path) -> None:
    assert sources(asked(cluster)) == []
    assert sources(asked(cluster, MIRROR="http://m/debian/")) == [
        "deb http://m/debian bookworm main non-free-firmware",
        "deb http://m/debian bookworm-updates main non-free-firmware",
        "deb http://m/debian-security bookworm-security main non-free-firmware",
    ]


@pytest.mark.parametrize(
    ("values", "mistake"),
    [
        ({"ROLE": ""}, "ROLE is missing: expected one of sensor, "),
        ({"ROLE": "worker"}, "ROLE=worker: expected one of sensor, "),
        ({"NODE": ""}, "NODE is missing: "),
        ({"NODE": "worker1"}, 'NODE=worker1: {cluster} has no such node; did you mean "worker01"?'),
        ({"NODE": "master01"}, "ROLE=mesos-worker: master01 has the role influx-grafana in {cluster}"),
        ({"CLUSTER": "/nowhere.toml"}, "CLUSTER=/nowhere.toml: No such file"),
        ({"KEY": "/nowhere.key"}, "/nowhere.key is missing"),
        ({"SUITE": "bullseye"}, "SUITE=bullseye: expected one of bookworm, trixie"),
        ({"ARCH": "amd64"}, "ARCH=amd64: expected one of arm64, armel"),
        ({"ARCH": "armel"}, "ARCH=armel: only for"),
        ({"ROLE": "sensor", "NODE": "sensor01", "ARCH": "armel", "SUITE": "trixie"}, "with SUITE=bookworm"),
        ({"URL": "server"}, "URL=server: expected the http address"),
        ({"CARD": "/nowhere.toml"}, "CARD=/nowhere.toml: No such file"),
        ({"CARD": "{cluster}"}, "expected a table [card]"),
    ],
)
def test_a_mistake_is_one_line(cluster: Path, values: dict[str, str], mistake: str) -> None:
    values = {name: value.format(cluster=cluster) for name, value in values.items()}
    with pytest.raises(UserError) as error:
        asked(cluster, **values)
    assert mistake.format(cluster=cluster) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("arguments", [[], ["bake"], ["check", "build"]])
def test_an_unknown_step_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("image: expected check or build")


def test_a_missing_key_is_reported(cluster: Path) -> None:
    cluster.with_name("cluster.key").unlink()
    with pytest.raises(UserError, match="cluster init"):
        asked(cluster)


def test_a_mistake_in_the_cluster_file_names_its_line(cluster: Path) -> None:
    text = f'node = "worker01"\n[card]\nuser = "pi"\n{SHIPPED.read_text()}engine =\n'
    cluster.write_text(text)
    with pytest.raises(UserError, match=f"not TOML: .*line {len(text.splitlines())}"):
        asked(cluster)
