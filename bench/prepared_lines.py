"""InfluxDB's own ceiling: posts lines that were made before.

Usage: prepared_lines.py READINGS SENSORS CONNECTIONS
"""

import sys
import threading
import time
from itertools import islice

from bench.lines import Poster, line_of
from bench.readings import readings

_LINES_PER_POST = 10_000


def main() -> None:
    """Make the lines, post all of them, and wait to be ended."""
    count, sensors, connections = (int(word) for word in sys.argv[1:])
    source = (line_of(sent.value) for sent in readings(sensors))
    bodies = ["\n".join(islice(source, min(_LINES_PER_POST, count - done))).encode()
              for done in range(0, count, _LINES_PER_POST)]  # fmt: skip
    threads = [
        threading.Thread(target=_post, args=(bodies[number::connections],), daemon=True)
        for number in range(connections)
    ]
    for thread in threads:
        thread.start()
    while True:
        time.sleep(60)


def _post(bodies: list[bytes]) -> None:
    poster = Poster()
    for body in bodies:
        poster.post(body)


if __name__ == "__main__":
    main()
