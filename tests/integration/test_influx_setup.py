"""InfluxDB's set-up, against a real influxd."""

import time
from pathlib import Path

import pytest
import requests
from influxdb.exceptions import InfluxDBClientError

from sensorpi.common.errors import UserError
from sensorpi.pipeline.influx.client import (
    Credentials,
    Endpoint,
    admin_client,
    open_client,
    reader_client,
    writer_client,
)
from sensorpi.pipeline.influx.setup import set_up, wait_for_ping
from tests.integration.influx_fixture import InfluxServer
from tests.integration.ports import free_port

POINT = "sensor,sensor=EnviroPhat,host=a temperature=21.5 1700000000000"


def policies(server: InfluxServer) -> dict[str, tuple[str, str, bool]]:
    rows = server.admin.get_list_retention_policies("sensordata")
    return {row["name"]: (row["duration"], row["shardGroupDuration"], row["default"]) for row in rows}


def set_up_again(server: InfluxServer, raw_retention_days: int = 0) -> None:
    set_up(server.endpoint, server.credentials, raw_retention_days)


def test_raw_is_kept_for_ever_and_means_for_two_years(influxdb: InfluxServer) -> None:
    assert policies(influxdb) == {"raw": ("0s", "168h0m0s", True), "rollup": ("17472h0m0s", "672h0m0s", False)}


@pytest.mark.parametrize(("days", "duration"), [(1, "24h0m0s"), (30, "720h0m0s")])
def test_raw_retention_is_as_configured_with_shards_of_a_day(
    fresh_influxd: InfluxServer, days: int, duration: str
) -> None:
    set_up_again(fresh_influxd, days)
    assert policies(fresh_influxd)["raw"] == (duration, "24h0m0s", True)


def test_another_retention_alters_the_policy_and_keeps_the_data(fresh_influxd: InfluxServer) -> None:
    set_up_again(fresh_influxd)
    fresh_influxd.writer.write(POINT, params={"db": "sensordata", "precision": "ms"}, protocol="line")
    set_up_again(fresh_influxd, 30_000)
    assert policies(fresh_influxd)["raw"] == ("720000h0m0s", "24h0m0s", True)
    assert len(list(fresh_influxd.reader.query("SELECT * FROM sensor").get_points())) == 1


def test_the_second_run_changes_nothing(fresh_influxd: InfluxServer) -> None:
    set_up_again(fresh_influxd, 30)
    before = policies(fresh_influxd), fresh_influxd.admin.get_list_users()
    set_up_again(fresh_influxd, 30)
    assert (policies(fresh_influxd), fresh_influxd.admin.get_list_users()) == before


def test_the_writer_writes_and_makes_the_rollup(fresh_influxd: InfluxServer) -> None:
    set_up_again(fresh_influxd)
    now_ms = time.time_ns() // 1_000_000
    writer = fresh_influxd.writer
    lines = [f"sensor,host=a temperature={20 + second} {now_ms - now_ms % 60_000 + second}" for second in range(3)]
    writer.write(lines, params={"db": "sensordata", "precision": "ms"}, protocol="line")
    writer.query(
        'SELECT mean("temperature") AS "temperature" INTO "rollup"."sensor" FROM "raw"."sensor" '
        "WHERE time > now() - 5m GROUP BY time(1m), *",
        method="POST",
    )
    rollup = fresh_influxd.reader.query('SELECT "temperature" FROM "rollup"."sensor"')
    assert [point["temperature"] for point in rollup.get_points()] == [21.0]


def test_the_reader_reads(influxdb: InfluxServer) -> None:
    influxdb.reader.query("SHOW MEASUREMENTS")


@pytest.mark.parametrize(
    "statement",
    [
        'SELECT "stored" INTO "raw"."stolen" FROM "raw"."pipeline"',
        'DROP MEASUREMENT "sensor"',
        'DELETE FROM "sensor"',
        "DROP DATABASE sensordata",
        "CREATE DATABASE another",
        "SET PASSWORD FOR admin = 'mine'",
    ],
)
def test_the_reader_changes_nothing(influxdb: InfluxServer, statement: str) -> None:
    with pytest.raises(InfluxDBClientError) as refusal:
        influxdb.reader.query(statement, method="POST")
    assert refusal.value.code in (401, 403)


def test_the_reader_writes_no_points(influxdb: InfluxServer) -> None:
    with pytest.raises(InfluxDBClientError) as refusal:
        influxdb.reader.write(POINT, params={"db": "sensordata"}, protocol="line")
    assert refusal.value.code == 403


def test_new_passwords_replace_the_old_ones(fresh_influxd: InfluxServer) -> None:
    set_up_again(fresh_influxd)
    old = fresh_influxd.credentials
    new = Credentials(old.admin_password, "other-writer", "it's a \\ reader")
    set_up(fresh_influxd.endpoint, new, 0)
    for client in writer_client(fresh_influxd.endpoint, new), reader_client(fresh_influxd.endpoint, new):
        client.query("SHOW MEASUREMENTS")
    for client in writer_client(fresh_influxd.endpoint, old), reader_client(fresh_influxd.endpoint, old):
        with pytest.raises(InfluxDBClientError):
            client.query("SHOW MEASUREMENTS")


def test_a_reader_who_was_given_more_loses_it(fresh_influxd: InfluxServer) -> None:
    set_up_again(fresh_influxd)
    fresh_influxd.admin.grant_privilege("all", "sensordata", "reader")
    set_up_again(fresh_influxd)
    assert fresh_influxd.admin.get_list_privileges("reader") == [{"database": "sensordata", "privilege": "READ"}]


