"""Record batches of any content, as a producer may have made them: messages, or the documented errors."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorpi.pipeline.job.record_batches import Plain, batches, messages
from tests.fakes.damage import damaged

#: A record without headers: its size, attributes, timestamp and offset deltas, key and value with their sizes.
RECORD = b"\x14\0\0\0\x02k\x04vv\0"
PAYLOAD = RECORD * 3


def batch(payload: bytes, length: int | None = None, records: int = 3, version: int = 2, codec: int = 0) -> bytes:
    size = 49 + len(payload) if length is None else length
    head = struct.pack(">qiibIhiqqqhii", 5, size, 0, version, 0, codec, records - 1, 1000, 1000, -1, -1, -1, records)
    return head + payload


@pytest.mark.fuzz
@given(
    st.one_of(
        damaged(batch(PAYLOAD)),
        st.builds(
            batch,
            damaged(PAYLOAD).map(lambda each: each[:5000]),
            st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1)),
            st.integers(1 - 2**31, 2**31 - 1).map(lambda each: each or 1),
        ),
    )
)
def test_any_bytes_are_messages_or_an_error(data: bytes) -> None:
    try:
        for each in batches(data[:10_000]):
            for message in messages(each, 0, Plain.of(each)):
                assert len(message.value or b"") <= len(data)
    except (ValueError, EOFError):
        return
