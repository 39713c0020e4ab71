"""Telegraf, configured for the same points as the job stores, except for the job's heading vector."""

from pathlib import Path

from onebox.home import ROOT

#: `make bench` builds it here, in a folder that is named after the version, where there is Go.
_BUILT = ROOT / ".cache" / "telegraf"

#: The usual interval between two writes when fewer readings arrive than a batch holds.
FLUSH_INTERVAL_S = 1

# Telegraf writes nanoseconds; these are whole milliseconds, like the job's. On loopback gzip would only cost time.
_CONFIGURATION = """\
[agent]
  flush_interval = "{flush_s}s"
  flush_jitter = "0s"
  metric_batch_size = 5000
  metric_buffer_limit = 100000
  omit_hostname = true
  quiet = true

[[inputs.kafka_consumer]]
  brokers = ["{brokers}"]
  # Its default is refused by a 4.x broker.
  kafka_version = "2.6.0"
  topics = ["{topic}"]
  consumer_group = "telegraf"
  offset = "oldest"
  # The default of 1000 would never fill a batch.
  max_undelivered_messages = 20000
  data_format = "json"
  name_override = "{measurement}"
  tag_keys = ["sensor", "host"]
  json_string_fields = ["boot"]
  json_time_key = "timestamp"
  json_time_format = "unix_ms"

[[outputs.influxdb]]
  urls = ["{url}"]
  database = "{database}"
  retention_policy = "{policy}"
  skip_database_creation = true
  username = "{username}"
  password = "{password}"
  content_encoding = "identity"
"""


def write_configuration(
    file: Path, *, brokers: str, topic: str, measurement: str, url: str, database: str, policy: str, username: str,
    password: str,
) -> None:  # fmt: skip
    """Write Telegraf's configuration, which only this user can read, because it contains a password."""
    text = _CONFIGURATION.format(
        flush_s=FLUSH_INTERVAL_S, brokers=brokers, topic=topic, measurement=measurement, url=url, database=database,
        policy=policy, username=username, password=password,
    )  # fmt: skip
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")


def program() -> Path | None:
    """The program; None if it was not built."""
    return next(_BUILT.glob("v*/telegraf"), None)


def version() -> str | None:
    """The version of the module that it was built from; None if it was not."""
    found = program()
    return None if found is None else found.parent.name.removeprefix("v")
