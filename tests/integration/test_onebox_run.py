"""`make run` as a whole: live, replayed, queried, interrupted, killed, and with parts that die under it."""

import csv
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.integration.onebox_fixture import (
    ROOT,
    Ended,
    OneboxRun,
    descendants,
    listening_addresses,
    onebox,
    poll,
    query,
    still_running,
)

#: 127.0.0.1 as /proc/net/tcp has it, and as a JVM's socket has it in /proc/net/tcp6.
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F"}
USUAL_PORTS = {7000, 7001, 8086, 8088, 8080}
ROWS = 200
START_MS = 1_622_548_800_000  # 2021: older than the two years that means are kept


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in place of .run/; all runs of this module share it, as a user's do."""
    return tmp_path_factory.mktemp("onebox") / "run"


@dataclass
class Live:
    """What was seen of a run while it ran, and how it ended."""

    endpoints: dict[str, Any]
    mode: int
    listening: set[str]
    dashboard: requests.Response
    read: requests.Response
    written: requests.Response
    second: Ended
    queried: list[dict[str, Any]]
    ended: Ended
    left_behind: dict[int, str]
    endpoints_left: bool


def ask(endpoints: dict[str, Any], influxql: str) -> requests.Response:
    influxdb = endpoints["influxdb"]
    return requests.post(
        f"{influxdb['url']}/query",
        params={"db": influxdb["database"], "q": influxql},
        auth=(influxdb["username"], influxdb["password"]),
        timeout=10,
    )


@pytest.fixture(scope="module")
def live(home: Path) -> Iterator[Live]:
    """`--for 10 --rate 5 --json`, on a machine where the usual ports are taken."""
    with ExitStack() as taken:
        for port in USUAL_PORTS:
            listener = taken.enter_context(socket.socket())
            try:
                listener.bind(("127.0.0.1", port))
                listener.listen()
            except OSError:
                continue  # taken by somebody else, which is as good
        run = OneboxRun(home, "--for", "10", "--rate", "5", "--json")
        taken.callback(run.close)
        endpoints = run.endpoints()
        mode = stat.S_IMODE(run.endpoints_file.stat().st_mode)
        dashboard = requests.get(endpoints["dashboard"]["url"], timeout=10)
        poll(lambda: "series" in ask(endpoints, "SELECT last(temperature) FROM sensor").text, "a first point")
        processes = descendants(run.process.pid)
        queried = query(home, "SELECT count(temperature) FROM sensor")
        run_again = subprocess.run(
            [sys.executable, "-m", "onebox", "--for", "1"],
            cwd=ROOT, env=os.environ | {"SENSORPI_RUN": str(home)}, capture_output=True, text=True, timeout=30,
        )  # fmt: skip
        yield Live(
            endpoints=endpoints,
            mode=mode,
            listening=listening_addresses(set(processes)),
            dashboard=dashboard,
            read=ask(endpoints, "SELECT last(temperature) FROM sensor"),
            written=ask(endpoints, "DROP MEASUREMENT sensor"),
            second=Ended(run_again.returncode, run_again.stdout, run_again.stderr),
            queried=queried,
            ended=run.ended(),
            left_behind=still_running(processes),
            endpoints_left=run.endpoints_file.exists(),
        )


def test_a_run_ends_with_one_line_of_json_and_nothing_lost(live: Live) -> None:
    summary = live.ended.summary
    assert list(summary) == [
        "readings", "acknowledged", "stored", "duplicated", "dead_lettered", "lost", "latency_ms", "elapsed_s",
    ]  # fmt: skip
    assert 45 <= summary["readings"] <= 50
    assert summary["acknowledged"] == summary["stored"] == summary["readings"]
    assert (summary["lost"], summary["duplicated"], summary["dead_lettered"]) == (0, 0, 0)
    assert 10 <= summary["elapsed_s"] < 120


def test_latency_is_measured_over_every_reading(live: Live) -> None:
    latency = live.ended.summary["latency_ms"]
    assert set(latency) == {"p50", "p99"}
    assert 0 < latency["p50"] <= latency["p99"]


