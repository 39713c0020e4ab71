"""A recording's lines as text. What is not text is named with its line, or passed over."""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from sensorpi.common.errors import UserError

_ZEROS = re.compile("\0+")
_ESCAPED = re.compile("[\udc80-\udcff]")
#: How files begin that are often taken for text, and what to do with them.
_OTHER_FILES = {
    b"\x1f\x8b": "a gzip file: unpack it first",
    b"BZh": "a bzip2 file: unpack it first",
    b"\xfd7zXZ": "an xz file: unpack it first",
    b"\x28\xb5\x2f\xfd": "a zstd file: unpack it first",
    b"PK\x03\x04": "a zip file or a spreadsheet: unpack it, or save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "a spreadsheet: save it as CSV",
    b"SQLite format 3": "an SQLite database: export its table as CSV",
}
_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def encoding_by_mark(file: BinaryIO) -> str | None:
    """The encoding that a byte order mark at the beginning of a file tells."""
    start = file.read(3)
    file.seek(0)
    return next((name for mark, name in _BYTE_ORDER_MARKS.items() if start.startswith(mark)), None)


def refuse_other_files(path: Path, file: BinaryIO) -> None:
    """Raise UserError for a compressed file, a spreadsheet or a database."""
    start = file.read(16)
    file.seek(0)
    for magic, what in _OTHER_FILES.items():
        if start.startswith(magic):
            raise UserError(f"{path}: {what}")


class Lines:
    """Iterates over the lines of a file. A damaged one is an error, or with ``skip_damaged`` becomes an empty one.

    ``has_mapping``: mistakes are explained with keys of the mapping. A byte order mark tells more than ``encoding``,
    which is UTF-8 if it is None. Raises UserError.
    """

    def __init__(
        self, file: Path, encoding: str | None = None, skip_damaged: bool = False, has_mapping: bool = True
    ) -> None:
        self._file, self._encoding, self._skip_damaged = file, encoding, skip_damaged
        self._has_mapping = has_mapping
        #: The lines that were passed over.
        self.damaged: list[int] = []

    def __iter__(self) -> Iterator[str]:
        number, encoding = 0, self._encoding or "utf-8"
        try:
            with self._file.open("rb") as content:
                refuse_other_files(self._file, content)
                encoding = encoding_by_mark(content) or encoding
            with self._file.open(encoding=encoding, errors="surrogateescape", newline="") as text:
                for number, line in enumerate(text, start=1):
                    damage = self._damage(line, number, encoding.upper())
                    if damage is None:
                        yield line
                    elif self._skip_damaged:
                        self.damaged.append(number)
                        yield "\n"
                    else:
                        raise UserError(f"{self._file}, line {number}: {damage}")
        except OSError as error:
            raise UserError(f"{self._file}: {error.strerror or error}") from error
        except UnicodeError as error:
            reason = getattr(error, "reason", error)
            raise UserError(f"{self._file}: not {encoding.upper()} text after line {number}: {reason}") from error

    def _damage(self, line: str, number: int, encoding: str) -> str | None:
        if line.isascii() and "\0" not in line:
            return None
        if escaped := _ESCAPED.search(line):
            byte = ord(escaped[0]) - 0xDC00
            hint = ""
            if self._encoding is None and self._has_mapping:
                hint = '; for another encoding, give it in the mapping, such as csv.encoding = "latin-1"'
            return f"byte 0x{byte:02x} at character {escaped.start() + 1} is not {encoding} text{hint}"
        if zeros := _ZEROS.search(line):
            if self._has_mapping and number == 1 and line.count("\0") > 1 and len(zeros[0]) == 1:
                return 'every other byte is zero; for UTF-16, give csv.encoding = "utf-16-le" or "utf-16-be"'
            remedy = ", or pass over damaged lines with csv.skip_damaged = true" if self._has_mapping else ""
            return f"a block of {len(zeros[0])} zero bytes, as after a power cut; remove the line{remedy}"
        return None
