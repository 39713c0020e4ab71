"""The spool: order, durability across restarts, its bound, damage, and every state of the disk."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sensorpi.common.reading import Reading
from sensorpi.sensor.publishing.spool import Spool
from sensorpi.sensor.stamping.entry import Entry, Taken

#: Containers do not have loop devices, and minimal ones do not have mkfs.
NEEDS_ROOT = pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/dev/loop-control").exists() or shutil.which("mkfs.ext4") is None,
    reason="mounts a file system",
)


def entries(first: int, last: int, sensor: str = "S") -> list[Entry]:
    return [
        Entry(sensor, "b", number, Reading(sensor, "H", "b", number, number, {"x": 0.5}).to_json(), Taken("0f", number))
        for number in range(first, last + 1)
    ]


def opened(directory: Path, most: int = 500_000) -> Spool:
    spool = Spool(directory, most)
    spool.open()
    return spool


def content(spool: Spool) -> list[int | None]:
    """The timestamps of all entries, which are given back."""
    taken = spool.take(10_000)
    spool.give_back([number for number, _ in taken])
    return [entry.timestamp_ms for _, entry in taken]


def remove(spool: Spool, count: int) -> None:
    spool.remove([number for number, _ in spool.take(count)])


def copied(spool: Spool, directory: Path) -> Spool:
    """The spool as it is found after the process was killed."""
    directory.mkdir()
    for file in spool.path.parent.glob(f"{spool.path.name}*"):
        shutil.copy(file, directory)
    return opened(directory)


def test_a_healthy_sensor_has_no_file(tmp_path: Path) -> None:
    opened(tmp_path / "state").close()
    assert list(tmp_path.iterdir()) == []


def test_entries_come_back_whole_and_in_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(entries(1, 3))
    spool.append([Entry("S", "b", None, b"{}", Taken("0f", 5, 7)), Entry("S", "b", 5, b"{}")])
    assert [entry for _, entry in spool.take(10)] == [
        *entries(1, 3),
        Entry("S", "b", None, b"{}", Taken("0f", 5, 7)),
        Entry("S", "b", 5, b"{}"),
    ]
    assert (len(spool), spool.unsent) == (5, 0)


def test_what_is_removed_does_not_come_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(entries(1, 5))
    remove(spool, 2)
    assert content(spool) == [3, 4, 5]
    spool.append(entries(6, 6))
    assert content(spool) == [3, 4, 5, 6]


def test_the_file_is_gone_once_everything_is_removed(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(entries(1, 2))
    remove(spool, 2)
    assert list(tmp_path.iterdir()) == []
    spool.append(entries(3, 3))
    assert content(spool) == [3]


def test_a_new_run_takes_over_from_one_that_was_killed(tmp_path: Path) -> None:
    killed = Spool(tmp_path / "a")
    killed.append(entries(1, 3))
    remove(killed, 1)
    again = copied(killed, tmp_path / "b")
    assert content(again) == [2, 3]
    assert len(again) == 2


def test_entries_can_be_replaced_where_they_are(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "a")
    spool.append([Entry("S", "b", None, b"{}", Taken("0f", 1)), *entries(2, 2)])
    assert spool.has_unstamped()
    ((number, entry),) = spool.take(1)
    spool.replace([(number, entry.stamped(1))])
    again = copied(spool, tmp_path / "b")
    assert not again.has_unstamped()
    assert content(again) == [1, 2]


def test_each_commit_is_fsynced(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(entries(1, 1))
    assert spool._database is not None
    assert spool._database.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_full_spool_drops_the_oldest_and_logs_it_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spool = Spool(tmp_path, most=5)
    for number in range(1, 10):
        spool.append(entries(number, number))
    assert content(spool) == [5, 6, 7, 8, 9]
    assert (len(spool), spool.dropped) == (5, 4)
    assert len(caplog.records) == 1


def test_more_than_the_bound_at_once_leaves_the_newest(tmp_path: Path) -> None:
    spool = Spool(tmp_path, most=5)
    spool.append(entries(1, 12))
    assert content(spool) == [8, 9, 10, 11, 12]
    assert len(spool) == 5


def test_the_newest_timestamp_of_each_sensor_is_known(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([*entries(1, 3, "a"), *entries(7, 9, "b")])
    assert spool.newest_timestamps() == {"a": 3, "b": 9}


@pytest.mark.parametrize(
    "damage", [b"not a database, but long enough to be read as one", b"SQLite format 3\x00" + bytes(200)]
)
def test_a_damaged_file_is_put_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: bytes) -> None:
    (tmp_path / "spool.sqlite3").write_bytes(damage)
    spool = opened(tmp_path)
    spool.append(entries(1, 1))
    assert content(spool) == [1]
    (aside,) = tmp_path.glob("spool.sqlite3.recovered-*")
    assert aside.read_bytes() == damage
    assert ["is damaged" in caplog.messages[0], "0 readings" in caplog.messages[1]] == [True, True]
    assert len(caplog.records) == 2


@pytest.mark.parametrize("table", ["readings(id)", "readings(id, sensor, boot, timestamp_ms, message, more)", "x(y)"])
def test_a_database_that_is_not_a_spool_is_put_aside(tmp_path: Path, table: str) -> None:
    with closing(sqlite3.connect(tmp_path / "spool.sqlite3")) as database:
        database.execute(f"CREATE TABLE {table}")
    spool = opened(tmp_path)
    spool.append(entries(1, 1))
    assert content(spool) == [1]
    assert list(tmp_path.glob("spool.sqlite3.recovered-*"))


def test_a_folder_in_place_of_the_file_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / "spool.sqlite3").mkdir()
    spool = opened(tmp_path)
    spool.append(entries(1, 1))
    assert content(spool) == [1]
    assert [path.is_dir() for path in tmp_path.glob("spool.sqlite3.recovered-*")] == [True]


def test_a_spool_that_is_damaged_inside_is_read_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(entries(1, 3000))
    spool.close()
    file = tmp_path / "spool.sqlite3"
    whole = file.read_bytes()
    file.write_bytes(whole[:8192] + b"\xa5" * 8192 + whole[16_384:])
    again = opened(tmp_path)
    found = content(again)
    assert len(found) > 2850
    assert len(again) == len(found) == len(set(found))
    assert set(found) < set(range(1, 3001))


def test_a_spool_without_a_header_is_read_back_in_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(entries(1, 3000))
    spool.close()
    with (tmp_path / "spool.sqlite3").open("r+b") as file:
        file.write(bytes(4096))
    for _ in range(2):  # only once: what is in the spool now is not read back again
        spool = opened(tmp_path)
        assert content(spool) == list(range(1, 3001))
        spool.close()


def test_a_spool_of_an_unknown_format_is_read_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(entries(1, 60))
    spool.close()
    whole = bytearray(spool.path.read_bytes())
    whole[44:48] = b"\0\0\0\5"  # the version of the schema's format (SQLite file format, 1.3); SQLite knows 1 to 4
    spool.path.write_bytes(whole)
    spool = opened(tmp_path)
    assert content(spool) == list(range(1, 61))


def test_what_is_read_back_comes_before_newer_readings(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(entries(4, 5))
    damaged = Spool(tmp_path / "x")
    damaged.append(entries(1, 3))
    damaged.close()
    damaged.path.rename(tmp_path / "spool.sqlite3.damaged-1")
    spool.close()
    assert content(opened(tmp_path)) == [1, 2, 3, 4, 5]


def test_a_healthy_spool_that_version_0_x_put_aside_is_read_back(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "spool.sqlite3.damaged-1")) as database, database:
        database.execute("CREATE TABLE readings (id INTEGER PRIMARY KEY, sensor, boot, timestamp_ms, message)")
        rows = [(entry.sensor, entry.boot, entry.timestamp_ms, entry.message) for entry in entries(1, 295)]
        database.executemany("INSERT INTO readings (sensor, boot, timestamp_ms, message) VALUES (?, ?, ?, ?)", rows)
    assert content(opened(tmp_path)) == list(range(1, 296))


def test_a_spool_of_version_0_x_is_taken_over(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "spool.sqlite3")) as database, database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute(
            "CREATE TABLE readings (id INTEGER PRIMARY KEY AUTOINCREMENT, sensor TEXT NOT NULL,"
            " boot TEXT NOT NULL, timestamp_ms INTEGER NOT NULL, message BLOB NOT NULL)"
        )
        database.execute("INSERT INTO readings VALUES (7, 'S', 'b', 1, ?)", (entries(1, 1)[0].message,))
    spool = opened(tmp_path)
    spool.append(entries(2, 2))
    assert content(spool) == [1, 2]


def damage_while_open(spool: Spool) -> None:
    assert spool._database is not None
    spool._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    spool._database.execute("PRAGMA cache_size=0")
    with spool.path.open("r+b") as file:
        file.write(b"\xa5" * spool.path.stat().st_size)


def test_damage_while_it_is_used_costs_no_new_reading(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(entries(1, 1000))
    sent = [number for number, _ in spool.take(500)]
    damage_while_open(spool)
    assert spool.take(500) == []
    assert len(spool) == 0
    spool.append(entries(1001, 1003))
    spool.remove(sent)  # acknowledged only now
    spool.give_back(sent)
    assert content(spool) == [1001, 1002, 1003]
    assert (len(spool), spool.unsent) == (3, 3)


@pytest.mark.parametrize(
    ("column", "value", "is_sent"),
    [
        ("timestamp_ms", "'soon'", True),
        ("sensor", "x'ff'", True),
        ("boot", "3", True),
        ("message", "7", False),
        ("message", "cast(x'ff' as text)", False),
        ("message", "replace(cast(message as text), '0.5', '0.6')", False),
        ("message", "zeroblob(2000000)", False),
        ("taken", "3.5", False),
        ("taken", "NULL", True),
    ],
)
def test_a_wrong_row_costs_at_most_that_reading(tmp_path: Path, column: str, value: str, is_sent: bool) -> None:
    spool = Spool(tmp_path)
    spool.append(entries(1, 3))
    assert spool._database is not None
    spool._database.execute("PRAGMA ignore_check_constraints=ON")
    with spool._database:
        spool._database.execute(f"UPDATE readings SET {column} = {value} WHERE id = 2")
    assert set(spool.newest_timestamps().values()) == {3}
    assert content(spool) == ([1, 2, 3] if is_sent else [1, 3])
    assert len(spool) == (3 if is_sent else 2)
    aside = tmp_path / "spool.sqlite3.set-aside"
    assert aside.exists() is not is_sent
    if not is_sent:
        (row,) = [json.loads(line) for line in aside.read_text().splitlines()]
        assert row[0] == 2


def test_a_spool_with_only_wrong_rows_ends(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(entries(1, 3))
    assert spool._database is not None
    with spool._database:
        spool._database.execute("UPDATE readings SET message = 1")
    assert spool.take(2) == []
    assert spool.take(2) == []
    assert [file.name for file in tmp_path.iterdir()] == ["spool.sqlite3.set-aside"]


def test_a_schema_that_is_not_text_is_damage(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(entries(1, 3))
    spool.close()
    file = tmp_path / "spool.sqlite3"
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"tablesqlite_sequence", b"table\x80qlite_sequence"))
    again = opened(tmp_path)
    again.append(entries(4, 4))
    assert again.take(10)[-1][1] == entries(4, 4)[0]
    again.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_to_the_files_still_lets_it_start(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("spool")
    spool = Spool(directory / "a")
    spool.append(entries(1, 60))
    (directory / "b").mkdir()
    for file in (directory / "a").iterdir():
        whole = bytearray(file.read_bytes())
        for _ in range(data.draw(st.integers(0, 3))):
            position = data.draw(st.integers(0, len(whole)))
            junk = data.draw(st.binary(max_size=300))
            whole[position : position + len(junk)] = junk
        (directory / "b" / file.name).write_bytes(whole[: data.draw(st.sampled_from([None, len(whole) // 2, 5]))])
    spool.close()
    again = opened(directory / "b")
    taken = again.take(1000)
    originals = {entry.message for entry in entries(1, 60)}
    assert {entry.message for _, entry in taken} <= originals
    again.append(entries(61, 61))
    assert again.take(1000)[-1][1] == entries(61, 61)[0]
    again.close()
    shutil.rmtree(directory)


# States of the disk, none of which is damage.


@contextmanager
def mounted(directory: Path, size_kb: int) -> Iterator[Path]:
    """A small ext4 file system of its own."""
    image, mount = directory / "image", directory / "mount"
    mount.mkdir()
    with image.open("wb") as file:
        file.truncate(size_kb * 1024)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, mount], check=True)
    try:
        yield mount
    finally:
        subprocess.run(["umount", "-l", mount], check=True)


def fill(directory: Path) -> None:
    with (directory / "filler").open("ab", 0) as file:
        for size in (65_536, 512):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass


def left_by_a_killed_run(directory: Path, spare: Path, count: int) -> None:
    spool = Spool(spare)
    for first in range(1, count, 50):
        spool.append(entries(first, first + 49))
    for file in spare.iterdir():
        shutil.copy(file, directory)
    spool.close()


@NEEDS_ROOT
def test_a_full_disk_at_start_is_not_damage_and_is_drained(tmp_path: Path) -> None:
    with mounted(tmp_path, 4096) as disk:
        left_by_a_killed_run(disk, tmp_path / "spare", 300)
        fill(disk)
        spool = opened(disk)
        assert content(spool) == list(range(1, 301))
        sent: list[int | None] = []
        failures = 0
        while taken := spool.take(50):
            sent += [entry.timestamp_ms for _, entry in taken]
            try:
                spool.remove([number for number, _ in taken])
            except OSError:
                failures += 1
            assert len(spool) == 300 - len(sent) >= 0
        assert failures > 0
        assert sent == list(range(1, 301))
        assert not spool.path.exists()
        assert not list(disk.glob("*.damaged-*"))


@NEEDS_ROOT
def test_a_full_disk_refuses_new_readings_and_keeps_the_old(tmp_path: Path) -> None:
    with mounted(tmp_path, 4096) as disk:
        spool = Spool(disk)
        spool.append(entries(1, 10))
        fill(disk)
        with pytest.raises(OSError, match=r"^the disk is full$"):
            spool.append(entries(11, 2000))
        assert content(spool) == list(range(1, 11))
        with pytest.raises(OSError, match="No space left"):
            spool.check()
        (disk / "filler").unlink()
        spool.check()
        spool.append(entries(11, 12))
        assert content(spool) == list(range(1, 13))
        spool.close()


@NEEDS_ROOT
@pytest.mark.parametrize("how", ["killed", "closed"])
def test_a_read_only_file_system_is_read_and_not_damage(tmp_path: Path, how: str) -> None:
    with mounted(tmp_path, 4096) as disk:
        left_by_a_killed_run(disk, tmp_path / "spare", 100)
        if how == "closed":
            opened(disk).close()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        spool = opened(disk)
        assert content(spool) == list(range(1, 101))
        with pytest.raises(OSError, match=r"^its file system is read-only$"):
            spool.append(entries(101, 101))
        with pytest.raises(OSError, match="read-only"):
            remove(spool, 60)
        assert len(spool) == 40
        with pytest.raises(OSError, match="ead-only"):
            remove(spool, 60)
        assert (len(spool), spool.take(10), spool.is_closed) == (0, [], False)
        with pytest.raises(OSError, match="ead-only"):
            spool.check()
        assert spool.take(10) == []


def test_a_locked_spool_is_not_damage_and_is_opened_later(tmp_path: Path) -> None:
    left = Spool(tmp_path)
    left.append(entries(1, 3))
    left.close()
    with closing(sqlite3.connect(left.path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        spool = Spool(tmp_path)
        for _ in range(2):
            with pytest.raises(OSError, match=r"^another process has locked it$"):
                spool.open()
        with pytest.raises(OSError, match=r"^another process has locked it$"):
            spool.append(entries(4, 4))
        assert spool.is_closed
        assert spool.take(10) == []
    spool.open()
    assert content(spool) == [1, 2, 3]


def test_a_second_sensor_cannot_use_the_same_spool(tmp_path: Path) -> None:
    Spool(tmp_path)
    first = Spool(tmp_path)
    first.append(entries(1, 3))
    with pytest.raises(OSError, match=r"^another process has locked it$"):
        opened(tmp_path)
    program = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('SELECT * FROM readings')"
    command = [sys.executable, "-c", program, str(first.path)]
    assert b"database is locked" in subprocess.run(command, capture_output=True, check=False).stderr
    assert content(first) == [1, 2, 3]


@NEEDS_ROOT
@pytest.mark.parametrize(("file_mode", "folder_mode", "is_read"), [(0o444, 0o555, True), (0, 0o755, False)])
def test_a_missing_permission_is_not_damage(tmp_path: Path, file_mode: int, folder_mode: int, is_read: bool) -> None:
    left = Spool(tmp_path)
    left.append(entries(1, 3))
    left.close()
    left.path.chmod(file_mode)
    tmp_path.chmod(folder_mode)
    for parent in tmp_path.parents[:3]:
        parent.chmod(0o755)
    os.seteuid(65534)
    try:
        spool = Spool(tmp_path)
        if is_read:
            spool.open()
            assert content(spool) == [1, 2, 3]
        else:
            with pytest.raises(OSError, match=r"^no permission to read and write it$"):
                spool.open()
        with pytest.raises(OSError, match="permission"):
            spool.append(entries(4, 4))
    finally:
        os.seteuid(0)
    assert not list(tmp_path.glob("*damaged*"))
