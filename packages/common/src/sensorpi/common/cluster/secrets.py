"""Secrets that separately installed nodes share without communicating: all are derived from the cluster's one key.

HKDF with SHA-256 (RFC 5869) is written with the standard library, because a sensor has no compiled dependencies.
"""

import base64
import grp
import hashlib
import hmac
import os
import secrets
from itertools import count
from pathlib import Path

from sensorpi.common import files
from sensorpi.common.errors import UserError

FILE_NAME = "cluster.key"
KEY_BYTES = 32

INFLUXDB_ADMIN = "influxdb/admin"
INFLUXDB_WRITER = "influxdb/writer"
INFLUXDB_READER = "influxdb/reader"
GRAFANA_ADMIN = "grafana/admin"
DASHBOARD = "dashboard"
SCHEDULER_API = "scheduler/api"

_SALT = b"sensorpi"
_GROUP = "sensorpi"
_PASSWORD_BYTES = 24
_UUID_BYTES = 16


def hkdf_sha256(key: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """``length`` bytes (at most 8160) derived from ``key`` for the purpose ``info``: RFC 5869, extract and expand."""
    digest_bytes = hashlib.sha256().digest_size
    if length > 255 * digest_bytes:
        raise ValueError(f"HKDF-SHA256 gives at most {255 * digest_bytes} bytes")
    pseudorandom_key = hmac.digest(salt or bytes(digest_bytes), key, "sha256")
    block, output = b"", b""
    for counter in range(1, -(-length // digest_bytes) + 1):
        block = hmac.digest(pseudorandom_key, block + info + bytes([counter]), "sha256")
        output += block
    return output[:length]


def password(key: bytes, name: str) -> str:
    """The password of that name, such as ``INFLUXDB_WRITER``: 32 letters, digits, ``-`` and ``_``."""
    derived = hkdf_sha256(key, _SALT, b"password " + name.encode(), _PASSWORD_BYTES)
    return base64.urlsafe_b64encode(derived).decode()


def kafka_cluster_id(key: bytes) -> str:
    """The KRaft cluster id: 16 bytes in 22 characters of URL-safe base64, as Kafka's ``Uuid`` prints them.

    An id that starts with ``-`` would be taken for an option. Then the next one is derived, as ``Uuid`` does it.
    """
    ids = (_uuid_text(hkdf_sha256(key, _SALT, b"kafka cluster id %d" % attempt, _UUID_BYTES)) for attempt in count())
    return next(text for text in ids if not text.startswith("-"))


def _uuid_text(uuid: bytes) -> str:
    return base64.urlsafe_b64encode(uuid).decode().rstrip("=")


def group_id() -> int | None:
    """The group that can read the key and what is made from it; None where it does not exist."""
    try:
        return grp.getgrnam(_GROUP).gr_gid
    except KeyError:  # not on an installed node
        return None


def make_key(path: Path, group_id: int | None = None) -> bytes:
    """Write a new random key, mode 0640, and return it; ``group_id`` becomes its group, if it is given.

    Raises ``UserError`` when there is a file already, or when it cannot be written.
    """
    key = secrets.token_bytes(KEY_BYTES)
    if not files.create(path, key, group_id=group_id):
        raise UserError(f"{path} exists; a new key would lock this node out of its cluster")
    return key


def load_key(path: Path) -> bytes:
    """The key in that file. Raises ``UserError`` when it is missing or unreadable, or its size or mode is wrong."""
    try:
        with path.open("rb") as file:
            key = file.read(KEY_BYTES + 1)
            mode = os.fstat(file.fileno()).st_mode
    except FileNotFoundError:
        raise UserError(
            f"{path} is missing; copy it from another node, or make one with `sensorpi cluster init`"
        ) from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    if len(key) != KEY_BYTES:
        raise UserError(f"{path}: a cluster key has {KEY_BYTES} bytes, not {path.stat().st_size}")
    if mode & 0o007:
        raise UserError(f"{path} can be read by every user; chmod 0640 {path}")
    return key
