"""Post lines to InfluxDB, and find the lines that it refuses."""

import gzip
from dataclasses import dataclass

from influxdb import InfluxDBClient
from influxdb.exceptions import InfluxDBClientError

from sensorpi.pipeline.influx.client import DATABASE, INFLUXDB_ERRORS, RAW, fault

#: When this many single lines are refused, all for the same reason, the cause is not in the lines.
COMMON_CAUSE = 20


class InfluxUnavailable(Exception):
    """InfluxDB cannot store points now, whatever they are; the text says why."""


@dataclass(frozen=True)
class Refusal:
    """A point that InfluxDB refuses: its message's offset, and InfluxDB's reason."""

    offset: int
    reason: str


class LineWriter:
    """Writes (offset, line) pairs with precision ms. It does not retry: the caller decides about that."""

    def __init__(self, client: InfluxDBClient, compress: bool = False, policy: str = RAW) -> None:
        self._client = client
        self._compress = compress
        self._parameters = {"db": DATABASE, "rp": policy, "precision": "ms"}

    def write(self, lines: list[tuple[int, bytes]], give_up_on_common_cause: bool = False) -> list[Refusal]:
        """Write all lines that InfluxDB accepts; return those that it refuses.

        InfluxDB reports neither all the points that it drops nor all the causes, so a refused
        batch is halved down to single lines; writing a point twice is harmless. Raises
        InfluxUnavailable when the cause is not in a point, or, unless ``give_up_on_common_cause``, when
        the first COMMON_CAUSE single lines all fail for the same reason.
        """
        refusals: list[Refusal] = []
        stored = 0
        parts = [lines]  # a stack, the next part last
        while parts:
            part = parts.pop()
            reason = self._post(part) if part else None
            if reason is None:
                stored += len(part)
            elif len(part) > 1:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
            else:
                refusals.append(Refusal(part[0][0], reason))
                if not give_up_on_common_cause and not stored and self._has_common_cause(refusals):
                    raise InfluxUnavailable(f"it refuses every point: {reason}")
        return refusals

    def ping(self) -> bool:
        """Whether InfluxDB answers. This opens the connection that the next write uses."""
        try:
            self._client.ping()
        except INFLUXDB_ERRORS:
            return False
        return True

    def _has_common_cause(self, refusals: list[Refusal]) -> bool:
        return len(refusals) >= COMMON_CAUSE and len({refusal.reason for refusal in refusals}) == 1

    def _post(self, lines: list[tuple[int, bytes]]) -> str | None:
        """None when InfluxDB stored all of them, else why at least one was refused."""
        body = b"\n".join(line for _, line in lines)
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        if self._compress:
            body = gzip.compress(body, compresslevel=1)
            headers["Content-Encoding"] = "gzip"
        try:
            self._client.request(
                "write", "POST", params=self._parameters, data=body, headers=headers, expected_response_code=204
            )
        except InfluxDBClientError as error:
            if error.code in (400, 413):
                return _one_line(error.content)
            raise InfluxUnavailable(fault(error)) from error
        except INFLUXDB_ERRORS as error:
            raise InfluxUnavailable(fault(error)) from error
        return None


def _one_line(text: object) -> str:
    return " ".join(str(text).split())[:500]
