"""Post lines to InfluxDB, and single out the ones that it refuses."""

import gzip
from dataclasses import dataclass

from influxdb import InfluxDBClient
from influxdb.exceptions import InfluxDBClientError

from sensorpi.pipeline.influx.client import AWAY, DATABASE, RAW, fault

#: So many lines refused one by one, all for one cause and none for another, are no longer the points' fault.
COMMON_CAUSE = 20


class InfluxUnavailable(Exception):
    """InfluxDB cannot take points now, through no fault of theirs; the text says why."""


@dataclass(frozen=True)
class Refusal:
    """A point that InfluxDB will never take, by its message's offset, with InfluxDB's own words."""

    offset: int
    reason: str


class LineWriter:
    """Writes (offset, line) pairs with precision ms; one attempt, the caller decides about the next."""

    def __init__(self, client: InfluxDBClient, compress: bool = False, policy: str = RAW) -> None:
        self._client = client
        self._compress = compress
        self._parameters = {"db": DATABASE, "rp": policy, "precision": "ms"}

    def write(self, lines: list[tuple[int, bytes]], give_up_on_common_cause: bool = False) -> list[Refusal]:
        """Write all lines that InfluxDB takes; return those that it refuses.

        InfluxDB names neither all the points that it drops nor all the causes, so a refused
        batch is halved down to single lines; writing a point twice is harmless. Raises
        InfluxUnavailable where no point is at fault, or, unless ``give_up_on_common_cause``, where
        the first COMMON_CAUSE single lines all fail for one cause.
        """
        refusals: list[Refusal] = []
        taken = 0
        parts = [lines]  # a stack, the next part last
        while parts:
            part = parts.pop()
            reason = self._post(part) if part else None
            if reason is None:
                taken += len(part)
            elif len(part) > 1:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
            else:
                refusals.append(Refusal(part[0][0], reason))
                if not give_up_on_common_cause and not taken and self._has_common_cause(refusals):
                    raise InfluxUnavailable(f"it refuses every point: {reason}")
        return refusals

    def ping(self) -> bool:
        """Whether InfluxDB answers; opens the connection that the next write uses."""
        try:
            self._client.ping()
        except AWAY:
            return False
        return True

    def _has_common_cause(self, refusals: list[Refusal]) -> bool:
        return len(refusals) >= COMMON_CAUSE and len({refusal.reason for refusal in refusals}) == 1

    def _post(self, lines: list[tuple[int, bytes]]) -> str | None:
        """None when InfluxDB took them all, else why at least one was not taken."""
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
        except AWAY as error:
            raise InfluxUnavailable(fault(error)) from error
        return None


def _one_line(text: object) -> str:
    return " ".join(str(text).split())[:500]
