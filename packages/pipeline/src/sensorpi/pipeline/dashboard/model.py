"""Grafana's dashboard files as the built-in dashboard needs them: panels with queries, measuring units, colours."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensorpi.common.daemon import untrusted
from sensorpi.common.daemon.untrusted import NOT_AS_EXPECTED
from sensorpi.common.errors import UserError
from sensorpi.pipeline.dashboard.range import parse_duration_ms

DEFAULT_COLOR = "#7a8699"


@dataclass(frozen=True)
class Target:
    """One query of a panel. ``query`` is InfluxQL with Grafana's macros, ``alias`` names its series."""

    ref_id: str
    query: str
    alias: str
    color: str


@dataclass(frozen=True)
class Panel:
    """One panel. ``grid`` is (x, y, width, height) in Grafana's 24 columns; a threshold is (from value, colour)."""

    id: int
    kind: str
    title: str
    description: str
    unit: str
    decimals: int | None
    minimum: float | None
    maximum: float | None
    grid: tuple[int, int, int, int]
    thresholds: tuple[tuple[float | None, str], ...]
    calculation: str
    min_interval_ms: int
    fill_opacity: float
    targets: tuple[Target, ...]

    @property
    def wraps_at(self) -> float | None:
        """The value at which it starts again at 0, such as 360 degrees."""
        return 360.0 if (self.unit, self.minimum, self.maximum) == ("degree", 0, 360) else None

    def describe(self) -> dict[str, Any]:
        """What the page needs to draw the panel. The queries are not sent."""
        return {
            "id": self.id,
            "kind": self.kind,
            "title": self.title,
            "description": self.description,
            "unit": self.unit,
            "decimals": self.decimals,
            "min": self.minimum,
            "max": self.maximum,
            "grid": self.grid,
            "thresholds": self.thresholds,
            "calculation": self.calculation,
            "fillOpacity": self.fill_opacity,
        }


@dataclass(frozen=True)
class Dashboard:
    """One dashboard file. ``start`` and ``end`` are its default time range in Grafana's notation."""

    uid: str
    title: str
    description: str
    start: str
    end: str
    hosts_query: str
    events_query: str | None
    panels: tuple[Panel, ...]

    def panel(self, panel_id: int) -> Panel | None:
        """The panel with this id, if there is one."""
        return next((panel for panel in self.panels if panel.id == panel_id), None)

    def describe(self) -> dict[str, Any]:
        """The dashboard for the page."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "panels": [panel.describe() for panel in self.panels],
        }


def load_dashboards(directory: Path) -> dict[str, Dashboard]:
    """The dashboards in ``directory``/*.json by uid, in order of file name.

    Raises UserError for a file that cannot be read or used, and when there is none.
    """
    dashboards: dict[str, Dashboard] = {}
    for path in sorted(directory.glob("*.json")):
        try:
            dashboard = _dashboard(untrusted.parse_json(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: cannot be read as a dashboard: {error}") from error
        except NOT_AS_EXPECTED as error:
            raise UserError(f"{path}: not a dashboard that can be shown here: {error!r}") from error
        if dashboard.uid in dashboards:
            raise UserError(f"{path}: another file has the uid {dashboard.uid}, too")
        dashboards[dashboard.uid] = dashboard
    if not dashboards:
        raise UserError(f"{directory}: there are no dashboards (*.json) here")
    return dashboards


def _dashboard(file: dict[str, Any]) -> Dashboard:
    if not isinstance(file["uid"], str):
        raise TypeError("its uid is not a text")
    variables = {variable["name"]: variable for variable in file["templating"]["list"]}
    return Dashboard(
        uid=file["uid"],
        title=file["title"],
        description=file.get("description", ""),
        start=file["time"]["from"],
        end=file["time"]["to"],
        hosts_query=variables["host"]["query"],
        events_query=next(_event_queries(file), None),
        panels=tuple(_panel(panel) for panel in file["panels"]),
    )


def _event_queries(file: dict[str, Any]) -> Iterator[str]:
    for annotation in file["annotations"]["list"]:
        if not annotation.get("builtIn") and annotation["enable"]:
            yield annotation["target"]["query"]


def _panel(panel: dict[str, Any]) -> Panel:
    defaults = panel["fieldConfig"]["defaults"]
    options = panel["options"]
    calculations = options["reduceOptions" if panel["type"] == "stat" else "legend"]["calcs"]
    fixed_color = defaults["color"].get("fixedColor", DEFAULT_COLOR)
    colors = dict(_target_colors(panel))
    grid = panel["gridPos"]
    return Panel(
        id=panel["id"],
        kind=panel["type"],
        title=panel["title"],
        description=panel.get("description", ""),
        unit=defaults["unit"],
        decimals=defaults.get("decimals"),
        minimum=defaults.get("min"),
        maximum=defaults.get("max"),
        grid=(grid["x"], grid["y"], grid["w"], grid["h"]),
        thresholds=tuple((step["value"], step["color"]) for step in defaults["thresholds"]["steps"]),
        calculation=calculations[0],
        min_interval_ms=parse_duration_ms(panel["interval"]),
        fill_opacity=defaults.get("custom", {}).get("fillOpacity", 10) / 100,
        targets=tuple(
            Target(target["refId"], target["query"], target["alias"], colors.get(target["refId"], fixed_color))
            for target in panel["targets"]
        ),
    )


def _target_colors(panel: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The colours that the panel's overrides give to the series of single queries."""
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["id"] == "byFrameRefID":
            for setting in override["properties"]:
                if setting["id"] == "color":
                    yield override["matcher"]["options"], setting["value"]["fixedColor"]
