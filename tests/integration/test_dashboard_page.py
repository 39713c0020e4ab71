"""The built-in dashboard's page in a real browser."""

import json
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from tests.integration.dashboard_fixture import DASHBOARD_UIDS, DashboardSite, panels_of

ENVIROPHAT, PIPELINE = DASHBOARD_UIDS
BROWSER_OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,950",
)

#: What one chart draws: its lines, each as a list of values or nulls.
LINES = """
    const canvas = document.querySelector(`[data-panel-id="${arguments[0]}"] canvas`);
    const chart = canvas && Chart.getChart(canvas);
    return chart ? chart.data.datasets.map(({data}) => data.map(({y}) => y)) : [];
"""
#: Whether a canvas has any pixel that is not transparent.
PAINTED = """
    const canvas = document.querySelector(`[data-panel-id="${arguments[0]}"] canvas`);
    const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.some((byte, index) => index % 4 === 3 && byte > 0);
"""


class Page:
    """The page, as somebody who sits before it sees it."""

    def __init__(self, browser: webdriver.Chrome, site: DashboardSite) -> None:
        self.browser = browser
        self.site = site

    def open(self, **parameters: Any) -> None:
        """Open the page on the readings' range, unless the parameters say another; wait until it is drawn."""
        choice = {"from": self.site.start_ms, "to": self.site.end_ms} | parameters
        self.browser.get(self.site.url("?" + "&".join(f"{name}={value}" for name, value in choice.items())))
        self.wait(self.drawn, "the panels are drawn")

    def drawn(self) -> bool:
        """Whether every panel has been filled."""
        panels = self.all("section.panel")
        return bool(panels) and all(panel.get_attribute("aria-busy") == "false" for panel in panels)

    def all(self, selector: str) -> list[Any]:
        """The elements that a selector finds."""
        return list(self.browser.find_elements(By.CSS_SELECTOR, selector))

    def one(self, selector: str) -> Any:
        """The one element that a selector finds."""
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def panel(self, panel_id: int) -> Any:
        """A panel's element."""
        return self.one(f'[data-panel-id="{panel_id}"]')

    def lines(self, panel_id: int) -> list[list[float | None]]:
        """What a panel's chart draws."""
        lines: list[list[float | None]] = self.browser.execute_script(LINES, panel_id)
        return lines

    def choose(self, select_id: str, value: str) -> None:
        """Choose a value of a select."""
        Select(self.one(f"#{select_id}")).select_by_value(value)

    def logged(self, log: str) -> list[str]:
        """What one of the browser's logs has got since it was last asked."""
        return [entry["message"] for entry in self.browser.get_log(log)]  # type: ignore[no-untyped-call]

    def wait(self, condition: Callable[[], Any], what: str, timeout_s: float = 15) -> None:
        """Wait until a condition holds."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"never seen: {what}"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for option in (*BROWSER_OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture
def page(browser: webdriver.Chrome, dashboard_site: DashboardSite) -> Iterator[Page]:
    browser.get(dashboard_site.url("healthz"))
    browser.execute_script("localStorage.clear()")
    prefer(browser, "light")
    yield Page(browser, dashboard_site)
    browser.get("about:blank")


def prefer(browser: webdriver.Chrome, scheme: str) -> None:
    """Make the system's colour scheme light or dark."""
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def values(line: list[float | None]) -> list[float]:
    return [value for value in line if value is not None]


@pytest.mark.parametrize("uid", DASHBOARD_UIDS)
def test_each_panel_draws_a_line_for_each_of_its_queries(page: Page, uid: str) -> None:
    host = "master02" if uid == PIPELINE else "10.0.0.99"
    page.open(dashboard=uid, host=host)
    for panel in panels_of(uid):
        lines = page.lines(panel["id"])
        assert len(lines) == len(panel["targets"]), panel["title"]
        assert all(len(values(line)) > 20 for line in lines), panel["title"]
        assert page.browser.execute_script(PAINTED, panel["id"]), panel["title"]


@pytest.mark.parametrize(
    ("panel_id", "field", "divisor", "text"),
    [
        (1, "temperature", 1, "{:.2f} °C"),
        (2, "temperature", 1, "{:.2f} °C"),
        (3, "pressure", 100, "{:.2f} hPa"),
        (4, "pressure", 100, "{:.2f} hPa"),
        (5, "lightv", 1, "{:.0f}"),
        (6, "lightr", 1, "{:.0f}"),
        (7, "heading", 1, "{:.1f}°"),
        (8, "motionx", 1, "{:.3f} g"),
    ],
)
def test_the_current_value_is_influxdb_s_newest(page: Page, panel_id: int, field: str, divisor: int, text: str) -> None:
    page.open(host="10.0.0.99")
    newest = page.site.newest(field) / divisor
    panel = page.panel(panel_id)
    assert float(panel.get_attribute("data-current")) == pytest.approx(newest, rel=1e-12)
    assert page.one(f'[data-panel-id="{panel_id}"] .value').text == text.format(newest)


