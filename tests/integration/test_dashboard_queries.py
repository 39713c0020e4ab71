"""Every query of the dashboards, through the built-in dashboard, against a real InfluxDB."""

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.integration.dashboard_fixture import (
    DASHBOARD_UIDS,
    GAP_S,
    LENGTH_S,
    SENSOR_HOSTS,
    DashboardSite,
    panels_of,
)

ENVIROPHAT, PIPELINE = DASHBOARD_UIDS
PANELS = [(uid, panel["id"]) for uid in DASHBOARD_UIDS for panel in panels_of(uid)]
CURRENT = [
    (uid, panel["id"], index, target["query"])
    for uid in DASHBOARD_UIDS
    for panel in panels_of(uid)
    for index, target in enumerate(panel["targets"])
    if panel["options"].get("reduceOptions", panel["options"].get("legend"))["calcs"] == ["lastNotNull"]
]


CHRONOGRAF = Path(__file__).parents[2] / "grafana/chronograf/envirophat.dashboard"
CELLS = json.loads(CHRONOGRAF.read_text(encoding="utf-8"))["cells"]


def values(series: dict[str, Any]) -> list[float]:
    return [value for _, value in series["points"] if value is not None]


@pytest.mark.parametrize(("uid", "panel_id"), PANELS)
def test_every_query_of_every_panel_finds_points(dashboard_site: DashboardSite, uid: str, panel_id: int) -> None:
    host = "master02" if uid == PIPELINE else "10.0.0.99"
    series = dashboard_site.panel(uid, panel_id, host=host)["series"]
    targets = next(panel["targets"] for panel in panels_of(uid) if panel["id"] == panel_id)
    assert len(series) == len(targets)
    assert all(len(values(line)) > 100 or (uid == PIPELINE and len(values(line)) > 80) for line in series)


@pytest.mark.parametrize(("uid", "panel_id", "index", "query"), CURRENT)
def test_the_current_value_is_influxdb_s_newest(
    dashboard_site: DashboardSite, uid: str, panel_id: int, index: int, query: str
) -> None:
    match = re.search(r'\("(\w+)"\)( / 100)?', query)
    assert match is not None
    measurement, host = ("pipeline", "master02") if uid == PIPELINE else ("sensor", "10.0.0.99")
    expected = dashboard_site.newest(match[1], measurement, host) / (100 if match[2] else 1)
    line = dashboard_site.panel(uid, panel_id, host=host)["series"][index]
    assert line["current"] == [dashboard_site.end_ms, pytest.approx(expected, rel=1e-12)]


def test_pressure_is_in_hectopascals(dashboard_site: DashboardSite) -> None:
    (line,) = dashboard_site.panel(ENVIROPHAT, 4, host="10.0.0.99")["series"]
    assert all(1013 < value < 1015 for value in values(line))


def test_a_mean_is_over_the_interval(dashboard_site: DashboardSite) -> None:
    answer = dashboard_site.panel(ENVIROPHAT, 6, host="10.0.0.99", width=60)
    assert answer["interval"] == 30_000
    start = next(ms for ms, _ in answer["series"][0]["points"] if ms > dashboard_site.start_ms)
    first_second = (start - dashboard_site.start_ms) // 1000
    expected = sum(100 + second % 7 for second in range(first_second, first_second + 30)) / 30
    assert dict(answer["series"][0]["points"])[start] == pytest.approx(expected)


@pytest.mark.parametrize(("panel_id", "total"), [(1, 2 * LENGTH_S), (2, 3), (3, 0)])
def test_counts_are_summed_over_the_range(dashboard_site: DashboardSite, panel_id: int, total: int) -> None:
    (line,) = dashboard_site.panel(PIPELINE, panel_id)["series"]
    assert line["current"][1] == total


def test_a_rate_is_per_second_whatever_the_interval(dashboard_site: DashboardSite) -> None:
    for width in 100, 1000:
        (line,) = dashboard_site.panel(PIPELINE, 7, width=width)["series"]
        assert values(line) == [2.0] * len(values(line))


def test_missing_readings_break_the_line_once(dashboard_site: DashboardSite) -> None:
    (line,) = dashboard_site.panel(ENVIROPHAT, 2, host="10.0.0.99")["series"]
    (gap_ms,) = [ms for ms, value in line["points"] if value is None]
    assert GAP_S.start - 5 < (gap_ms - dashboard_site.start_ms) / 1000 < GAP_S.stop


def test_the_heading_breaks_wherever_it_passes_north(dashboard_site: DashboardSite) -> None:
    (line,) = dashboard_site.panel(ENVIROPHAT, 7, host="10.0.0.99", width=2000)["series"]
    points = line["points"]
    jumps = [
        (before, after)
        for (_, before), (_, after) in pairwise(points)
        if before is not None and after is not None and abs(after - before) > 180
    ]
    assert jumps == []
    assert sum(value is None for _, value in points) == 1 + 4  # the gap, and north


