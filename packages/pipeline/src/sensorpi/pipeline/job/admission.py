"""How many sensors, hosts and field names a topic may bring, as the driver decides it; `names.py` is the workers' part.

The names that InfluxDB stores are known after a restart, too: it is asked for them once, before the first batch.
"""

import logging
import re
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from influxdb import InfluxDBClient
from pyspark import Broadcast, SparkContext

from sensorpi.common.reading import DEFAULT_SENSOR
from sensorpi.pipeline.influx.client import RAW, READINGS, ROLLUP
from sensorpi.pipeline.job.message import series_of
from sensorpi.pipeline.job.names import MOST_OTHER_FIELDS, OWN_FIELDS, Known
from sensorpi.pipeline.job.sink import Outcome

_log = logging.getLogger(__name__)

#: How many sensors each node of the cluster may have even if the maximum is reached.
MOST_SENSORS_OF_A_NODE = 16
#: Fields that have no mean: a mean of sequence numbers is useless.
_WITHOUT_MEAN = {"sequence"}
#: The boot id is the only text that the job stores.
_NOT_COUNTED = OWN_FIELDS | {"boot"}
_NUMBERS = {"float", "integer"}
#: The host of a series, unless it has characters that no name or address of a node has.
_HOST = re.compile(rb"sensor,host=([A-Za-z0-9.:-]+),")


class Admission:
    """Knows all names, and decides about new ones. The rollup's thread uses it as well."""

    def __init__(self, client: InfluxDBClient, max_sensors: int, nodes: Collection[str]) -> None:
        """``nodes`` are the hosts that the readings of the cluster's nodes may have.

        The default sensor of each of them is admitted from the start and does not count.
        """
        self._client = client
        self._most_series = max_sensors
        self._lock = threading.Lock()
        self._is_loaded = False
        self._series = {series_of(node, DEFAULT_SENSOR).encode() for node in nodes}
        self._not_counted = len(self._series)
        self._of_node: Counter[str] = Counter(dict.fromkeys(nodes, 0))
        #: Those that are not in OWN_FIELDS, in the order of their admission; the value is whether they have means.
        self._fields: dict[str, bool] = {}
        self._known: Known | None = None
        self._sent: tuple[Known, Broadcast[Known]] | None = None
        self._logged: set[str] = set()

    def known(self, shares: int) -> Known:
        """The names that are admitted now. Raises one of ``INFLUXDB_ERRORS`` if InfluxDB has to be asked and cannot."""
        with self._lock:
            self._load()
            if self._known is None or self._known.shares != shares:
                self._known = Known(
                    series=frozenset(self._series),
                    fields=OWN_FIELDS | self._fields.keys(),
                    series_room=self._series_room(),
                    fields_room=self._fields_room(),
                    nodes=frozenset(node for node in self._of_node if self._node_has_room(node)),
                    shares=shares,
                )
            return self._known

    def broadcast(self, context: SparkContext, shares: int) -> "Broadcast[Known]":
        """``known`` for the workers. Spark sends it to each of them once after a change."""
        known = self.known(shares)
        if self._sent is None or self._sent[0] is not known:
            if self._sent is not None:
                self._sent[1].destroy()
            self._sent = (known, context.broadcast(known))
        return self._sent[1]

    def stored(self) -> tuple[list[str], int]:
        """The fields that the rollup averages, and the number of series. Raises as ``known`` does."""
        with self._lock:
            self._load()
            others = [name for name, has_mean in self._fields.items() if has_mean]
            return [*sorted(OWN_FIELDS - _WITHOUT_MEAN), *others[:MOST_OTHER_FIELDS]], len(self._series)

    def admit(self, outcomes: Collection[Outcome]) -> None:
        """Take note of what workers have admitted, then admit as much of the rest as there is room for."""
        admitted = [outcome.admitted for outcome in outcomes if outcome.admitted]
        undecided = [outcome.undecided for outcome in outcomes if outcome.undecided]
        with self._lock:
            for names in admitted:
                self._add(names.series, dict.fromkeys(names.fields, True))
            for names in undecided:
                for series in sorted(names.series - self._series):
                    if self._series_room() or self._node_has_room(_host(series)):
                        self._add([series], {})
                fields = sorted(names.fields - self._fields.keys())
                self._add([], dict.fromkeys(fields[: self._fields_room()], True))

    def _load(self) -> None:
        if self._is_loaded:
            return
        series = self._client.query(f'SHOW SERIES FROM "{READINGS}"').get_points()
        types: dict[str, set[str]] = {}
        for each in self._client.query(
            f'SHOW FIELD KEYS FROM "{RAW}"."{READINGS}", "{ROLLUP}"."{READINGS}"'
        ).get_points():
            types.setdefault(each["fieldKey"], set()).add(each["fieldType"])
        self._is_loaded = True
        self._add([each["key"].encode() for each in series], {name: found <= _NUMBERS for name, found in types.items()})

    def _add(self, series: Iterable[bytes], fields: Mapping[str, bool]) -> None:
        """Admit names; each field with whether it has means."""
        for each in set(series) - self._series:
            self._series.add(each)
            self._of_node.update({host for host in [_host(each)] if host in self._of_node})
        self._fields |= {name: has_mean for name, has_mean in fields.items() if name not in _NOT_COUNTED}
        self._known = None
        if not self._series_room():
            self._log_once(
                f"The maximum of {self._most_series} sensors (combinations of sensor and host) is reached: messages of"
                " new ones become dead letters. Raise [spark] max_sensors, or delete series from InfluxDB and restart"
                " the job."
            )
        if not self._fields_room():
            self._log_once(
                f"The maximum of {MOST_OTHER_FIELDS} field names besides those of an EnviroPhat is reached: messages"
                " with new ones become dead letters."
            )

    def _series_room(self) -> int:
        return max(0, self._most_series - len(self._series) + self._not_counted)

    def _fields_room(self) -> int:
        return max(0, MOST_OTHER_FIELDS - len(self._fields))

    def _node_has_room(self, host: str) -> bool:
        return host in self._of_node and self._of_node[host] < MOST_SENSORS_OF_A_NODE

    def _log_once(self, line: str) -> None:
        if line not in self._logged:
            _log.error("%s", line)
            self._logged.add(line)


def _host(series: bytes) -> str:
    match = _HOST.match(series)
    return match[1].decode() if match else ""
