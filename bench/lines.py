"""Posts lines to InfluxDB over one connection: what the hand-written readers share."""

import base64
import http.client
import json
import math
import os
from urllib.parse import urlencode, urlsplit

from sensorpi.pipeline.influx.client import DATABASE, RAW, READINGS, WRITER

#: The environment variables that tell these programs where to write.
URL, PASSWORD = "BENCH_INFLUXDB", "BENCH_PASSWORD"


def line_of(message: bytes) -> str:
    """The point of one reading in line protocol, precision ms: the same point as the job's, without its checks."""
    reading = json.loads(message)
    tags = f"host={reading.pop('host')},sensor={reading.pop('sensor')}"
    boot, timestamp_ms = reading.pop("boot"), reading.pop("timestamp")
    heading = math.radians(reading["heading"])
    vector = f"heading_sin={math.sin(heading):.6f},heading_cos={math.cos(heading):.6f}"
    fields = ",".join([f"{name}={value!r}" for name, value in reading.items()])
    return f'{READINGS},{tags} boot="{boot}",{fields},{vector} {timestamp_ms}'


class Poster:
    """A connection to the InfluxDB that the environment names."""

    def __init__(self) -> None:
        address = urlsplit(os.environ[URL])
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
        token = base64.b64encode(f"{WRITER}:{os.environ[PASSWORD]}".encode()).decode()
        self._headers = {"Authorization": f"Basic {token}", "Content-Type": "text/plain"}
        self._path = f"/write?{urlencode({'db': DATABASE, 'rp': RAW, 'precision': 'ms'})}"

    def post(self, body: bytes) -> None:
        """Write the lines. Raises RuntimeError when InfluxDB does not store all of them."""
        self._connection.request("POST", self._path, body, self._headers)
        response = self._connection.getresponse()
        text = response.read()
        if response.status != 204:
            raise RuntimeError(f"InfluxDB: HTTP {response.status}: {text.decode(errors='replace')}")