def test_all_hosts_are_a_line_each(dashboard_site: DashboardSite) -> None:
    lines = dashboard_site.panel(ENVIROPHAT, 2)["series"]
    assert {line["host"] for line in lines} >= set(SENSOR_HOSTS)
    assert {line["name"] for line in lines} >= set(SENSOR_HOSTS)


def test_one_host_is_one_line(dashboard_site: DashboardSite) -> None:
    lines = dashboard_site.panel(ENVIROPHAT, 2, host="sensor02")["series"]
    assert [line["host"] for line in lines] == ["sensor02"]


@pytest.mark.parametrize(("uid", "hosts"), [(ENVIROPHAT, set(SENSOR_HOSTS)), (PIPELINE, {"master02"})])
def test_the_hosts_to_choose_from_are_influxdb_s(dashboard_site: DashboardSite, uid: str, hosts: set[str]) -> None:
    assert set(dashboard_site.get("api/hosts", dashboard=uid).json()["hosts"]) >= hosts


def test_events_are_shown_with_their_text(dashboard_site: DashboardSite) -> None:
    answer = dashboard_site.get("api/events", dashboard=ENVIROPHAT, **{"from": "now-1h"}).json()
    assert answer["events"] == [
        {
            "time": dashboard_site.start_ms + GAP_S.stop * 1000,
            "kind": "influxdb",
            "text": "InfluxDB was away for 58 s",
        }
    ]


def test_a_short_range_shows_the_readings(dashboard_site: DashboardSite) -> None:
    assert dashboard_site.panel(ENVIROPHAT, 2)["resolution"] == "raw"


def test_long_range_shows_means_and_the_newest_reading(dashboard_site: DashboardSite) -> None:
    answer = dashboard_site.panel(ENVIROPHAT, 2, host="10.0.0.99", **{"from": "now-2y", "to": "now"})
    assert answer["resolution"] == "rollup"
    (line,) = answer["series"]
    assert line["current"][1] == dashboard_site.newest("temperature")


def test_short_range_without_readings_shows_the_means(dashboard_site: DashboardSite) -> None:
    answer = dashboard_site.panel(ENVIROPHAT, 2, **{"from": "now-2412h", "to": "now-2400h"}, width=4000)
    assert answer["interval"] < 60_000
    assert answer["resolution"] == "rollup"
    assert len(answer["series"][0]["points"]) == 12


def test_long_range_without_means_shows_the_readings(dashboard_site: DashboardSite) -> None:
    # A replayed recording from before the rollup's two years.
    times_ms = [1_624_000_000_000 + day * 86_400_000 for day in range(9)]
    lines = [f"sensor,sensor=EnviroPhat,host=old lightv={day} {time_ms}" for day, time_ms in enumerate(times_ms)]
    dashboard_site.influxdb.writer.write(lines, {"db": "sensordata", "precision": "ms"}, protocol="line")
    answer = dashboard_site.panel(ENVIROPHAT, 5, **{"from": 1_620_000_000_000, "to": 1_630_000_000_000})
    assert answer["resolution"] == "raw"
    assert answer["series"][0]["current"] == [times_ms[-1], 8]


def test_a_rollup_that_has_stopped_gives_way_to_the_readings(dashboard_site: DashboardSite) -> None:
    writer = dashboard_site.influxdb.writer
    hour_ms, end_ms = 3_600_000, dashboard_site.end_ms
    raw = [f"sensor,sensor=EnviroPhat,host=stalled motionx={hour} {end_ms - hour * hour_ms}" for hour in range(48)]
    writer.write(raw, {"db": "sensordata", "rp": "raw", "precision": "ms"}, protocol="line")
    writer.write(raw[24:], {"db": "sensordata", "rp": "rollup", "precision": "ms"}, protocol="line")
    answer = dashboard_site.panel(ENVIROPHAT, 8, host="stalled", **{"from": "now-7d", "to": "now"})
    assert answer["resolution"] == "raw"
    assert values(answer["series"][0])[-1] == 0


def test_stopped_sensor_shows_its_last_reading_and_time(dashboard_site: DashboardSite) -> None:
    time_ms = dashboard_site.end_ms - 3 * 3_600_000
    line = f"sensor,sensor=EnviroPhat,host=stopped lightv=7 {time_ms}"
    dashboard_site.influxdb.writer.write([line], {"db": "sensordata", "precision": "ms"}, protocol="line")
    (series,) = dashboard_site.panel(ENVIROPHAT, 5, host="stopped", **{"from": "now-6h", "to": "now"})["series"]
    assert series["current"] == [time_ms, 7]


@pytest.mark.parametrize("start", ["now-5m", "now-1h", "now-24h", "now-7d", "now-90d", "now-2y"])
def test_no_range_with_data_is_empty(dashboard_site: DashboardSite, start: str) -> None:
    assert values(dashboard_site.panel(ENVIROPHAT, 2, **{"from": start, "to": "now"})["series"][0])