def test_a_new_reading_appears_by_itself(page: Page) -> None:
    def write(value: int) -> None:
        page.site.influxdb.writer.write(
            [f"sensor,sensor=E,host=live lightv={value}"], {"db": "sensordata"}, protocol="line"
        )

    write(1)
    page.open(host="live", **{"from": "now-5m", "to": "now"})
    write(1234)
    page.wait(lambda: page.panel(5).get_attribute("data-current") == "1234", "the new reading")


def test_missing_readings_break_the_line(page: Page) -> None:
    page.open(host="10.0.0.99")
    assert [line.count(None) for line in page.lines(2)] == [1]
    assert [line.count(None) for line in page.lines(8)] == [1, 1, 1]


def test_the_heading_has_no_stroke_across_the_panel(page: Page) -> None:
    page.open(host="10.0.0.99")
    (line,) = page.lines(7)
    pairs = pairwise(line)
    assert all(abs(after - before) <= 180 for before, after in pairs if before is not None and after is not None)
    assert line.count(None) > 1


def test_a_gap_has_no_ink(page: Page) -> None:
    page.open(host="10.0.0.99")
    inked = page.browser.execute_script(
        """
        const chart = Chart.getChart(document.querySelector('[data-panel-id="8"] canvas'));
        const {x} = chart.scales, {top, bottom} = chart.chartArea, ratio = chart.currentDevicePixelRatio;
        chart.options.scales.x.grid.display = chart.options.scales.y.grid.display = false;
        chart.$events = [];
        chart.update("none");
        return arguments[0].map((time) => chart.ctx.getImageData(
            Math.round(x.getPixelForValue(time) * ratio), top * ratio, 1, (bottom - top) * ratio,
        ).data.some((byte, index) => index % 4 === 3 && byte > 0));
    """,
        [page.site.start_ms + second * 1000 for second in (200, 450, 700)],
    )
    assert inked == [True, False, True]


def test_a_choice_of_range_is_drawn_and_put_into_the_address(page: Page) -> None:
    page.open()
    page.choose("range", "5m")
    page.wait(lambda: "from=now-5m&to=now" in page.browser.current_url, "the address")
    script = "const {x} = Chart.getChart(document.querySelector('.timeseries canvas')).scales; return x.max - x.min"
    page.wait(lambda: page.browser.execute_script(script) == 300_000, "five minutes")


def test_the_ranges_reach_from_five_minutes_to_two_years(page: Page) -> None:
    page.open()
    offered = [option.get_attribute("value") for option in Select(page.one("#range")).options]
    assert offered == [
        *("shown", "5m", "15m", "30m", "1h", "3h", "6h", "12h", "24h", "2d", "7d", "30d", "90d", "1y", "2y"),
        "custom",
    ]


@pytest.mark.parametrize("length", ["5m", "6h", "7d", "2y"])
def test_every_length_of_range_draws_a_line(page: Page, length: str) -> None:
    page.open(host="10.0.0.99", **{"from": f"now-{length}", "to": "now"})
    assert any(values(line) for line in page.lines(2))


def test_a_free_range_is_what_two_fields_say(page: Page) -> None:
    page.open()
    page.choose("range", "custom")
    script = "document.getElementById(arguments[0]).value = arguments[1]"
    page.browser.execute_script(script, "custom-from", "2021-06-18T07:00:00")
    page.browser.execute_script(script, "custom-to", "2021-06-18T08:00:00")
    page.one("#custom-range button[type=submit]").click()
    page.wait(lambda: "from=16" in page.browser.current_url, "the address")
    start, end = (int(part.split("=")[1]) for part in page.browser.current_url.split("?")[1].split("&")[1:3])
    assert end - start == 3_600_000
    page.wait(lambda: page.one('[data-panel-id="2"] .nothing').text == "No data in this range", "the empty range")


def test_a_free_range_that_ends_before_it_starts_is_told_so(page: Page) -> None:
    page.open()
    page.choose("range", "custom")
    script = "document.getElementById(arguments[0]).value = arguments[1]"
    page.browser.execute_script(script, "custom-from", "2021-06-18T08:00:00")
    page.browser.execute_script(script, "custom-to", "2021-06-18T07:00:00")
    page.one("#custom-range button[type=submit]").click()
    assert page.one("#custom-error").text == "The range must end after its start."


def test_the_choice_of_a_host_shows_that_host_only(page: Page) -> None:
    page.open()
    assert len(page.lines(2)) >= 2
    page.wait(lambda: "sensor02" in page.one("#host").text, "the hosts to choose from")
    page.choose("host", "sensor02")
    page.wait(lambda: len(page.lines(2)) == 1, "one line")
    newest = page.site.newest("temperature", host="sensor02")
    assert float(page.panel(2).get_attribute("data-current")) == newest
    assert "host=sensor02" in page.browser.current_url


