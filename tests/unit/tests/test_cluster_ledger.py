"""What the fault tests hold InfluxDB against."""

import json
from pathlib import Path

from sensorpi.sensor.publishing.spool import Spool
from sensorpi.sensor.stamping.entry import Entry
from tests.cluster.ledger import Ledger, ReadingId


def ledger(folder: Path, *events: dict[str, object]) -> Ledger:
    file = folder / "events.jsonl"
    file.write_text("".join(json.dumps(event) + "\n" for event in events))
    return Ledger(file, folder / "spool.sqlite3")


def read(boot: str, sequence: int) -> dict[str, object]:
    return {"event": "read", "boot": boot, "sequence": sequence}


def acknowledged(count: int) -> dict[str, object]:
    return {"event": "acknowledged", "count": count}


def ids(boot: str, *sequences: int) -> set[ReadingId]:
    return {ReadingId(boot, sequence) for sequence in sequences}


def test_each_reading_that_was_taken_is_owed(tmp_path: Path) -> None:
    whole = ledger(tmp_path, read("a", 1), acknowledged(1), read("a", 2), read("b", 1), acknowledged(1))
    assert whole.owed() == ids("a", 1, 2) | ids("b", 1)
    assert whole.acknowledged() == 2


def test_a_sensor_that_has_not_run_owes_nothing(tmp_path: Path) -> None:
    assert Ledger(tmp_path / "events.jsonl", tmp_path / "spool.sqlite3").owed() == set()


def test_power_cut_excuses_what_was_only_in_memory(tmp_path: Path) -> None:
    cut = ledger(tmp_path, read("a", 1), read("b", 1), read("b", 2), acknowledged(1), read("b", 3), read("b", 4))
    spool = Spool(tmp_path)
    spool.append(
        [Entry("s", "b", 1, b'{"boot": "b", "sequence": 2}'), Entry("s", "b", 2, b'{"boot":"b","sequence":3}')]
    )
    assert cut.note_power_cut() == ids("b", 2, 3)
    spool.close()
    assert cut.owed() == ids("a", 1) | ids("b", 1, 2, 3)


def test_a_line_that_a_power_cut_tore_is_no_event(tmp_path: Path) -> None:
    torn = ledger(tmp_path, read("a", 1))
    with torn.events.open("a") as file:
        file.write('{"event":"read","boo')
    assert torn.owed() == ids("a", 1)
