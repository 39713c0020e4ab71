"""What a power cut, a failing card or a hostile writer can leave in a file's or a node's place."""

import os
from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st

from sensorpi.common.errors import UserError

#: JSON that is valid or nearly so, with what makes parsers fail.
HOSTILE_TEXTS = [
    b"", b"\0" * 64, b"\xff\xfe junk", b"null", b"[]", b"{}", b'""', b"1e400", b"-1e400", b"NaN", b"Infinity",
    b"9" * 5000, b"[" * 100_000, b'{"a":' * 50_000, b"{" * 10, b'"\\ud800"', b"true", b'{"a": 1e400}', b"0" * 2_000_000,
]  # fmt: skip

_LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from([10**30, -1, 2**63, ""])
)

#: Any JSON value of moderate size.
JSON_VALUES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """``whole`` with some bytes removed, repeated or replaced, or something else altogether."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(0, 4))):
        at, size = draw(st.integers(0, len(content))), draw(st.integers(0, 40))
        piece = draw(
            st.one_of(st.just(b""), st.binary(max_size=8), st.sampled_from(HOSTILE_TEXTS[:12]), st.just(content[:size]))
        )
        content[at : at + size] = piece
    return draw(st.one_of(st.just(bytes(content)), st.sampled_from(HOSTILE_TEXTS[:16]), st.binary(max_size=64)))


def replaced(like: object, data: st.DataObject) -> object:
    """A JSON value like that one, with one of its parts replaced by another value or left out."""
    if isinstance(like, dict) and like:
        name = data.draw(st.sampled_from(sorted(like)))
        if data.draw(st.integers(0, 5)) == 0:
            return {key: value for key, value in like.items() if key != name}
        return {**like, name: replaced(like[name], data)}
    if isinstance(like, list) and like:
        at = data.draw(st.integers(0, len(like) - 1))
        return [*like[:at], replaced(like[at], data), *like[at + 1 :]]
    return data.draw(JSON_VALUES)


def refusal(read: Callable[[], object], longest: int = 3000) -> str:
    """The line with which ``read`` refuses what it reads; empty if it does not. Any other error fails the test."""
    line = ""
    try:
        read()
    except UserError as error:
        line = str(error)
    assert "\n" not in line
    assert len(line) < longest
    return line


def put(file: Path, damage: bytes | str) -> None:
    """Put that content there; or "folder", "pipe", "link to itself"."""
    if file.is_dir():
        file.rmdir()
    file.unlink(missing_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    if damage == "folder":
        file.mkdir()
    elif damage == "pipe":
        os.mkfifo(file)
    elif damage == "link to itself":
        file.symlink_to(file)
    elif isinstance(damage, bytes):
        file.write_bytes(damage)


#: Everything that ``put`` knows.
DAMAGES: list[bytes | str] = [*HOSTILE_TEXTS, "folder", "pipe", "link to itself"]