def test_progress_goes_to_standard_error(live: Live) -> None:
    for text in ("Kafka is ready", "InfluxDB is ready", "Spark is ready", live.endpoints["dashboard"]["url"]):
        assert text in live.ended.stderr
    assert "\x1b" not in live.ended.stderr  # no terminal, so nothing is drawn over


def test_endpoints_are_for_the_users_eyes_while_it_runs(live: Live) -> None:
    assert live.mode == 0o600
    assert set(live.endpoints) >= {"kafka", "influxdb", "dashboard", "pids"}
    assert not live.endpoints_left


def test_the_user_of_the_endpoints_reads_and_cannot_write(live: Live) -> None:
    assert live.read.json()["results"][0]["series"][0]["name"] == "sensor"
    assert live.written.status_code == 403 or "error" in live.written.json()["results"][0]
    assert live.ended.summary["stored"] > 0  # the measurement is still there


def test_everything_listens_on_loopback_only(live: Live) -> None:
    assert live.listening
    assert live.listening <= LOOPBACK


def test_other_ports_serve_where_the_usual_ones_are_taken(live: Live) -> None:
    addresses = json.dumps(live.endpoints["kafka"]) + live.endpoints["influxdb"]["url"] + live.dashboard.url
    assert not any(f":{port}" in addresses for port in USUAL_PORTS)


def test_the_dashboard_answers(live: Live) -> None:
    assert live.dashboard.status_code == 200
    assert "<html" in live.dashboard.text


def test_no_process_is_left_behind(live: Live) -> None:
    assert not live.left_behind


def test_a_second_run_in_the_same_folder_is_refused(live: Live) -> None:
    assert live.second.status == 2
    [line] = live.second.stderr.splitlines()
    assert "another `make run` is running" in line


def test_a_query_is_answered_while_the_pipeline_runs(live: Live) -> None:
    [row] = live.queried
    assert row["count"] > 0


# A run that is killed


@dataclass
class Killed:
    """What a run that was killed has left."""

    processes: dict[int, str]
    endpoints_left: bool


@pytest.fixture(scope="module")
def killed(home: Path) -> Killed:
    """Kill -9 of a run that was ready."""
    run = OneboxRun(home)
    try:
        run.endpoints()
        processes = descendants(run.process.pid)
    finally:
        run.close()
    return Killed(processes, run.endpoints_file.exists())


# Recordings


@dataclass
class Replays:
    """The figures of two replays of one recording, and its rows as written."""

    summaries: list[dict[str, Any]]
    rows: list[dict[str, float]] = field(default_factory=list)


FULL_SPEED = ("--speed", "max", "--timestamps", "original", "--json")


