"""A CSV file's cells: each row has what the header says, or its line is named."""

import csv
from collections.abc import Iterator
from pathlib import Path

from sensorpi.common.errors import UserError
from sensorpi.sensor.recordings.lines import Lines
from sensorpi.sensor.recordings.mapping import ColumnId, Dialect
from sensorpi.sensor.recordings.numbers import number_in

_SEPARATORS = {",": ",", ";": ";", "\t": "tab", "|": "|"}


class CsvCells:
    """Iterates over (line, cells) of the rows; ``damaged`` has the lines that were passed over.

    Empty lines are left out, and so are repetitions of the header. Raises UserError.
    """

    def __init__(self, file: Path, dialect: Dialect) -> None:
        self._file, self._dialect = file, dialect
        self._lines = Lines(file, dialect.encoding, dialect.skip_damaged)
        self._rows_left = self._rows()
        self._first = next(self._rows_left, None)
        if self._first is None:
            expected = "a line of column names was expected" if dialect.header else "rows were expected"
            raise UserError(f"{file}: the file is empty; {expected}")
        self.line, cells = self._first
        self.damaged = self._lines.damaged
        self.repeated_headers = 0
        self.columns = [cell.strip() for cell in cells] if dialect.header else self._numbers(len(cells))
        self._check_names()
        #: How many cells each column has.
        self._spans = [1] * len(self.columns)
        for column, count in dialect.cells.items():
            self._spans[self.index_of(column)] = count

    def _numbers(self, cells: int) -> list[str]:
        """The columns' numbers, if there is no header."""
        width = cells - sum(count - 1 for count in self._dialect.cells.values())
        return [str(number) for number in range(1, width + 1)]

    def index_of(self, column: ColumnId) -> int:
        """The place of a column's cell in a row. Raises UserError if there is no such column."""
        if isinstance(column, int):
            if column > len(self.columns):
                raise self._mistake(self.line, f"there is no column {column}, only {len(self.columns)}")
            return column - 1
        found = [index for index, name in enumerate(self.columns) if name == column]
        if len(found) == 1:
            return found[0]
        if found:
            raise self._mistake(self.line, f"{len(found)} columns are called {column!r}; give the column's number")
        hint = self._hint_for_header()
        among = ", ".join(self.columns)[:1000]
        raise self._mistake(self.line, f"there is no column {column!r} among {among}{hint}")

    def skip(self, line: int) -> bool:
        """Pass over a damaged row, if the mapping says so."""
        if self._dialect.skip_damaged:
            self.damaged.append(line)
        return self._dialect.skip_damaged

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        if not self._dialect.header and self._first is not None:
            yield from self._row(*self._first)
        for line, cells in self._rows_left:
            yield from self._row(line, cells)

    def _row(self, line: int, cells: list[str]) -> Iterator[tuple[int, list[str]]]:
        if self._dialect.header and [cell.strip() for cell in cells] == self.columns:
            self.repeated_headers += 1
            return
        wanted = sum(self._spans)
        while len(cells) > wanted and not cells[-1].strip():
            cells.pop()
        if len(cells) != wanted:
            if self.skip(line):
                return
            raise self._mistake(line, self._wrong_count(cells, wanted))
        if wanted != len(self._spans):
            cells = list(self._joined(cells))
        yield line, cells

    def _wrong_count(self, cells: list[str], wanted: int) -> str:
        against = "its header" if self._dialect.header else "the first row"
        text = f"the row has {len(cells)} {'cell' if len(cells) == 1 else 'cells'}, {against} {wanted}"
        if len(cells) > wanted:
            text += (
                "; if values contain the separator, as with a decimal comma, csv.cells in the mapping "
                "can say how many cells a column has"
            )
        elif wanted > len(cells):
            text += "; damaged lines can be passed over with csv.skip_damaged = true"
        return text

    def _joined(self, cells: list[str]) -> Iterator[str]:
        place = 0
        for span in self._spans:
            yield self._dialect.delimiter.join(cells[place : place + span])
            place += span

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Line and cells of the rows that are not empty. A quoted cell can span lines; the first is named."""
        lines = iter(self._lines)
        for _ in range(self._dialect.skip_lines):
            next(lines, None)
        reader = csv.reader(lines, delimiter=self._dialect.delimiter, strict=True)
        while True:
            line = self._dialect.skip_lines + reader.line_num + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                at_end = "unexpected end" in str(error)
                if not at_end and self.skip(line):
                    continue
                reason = "a quotation mark is not closed: unexpected end of data" if at_end else str(error)
                raise self._mistake(line, f"not CSV: {reason}") from error
            if cells is None:
                return
            if any(cell.strip() for cell in cells):
                yield line, cells

    def _check_names(self) -> None:
        places: dict[str, int] = {}
        for place, name in enumerate(self.columns):
            if name and (first := places.setdefault(name, place)) < place:
                raise self._mistake(
                    self.line, f"the columns {first + 1} and {place + 1} are both called {name!r}; rename one of them"
                )

    def _hint_for_header(self) -> str:
        if any(_is_number(name) for name in self.columns):
            return "; this line seems to have no names: with csv.header = false, columns are given by their numbers"
        text = self._dialect.delimiter.join(self.columns)
        counts = {name: text.count(mark) for mark, name in _SEPARATORS.items() if mark != self._dialect.delimiter}
        most = max(counts, key=lambda name: counts[name])
        if len(self.columns) == 1 and counts[most]:
            mark = "\\t" if most == "tab" else most
            return f'; the line seems to be separated by {most}: csv.delimiter = "{mark}"'
        return ""

    def _mistake(self, line: int, what: str) -> UserError:
        return UserError(f"{self._file}, line {line}: {what}")


def _is_number(text: str) -> bool:
    try:
        number_in(text)
    except ValueError:
        return False
    return True
