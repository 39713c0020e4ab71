"""The cluster's key and what is derived from it."""

import base64
import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_mock import MockerFixture

from sensorpi.common.cluster import secrets
from sensorpi.common.errors import UserError

keys = st.binary(min_size=secrets.KEY_BYTES, max_size=secrets.KEY_BYTES)
KEY = bytes(range(secrets.KEY_BYTES))

#: RFC 5869, appendix A, test cases 1 to 3: key, salt, info, output.
RFC_5869 = [
    (
        "0b" * 22,
        "000102030405060708090a0b0c",
        "f0f1f2f3f4f5f6f7f8f9",
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    (
        bytes(range(0x50)).hex(),
        bytes(range(0x60, 0xB0)).hex(),
        bytes(range(0xB0, 0x100)).hex(),
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
        "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
    ),
    (
        "0b" * 22,
        "",
        "",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
]


@pytest.mark.parametrize(("key", "salt", "info", "output"), RFC_5869)
def test_hkdf_gives_what_the_rfc_gives(key: str, salt: str, info: str, output: str) -> None:
    expected = bytes.fromhex(output)
    derived = secrets.hkdf_sha256(bytes.fromhex(key), bytes.fromhex(salt), bytes.fromhex(info), len(expected))
    assert derived == expected


def test_hkdf_gives_no_more_than_the_rfc_allows() -> None:
    assert len(secrets.hkdf_sha256(KEY, b"", b"", 8160)) == 8160
    with pytest.raises(ValueError, match="8160"):
        secrets.hkdf_sha256(KEY, b"", b"", 8161)


def test_passwords_differ_by_name() -> None:
    names = [secrets.INFLUXDB_ADMIN, secrets.INFLUXDB_WRITER, secrets.INFLUXDB_READER, secrets.GRAFANA_ADMIN]
    assert len({secrets.password(KEY, name) for name in names}) == len(names)


def test_separate_nodes_agree_across_releases() -> None:
    """A change here locks every running cluster out of its own database."""
    assert secrets.password(KEY, secrets.INFLUXDB_ADMIN) == "FUwO8IxFEkKdsTFNmOn7_f008mil4n34"
    assert secrets.kafka_cluster_id(KEY) == "13s5EM7bOXNRsO_9Ef9s2Q"


@given(keys)
def test_a_password_needs_no_quoting(key: bytes) -> None:
    password = secrets.password(key, secrets.INFLUXDB_WRITER)
    assert len(password) == 32
    assert all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in password)


@given(keys)
def test_a_cluster_id_is_a_uuid_that_looks_like_no_option(key: bytes) -> None:
    text = secrets.kafka_cluster_id(key)
    assert len(text) == 22
    assert not text.startswith("-")
    assert len(base64.urlsafe_b64decode(text + "==")) == 16


def test_a_cluster_id_with_a_leading_hyphen_is_derived_again() -> None:
    def first_try(key: bytes) -> str:
        return base64.urlsafe_b64encode(secrets.hkdf_sha256(key, b"sensorpi", b"kafka cluster id 0", 16)).decode()

    key = next(key for key in (bytes([i]) * 32 for i in range(256)) if first_try(key).startswith("-"))
    second = secrets.hkdf_sha256(key, b"sensorpi", b"kafka cluster id 1", 16)
    assert secrets.kafka_cluster_id(key) == base64.urlsafe_b64encode(second).decode().rstrip("=")


def test_a_new_key_is_random_and_loads(tmp_path: Path) -> None:
    first, second = (secrets.make_key(tmp_path / name) for name in "ab")
    assert first != second
    assert secrets.load_key(tmp_path / "a") == first


def test_a_key_is_for_its_owner_and_group_only(tmp_path: Path) -> None:
    secrets.make_key(tmp_path / "cluster.key")
    assert (tmp_path / "cluster.key").stat().st_mode & 0o777 == 0o640


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    key = secrets.make_key(tmp_path / "cluster.key")
    with pytest.raises(UserError, match=r"cluster\.key exists"):
        secrets.make_key(tmp_path / "cluster.key")
    assert secrets.load_key(tmp_path / "cluster.key") == key


def test_a_key_that_cannot_be_written_leaves_no_part(tmp_path: Path, mocker: MockerFixture) -> None:
    mocker.patch.object(os, "fsync", side_effect=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    with pytest.raises(UserError, match=r"cluster\.key: cannot be written: No space left on device$"):
        secrets.make_key(tmp_path / "cluster.key")
    assert list(tmp_path.iterdir()) == []


def test_the_error_for_a_missing_key_tells_where_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cluster\.key is missing; copy it .* `sensorpi cluster init`"):
        secrets.load_key(tmp_path / "cluster.key")


@pytest.mark.parametrize("size", [0, 31, 33, 4096])
def test_a_key_of_a_wrong_size_is_refused(tmp_path: Path, size: int) -> None:
    (tmp_path / "cluster.key").write_bytes(bytes(size))
    with pytest.raises(UserError, match=rf"a cluster key has 32 bytes, not {size}$"):
        secrets.load_key(tmp_path / "cluster.key")


def test_a_key_that_everybody_can_read_is_refused(tmp_path: Path) -> None:
    secrets.make_key(tmp_path / "cluster.key")
    (tmp_path / "cluster.key").chmod(0o644)
    with pytest.raises(UserError, match="can be read by every user; chmod 0640"):
        secrets.load_key(tmp_path / "cluster.key")
