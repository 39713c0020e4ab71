"""Dead letters: what the brokers refuse for its size is sent without its value; an outage is an outage."""

from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError
from pytest_mock import MockerFixture

from sensorpi.pipeline.job.dead_letters import DeadLetter, DeadLetters
from sensorpi.pipeline.job.records import Message

SMALL = DeadLetter(Message(0, 1, 5, b"k", b"value"), "not JSON")
LARGE = DeadLetter(Message(0, 2, 5, b"k", b"v" * 1000), "too large")


class Producer:
    """Takes letters; those above a size fail at once or by the broker's answer."""

    def __init__(self, mocker: MockerFixture, fails_at_once: bool = False, broken: bool = False) -> None:
        self._mocker, self._fails_at_once, self._broken = mocker, fails_at_once, broken
        self.sent: list[tuple[bytes, bytes | None, dict[str, bytes]]] = []

    def send(self, _topic: str, *, key: bytes, value: bytes | None, headers: list[tuple[str, bytes]]) -> Any:
        future = self._mocker.Mock()
        if value is not None and len(value) > 100:
            if self._fails_at_once:
                raise MessageSizeTooLargeError
            future.get.side_effect = MessageSizeTooLargeError
        elif self._broken:
            future.get.side_effect = KafkaTimeoutError
        else:
            self.sent.append((key, value, dict(headers)))
        return future

    def close(self, timeout: float) -> None:
        pass


@pytest.mark.parametrize("fails_at_once", [True, False])
def test_a_letter_that_is_too_large_is_sent_without_value(mocker: MockerFixture, fails_at_once: bool) -> None:
    producer = Producer(mocker, fails_at_once)
    mocker.patch("sensorpi.pipeline.job.dead_letters.KafkaProducer", return_value=producer)
    assert list(DeadLetters("127.0.0.1:1").send([LARGE, SMALL])) == [SMALL, LARGE]
    [(_, value, _), (key, nothing, headers)] = producer.sent
    assert (value, key, nothing) == (b"value", b"sensors-0-2", None)
    assert headers["reason"].startswith(b"too large (left out here: ")
    assert headers["offset"] == b"2"


def test_an_outage_is_raised_and_the_next_attempt_reconnects(mocker: MockerFixture) -> None:
    opened = mocker.patch(
        "sensorpi.pipeline.job.dead_letters.KafkaProducer", return_value=Producer(mocker, broken=True)
    )
    letters = DeadLetters("127.0.0.1:1")
    with pytest.raises(KafkaTimeoutError):
        list(letters.send([SMALL]))
    opened.return_value = Producer(mocker)
    assert list(letters.send([SMALL])) == [SMALL]
    assert opened.call_count == 2
