"""The spool: order, durability across restarts, its bound, damage and a failing disk."""

from pathlib import Path

import pytest

from sensorpi.sensor.publishing.spool import Entry, Spool


def entries(first: int, last: int, sensor: str = "S") -> list[Entry]:
    return [Entry(sensor, "b", number, f"{number}".encode()) for number in range(first, last + 1)]


def content(spool: Spool) -> list[int]:
    return [entry.timestamp_ms for _, entry in spool.first(1000)]


def test_a_healthy_sensor_has_no_file(tmp_path: Path) -> None:
    Spool(tmp_path / "state").close()
    assert list(tmp_path.iterdir()) == []


def test_entries_come_back_whole_and_in_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(entries(1, 3))
    spool.append(entries(4, 5))
    assert [entry for _, entry in spool.first(4)] == entries(1, 4)
    assert len(spool) == 5


def test_what_is_removed_does_not_come_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(entries(1, 5))
    spool.remove(spool.first(2)[-1][0])
    assert content(spool) == [3, 4, 5]
    spool.append(entries(6, 6))
    assert content(spool) == [3, 4, 5, 6]


def test_the_file_is_gone_once_everything_is_removed(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(entries(1, 2))
    spool.remove(spool.first(2)[-1][0])
    assert list(tmp_path.iterdir()) == []
    spool.append(entries(3, 3))
    assert content(spool) == [3]


def test_a_new_run_takes_over_from_one_that_was_killed(tmp_path: Path) -> None:
    killed = Spool(tmp_path)
    killed.append(entries(1, 3))
    killed.remove(killed.first(1)[0][0])
    again = Spool(tmp_path)  # the other one was never closed
    assert content(again) == [2, 3]
    assert len(again) == 2


def test_entries_are_in_a_copy_of_the_files_right_after_append(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "a")
    spool.append(entries(1, 3))
    (tmp_path / "b").mkdir()
    for file in (tmp_path / "a").iterdir():
        (tmp_path / "b" / file.name).write_bytes(file.read_bytes())
    assert content(Spool(tmp_path / "b")) == [1, 2, 3]


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
    assert len(spool) == 5
    assert len(caplog.records) == 1


def test_more_than_the_bound_at_once_leaves_the_newest(tmp_path: Path) -> None:
    spool = Spool(tmp_path, most=5)
    spool.append(entries(1, 12))
    assert content(spool) == [8, 9, 10, 11, 12]
    assert len(spool) == 5


def test_the_newest_timestamp_of_each_sensor_is_known(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([*entries(1, 3, "a"), *entries(7, 9, "b")])
    assert spool.latest_timestamps() == {"a": 3, "b": 9}


@pytest.mark.parametrize(
    "damage", [b"not a database, but long enough to be read as one", b"SQLite format 3\x00" + bytes(200)]
)
def test_a_damaged_file_is_put_aside_with_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    (tmp_path / "spool.sqlite3").write_bytes(damage)
    spool = Spool(tmp_path)
    spool.append(entries(1, 1))
    assert content(spool) == [1]
    (aside,) = tmp_path.glob("spool.sqlite3.damaged-*")
    assert aside.read_bytes() == damage
    assert len(caplog.records) == 1


def test_a_spool_that_is_damaged_inside_is_put_aside(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(entries(1, 3000))
    spool.close()
    file = tmp_path / "spool.sqlite3"
    whole = file.read_bytes()
    file.write_bytes(whole[:8192] + b"\xa5" * 8192 + whole[16_384:])
    assert len(Spool(tmp_path)) == 0
    assert list(tmp_path.glob("spool.sqlite3.damaged-*"))


def test_a_directory_that_cannot_be_made_is_an_oserror(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        Spool(tmp_path / "file").append(entries(1, 1))


def test_a_full_disk_is_an_oserror_and_takes_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(entries(1, 1))
    assert spool._database is not None
    (pages,) = spool._database.execute("PRAGMA page_count").fetchone()
    spool._database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(OSError, match="full"):
        spool.append([Entry("S", "b", 2, bytes(100_000))])
    assert content(spool) == [1]
    assert len(spool) == 1
