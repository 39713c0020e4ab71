"""`--query`: answers an InfluxQL query from the data in `.run/`."""

import csv
import json
import sys
from typing import Any

import requests

from onebox.home import Home
from onebox.stages import Stages, started
from sensorpi.common.errors import UserError
from sensorpi.pipeline.influx.client import DATABASE, RAW, READER


def answer(influxql: str, as_json: bool) -> int:
    """Print the answer: CSV with times as in RFC 3339, or InfluxDB's own JSON on one line with times in ms.

    If the pipeline is not running, only InfluxDB is started, and stopped afterwards. The query runs as a user that can
    only read. Raises UserError when InfluxDB refuses it.
    """
    home = Home()
    lock = home.lock()
    if lock is None:
        running = home.read_endpoints()["influxdb"]
        return _print(_ask(running["url"], running["password"], influxql, as_json), as_json)
    try:
        stages = started(home, 1.0, lock, Stages.start_influxdb)
        try:
            url = f"http://{stages.endpoint}"
            return _print(_ask(url, stages.credentials.reader_password, influxql, as_json), as_json)
        finally:
            stages.stop()
    finally:
        lock.close()


def _ask(url: str, password: str, influxql: str, as_json: bool) -> dict[str, Any]:
    session = requests.Session()
    session.trust_env = False
    parameters = {"db": DATABASE, "rp": RAW, "q": influxql} | ({"epoch": "ms"} if as_json else {})
    try:
        response = session.get(f"{url}/query", params=parameters, auth=(READER, password), timeout=300)
        result: dict[str, Any] = response.json()
    except requests.ConnectionError as error:
        raise UserError(f"InfluxDB at {url} does not answer: {error}") from None
    except ValueError:
        raise UserError(f"InfluxDB answered with status {response.status_code}") from None
    errors = [result.get("error"), *(statement.get("error") for statement in result.get("results", []))]
    if reason := next(filter(None, errors), None):
        raise UserError(f"InfluxDB refuses the query: {' '.join(reason.split())}")
    return result


def _print(result: dict[str, Any], as_json: bool) -> int:
    if as_json:
        print(json.dumps(result))
        return 0
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for statement in result["results"]:
        for series in statement.get("series", []):
            tags = series.get("tags", {})
            writer.writerow(["name", *tags, *series["columns"]])
            writer.writerows([series["name"], *tags.values(), *row] for row in series["values"])
    return 0
