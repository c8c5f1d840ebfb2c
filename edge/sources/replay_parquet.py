"""Parquet: long (a point or metric column, a time, a value) or wide (a time and one column a point)."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from edge.sources.recording import Block, Rejected, Series, parse_numbers
from edge.sources.recording_table import TimeColumn, find_time_column, kept_columns, wide_block
from wire.errors import InputError
from wire.quality import TIME_SUSPECT

__all__ = ["ParquetReader"]

BLOCK_ROWS = 16_384  # of a wide table of 64 columns that is a million observations
_POINT_NAMES = ("point", "key", "metric", "series", "name", "tag")


class ParquetReader:
    """Reads one Parquet file in blocks of rows."""

    def __init__(
        self, path: Path, *, time_column: str = "", times: TimeColumn | None = None, ignore: tuple[str, ...] = (),
        ignore_last: bool = False, keep_empty: bool = True,
    ) -> None:  # fmt: skip
        self._path, self._keep_empty = path, keep_empty
        self._times = times or TimeColumn(str(path))
        try:
            self._names = pa.parquet.read_schema(path).names
        except pa.ArrowInvalid as error:
            raise InputError(f"not Parquet: {error}", file=str(path), fix="give a Parquet file") from error
        self._time_at = find_time_column(self._names, time_column, str(path))
        self._point_at = next((at for at, name in enumerate(self._names) if name.lower() in _POINT_NAMES), None)
        self.series: list[Series] = []
        self._ids: dict[str, int] = {}
        if self._is_long():
            return
        self._columns = kept_columns(self._names, self._time_at, ignore, ignore_last=ignore_last)
        self.series = [Series(self._names[at]) for at in self._columns]

    def _is_long(self) -> bool:
        return self._point_at is not None and "value" in self._names

    def blocks(self) -> Iterator[Block]:
        """Observations in file order."""
        line = 1
        with pa.parquet.ParquetFile(self._path) as file:
            for batch in file.iter_batches(batch_size=BLOCK_ROWS, use_threads=False):
                yield self._long(batch, line) if self._is_long() else self._wide(batch, line)
                line += batch.num_rows

    def _wide(self, batch: pa.RecordBatch, line: int) -> Block:
        times = self._times.read(batch.column(self._time_at))
        columns = [batch.column(at) for at in self._columns]
        return wide_block(times, columns, line, keep_empty=self._keep_empty, rejected=[])

    def _long(self, batch: pa.RecordBatch, line: int) -> Block:
        assert self._point_at is not None
        ts_us, readable, never = self._times.read(batch.column(self._time_at))
        encoded = pc.fill_null(batch.column(self._point_at).cast(pa.string()), "").dictionary_encode()
        series = np.array([self._id(name) for name in encoded.dictionary.to_pylist()], dtype=np.uint32)
        ids = series[encoded.indices.to_numpy(zero_copy_only=False)]
        column = batch.column(self._names.index("value"))
        text: pa.Array | None = None
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = pc.fill_null(column.cast(pa.string()), "")
            value, is_number = parse_numbers(column)
            text = pc.if_else(pa.array(is_number), pa.scalar(None, pa.string()), column).filter(pa.array(readable))
        else:
            value = pc.fill_null(column.cast(pa.float64(), safe=False), float("nan")).to_numpy(zero_copy_only=False)
        quality = never[readable].astype(np.uint8) * np.uint8(TIME_SUSPECT)
        rejected = [Rejected(line + int(at), "no readable time") for at in np.flatnonzero(~readable)]
        return Block(ids[readable], ts_us[readable], value[readable], text, quality, rejected)

    def _id(self, name: str) -> int:
        """Series of a point; `device/metric` and `node/device/metric` name the device too."""
        found = self._ids.get(name)
        if found is None:
            found = self._ids[name] = len(self.series)
            device, _, metric = name.rpartition("/")
            self.series.append(Series(metric or name, device.rpartition("/")[2]))
        return found
