"""The Grafana files: what Grafana and the built-in dashboard expect of them."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from sensorpi.common.errors import UserError
from sensorpi.common.reading import FIELDS
from sensorpi.pipeline.dashboard.model import load_dashboards
from sensorpi.pipeline.influx.client import PIPELINE_FIELDS

GRAFANA = Path(__file__).parents[4] / "grafana"
FILES = sorted((GRAFANA / "dashboards").glob("*.json"))
DATA_SOURCE = {"type": "influxdb", "uid": "sensorpi-influxdb"}
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def load(path: Path) -> dict[str, Any]:
    file: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return file


def fields_of(query: str) -> set[str]:
    return set(re.findall(r'\w+\("(\w+)"\)', query))


def test_the_uids_are_the_ones_that_links_point_to() -> None:
    assert {path.stem: load(path)["uid"] for path in FILES} == {
        "envirophat": "sensorpi-envirophat",
        "pipeline": "sensorpi-pipeline",
    }


@each_file
def test_no_file_carries_an_id_of_some_grafana(path: Path) -> None:
    assert "id" not in load(path)


@each_file
def test_the_schema_is_current(path: Path) -> None:
    assert load(path)["schemaVersion"] >= 39
    assert {panel["type"] for panel in load(path)["panels"]} == {"stat", "timeseries"}


@each_file
def test_panel_ids_are_unique(path: Path) -> None:
    ids = [panel["id"] for panel in load(path)["panels"]]
    assert len(ids) == len(set(ids))


@each_file
def test_every_panel_and_query_names_the_provisioned_data_source(path: Path) -> None:
    file = load(path)
    queries = [target for panel in file["panels"] for target in panel["targets"]]
    variables = [variable for variable in file["templating"]["list"] if variable["type"] == "query"]
    annotations = [entry for entry in file["annotations"]["list"] if not entry.get("builtIn")]
    assert all(part["datasource"] == DATA_SOURCE for part in [*file["panels"], *queries, *variables, *annotations])


@each_file
def test_panels_lie_within_24_columns_and_on_no_other(path: Path) -> None:
    grids = [panel["gridPos"] for panel in load(path)["panels"]]
    assert all(grid["x"] >= 0 and grid["x"] + grid["w"] <= 24 for grid in grids)
    for one, other in itertools.combinations(grids, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


@each_file
def test_every_query_filters_by_time_and_host_and_groups_by_time(path: Path) -> None:
    for panel in load(path)["panels"]:
        for target in panel["targets"]:
            assert "$timeFilter" in target["query"]
            assert '"host" =~ /^${host:regex}$/' in target["query"]
            assert "time($__interval)" in target["query"]


@each_file
def test_query_names_are_unique_in_a_panel(path: Path) -> None:
    for panel in load(path)["panels"]:
        names = [target["refId"] for target in panel["targets"]]
        assert len(names) == len(set(names))


@each_file
def test_events_are_shown_as_annotations(path: Path) -> None:
    (events,) = [entry for entry in load(path)["annotations"]["list"] if not entry.get("builtIn")]
    assert events["target"]["textColumn"] == "text"
    assert '"events"' in events["target"]["query"]


def test_the_envirophat_dashboard_keeps_the_eight_panels() -> None:
    panels = load(GRAFANA / "dashboards/envirophat.json")["panels"]
    shown = [
        (
            panel["type"],
            panel["fieldConfig"]["defaults"]["unit"],
            [fields_of(t["query"]).pop() for t in panel["targets"]],
        )
        for panel in panels
    ]
    assert shown == [
        ("stat", "celsius", ["temperature"]),
        ("timeseries", "celsius", ["temperature"]),
        ("stat", "pressurehpa", ["pressure"]),
        ("timeseries", "pressurehpa", ["pressure"]),
        ("stat", "none", ["lightv"]),
        ("timeseries", "none", ["lightr", "lightg", "lightb"]),
        ("stat", "degree", ["heading"]),
        ("timeseries", "accG", ["motionx", "motiony", "motionz"]),
    ]
    assert set().union(*(names for _, _, names in shown)) == set(FIELDS)


def test_degrees_are_never_averaged_as_numbers() -> None:
    assert 'mean("heading")' not in (GRAFANA / "dashboards/envirophat.json").read_text(encoding="utf-8")


def test_pascals_are_shown_as_hectopascals() -> None:
    for panel in load(GRAFANA / "dashboards/envirophat.json")["panels"]:
        if panel["fieldConfig"]["defaults"]["unit"] == "pressurehpa":
            assert all(re.search(r'\("pressure"\) / 100 FROM', target["query"]) for target in panel["targets"])


def test_the_readings_resolution_can_be_switched_to_the_rollup() -> None:
    file = load(GRAFANA / "dashboards/envirophat.json")
    (resolution,) = [variable for variable in file["templating"]["list"] if variable["name"] == "resolution"]
    assert [option["value"] for option in resolution["options"]] == ["raw", "rollup"]
    queries = [target["query"] for panel in file["panels"] for target in panel["targets"]]
    assert all('FROM "sensordata"."${resolution}"."sensor"' in query for query in queries)


def test_the_pipeline_dashboard_shows_every_figure_of_the_job() -> None:
    panels = load(GRAFANA / "dashboards/pipeline.json")["panels"]
    shown = set().union(*(fields_of(target["query"]) for panel in panels for target in panel["targets"]))
    assert shown == set(PIPELINE_FIELDS)


def test_provisioning_reads_address_and_password_from_variables() -> None:
    data_source = (GRAFANA / "provisioning/datasources/sensorpi.yaml").read_text(encoding="utf-8")
    assert re.findall(r"^ +(?:url|password|user|uid): (.*)$", data_source, re.MULTILINE) == [
        "sensorpi-influxdb",
        "$SENSORPI_INFLUXDB_URL",
        "reader",
        "$SENSORPI_READER_PASSWORD",
    ]


@pytest.mark.parametrize("path", [p for p in GRAFANA.rglob("*") if p.is_file()], ids=lambda path: path.name)
def test_no_file_holds_a_password(path: Path) -> None:
    for found in re.finditer(r'(?i)(?:password|token|secret)"?\s*[:=]\s*(\S+)', path.read_text(encoding="utf-8")):
        assert found[1].startswith(("$", '"{{'))


def test_chronograf_reads_address_and_password_from_variables() -> None:
    source = json.loads((GRAFANA / "chronograf/sensorpi.src").read_text(encoding="utf-8"))
    assert (source["url"], source["username"], source["password"]) == (
        "{{ .SENSORPI_INFLUXDB_URL }}",
        "reader",
        "{{ .SENSORPI_READER_PASSWORD }}",
    )
    assert source["default"]


def test_chronograf_shows_the_panels_that_grafana_shows() -> None:
    cells = json.loads((GRAFANA / "chronograf/envirophat.dashboard").read_text(encoding="utf-8"))["cells"]
    panels = load(GRAFANA / "dashboards/envirophat.json")["panels"]
    assert [(cell["name"], fields_of(cell["queries"][0]["query"])) for cell in cells] == [
        (panel["title"], set().union(*(fields_of(target["query"]) for target in panel["targets"]))) for panel in panels
    ]


def test_the_built_in_dashboard_reads_every_panel_and_query() -> None:
    dashboards = load_dashboards(GRAFANA / "dashboards")
    for path in FILES:
        file = load(path)
        dashboard = dashboards[file["uid"]]
        assert [panel.id for panel in dashboard.panels] == [panel["id"] for panel in file["panels"]]
        for panel in file["panels"]:
            read = dashboard.panel(panel["id"])
            assert read is not None
            assert [target.query for target in read.targets] == [target["query"] for target in panel["targets"]]


def test_the_page_is_told_no_query() -> None:
    described = json.dumps([board.describe() for board in load_dashboards(GRAFANA / "dashboards").values()])
    assert "SELECT" not in described
    assert "SHOW" not in described


def test_only_the_heading_wraps() -> None:
    panels = load_dashboards(GRAFANA / "dashboards")["sensorpi-envirophat"].panels
    assert {panel.title: panel.wraps_at for panel in panels if panel.wraps_at} == {"Heading now": 360.0}


def test_an_override_colours_a_query_s_series() -> None:
    light = load_dashboards(GRAFANA / "dashboards")["sensorpi-envirophat"].panel(6)
    assert light is not None
    assert len({target.color for target in light.targets}) == 3


def test_a_folder_without_dashboards_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there are no dashboards \(\*\.json\) here"):
        load_dashboards(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"uid": "x"}', '{"templating": {"list": []}, "uid": "x"}'])
def test_a_file_that_is_not_a_dashboard_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "broken.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"broken\.json"):
        load_dashboards(tmp_path)


def test_two_files_with_one_uid_are_refused(tmp_path: Path) -> None:
    for name in "a.json", "b.json":
        (tmp_path / name).write_text(FILES[0].read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(UserError, match=r"b\.json: another file has the uid .*, too"):
        load_dashboards(tmp_path)