def test_a_range_without_data_is_an_empty_answer(dashboard_site: DashboardSite) -> None:
    answer = dashboard_site.panel(ENVIROPHAT, 2, **{"from": "2001-01-01", "to": "2001-01-02"})
    assert answer["series"] == []


@pytest.mark.parametrize(
    ("path", "parameters", "status", "line"),
    [
        ("api/panel", {"dashboard": "nope", "panel": 1}, 404, "no such dashboard"),
        ("api/panel", {"dashboard": ENVIROPHAT, "panel": 99}, 404, "does not have this panel"),
        ("api/panel", {"dashboard": ENVIROPHAT, "panel": "1;"}, 400, "panel must be a whole number"),
        ("api/panel", {"dashboard": ENVIROPHAT, "panel": 1, "from": "x"}, 400, "is not a time"),
        ("api/panel", {"dashboard": ENVIROPHAT, "panel": 1, "from": "now", "to": "now-1h"}, 400, "is not a range"),
        ("api/panel", {"dashboard": ENVIROPHAT, "panel": 1, "from": "now-1h", "width": "-1"}, 400, "width must be"),
        ("api/events", {"dashboard": ENVIROPHAT}, 400, "is not a time"),
        ("api/hosts", {}, 404, "no such dashboard"),
        ("api/nothing", {}, 404, "Not found"),
        ("web/..%2fserver.py", {}, 404, "Not found"),
    ],
)
def test_a_bad_request_is_one_line_of_json(
    dashboard_site: DashboardSite, path: str, parameters: dict[str, Any], status: int, line: str
) -> None:
    answer = dashboard_site.get(path, **parameters)
    assert answer.status_code == status
    assert line in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize(
    "attempt",
    [
        'x$/ OR "host" =~ /.*',
        "x'; DROP MEASUREMENT sensor; --",
        "10.0.0.99$/; DROP MEASUREMENT sensor; SELECT 1 FROM x WHERE host =~ /",
        ".*",
        "10.0.0.99|sensor02",
        "10a0b0c99",
        "${resolution}",
    ],
)
def test_nothing_is_smuggled_in_as_a_host(dashboard_site: DashboardSite, attempt: str) -> None:
    choice = {"dashboard": ENVIROPHAT, "panel": 1, "from": "now-1h", "host": attempt}
    answer = dashboard_site.get("api/panel", **choice)
    assert answer.status_code == 400
    assert "has no host" in answer.json()["error"]
    assert dashboard_site.newest("temperature") > 0


@pytest.mark.parametrize("name", ["query", "q", "db", "resolution", "interval"])
def test_what_else_a_browser_sends_changes_nothing(dashboard_site: DashboardSite, name: str) -> None:
    smuggled = dashboard_site.panel(ENVIROPHAT, 1, **{name: "SHOW USERS"})
    assert smuggled == dashboard_site.panel(ENVIROPHAT, 1)


def test_a_host_full_of_special_characters_is_matched_as_itself(dashboard_site: DashboardSite) -> None:
    host = r"odd/h.st|(a)\d$"
    tag = host.replace("\\", "\\\\")
    line = f"sensor,sensor=EnviroPhat,host={tag} lightv=42 {dashboard_site.end_ms}"
    dashboard_site.influxdb.writer.write([line], {"db": "sensordata", "precision": "ms"}, protocol="line")
    rows = dashboard_site.influxdb.reader.query('SHOW TAG VALUES FROM "sensor" WITH KEY = "host"').get_points()
    (stored,) = [row["value"] for row in rows if row["value"].startswith("odd")]
    (series,) = dashboard_site.panel(ENVIROPHAT, 5, host=stored)["series"]
    assert (series["host"], series["current"][1]) == (stored, 42)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_the_dashboard_takes_get_only(dashboard_site: DashboardSite, method: str) -> None:
    for path in "", "api/panel", "healthz":
        assert requests.request(method, dashboard_site.url(path), timeout=10).status_code == 405


@pytest.mark.parametrize("path", ["", "web/dashboard.js", "chart.js", "healthz", "api/dashboards", "nothing"])
def test_every_answer_has_the_security_headers(dashboard_site: DashboardSite, path: str) -> None:
    headers = dashboard_site.get(path).headers
    assert headers["Content-Security-Policy"].startswith("default-src 'self';")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert "Server" not in headers


def test_health_says_that_both_are_well(dashboard_site: DashboardSite) -> None:
    assert dashboard_site.get("healthz").json() == {"dashboard": "ok", "influxdb": "ok"}


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell["name"])
def test_every_query_that_chronograf_asks_finds_points(dashboard_site: DashboardSite, cell: dict[str, Any]) -> None:
    [query] = cell["queries"]
    influxql = query["query"].replace(":dashboardTime:", "now() - 1h").replace(":interval:", "10s")
    [first, *_] = dashboard_site.influxdb.reader.query(influxql).get_points()
    assert len(first) >= 2
