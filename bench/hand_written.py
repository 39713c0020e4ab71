"""A hand-written consumer: confluent-kafka's client, the standard library's JSON, a POST for each batch.

Usage: hand_written.py BOOTSTRAP_SERVERS TOPIC. It reads from the oldest message on, and commits after each POST.
"""

import signal
import sys

from confluent_kafka import Consumer

from bench.lines import Poster, line_of

_LINES_PER_POST = 5_000


def main() -> None:
    """Run until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    servers, topic = sys.argv[1:]
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "hand-written",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    poster = Poster()
    try:
        while True:
            messages = consumer.consume(_LINES_PER_POST, timeout=0.1)
            lines = [line_of(message.value()) for message in messages if message.error() is None]
            if lines:
                poster.post("\n".join(lines).encode())
                consumer.commit(asynchronous=True)
    finally:
        consumer.close()


if __name__ == "__main__":
    main()
