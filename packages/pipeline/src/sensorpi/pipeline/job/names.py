"""How many sensors, hosts and field names a topic may bring, as a Spark worker applies it.

Each combination of sensor and host is a series, and InfluxDB keeps all series in memory. The driver knows the names
that are stored, and sends them to the workers (`admission.py`). A worker admits new ones itself if they fit into its
part of the room that is left. About others the driver decides, and the batch is repeated.
"""

from collections.abc import Set
from dataclasses import dataclass, field

from sensorpi.common.reading import FIELDS

#: The fields of our own sensors, as they are stored.
OWN_FIELDS = frozenset({*FIELDS, "sequence", "heading_sin", "heading_cos"})
#: How many other field names there may be.
MOST_OTHER_FIELDS = 100

_UNLIMITED = 2**62
#: One share asks for at most this many series at a time, which limits the memory that a flood of names takes.
_MOST_ASKED = 20_000


class Undecided(Exception):
    """A message has new names about which the driver has to decide."""


@dataclass
class Names:
    """Keys of series, as `Point.series` has them, and names of fields."""

    series: set[bytes] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.series or self.fields)


@dataclass(frozen=True)
class Known:
    """The names that are admitted, and the room for new ones. It is sent to the workers, so it is plain data."""

    series: frozenset[bytes] = frozenset()
    fields: frozenset[str] = OWN_FIELDS
    series_room: int = _UNLIMITED
    fields_room: int = _UNLIMITED
    #: Nodes of the cluster that may bring another sensor even if there is no room.
    nodes: frozenset[str] = frozenset()
    #: The number of shares of a batch, each of which may fill its part of the room.
    shares: int = 1


class Gate:
    """Admits new names of the messages in one share of a batch."""

    def __init__(self, known: Known) -> None:
        self.known = known
        self.admitted = Names()
        self.undecided = Names()

    def refusal(self, series: bytes, host: str, fields: Set[str] = frozenset()) -> str | None:
        """Why a message with these names is refused; None if all of them are admitted. Raises Undecided."""
        known, admitted = self.known, self.admitted
        if series in admitted.series and not fields:  # which is usual in the first batch
            return None
        new_series = {series} - known.series - admitted.series
        new_fields = fields - known.fields - admitted.fields
        if new_fields and not known.fields_room:
            return f"too many field names: {min(new_fields)} is new, and the maximum of {MOST_OTHER_FIELDS} is reached"
        if new_series and not known.series_room and host not in known.nodes:
            return "too many sensors: this combination of sensor and host is new, and [spark] max_sensors is reached"
        if (not new_series or len(admitted.series) < known.series_room // known.shares) and (
            not new_fields or len(admitted.fields | new_fields) <= known.fields_room // known.shares
        ):
            admitted.series |= new_series
            admitted.fields |= new_fields
            return None
        if len(self.undecided.series) < _MOST_ASKED:
            self.undecided.series |= new_series
        if len(self.undecided.fields) <= known.fields_room:
            self.undecided.fields |= new_fields
        raise Undecided
