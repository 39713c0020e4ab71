"""`sensorpi config apply`: what the services read follows the configuration, and only what changed is restarted."""

from pathlib import Path

import pytest

from sensorpi.common.cluster.model import example_text
from sensorpi.common.cluster.secrets import INFLUXDB_READER, load_key, make_key, password
from sensorpi.common.config.apply import Places, apply
from sensorpi.common.errors import UserError

ALL = ("sensor", "mesos-worker", "mesos-master", "influx-grafana")


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A fresh machine."""
    config = tmp_path / "etc"
    config.mkdir()
    (config / "cluster.toml").write_text(example_text())
    return Places(config, tmp_path / "run", tmp_path / "lib")


def as_node(places: Places, name: str) -> None:
    (places.config / "node").write_text(f"{name}\n")


def change(places: Places, old: str, new: str) -> None:
    file = places.config / "cluster.toml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def test_a_fresh_machine_makes_its_own_key(places: Places) -> None:
    applied = apply(places, ALL)
    assert applied.waiting == {}
    key = load_key(places.config / "cluster.key")
    assert (places.rendered / "cluster.key").read_bytes() == key
    assert password(key, INFLUXDB_READER) in (places.rendered / "dashboard.env").read_text()
    assert (places.rendered / "engine-standalone").exists()


def test_applying_twice_changes_nothing(places: Places) -> None:
    apply(places, ALL)
    assert apply(places, ALL).changed_systemd_units == []


def test_secrets_are_not_for_everybody_and_the_rest_is(places: Places) -> None:
    apply(places, ALL)
    modes = {name: (places.rendered / name).stat().st_mode & 0o777 for name in ("cluster.key", "dashboard.env", "node")}
    assert modes == {"cluster.key": 0o640, "dashboard.env": 0o640, "node": 0o644}


def test_a_node_of_a_cluster_makes_no_key_and_waits_for_one(places: Places) -> None:
    as_node(places, "worker01")
    assert "cluster.key" in apply(places, ["mesos-worker"]).waiting["mesos-worker"]
    assert not (places.config / "cluster.key").exists()


def test_a_key_that_arrives_wakes_the_role(places: Places) -> None:
    as_node(places, "worker01")
    apply(places, ["mesos-worker"])
    make_key(places.config / "cluster.key")
    applied = apply(places, ["mesos-worker"])
    assert applied.waiting == {}
    assert "sensorpi-mesos-worker.target" in applied.changed_systemd_units


def test_a_boot_that_finds_no_node_keeps_the_last_one(places: Places) -> None:
    as_node(places, "sensor01")
    apply(places, ["sensor"])
    (places.config / "node").unlink()
    apply(places, ["sensor"], at_boot=True)
    assert (places.rendered / "node").read_text() == "sensor01\n"


def test_a_sensor_needs_no_key(places: Places) -> None:
    as_node(places, "sensor01")
    assert apply(places, ["sensor"]).waiting == {}


@pytest.mark.parametrize(
    ("old", "new", "units"),
    [
        ("#rate_hz = 1.0", "rate_hz = 5.0", ["sensorpi-sensor.service"]),
        ("#trigger_ms = 1000", "trigger_ms = 500", ["sensorpi-spark-job.service"]),
        ("#retention_hours = 720", "retention_hours = 48", ["sensorpi-kafka-topics.service", "sensorpi-kafka.service"]),
        ("#port = 8080", "port = 8081", ["sensorpi-dashboard.service"]),
        ("[dashboard]", "# a remark\n[dashboard]", []),
    ],
)
def test_only_the_units_that_a_setting_concerns_are_restarted(
    places: Places, old: str, new: str, units: list[str]
) -> None:
    change(places, 'roles = ["sensor"]', 'roles = ["sensor", "mesos-worker", "mesos-master", "influx-grafana"]')
    change(places, 'roles = ["influx-grafana"]', 'roles = ["mesos-worker"]')
    change(places, 'roles = ["mesos-master"]', 'roles = ["mesos-worker"]')
    as_node(places, "sensor01")
    make_key(places.config / "cluster.key")
    apply(places, ALL)
    change(places, old, new)
    assert apply(places, ALL).changed_systemd_units == units


def test_another_key_restarts_what_uses_one(places: Places) -> None:
    apply(places, ALL)
    (places.config / "cluster.key").write_bytes(bytes(32))
    changed = apply(places, ALL).changed_systemd_units
    assert "sensorpi-kafka.service" in changed
    assert "sensorpi-sensor.service" not in changed


def test_a_mistake_on_a_running_node_changes_nothing(places: Places) -> None:
    apply(places, ALL)
    before = (places.rendered / "cluster.toml").read_text()
    change(places, "[dashboard]", "[dashbord]")
    with pytest.raises(UserError, match=r"dashbord: unknown key"):
        apply(places, ALL)
    assert (places.rendered / "cluster.toml").read_text() == before


def test_a_boot_with_a_mistake_uses_the_last_good_configuration(places: Places, tmp_path: Path) -> None:
    apply(places, ALL)
    change(places, "[dashboard]", "[dashbord]")
    booted = Places(places.config, tmp_path / "run after the boot", places.last_good)
    applied = apply(booted, ALL, at_boot=True)
    assert "dashbord" in str(applied.mistake)
    for name in ("cluster.toml", "cluster.key", "node", "dashboard.env"):
        assert (booted.rendered / name).read_bytes() == (places.rendered / name).read_bytes()


def test_a_first_configuration_with_a_mistake_renders_nothing(places: Places) -> None:
    change(places, "[dashboard]", "[dashbord]")
    with pytest.raises(UserError, match="dashbord"):
        apply(places, ALL, at_boot=True)
    assert not places.rendered.exists()


def test_what_another_engine_or_role_left_is_removed(places: Places) -> None:
    apply(places, ALL)
    assert "sensorpi-dashboard.service" in apply(places, ["sensor", "mesos-worker"]).changed_systemd_units
    assert not (places.rendered / "dashboard.env").exists()


@pytest.fixture
def mesos(places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A worker of a cluster with the engine Mesos, which is installed; the folder with its programs."""
    programs = tmp_path / "sbin"
    programs.mkdir()
    for name in ("mesos-agent", "mesos-master"):
        (programs / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr("sensorpi.common.config.apply._ZOOKEEPER_JAR", programs / "mesos-agent")
    change(places, '#engine = "standalone"', 'engine = "mesos"')
    as_node(places, "worker01")
    make_key(places.config / "cluster.key")
    return programs


@pytest.mark.parametrize(
    ("missing", "role", "node", "package"),
    [
        ("mesos-agent", "mesos-worker", "worker01", "aventer-mesos"),
        ("mesos-master", "mesos-master", "master02", "aventer-mesos"),
        ("zookeeper.jar", "mesos-worker", "worker01", "libzookeeper-java"),
    ],
)
def test_an_engine_that_is_missing_is_reported_not_replaced(
    places: Places, mesos: Path, monkeypatch: pytest.MonkeyPatch, missing: str, role: str, node: str, package: str
) -> None:
    as_node(places, node)
    (mesos / missing).unlink(missing_ok=True)
    if missing == "zookeeper.jar":
        monkeypatch.setattr("sensorpi.common.config.apply._ZOOKEEPER_JAR", mesos / missing)
    reason = apply(places, [role]).waiting[role]
    assert 'engine = "mesos"' in reason
    assert f"apt install {package}" in reason
    assert not (places.rendered / "engine-standalone").exists()
    assert not (places.rendered / "zookeeper.conf").exists()


def test_a_change_of_the_engine_concerns_the_units_of_both(places: Places, mesos: Path) -> None:
    of_mesos = {"sensorpi-zookeeper.service", "sensorpi-mesos-agent.service", "mesos-agent.service"}
    assert apply(places, ["mesos-worker"]).waiting == {}
    assert (places.rendered / "engine-mesos").exists()
    assert (places.rendered / "zookeeper.conf").exists()
    change(places, 'engine = "mesos"', 'engine = "standalone"')
    assert {"sensorpi-kafka.service", *of_mesos} <= set(apply(places, ["mesos-worker"]).changed_systemd_units)
    assert sorted(path.name for path in places.rendered.glob("engine-*")) == ["engine-standalone"]
    assert not (places.rendered / "zookeeper.conf").exists()
    change(places, 'engine = "standalone"', 'engine = "mesos"')
    assert {"sensorpi-kafka.service", *of_mesos} <= set(apply(places, ["mesos-worker"]).changed_systemd_units)
