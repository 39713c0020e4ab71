"""Set up InfluxDB: admin, database, retention policies, users. Running it again applies changes."""

import time

from influxdb import InfluxDBClient
from influxdb.exceptions import InfluxDBClientError
from influxdb.line_protocol import quote_ident

from sensorpi.common.daemon.outage import backoff_s
from sensorpi.common.errors import UserError
from sensorpi.common.reading import FIELDS
from sensorpi.pipeline.influx.client import (
    ADMIN,
    DATABASE,
    INFLUXDB_ERRORS,
    RAW,
    READER,
    READINGS,
    ROLLUP,
    WRITER,
    Credentials,
    Endpoint,
    admin_client,
    open_client,
)

#: Two years of one-minute means.
ROLLUP_DURATION, ROLLUP_SHARD = "104w", "4w"


def set_up(endpoint: Endpoint, credentials: Credentials, raw_retention_days: int, wait_s: float = 60.0) -> None:
    """Set up the InfluxDB at ``endpoint`` for the pipeline. Its other databases are not changed.

    ``raw_retention_days`` = 0 keeps the readings forever. If InfluxDB does not answer, this waits for at most
    ``wait_s`` seconds. Before this has run, InfluxDB must listen on loopback only: with authentication on
    and no admin, the first client that connects can make itself the admin.

    Raises UserError when InfluxDB does not answer, does not ask for passwords, has an admin with another
    password, or has fields in ``sensor`` that are not floats.
    """
    if raw_retention_days < 0:
        raise UserError(f"a raw retention of {raw_retention_days} days makes no sense: 0 means forever")
    wait_for_ping(endpoint, wait_s)
    client = admin_client(endpoint, credentials)
    try:
        _refuse_without_authentication(endpoint)
        _become_admin(client, endpoint, credentials.admin_password)
        _set_up_database(client, raw_retention_days)
        _set_up_user(client, WRITER, credentials.writer_password, "all")
        _set_up_user(client, READER, credentials.reader_password, "read")
    except INFLUXDB_ERRORS as error:
        raise UserError(f"InfluxDB at {endpoint} could not be set up: {error}") from error
    finally:
        client.close()


def wait_for_ping(endpoint: Endpoint, wait_s: float) -> None:
    """Return when InfluxDB answers /ping. Raises UserError when it does not within ``wait_s`` seconds."""
    deadline = time.monotonic() + wait_s
    client = open_client(endpoint, "", "", timeout_s=5.0)
    try:
        for pause_s in backoff_s(first_s=0.1, longest_s=5.0):
            try:
                client.ping()
            except INFLUXDB_ERRORS:
                if time.monotonic() + pause_s > deadline:
                    break
                time.sleep(pause_s)
            else:
                return
    finally:
        client.close()
    raise UserError(f"InfluxDB at {endpoint} did not answer within {wait_s:.0f} s: is influxd running?")


def _refuse_without_authentication(endpoint: Endpoint) -> None:
    """Raise UserError for an InfluxDB that does not check passwords: there, the dashboards' reader could write."""
    nobody = open_client(endpoint, "nobody", "")
    try:
        nobody.get_list_database()
    except InfluxDBClientError as error:
        if error.code in (401, 403):
            return
        raise
    finally:
        nobody.close()
    raise UserError(f"InfluxDB at {endpoint} does not ask for passwords: set auth-enabled = true in its [http] section")


def _become_admin(client: InfluxDBClient, endpoint: Endpoint, password: str) -> None:
    """Create the admin if there is none. Afterwards ``client`` acts as the admin."""
    try:
        client.get_list_database()
    except InfluxDBClientError as error:
        if error.code not in (401, 403):
            raise
    else:
        return
    try:
        client.create_user(ADMIN, password, admin=True)
    except InfluxDBClientError as error:
        if error.code not in (401, 403):
            raise
        raise UserError(
            f"InfluxDB at {endpoint} already has an admin, and our password for user {ADMIN} is wrong: as that "
            f"admin, run CREATE USER {ADMIN} (or SET PASSWORD FOR {ADMIN}) with our password, or start with an empty "
            "InfluxDB"
        ) from error


def _set_up_database(client: InfluxDBClient, raw_retention_days: int) -> None:
    raw_duration = f"{raw_retention_days}d" if raw_retention_days else "INF"
    # InfluxDB deletes whole shards, so they are short if data expires. A 32-bit system has to map all of them.
    raw_shard = "1d" if raw_retention_days else "1w"
    if DATABASE in _names(client.get_list_database()):
        _refuse_other_types(client)
    else:
        # In one statement, so that there is no policy "autogen".
        client.query(
            f"CREATE DATABASE {DATABASE} WITH DURATION {raw_duration} SHARD DURATION {raw_shard} NAME {RAW}",
            method="POST",
        )
    _set_up_policy(client, RAW, f"DURATION {raw_duration} REPLICATION 1 SHARD DURATION {raw_shard} DEFAULT")
    _set_up_policy(client, ROLLUP, f"DURATION {ROLLUP_DURATION} REPLICATION 1 SHARD DURATION {ROLLUP_SHARD}")


def _refuse_other_types(client: InfluxDBClient) -> None:
    """Raise UserError if there is data of the original project, which stored light as integers.

    InfluxDB refuses a float for a field that has integers.
    """
    keys = client.query(f'SHOW FIELD KEYS ON {DATABASE} FROM "{READINGS}"').get_points()
    others = sorted(
        f"{key['fieldKey']} ({key['fieldType']})"
        for key in keys
        if key["fieldKey"] in (*FIELDS, "sequence") and key["fieldType"] != "float"
    )
    if others:
        raise UserError(
            f"measurement “{READINGS}” in database {DATABASE} has fields that are not floats, so every new point "
            f"would be refused: {', '.join(others)}. Move it first, see “Older data” in docs/influxdb.md"
        )


def _set_up_policy(client: InfluxDBClient, name: str, terms: str) -> None:
    verb = "ALTER" if name in _names(client.get_list_retention_policies(DATABASE)) else "CREATE"
    client.query(f"{verb} RETENTION POLICY {quote_ident(name)} ON {DATABASE} {terms}", method="POST")


def _set_up_user(client: InfluxDBClient, name: str, password: str, privilege: str) -> None:
    if name in {user["user"] for user in client.get_list_users()}:
        client.set_user_password(name, password)
        # A grant replaces the one before it: "read" revokes the privilege to write.
    else:
        client.create_user(name, password)
    client.grant_privilege(privilege, DATABASE, name)


def _names(rows: list[dict[str, str]]) -> set[str]:
    return {row["name"] for row in rows}
