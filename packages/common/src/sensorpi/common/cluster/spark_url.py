"""The URL of Spark's standalone master, such as spark://10.0.0.12:7077, and the node that it names."""

import re
from dataclasses import dataclass

_URL = re.compile(r"spark://(?P<host>[^\s/,]+):(?P<port>[0-9]{1,5})")


@dataclass(frozen=True)
class SparkUrl:
    """Where the master listens. ``host`` is a name or an address, an IPv6 address without its brackets."""

    host: str
    port: int

    def is_on(self, name: str, address: str) -> bool:
        """Whether the host is the node with this name and address."""
        return self.host in (name, address)


def spark_url(master: str) -> SparkUrl | None:
    """The URL in ``spark.master``; None when that is local mode, Mesos, or a URL that is not complete."""
    match = _URL.fullmatch(master)
    return None if match is None else SparkUrl(match["host"].strip("[]"), int(match["port"]))
