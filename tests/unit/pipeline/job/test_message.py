"""What is a reading, and what is a dead letter with which reason."""

import json
import math

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorpi.common.reading import FIELDS, Reading, json_schema
from sensorpi.pipeline.job.message import Bounds, Point, Refused, bounds, parse

NOW_MS = 1_700_000_000_000
ALLOWED = bounds(NOW_MS, raw_retention_days=0)

#: A message of the original project's sensor.py: eleven keys, integers and floats mixed.
ORIGINAL = (
    b'{"timestamp": 1700000000000, "temperature": 21, "pressure": 101325.5, "heading": 90, "lightv": 300,'
    b' "lightr": 85, "lightg": 84, "lightb": 82, "motionx": 0, "motiony": -0.25, "motionz": 1}'
)


def message(**keys: object) -> bytes:
    return json.dumps({"timestamp": NOW_MS, "temperature": 20.5} | keys).encode()


def test_the_original_projects_message_gets_default_names() -> None:
    point = parse(ORIGINAL, None, ALLOWED)
    assert (point.sensor, point.host, point.boot, point.timestamp_ms) == ("EnviroPhat", "10.0.0.99", None, NOW_MS)
    assert {name: point.fields[name] for name in FIELDS} == {
        "temperature": 21.0, "pressure": 101325.5, "heading": 90.0, "lightv": 300.0, "lightr": 85.0, "lightg": 84.0,
        "lightb": 82.0, "motionx": 0.0, "motiony": -0.25, "motionz": 1.0,
    }  # fmt: skip
    assert all(type(value) is float for value in point.fields.values())


def test_the_message_key_names_the_host_of_a_message_without_one() -> None:
    assert parse(ORIGINAL, b"pi-in-the-attic", ALLOWED).host == "pi-in-the-attic"


@pytest.mark.parametrize("key", [b"", b"\xff\xfe", b'a"b', b"x" * 129])
def test_a_key_that_is_not_a_name_leaves_the_default_host(key: bytes) -> None:
    assert parse(ORIGINAL, key, ALLOWED, default_host="original").host == "original"


def test_the_messages_own_host_comes_before_the_key() -> None:
    assert parse(message(host="attic"), b"cellar", ALLOWED).host == "attic"


def test_unknown_numeric_fields_are_stored() -> None:
    assert parse(message(humidity=57, co2=412.5), None, ALLOWED).fields["humidity"] == 57.0


def test_null_leaves_a_field_out() -> None:
    assert "pressure" not in parse(message(pressure=None), None, ALLOWED).fields


