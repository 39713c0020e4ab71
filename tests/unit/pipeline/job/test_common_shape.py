"""The quick way of the common shape gives what the strict rules give, for whatever becomes of a message."""

import os
import random
import re

import pytest

from sensorpi.common.reading import FIELDS, Reading
from sensorpi.pipeline.job.message import Refused, Rules, bounds, parse
from sensorpi.pipeline.job.records import Message, pack, unpack

NOW_MS = 1_700_000_000_000
RETENTION_DAYS = 30
RULES = Rules(RETENTION_DAYS)
#: Other seeds: SENSORPI_SEED=7 pytest tests/unit/pipeline/job/test_common_shape.py
SEED = int(os.environ.get("SENSORPI_SEED", "1"))
MESSAGES = 100_000

#: What numbers, names and JSON itself break on.
PIECES = [
    b"0", b"-0", b"-", b"00", b"1.", b".5", b"1e5", b"1E400", b"1e-400", b"9" * 15, b"9" * 16, b"0." + b"1" * 17,
    b"0." + b"1" * 18, b"NaN", b"Infinity", b"null", b"true", b'"21.5"', b"{}", b"[1]", b'"', b"\\", b"\\u0041", b"\n",
    b"\x00", b"\xff", b"\xc2\x85", b"\xc3\xbc", b" ", b"\t", b",", b":", b"{", b"}", b"=", b'"a b"', b"\xd9\xa3",
    b'"temperature":1', b',"temperature":1', b',"x":5', b',"time":5', b',"heading_sin":1', b"946684799999",
    b"946684800000", b"1e12", b'"sensor":"a"', b'"host":null', b'""',
]  # fmt: skip
NUMBERS = (0, -0.0, 1, -1.5, 1e-7, 123456.789, 1e15, 1e22)
DAY_MS = 24 * 3600 * 1000
LEADS_MS = (0, 0, 0, -1, DAY_MS, DAY_MS + 1, -29 * DAY_MS, -(30 * DAY_MS - 3_600_000), -31 * DAY_MS)
NAMES = ("EnviroPhat", "EnviroPhat", "a", "x" * 128, "x" * 129, "a b", "a,b", "ü", "a.b:c-d_e")


def reading(generator: random.Random) -> bytes:
    names = generator.sample(FIELDS, generator.randint(0, len(FIELDS)))
    numbers = (*NUMBERS, round(generator.uniform(-360, 360), 3), generator.random())
    values = {name: generator.choice(numbers) for name in names}
    timestamp_ms = NOW_MS + generator.choice(LEADS_MS)
    return Reading(
        generator.choice(NAMES), "sensor01", "5f0c", generator.randint(0, 10**16), timestamp_ms, values
    ).to_json()


def mutated(generator: random.Random, value: bytes) -> bytes:
    start = generator.randrange(len(value) + 1)
    end = min(len(value), start + generator.choice([0, 0, 1, 1, 2, 5, 20]))
    piece = generator.choice([*PIECES, bytes([generator.randrange(256)]), value[start:end] * 2, b""])
    return value[:start] + piece + value[end:]


def with_another_number(generator: random.Random, value: bytes) -> bytes:
    """The number of one key becomes something else, which leaves the rest of the shape whole."""
    numbers = list(re.finditer(rb"(?<=:)[-0-9.e+]+", value))
    chosen = generator.choice(numbers)
    return value[: chosen.start()] + generator.choice(PIECES) + value[chosen.end() :]


def meaning(line: bytes) -> tuple[str, str | None, dict[str, float], int]:
    """Series, boot, fields and time of a line of line protocol."""
    parts = re.fullmatch(r'((?:\\.|[^ \\])+) (?:boot="([^"]*)",?)?([^" ]*) (-?\d+)', line.decode(), re.DOTALL)
    assert parts is not None, line
    fields = [each.split("=") for each in parts[3].split(",") if each]
    assert len({name for name, _ in fields}) == len(fields), line
    return parts[1], parts[2], {name: float(value) for name, value in fields}, int(parts[4])


def outcome_of_rules(value: bytes) -> object:
    try:
        line, timestamp_ms = RULES.line(value, b"key", NOW_MS)
    except Refused as refused:
        return str(refused)
    assert meaning(line)[-1] == timestamp_ms
    return meaning(line)


def strict_outcome(value: bytes) -> object:
    try:
        return meaning(parse(value, b"key", bounds(NOW_MS, RETENTION_DAYS)).to_line().encode())
    except Refused as refused:
        return str(refused)


def test_mutated_messages_mean_what_the_strict_rules_say() -> None:
    generator = random.Random(SEED)
    outcomes = {"stored": 0, "refused": 0}
    readings = [reading(generator) for _ in range(MESSAGES // 50)]
    for _ in range(MESSAGES):
        value = generator.choice(readings)
        for _ in range(generator.choice([0, 1, 1, 2])):
            value = generator.choice([mutated, with_another_number])(generator, value) if b":" in value else value
        expected = strict_outcome(value)
        assert outcome_of_rules(value) == expected, value
        outcomes["refused" if isinstance(expected, str) else "stored"] += 1
    assert min(outcomes.values()) > MESSAGES // 10, outcomes


def test_what_our_publisher_sends_does_not_need_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    values = dict.fromkeys(FIELDS, 21.5)
    message = Reading("EnviroPhat", "sensor01", "5f0c", 1, NOW_MS, values).to_json()
    expected = RULES.line(message, None, NOW_MS)
    monkeypatch.delattr("sensorpi.pipeline.job.message.parse")
    assert RULES.line(message, None, NOW_MS) == expected


@pytest.mark.parametrize("key", [None, b"", b"k"])
@pytest.mark.parametrize("value", [None, b"", b"{}", b"v" * 65_536])
def test_a_record_is_taken_apart_as_it_was_packed(key: bytes | None, value: bytes | None) -> None:
    message = Message(3, 2**40, NOW_MS, key, value)
    assert unpack(pack(message)) == message