@pytest.fixture(scope="module")
def csv_replays(home: Path, killed: Killed, tmp_path_factory: pytest.TempPathFactory) -> Replays:
    """A CSV recording with a mapping of its own, played twice at full speed, after a run that was killed."""
    folder = tmp_path_factory.mktemp("recordings with a blank")
    rows = [
        {"time": START_MS + 7_000 * number, "t": 18 + number * 0.05, "p": 990 + number * 0.25, "h": number * 1.7 % 360}
        for number in range(ROWS)
    ]
    with (folder / "cellar.csv").open("w", newline="", encoding="utf-8") as text:
        writer = csv.DictWriter(text, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    (folder / "cellar.toml").write_text(
        'sensor = "cellar"\ntime = { column = "time", format = "ms" }\n'
        '[fields]\ntemperature = "t"\npressure = { column = "p", factor = 100 }\nheading = "h"\n'
    )
    arguments = ["--replay", str(folder / "cellar.csv"), "--map", str(folder / "cellar.toml"), *FULL_SPEED]
    summaries = [onebox(home, *arguments).summary for _ in range(2)]
    return Replays(summaries, rows)


@pytest.fixture(scope="module")
def json_replay(home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A recording of two sensors as JSON lines; the name of its folder is relative to where we are called."""
    folder = tmp_path_factory.mktemp("json")
    with (folder / "two.jsonl").open("w", encoding="utf-8") as text:
        for number in range(ROWS):
            for sensor in ("attic", "garden"):
                reading = {"timestamp": START_MS + 1000 * number, "sensor": sensor, "temperature": 20 + number / 100}
                text.write(json.dumps(reading) + "\n")
    relative = os.path.relpath(folder / "two.jsonl", ROOT)
    return onebox(home, "--replay", relative, *FULL_SPEED).summary


def test_a_killed_run_takes_its_parts_along_and_the_next_starts(killed: Killed, csv_replays: Replays) -> None:
    assert killed.endpoints_left
    assert csv_replays.summaries[0]["lost"] == 0
    assert not still_running(killed.processes)


def test_a_recording_is_stored_to_the_last_row(csv_replays: Replays) -> None:
    summary = csv_replays.summaries[0]
    assert summary["readings"] == summary["acknowledged"] == summary["stored"] == ROWS
    assert summary["lost"] == summary["duplicated"] == summary["dead_lettered"] == 0


def test_the_same_replay_twice_gives_the_same_figures(csv_replays: Replays) -> None:
    first, second = ({**summary, "elapsed_s": 0} for summary in csv_replays.summaries)
    assert first == second


def test_at_full_speed_there_is_no_latency(csv_replays: Replays) -> None:
    assert [summary["latency_ms"] for summary in csv_replays.summaries] == [None, None]


def test_every_row_is_in_the_database_as_recorded(csv_replays: Replays, home: Path) -> None:
    stored = query(home, "SELECT temperature, pressure, heading FROM sensor WHERE sensor = 'cellar'")
    assert [row["time"] for row in stored] == [row["time"] for row in csv_replays.rows]
    for row, recorded in zip(stored, csv_replays.rows, strict=True):
        assert row["temperature"] == pytest.approx(recorded["t"], abs=0.0005)
        assert row["pressure"] == pytest.approx(recorded["p"] * 100, abs=0.2)
        assert (row["heading"] - recorded["h"] + 180) % 360 - 180 == pytest.approx(0, abs=0.05)


def test_a_recording_of_two_sensors_is_two_series(json_replay: dict[str, Any], home: Path) -> None:
    assert json_replay["stored"] == json_replay["readings"] == 2 * ROWS
    assert json_replay["lost"] == json_replay["duplicated"] == 0
    for sensor in ("attic", "garden"):
        [row] = query(home, f"SELECT count(temperature), last(temperature) FROM sensor WHERE sensor = '{sensor}'")
        assert row["count"] == ROWS
        assert row["last"] == pytest.approx(20 + (ROWS - 1) / 100, abs=0.0005)


def test_recording_older_than_the_means_is_no_error(csv_replays: Replays, home: Path) -> None:
    assert csv_replays.rows
    assert "rollup" not in (home / "logs" / "spark.log").read_text(encoding="utf-8")


# Queries and mistakes: nothing else runs


@pytest.mark.parametrize(
    ("influxql", "complaint"),
    [
        ("DROP MEASUREMENT sensor", "not authorized"),
        ("SELECT * INTO stolen FROM sensor", "not authorized"),
        ("SELECT FROM", "error parsing query"),
    ],
)
def test_a_query_that_writes_or_is_none_is_refused_in_one_line(home: Path, influxql: str, complaint: str) -> None:
    ended = onebox(home, "--query", influxql)
    assert (ended.status, ended.stdout) == (2, "")
    [line] = ended.stderr.splitlines()
    assert complaint in line


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Recordings and mappings with mistakes in them."""
    good_map = '[time]\ncolumn = "time"\nformat = "ms"\n[fields]\ntemperature = "t"\n'
    for name, content in {
        "good.csv": "time,t\n1600000000000,20\n",
        "bad-row.csv": "time,t\n1600000000000,20\n1600000001000,warm\n",
        "repeated.csv": "time,t\n1600000000000,20\n1600000000000,21\n",
        "map.toml": good_map,
        "bad-map.toml": good_map.replace("temperature", "humour"),
    }.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--sped", "2"], "--sped"),
        (["--rate", "0"], "--rate: '0': expected a number above 0"),
        (["--for", "soon"], "--for: 'soon': expected a number above 0"),
        (["--speed", "max"], "need --replay"),
        (["--replay", "none.csv", "--map", "map.toml"], "none.csv: No such file"),
        (["--replay", "good.csv"], "--map must tell"),
        (["--replay", "good.csv", "--map", "nowhere"], "--map nowhere: this is neither a shipped mapping"),
        (["--replay", "good.csv", "--map", "bad-map.toml"], "humour"),
        (["--replay", "bad-row.csv", "--map", "map.toml"], "bad-row.csv, line 3, column t: 'warm'"),
        (["--replay", "repeated.csv", "--map", "map.toml"], "repeated.csv, line 3"),
    ],
)
def test_a_mistake_is_one_line_and_starts_nothing(recordings: Path, arguments: list[str], complaint: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "onebox", *arguments],
        cwd=recordings,
        env=os.environ | {"SENSORPI_RUN": str(recordings / "run"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (run.returncode, run.stdout) == (2, "")
    [line] = run.stderr.splitlines()
    assert complaint in line
    assert not (recordings / "run" / "logs").exists()


def test_with_json_a_mistake_is_an_object_too(tmp_path: Path) -> None:
    environment = os.environ | {"SENSORPI_RUN": str(tmp_path / "run"), "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "onebox", "--json", "--rate", "0"]
    run = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=20)
    assert (run.returncode, run.stderr) == (2, f"make run: {json.loads(run.stdout)['error']}\n")


# Ends that are none


@dataclass
class Troubled:
    """A run whose InfluxDB was killed, and that was ended by Ctrl-C after it was back."""

    restarted_pid: int
    killed_pid: int
    ended: Ended
    left_behind: dict[int, str]


@pytest.fixture(scope="module")
def troubled(home: Path) -> Iterator[Troubled]:
    """Kill -9 of influxd in mid-run, then Ctrl-C."""
    run = OneboxRun(home, "--rate", "5")
    try:
        killed_pid = run.endpoints()["pids"]["influxdb"]
        os.kill(killed_pid, signal.SIGKILL)
        poll(lambda: "influxdb was restarted" in run.stderr, "influxdb was restarted")
        poll(lambda: run.endpoints()["pids"]["influxdb"] != killed_pid, "endpoints.json has the new pid")
        endpoints = run.endpoints()
        poll(lambda: _answers(endpoints), "InfluxDB answers again")
        processes = descendants(run.process.pid)
        run.process.send_signal(signal.SIGINT)
        yield Troubled(endpoints["pids"]["influxdb"], killed_pid, run.ended(), still_running(processes))
    finally:
        run.close()


def _answers(endpoints: dict[str, Any]) -> bool:
    try:
        return bool(ask(endpoints, "SHOW DATABASES").ok)
    except requests.ConnectionError:
        return False


def test_killed_influxdb_is_restarted_and_nothing_is_lost(troubled: Troubled) -> None:
    assert troubled.restarted_pid != troubled.killed_pid
    assert troubled.ended.status == 0, troubled.ended.stderr
    assert " 0 lost" in troubled.ended.stderr


def test_the_end_of_a_part_and_its_restart_are_said_once_each(troubled: Troubled) -> None:
    said = [line for line in troubled.ended.stderr.splitlines() if line.startswith("  influxdb ")]
    assert sum("influxdb ended with status -9" in line for line in said) == 1
    assert sum("influxdb was restarted" in line for line in said) == 1


def test_ctrl_c_drains_and_leaves_nothing_behind(troubled: Troubled) -> None:
    assert troubled.ended.stdout == ""
    assert " 0 twice, 0 dead-lettered, 0 lost" in troubled.ended.stderr
    assert not troubled.left_behind


def test_ctrl_c_at_the_start_stops_all_at_once(home: Path) -> None:
    run = OneboxRun(home)
    try:
        poll(lambda: "Kafka, InfluxDB and Spark" in run.stderr, "the first progress")
        poll(lambda: bool(descendants(run.process.pid)), "a first part")
        run.process.send_signal(signal.SIGINT)
        asked = time.monotonic()
        assert run.ended().status == 130
        assert time.monotonic() - asked < 15
        assert not run.endpoints_file.exists()
        assert not descendants(run.process.pid)
    finally:
        run.close()