def test_the_other_dashboard_is_one_click_away_and_back_returns(page: Page) -> None:
    page.open()
    next(link for link in page.all("nav a") if link.text == "Pipeline").click()
    page.wait(lambda: page.one("#panels").get_attribute("data-dashboard") == PIPELINE and page.drawn(), "Pipeline")
    assert len(page.all("section.panel")) == len(panels_of(PIPELINE))
    page.browser.back()
    page.wait(lambda: page.one("#panels").get_attribute("data-dashboard") == ENVIROPHAT and page.drawn(), "back")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colours_follow_the_system(page: Page, scheme: str) -> None:
    prefer(page.browser, scheme)
    page.open()
    assert page.one("html").get_attribute("data-theme") == scheme


def test_a_switched_theme_recolours_the_charts_and_is_remembered(page: Page) -> None:
    page.open()
    background = page.one("body").value_of_css_property("background-color")
    script = (
        "return Chart.getChart(document.querySelector('[data-panel-id=\"2\"] canvas')).options.scales.y.ticks.color"
    )
    ink = page.browser.execute_script(script)
    page.one("#theme").click()
    assert page.one("html").get_attribute("data-theme") == "dark"
    assert page.one("body").value_of_css_property("background-color") != background
    assert page.browser.execute_script(script) != ink
    page.open()
    assert page.one("html").get_attribute("data-theme") == "dark"


def test_refresh_off_asks_no_more(page: Page) -> None:
    page.open()
    page.choose("refresh", "0")
    count = "return performance.getEntriesByType('resource').filter(({name}) => name.includes('api/panel')).length"
    page.wait(lambda: page.browser.execute_script(count) >= 16, "the refresh on choosing")
    asked = page.browser.execute_script(count)
    deadline = time.monotonic() + 6  # longer than the five seconds that it would have been
    while time.monotonic() < deadline:
        assert page.browser.execute_script(count) == asked
        time.sleep(0.5)


def test_influxdb_outage_is_one_line_and_the_page_recovers(page: Page) -> None:
    page.open(host="10.0.0.99")
    influxdb = page.site.influxdb
    influxdb.stop()
    try:
        page.wait(lambda: page.one("#problem").is_displayed(), "the problem")
        assert page.one("#problem").text == f"InfluxDB at {influxdb.endpoint} does not answer: is it running?"
        assert page.lines(2), "what was drawn stays"
        health = page.site.get("healthz")
        assert (health.status_code, health.json()["dashboard"]) == (200, "ok")
        assert "does not answer" in health.json()["influxdb"]
    finally:
        influxdb.start()
    page.wait(lambda: not page.one("#problem").is_displayed(), "the end of the problem", timeout_s=40)
    assert values(page.lines(2)[0])


@pytest.mark.parametrize(
    "host", ["%3Cimg%20src%3Dx%20onerror%3Ddocument.title%3D'owned'%3E", "a'%3B%20DROP%20DATABASE%20sensordata"]
)
def test_a_host_from_the_address_is_neither_run_nor_asked(page: Page, host: str) -> None:
    page.browser.get(page.site.url(f"?host={host}"))
    page.wait(lambda: page.one("#problem").is_displayed(), "the problem")
    assert page.one("#problem").text.startswith("the database has no host “")
    assert page.all("img[src=x]") == []
    assert "owned" not in page.browser.title


def test_a_sensor_named_like_markup_is_shown_as_text(page: Page) -> None:
    host = "<b>bold</b>"
    line = f"sensor,sensor=E,host={host} lightv=1 {page.site.end_ms}"
    page.site.influxdb.writer.write([line], {"db": "sensordata", "precision": "ms"}, protocol="line")
    page.open(host="%3Cb%3Ebold%3C/b%3E")
    assert host in page.panel(5).text
    assert page.all("b") == []


def test_page_loads_nothing_from_elsewhere(page: Page) -> None:
    for log in "browser", "performance":
        page.logged(log)
    page.open()
    requests = [json.loads(message)["message"] for message in page.logged("performance")]
    urls = {
        message["params"]["request"]["url"] for message in requests if message["method"] == "Network.requestWillBeSent"
    }
    assert len(urls) > 8
    assert all(url.startswith(page.site.url()) for url in urls)
    assert page.logged("browser") == []


def test_every_control_has_a_name(page: Page) -> None:
    page.open()
    unnamed = [
        element.get_attribute("outerHTML")
        for element in page.all("select, button, canvas, input, nav, main")
        if element.is_displayed() and not element.accessible_name
    ]
    assert unnamed == []


def test_phone_shows_one_panel_a_row_and_scrolls_down_only(page: Page) -> None:
    metrics = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        page.open()
        boxes = [panel.rect for panel in page.all("section.panel")]
        assert {round(box["width"]) for box in boxes} == {374}
        assert page.browser.execute_script("return document.documentElement.scrollWidth") == 390
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_wide_panels_lie_as_the_grafana_file_says(page: Page) -> None:
    page.open()
    boxes = {int(panel.get_attribute("data-panel-id")): panel.rect for panel in page.all("section.panel")}
    for upper, lower in (1, 5), (2, 6), (3, 7), (4, 8):
        assert boxes[upper]["x"] == boxes[lower]["x"]
        assert boxes[upper]["y"] < boxes[lower]["y"]
    assert boxes[2]["width"] > 1.9 * boxes[1]["width"]
