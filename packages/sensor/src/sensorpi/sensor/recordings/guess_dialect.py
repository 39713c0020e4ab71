"""How a CSV file is written, guessed from its first lines."""

import codecs
import csv
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sensorpi.common.errors import UserError
from sensorpi.sensor.recordings.lines import Lines
from sensorpi.sensor.recordings.numbers import number_in

_MOST_LINES, _BYTES = 2000, 65_536
#: Each column is compared with each kind of field.
_MOST_COLUMNS = 1000
_COMMA, _POINT = re.compile(r"[+-]?\d+,\d+"), re.compile(r"[+-]?\d+\.\d+")


@dataclass(frozen=True)
class Sample:
    """The first rows of a file; all have the same number of cells. ``names`` are numbers without a header."""

    encoding: str | None
    skip_lines: int
    delimiter: str
    decimal: str
    has_header: bool
    names: list[str]
    rows: list[list[str]]
    has_damage: bool


def sample_of(file: Path) -> Sample:
    """The file's dialect, and its first rows. Raises UserError."""
    encoding = _encoding(file)
    lines: list[str] = []
    content = Lines(file, encoding, skip_damaged=True)
    for line in content:
        if len(lines) == _MOST_LINES:
            break
        lines.append(line)
    skip_lines = next((number for number, line in enumerate(lines) if not _is_preamble(line)), 0)
    lines = lines[skip_lines:]
    delimiter = _delimiter(lines)
    try:
        rows = [
            [cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter) if any(map(str.strip, row))
        ]
    except csv.Error as error:
        raise UserError(f"{file}: not CSV: {error}") from None
    if not rows:
        raise UserError(f"{file}: the file has no rows")
    if (widest := max(map(len, rows))) > _MOST_COLUMNS:
        raise UserError(f"{file}: a row has {widest} cells; a mapping is proposed for at most {_MOST_COLUMNS} columns")
    has_header = (
        not any(_is_number(cell) for cell in rows[0]) and len(rows) > 1 and any(map(str.isalpha, "".join(rows[0])))
    )
    names = rows[0] if has_header else []
    body = [row for row in rows[has_header:] if row != names]
    width = Counter(map(len, body)).most_common(1)[0][0] if body else len(names)
    body = [row for row in body if len(row) == width]
    while names and len(names) < width and all(row[-1] == "" for row in body):
        body, width = [row[:-1] for row in body], width - 1
    cells = [cell for row in body for cell in row]
    commas, points = (sum(bool(form.fullmatch(cell)) for cell in cells) for form in (_COMMA, _POINT))
    decimal = "," if delimiter != "," and commas > points else "."
    return Sample(
        encoding, skip_lines, delimiter, decimal, has_header, names or [str(n + 1) for n in range(width)], body,
        has_damage=bool(content.damaged),
    )  # fmt: skip


def _is_preamble(line: str) -> bool:
    return not line.strip() or line.startswith(("#", "sep="))


def _encoding(file: Path) -> str | None:
    try:
        with file.open("rb") as content:
            start = content.read(_BYTES)
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}") from error
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return None
    for place, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(start) > 8 and not any(start[place:64:2]):
            return encoding
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return "latin-1"
    return None


def _delimiter(lines: list[str]) -> str:
    """The separator that gives most lines the same number of cells, more than one; a comma can be a decimal comma."""
    best, best_share = ",", 0.0
    for delimiter in ";\t|, ":
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        except csv.Error:
            continue
        width, count = Counter(widths).most_common(1)[0] if widths else (0, 0)
        share = count / len(widths) if width > 1 else 0.0
        if share > best_share + 0.1:
            best, best_share = delimiter, share
    return best


def _is_number(cell: str) -> bool:
    try:
        number_in(cell.replace(",", "."))
    except ValueError:
        return False
    return True
