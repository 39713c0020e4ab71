"""Telegraf's configuration."""

import tomllib
from pathlib import Path

from bench.telegraf import write_configuration


def test_telegraf_is_configured_for_the_points_of_the_job(tmp_path: Path) -> None:
    file = tmp_path / "telegraf.conf"
    write_configuration(
        file, brokers="127.0.0.1:7000", topic="sensors", measurement="sensor", url="http://127.0.0.1:8086",
        database="sensordata", policy="raw", username="writer", password="secret",
    )  # fmt: skip
    found = tomllib.loads(file.read_text())
    assert file.stat().st_mode & 0o777 == 0o600
    [consumer], [output] = found["inputs"]["kafka_consumer"], found["outputs"]["influxdb"]
    assert (consumer["brokers"], consumer["topics"], consumer["offset"]) == (["127.0.0.1:7000"], ["sensors"], "oldest")
    assert consumer["kafka_version"] == "2.6.0"
    assert (consumer["name_override"], consumer["tag_keys"]) == ("sensor", ["sensor", "host"])
    assert (consumer["json_string_fields"], consumer["json_time_format"]) == (["boot"], "unix_ms")
    assert output["content_encoding"] == "identity"
    assert (output["username"], output["password"]) == ("writer", "secret")
