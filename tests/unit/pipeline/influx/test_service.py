"""Configuring Debian's InfluxDB: never open without an admin, and never one that another program uses."""

from collections.abc import Collection
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from sensorpi.common.cluster.model import Cluster, parse
from sensorpi.common.errors import UserError
from sensorpi.pipeline.influx import service as influx_service
from sensorpi.pipeline.influx.client import Credentials, Endpoint
from sensorpi.pipeline.influx.service import drop_in_text, take_over
from tests.fakes.clusters import ONE_NODE, shipped

CREDENTIALS = Credentials("a", "w", "r")


class Influxd:
    """What happens to InfluxDB, in order."""

    def __init__(self, drop_in: Path) -> None:
        self.drop_in = drop_in
        self.events: list[str] = []

    def restart(self) -> None:
        open_to_all = "HTTP_BIND_ADDRESS=:" in self.drop_in.read_text()
        self.events.append("open" if open_to_all else "loopback")

    def set_up(self, endpoint: Endpoint, _credentials: Credentials, _days: int) -> None:
        self.events.append(f"set up at {endpoint}")

    def take_over(self, cluster: Cluster, others: Collection[str] = ()) -> list[str]:
        self.events = []
        take_over(
            cluster, CREDENTIALS, drop_in=self.drop_in, others=lambda: others, restart=self.restart, set_up=self.set_up
        )  # fmt: skip
        return self.events


@pytest.fixture
def influxd(tmp_path: Path, mocker: MockerFixture) -> Influxd:
    mocker.patch.object(influx_service, "wait_for_ping")
    return Influxd(tmp_path / "influxdb.service.d/sensorpi.conf")


def test_it_listens_on_loopback_until_its_admin_exists(influxd: Influxd) -> None:
    assert influxd.take_over(shipped()) == ["loopback", "set up at 127.0.0.1:8086", "open"]


def test_on_one_machine_it_is_never_open(influxd: Influxd) -> None:
    cluster = parse(ONE_NODE, "cluster.toml")
    assert influxd.take_over(cluster) == ["loopback", "set up at 127.0.0.1:8086"]


def test_another_time_it_is_not_restarted(influxd: Influxd) -> None:
    influxd.take_over(shipped())
    assert influxd.take_over(shipped(), others=["theirs"]) == ["set up at 127.0.0.1:8086"]


def test_one_that_holds_other_databases_is_left_alone(influxd: Influxd) -> None:
    with pytest.raises(UserError, match=r"databases of other programs \(collectd, telegraf\), and is not changed"):
        influxd.take_over(shipped(), others=["collectd", "telegraf"])
    assert influxd.events == []
    assert not influxd.drop_in.exists()


def test_it_asks_for_a_password_and_backs_up_over_loopback_only() -> None:
    lines = drop_in_text(shipped(), loopback_only=False).splitlines()
    assert "Environment=INFLUXDB_HTTP_AUTH_ENABLED=true" in lines
    assert "Environment=INFLUXDB_BIND_ADDRESS=127.0.0.1:8088" in lines