def test_the_heading_is_stored_as_a_vector_too() -> None:
    fields = parse(message(heading=90), None, ALLOWED).fields
    assert (fields["heading_sin"], fields["heading_cos"]) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "empty value"),
        (b"", "empty value"),
        (b"null", "not an object: null"),
        (b"[]", "not an object: array"),
        (b"21.5", "not an object: number"),
        (b"hello", "not JSON"),
        (b"{", "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (message() + b"garbage", "not JSON: Extra data"),
        (message() + b"\n{}", "not JSON: Extra data"),
        (b'{"timestamp":1700000000000,"a":1,"a":2}', "duplicate key: 'a'"),
        (b'{"timestamp":1700000000000,"a":{"b":1,"b":2}}', "duplicate key: 'b'"),
        (message(a="21.5"), "wrong type: a is a string"),
        (message(a=True), "wrong type: a is a boolean"),
        (message(a={}), "nested: a is an object"),
        (message(a=[1]), "nested: a is an array"),
        (b'{"a":' * 10_000, "not JSON: nested too deeply"),
        (b'{"timestamp":1700000000000,"a":NaN}', "not JSON: NaN"),
        (b'{"timestamp":1700000000000,"a":-Infinity}', "not JSON: -Infinity"),
        (b'{"timestamp":1700000000000,"a":1e400}', "not finite: a"),
        (b'{"timestamp":1700000000000,"a":' + b"9" * 400 + b"}", "not finite: a"),
        (b'{"timestamp":1700000000000,"a":' + b"9" * 5000 + b"}", "not finite: a"),
        (b'{"temperature":1}', "missing timestamp"),
        (message(timestamp=None), "missing timestamp"),
        (message(timestamp="1700000000000"), "wrong type: timestamp is a string"),
        (message(timestamp=True), "wrong type: timestamp is a boolean"),
        (message(timestamp=NOW_MS + 0.5), "bad timestamp"),
        (b'{"timestamp":1e999,"a":1}', "bad timestamp"),
        (message(timestamp=0), "timestamp too old"),
        (message(timestamp=946684799999), "timestamp too old"),
        (message(timestamp=3_800_000_000_000), "timestamp in the future"),
        (message(timestamp=NOW_MS + 24 * 3600 * 1000 + 1), "timestamp in the future"),
        (message(sensor=5), "wrong type: sensor is a number"),
        (message(sensor=""), "bad sensor"),
        (message(host="a\nb"), "bad host"),
        (message(boot='a"b'), "bad boot"),
        (message(host="trailing\\"), "bad host"),
        (b'{"timestamp":1700000000000,"a":1,"sensor":"\\ud800"}', "bad sensor"),
        (message(sequence=0), "bad sequence"),
        (message(sequence=1.5), "bad sequence"),
        (message(sequence="1"), "wrong type: sequence"),
        (message(time=1), "reserved field name: time"),
        (message(heading_sin=1), "reserved field name: heading_sin"),
        (message(**{"a b": 1}), "bad field name"),
        (message(**{"é": 1}), "bad field name"),
        (message(**{"x" * 65: 1}), "bad field name"),
        (message(**{"": 1}), "bad field name"),
        (json.dumps({"timestamp": NOW_MS} | {f"f{n}": n for n in range(64)}).encode(), "too many fields"),
        (b'{"timestamp":1700000000000}', "no values"),
        (message(temperature=None), "no values"),
        (b" " * 65_537, "too large"),
    ],
)  # fmt: skip
def test_what_is_not_a_reading_is_refused_with_its_reason(value: bytes | None, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        parse(value, None, ALLOWED)
    assert str(refused.value).startswith(reason)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("timestamp_ms", [946_684_800_000, NOW_MS, NOW_MS + 24 * 3600 * 1000])
def test_the_ends_of_the_allowed_time_are_allowed(timestamp_ms: int) -> None:
    assert parse(message(timestamp=timestamp_ms), None, ALLOWED).timestamp_ms == timestamp_ms


def test_a_reading_near_the_end_of_the_raw_retention_is_refused() -> None:
    allowed = bounds(NOW_MS, raw_retention_days=30)
    edge_ms = NOW_MS - (30 * 24 - 1) * 3600 * 1000
    assert allowed.oldest_ms == edge_ms
    with pytest.raises(Refused, match="too old"):
        parse(message(timestamp=edge_ms - 1), None, allowed)


@pytest.mark.parametrize(
    ("host", "line"),
    [
        ("a b", r"sensor,host=a\ b,sensor=s temperature=1.5 5"),
        ("a,b=c", r"sensor,host=a\,b\=c,sensor=s temperature=1.5 5"),
        ("ü", "sensor,host=ü,sensor=s temperature=1.5 5"),
    ],
)
def test_tags_are_escaped_as_line_protocol_wants(host: str, line: str) -> None:
    assert Point("s", host, None, {"temperature": 1.5}, 5).to_line() == line


@given(
    sensor=st.from_regex(r"[A-Za-z0-9._:-]{1,20}", fullmatch=True),
    sequence=st.integers(1, 10**12),
    timestamp_ms=st.integers(ALLOWED.oldest_ms, ALLOWED.newest_ms),
    values=st.dictionaries(st.sampled_from(FIELDS), st.floats(allow_nan=False, allow_infinity=False), min_size=1),
)
def test_every_reading_is_valid_and_parses_back(
    sensor: str, sequence: int, timestamp_ms: int, values: dict[str, float]
) -> None:
    sent = Reading(sensor, "host", "boot", sequence, timestamp_ms, values).to_json()
    jsonschema.validate(json.loads(sent), json_schema())
    point = parse(sent, None, ALLOWED)
    assert (point.sensor, point.boot, point.timestamp_ms) == (sensor, "boot", timestamp_ms)
    assert {name: point.fields[name] for name in values} == values
    assert point.fields["sequence"] == sequence


@pytest.mark.fuzz
@given(st.binary(max_size=200), st.one_of(st.none(), st.binary(max_size=20)))
def test_no_bytes_at_all_do_anything_but_parse_or_be_refused(value: bytes, key: bytes | None) -> None:
    try:
        point = parse(value, key, Bounds(0, 2**53))
    except Refused:
        return
    assert "\n" not in point.to_line()


@pytest.mark.fuzz
@given(st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
))  # fmt: skip
def test_every_json_value_is_parsed_or_refused(value: object) -> None:
    try:
        point = parse(json.dumps(value).encode(), None, ALLOWED)
    except Refused:
        return
    assert all(math.isfinite(number) for number in point.fields.values())


@pytest.mark.parametrize("name", ["timestamp", *FIELDS])
def test_the_schema_refuses_a_string_where_the_parser_does(name: str) -> None:
    value = json.loads(ORIGINAL) | {name: "5"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value, json_schema())
    with pytest.raises(Refused, match="wrong type"):
        parse(json.dumps(value).encode(), None, ALLOWED)


def test_the_schema_accepts_the_original_projects_message() -> None:
    jsonschema.validate(json.loads(ORIGINAL), json_schema())
