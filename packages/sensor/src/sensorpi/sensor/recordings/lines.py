"""A recording's lines as text. What is not text is named with its line, or passed over."""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from sensorpi.common.errors import UserError

_ZEROS = re.compile("\0+")
_ESCAPED = re.compile("[\udc80-\udcff]")
_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def encoding_by_mark(file: BinaryIO) -> str | None:
    """The encoding that a byte order mark at the beginning of a file tells."""
    start = file.read(3)
    file.seek(0)
    return next((name for mark, name in _BYTE_ORDER_MARKS.items() if start.startswith(mark)), None)


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
        try:
            with self._file.open("rb") as content:
                marked = encoding_by_mark(content)
            encoding = marked or self._encoding or "utf-8"
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
            raise UserError(f"{self._file}: not {self._encoding or 'UTF-8'} text: {reason}") from error

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
