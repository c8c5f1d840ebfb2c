"""CSV with a header line and a time column: one observation a cell. Plain or gzip, any usual delimiter."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from edge.sources.recording import BLOCK_BYTES, Block, Rejected, Series
from edge.sources.recording_table import TimeColumn, find_time_column, kept_columns, wide_block
from wire.errors import InputError

__all__ = ["CsvReader"]

HEADER_BYTES_MAX = 1 << 18  # 4,000 columns of 64 characters
_DELIMITERS = (",", ";", "\t", "|")


class CsvReader:
    """Reads one CSV file in blocks; a row with another number of cells is among `rejected` with its row number."""

    def __init__(
        self, path: Path, *, time_column: str = "", times: TimeColumn | None = None, ignore: tuple[str, ...] = (),
        ignore_last: bool = False, delimiter: str = "", decimal: str = ".", keep_empty: bool = True,
    ) -> None:  # fmt: skip
        self._path, self._decimal, self._keep_empty = path, decimal, keep_empty
        self._times = times or TimeColumn(str(path))
        header = _header(path)
        self._delimiter = delimiter or max(_DELIMITERS, key=header.count)
        self._names = next(csv.reader([header], delimiter=self._delimiter))
        self._time_at = find_time_column(self._names, time_column, str(path))
        self._columns = kept_columns(self._names, self._time_at, ignore, ignore_last=ignore_last)
        self.series = [Series(self._names[at].strip() or f"column {at + 1}") for at in self._columns]
        self._rejected: list[Rejected] = []

    def blocks(self) -> Iterator[Block]:
        """Observations row by row. Row numbers count the header as 1; blank lines are not counted."""
        line, width = 2, len(self._names)
        with pa.csv.open_csv(
            self._path,
            read_options=pa.csv.ReadOptions(
                use_threads=False, block_size=BLOCK_BYTES, column_names=[str(at) for at in range(width)], skip_rows=1
            ),
            parse_options=pa.csv.ParseOptions(delimiter=self._delimiter, invalid_row_handler=self._invalid),
            convert_options=pa.csv.ConvertOptions(
                check_utf8=False, column_types={str(at): pa.binary() for at in range(width)}, strings_can_be_null=False
            ),
        ) as reader:
            for batch in reader:
                rejected, self._rejected = self._rejected, []
                times = self._times.read(_text(batch.column(self._time_at)))
                columns = [self._cells(batch.column(at)) for at in self._columns]
                yield wide_block(times, columns, line, keep_empty=self._keep_empty, rejected=rejected)
                line += batch.num_rows + sum(1 for one in rejected if one.reason.startswith("row has"))
        if self._rejected:
            yield wide_block(
                self._times.read(pa.array([], pa.string())), [pa.array([], pa.string()) for _ in self._columns], line,
                keep_empty=True, rejected=self._rejected,
            )  # fmt: skip

    def _cells(self, column: pa.Array) -> pa.Array:
        cells = _text(column)
        return cells if self._decimal == "." else pa.compute.replace_substring(cells, self._decimal, ".")

    def _invalid(self, row: pa.csv.InvalidRow) -> str:
        reason = f"row has {row.actual_columns} cells, the header {row.expected_columns}"
        count = max(1, min(row.actual_columns - 1, len(self._columns)))
        self._rejected.append(Rejected(row.number or 0, reason, count))
        return "skip"


def _header(path: Path) -> str:
    with pa.input_stream(str(path)) as stream:
        head = stream.read(HEADER_BYTES_MAX).decode("utf-8-sig", errors="replace")
    line, newline, _ = head.partition("\n")
    if not line.strip() or (not newline and len(head) >= HEADER_BYTES_MAX):
        raise InputError("has no header line", file=str(path), fix="name the columns in the first line")
    return str(line.rstrip("\r"))


def _text(column: pa.Array) -> pa.Array:
    """Bytes as text; a cell that is not UTF-8 is read as Windows-1252, which most such files are in."""
    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([_decode(cell) for cell in column.to_pylist()], pa.string())


def _decode(cell: bytes) -> str:
    try:
        return cell.decode()
    except UnicodeDecodeError:
        return cell.decode("cp1252", errors="replace")
