"""RecordIO: any records survive any cutting; what is not a length is an error before it takes memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorpi.mesos_node.mesos.recordio import MAX_RECORD_BYTES, Decoder, RecordError, encode


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({cut % (len(data) + 1) for cut in cuts} | {len(data)})
    return [data[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


@given(st.lists(st.binary(max_size=300), max_size=20), st.lists(st.integers(min_value=0), max_size=50))
def test_any_records_come_back_however_the_stream_is_cut(records: list[bytes], cuts: list[int]) -> None:
    decoder = Decoder()
    stream = b"".join(map(encode, records))
    assert [each for piece in pieces(stream, cuts) for each in decoder.feed(piece)] == records


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=5))
def test_byte_by_byte_a_record_comes_with_its_last_byte(records: list[bytes]) -> None:
    decoder = Decoder()
    for record in records:
        frame = encode(record)
        assert [decoder.feed(frame[i : i + 1]) for i in range(len(frame) - 1)] == [[]] * (len(frame) - 1)
        assert decoder.feed(frame[-1:]) == [record]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\n",
        b"abc\n",
        b"-1\n",
        b"+5\nhello",
        b" 5\nhello",
        b"5 \nhello",
        b"0x10\n",
        b"1e3\n",
        b"HTTP/1.1 200 OK\r\n",
        "٣\n".encode(),
        b'{"type":"HEARTBEAT"}',
        b"%d\n" % (MAX_RECORD_BYTES + 1),
        b"999999999999999999999",
        b"0" * 30,
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_what_is_not_a_length_is_refused(garbage: bytes, at_once: bool) -> None:
    decoder = Decoder()
    decoder.feed(encode(b"before"))
    parts = [garbage] if at_once else [garbage[i : i + 1] for i in range(len(garbage))]
    with pytest.raises(RecordError, match=r"length|limit"):
        any(decoder.feed(part) for part in parts)


@given(st.binary(max_size=200))
def test_any_input_gives_records_or_is_refused(data: bytes) -> None:
    decoder = Decoder(max_record_bytes=50)
    try:
        records = decoder.feed(data)
    except RecordError:
        return
    assert all(len(record) <= 50 for record in records)
    assert data.startswith(b"".join(map(encode, records))) or b"0" in data  # 05 is 5


def test_a_record_of_the_limit_is_taken_and_an_empty_one_too() -> None:
    assert Decoder(max_record_bytes=5).feed(encode(b"12345") + encode(b"")) == [b"12345", b""]
