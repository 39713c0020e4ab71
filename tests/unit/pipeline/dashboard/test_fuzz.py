"""The dashboard's HTTP: whatever a browser sends, it is answered without an internal error."""

import io
import json
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorpi.pipeline.dashboard.model import load_dashboards
from sensorpi.pipeline.dashboard.range import RangeError, parse_duration_ms, parse_range
from sensorpi.pipeline.dashboard.server import DashboardServer
from sensorpi.pipeline.influx.client import Endpoint
from tests.fakes.damage import damaged, refusal, replaced

ROOT = Path(__file__).parents[4]
FOLDER = ROOT / "grafana/dashboards"
ENVIROPHAT = (FOLDER / "envirophat.json").read_bytes()
#: Nothing listens there, so that each valid question is answered with 503.
SITE = DashboardServer(load_dashboards(FOLDER), Endpoint("127.0.0.1", 1), "password")
LATEST = "9999-12-31T23:59:59-23:59"
TIMES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["now", "now-15m", "now-999999999y", "0", "-99999999999999", "0001-01-01", "9999-12-31T23:59:59-23:59"]
    ),
    st.datetimes().map(str),
)


def get(path: str, query: str, method: str = "GET") -> tuple[int, bytes]:
    """Status and body of the answer to a WSGI request."""
    said: list[str] = []
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, "SERVER_NAME": "a", "SERVER_PORT": "80",
        "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO(), "wsgi.url_scheme": "http",
        "SERVER_PROTOCOL": "HTTP/1.1",
    }  # fmt: skip
    answer = SITE.app(environ, lambda status, _headers, *_more: said.append(status))
    body = b"".join(answer)
    if hasattr(answer, "close"):
        answer.close()
    return int(said[0].split()[0]), body


@pytest.mark.fuzz
@given(
    path=st.sampled_from(["/api/panel", "/api/events", "/api/hosts"]),
    query=st.fixed_dictionaries(
        {},
        optional={
            "dashboard": st.sampled_from(["envirophat", "pipeline", "", "\ud800".encode("utf-8", "surrogatepass")]),
            "panel": st.one_of(st.text(max_size=8), st.integers(0, 12).map(str)),
            "from": TIMES,
            "to": TIMES,
            "host": st.one_of(st.text(max_size=20), st.binary(max_size=8)),
            "width": st.one_of(st.text(max_size=8), st.integers().map(str)),
        },
    ),
)
def test_any_question_is_answered_with_one_line(path: str, query: dict[str, Any]) -> None:
    words = {
        name: value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        for name, value in query.items()
    }
    status, body = get(path, urlencode(words))
    assert status in (400, 404, 503), (status, body)
    assert "\n" not in json.loads(body)["error"]


@pytest.mark.fuzz
@given(
    path=st.text(max_size=30).map(lambda text: "/" + text.encode("utf-8", "replace").decode("latin-1")),
    query=st.text(alphabet=st.characters(max_codepoint=255), max_size=30),
    method=st.sampled_from(["GET", "POST", "HEAD", "PUT", "X"]),
)
def test_any_address_is_answered_without_an_internal_error(path: str, query: str, method: str) -> None:
    status, _ = get(path, query, method)
    assert status in (200, 400, 404, 405), status


@pytest.mark.fuzz
@given(TIMES, TIMES)
def test_a_range_is_read_or_one_line(start: str, end: str) -> None:
    for read in (lambda: parse_range(start, end, 1_700_000_000_000), lambda: parse_duration_ms(start)):
        try:
            read()
        except RangeError:
            continue


@pytest.mark.fuzz
@given(st.data())
def test_a_dashboard_file_is_loaded_or_one_line(data: st.DataObject) -> None:
    changed = json.dumps(replaced(json.loads(ENVIROPHAT), data)).encode()
    content = data.draw(st.one_of(st.just(changed), damaged(ENVIROPHAT)))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.json").write_bytes(content)
        refusal(lambda: [json.dumps(each.describe()) for each in load_dashboards(Path(folder)).values()])