def test_other_databases_are_left_alone(fresh_influxd: InfluxServer) -> None:
    set_up_again(fresh_influxd)
    fresh_influxd.admin.create_database("others")
    fresh_influxd.admin.write("weather t=1", params={"db": "others"}, protocol="line")
    set_up_again(fresh_influxd)
    assert {row["name"] for row in fresh_influxd.admin.get_list_database()} == {"sensordata", "others"}
    assert len(list(fresh_influxd.admin.query("SELECT * FROM weather", database="others").get_points())) == 1


def test_a_database_made_by_hand_gets_raw_as_its_default_policy(fresh_influxd: InfluxServer) -> None:
    set_up_again(fresh_influxd)
    fresh_influxd.admin.drop_database("sensordata")
    fresh_influxd.admin.create_database("sensordata")
    set_up_again(fresh_influxd)
    assert policies(fresh_influxd)["raw"][2]
    assert not policies(fresh_influxd)["autogen"][2]


def test_integer_light_is_refused_before_the_first_write(fresh_influxd: InfluxServer) -> None:
    set_up_again(fresh_influxd)
    line = "sensor,host=10.0.0.99 temperature=21.5,lightv=312i,lightr=10i"
    fresh_influxd.writer.write(line, params={"db": "sensordata"}, protocol="line")
    with pytest.raises(UserError, match=r"lightr \(integer\), lightv \(integer\)\. Move it"):
        set_up_again(fresh_influxd)


def test_the_manuals_statements_move_the_original_projects_data(fresh_influxd: InfluxServer) -> None:
    set_up_again(fresh_influxd)
    line = "sensor,host=10.0.0.99 temperature=21.5,lightv=312i 1700000000000000000"
    fresh_influxd.writer.write(line, params={"db": "sensordata"}, protocol="line")
    admin = fresh_influxd.admin
    for statement in (
        "CREATE DATABASE old",
        'SELECT * INTO "old"."autogen"."sensor" FROM "sensordata".."sensor" GROUP BY *',
        'DROP MEASUREMENT "sensor"',
        'SELECT "temperature"::float, "lightv"::float INTO "sensordata"."raw"."sensor" '
        'FROM "old"."autogen"."sensor" GROUP BY *',
    ):
        admin.query(statement, method="POST")
    set_up_again(fresh_influxd)
    (point,) = fresh_influxd.reader.query("SELECT * FROM sensor").get_points()
    assert (point["host"], point["temperature"], point["lightv"]) == ("10.0.0.99", 21.5, 312.0)


def test_an_admin_with_another_password_is_one_clear_line(fresh_influxd: InfluxServer) -> None:
    set_up_again(fresh_influxd)
    stranger = Credentials("not the admin's", "w", "r")
    with pytest.raises(UserError, match="already has an admin") as refusal:
        set_up(fresh_influxd.endpoint, stranger, 0)
    assert "\n" not in str(refusal.value)
    assert "not the admin's" not in str(refusal.value)


def test_without_authentication_nothing_is_set_up(tmp_path: Path) -> None:
    # influxd_process sees to authentication; a user's own InfluxDB may not.
    server = InfluxServer(tmp_path, {"INFLUXDB_HTTP_AUTH_ENABLED": "false"})
    server.start()
    try:
        with pytest.raises(UserError, match="does not ask for passwords"):
            set_up_again(server)
        assert server.admin.get_list_database() == []
    finally:
        server.stop()


def test_data_and_users_survive_a_restart(fresh_influxd: InfluxServer) -> None:
    set_up_again(fresh_influxd)
    fresh_influxd.writer.write(POINT, params={"db": "sensordata"}, protocol="line")
    fresh_influxd.stop()
    fresh_influxd.start()
    assert len(list(fresh_influxd.reader.query("SELECT * FROM sensor").get_points())) == 1


def test_influxdb_that_never_answers_is_one_line() -> None:
    endpoint = Endpoint("127.0.0.1", free_port())
    with pytest.raises(UserError, match="did not answer within 0 s"):
        wait_for_ping(endpoint, wait_s=0.3)


def test_influxd_listens_on_loopback_only(influxdb: InfluxServer) -> None:
    table = Path("/proc/net/tcp").read_text(encoding="ascii") + Path("/proc/net/tcp6").read_text(encoding="ascii")
    port = f"{influxdb.endpoint.port:04X}"
    local = {line.split()[1] for line in table.splitlines() if f":{port} " in line and line.split()[3] == "0A"}
    assert local == {f"0100007F:{port}"}


@pytest.mark.parametrize("path", ["debug/pprof/", "debug/pprof/heap", "debug/pprof/all"])
def test_influxd_serves_no_profiles(influxdb: InfluxServer, path: str) -> None:
    assert requests.get(f"http://{influxdb.endpoint}/{path}", timeout=10).status_code == 404


def test_passwords_are_kept_out_of_the_repr(influxdb: InfluxServer) -> None:
    assert "secret" not in repr(influxdb.credentials)


def test_a_wrong_password_is_refused(influxdb: InfluxServer) -> None:
    with pytest.raises(InfluxDBClientError):
        open_client(influxdb.endpoint, "reader", "guess").query("SHOW MEASUREMENTS")
    with pytest.raises(InfluxDBClientError):
        admin_client(influxdb.endpoint, Credentials("guess", "", "")).get_list_users()
