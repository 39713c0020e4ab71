"""Messages that Kafka deleted unread are counted and reported once; other gaps are not."""

import logging

import pytest
from kafka.errors import KafkaConnectionError
from pytest_mock import MockerFixture

from sensorpi.pipeline.job.losses import Losses
from sensorpi.pipeline.job.sink import Outcome


def test_messages_deleted_while_the_job_was_down_are_lost(caplog: pytest.LogCaptureFixture) -> None:
    lines: list[str] = []
    losses = Losses(lambda: {0: 532, 1: 7}, lines.append)
    assert losses.start({0: 100, 1: 7}) == 432
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert lines == [record.getMessage()]
    assert lines[0].startswith(
        "432 messages of partition 0 were deleted from Kafka before they were read (offsets 100 to 531)"
    )
    assert losses.advance([Outcome(0, 532, 540)]) == 0


@pytest.mark.parametrize(
    ("log_start", "first", "lost"),
    [
        (0, 101, 0),  # a transaction's marker
        (100, 117, 0),  # compaction
        (117, 117, 17),
        (110, 117, 10),  # some deleted, some markers
        (200, 117, 17),  # more was deleted after they were read
    ],
)
def test_a_gap_is_a_loss_below_the_logs_start(log_start: int, first: int, lost: int) -> None:
    losses = Losses(lambda: {0: log_start}, lambda _line: None)
    losses.advance([Outcome(0, 90, 100)])
    assert losses.advance([Outcome(0, first, 120)]) == lost
    assert losses.advance([Outcome(0, 120, 130)]) == 0


def test_kafka_is_asked_only_about_gaps(mocker: MockerFixture) -> None:
    log_starts = mocker.Mock(return_value={0: 0})
    losses = Losses(log_starts, lambda _line: None)
    losses.advance([Outcome(0, 0, 10)])
    losses.advance([Outcome(0, 10, 20), Outcome(1, 5, 6)])
    assert log_starts.call_count == 0


def test_an_outage_of_kafka_ends_no_batch(caplog: pytest.LogCaptureFixture, mocker: MockerFixture) -> None:
    losses = Losses(mocker.Mock(side_effect=KafkaConnectionError("no broker")), lambda _line: None)
    losses.advance([Outcome(0, 0, 10)])
    assert losses.advance([Outcome(0, 20, 30)]) == 0
    assert "unknown" in caplog.text
