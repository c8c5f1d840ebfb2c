"""The recent rows of one table for users' SQL, kept as Arrow files between queries: only what is new is written.

Rows lie in the order in which they came, so new ones have a later receive time; the count proves it, and whenever it
does not (rows moved to cold files, a clock set back, an import) the files are made anew.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa

from twin.cold import manifest
from twin.lookup import number
from wire.limits import SQL_RECENT_ROWS_MAX

__all__ = ["RecentRows", "write_rows"]

_BATCH_ROWS = 65_536
_PARTS_MAX = 8  # then the small ones are joined
_TAIL_SHARE_MAX = 0.25  # of the first part; then all is made anew


@dataclass(slots=True)
class _Held:
    """What the files hold: `skipped` older rows are left out, `cold` is the manifest beside them."""

    skipped: int
    last_us: int
    cold: tuple[int, ...]
    rows: list[int] = field(default_factory=list)
    parts: list[Path] = field(default_factory=list)


class RecentRows:
    """Files of one warm table. The caller calls one after the other, each with a snapshot not older than the last."""

    def __init__(self, kind: str) -> None:
        self._kind, self._table = kind, f"{kind}_warm"
        self._held: _Held | None = None
        self._made = 0
        self.rebuilt = 0

    def files(self, cursor: duckdb.DuckDBPyConnection, cache: Path, folder: Path) -> list[Path]:
        """Links in `folder` to files in `cache` with the newest SQL_RECENT_ROWS_MAX rows, or up to a quarter more."""
        total = number(cursor, f"SELECT count(*) FROM {self._table}")  # noqa: S608  (a name of ours)
        cold = tuple(file.id for file in manifest(cursor, self._kind))
        if not self._extend(cursor, cache, total, cold):
            self._rebuild(cursor, cache, total, cold)
        assert self._held is not None
        links = [folder / f"{self._kind}-{at}.arrow" for at in range(len(self._held.parts))]
        for link, part in zip(links, self._held.parts, strict=True):
            os.link(part, link)
        return links

    def _extend(self, cursor: duckdb.DuckDBPyConnection, cache: Path, total: int, cold: tuple[int, ...]) -> bool:
        """Write what came since; False when the files are not the beginning of what the table holds now."""
        held = self._held
        if held is None or held.cold != cold or not all(part.exists() for part in held.parts):
            return False
        new = total - held.skipped - sum(held.rows)
        too_much = sum(held.rows) + new > SQL_RECENT_ROWS_MAX * (1 + _TAIL_SHARE_MAX)
        if new < 0 or too_much or sum(held.rows[1:]) + new > max(_BATCH_ROWS, held.rows[0] * _TAIL_SHARE_MAX):
            return False
        if new:
            where = f"WHERE recv > make_timestamptz({held.last_us}::BIGINT)"
            part, rows = self._write(cursor, cache, where)
            if rows != new:
                part.unlink()
                return False
            held.parts.append(part)
            held.rows.append(rows)
            held.last_us = self._last_us(cursor)
            if len(held.parts) > _PARTS_MAX:
                self._join(held, cache)
        return True

    def _rebuild(self, cursor: duckdb.DuckDBPyConnection, cache: Path, total: int, cold: tuple[int, ...]) -> None:
        cache.mkdir(exist_ok=True)
        for part in self._held.parts if self._held else []:
            part.unlink(missing_ok=True)
        self._held = None
        skipped = max(0, total - SQL_RECENT_ROWS_MAX)
        part, rows = self._write(cursor, cache, f"OFFSET {skipped}")
        self._held = _Held(skipped, self._last_us(cursor), cold, [rows], [part])
        self.rebuilt += 1

    def _join(self, held: _Held, cache: Path) -> None:
        """All parts but the first become one."""
        table = pa.concat_tables([pa.ipc.open_file(pa.memory_map(str(part))).read_all() for part in held.parts[1:]])
        joined = self._next(cache)
        with pa.ipc.new_file(joined, table.schema) as writer:
            writer.write_table(table)
        for part in held.parts[1:]:
            part.unlink()
        held.parts[1:], held.rows[1:] = [joined], [table.num_rows]

    def _write(self, cursor: duckdb.DuckDBPyConnection, cache: Path, clause: str) -> tuple[Path, int]:
        path = self._next(cache)
        select = f"SELECT point, ts, value, quality, recv FROM {self._table} {clause}"  # noqa: S608
        return path, write_rows(cursor, select, path)

    def _next(self, cache: Path) -> Path:
        self._made += 1
        return cache / f"{self._kind}-{self._made}.arrow"

    def _last_us(self, cursor: duckdb.DuckDBPyConnection) -> int:
        return number(cursor, f"SELECT coalesce(epoch_us(max(recv)), 0) FROM {self._table}")  # noqa: S608


def write_rows(cursor: duckdb.DuckDBPyConnection, select: str, path: Path) -> int:
    """The rows of a query as one Arrow IPC file; how many there are."""
    rows = 0
    reader = cursor.sql(select).to_arrow_reader(_BATCH_ROWS)
    with pa.ipc.new_file(path, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows
