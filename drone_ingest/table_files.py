"""What was found, as files: Parquet for tables, one Arrow IPC file for the points of a cloud, `summary.json` beside."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from drone_ingest.found import Cloud, Flight, Found, Photo, RemoteIds

__all__ = ["point_writer", "write_found"]

_UNSAFE = re.compile(r"[^A-Za-z0-9_.#-]")
_NAME_CHARS = 100


def write_found(found: Found, summary: dict[str, Any], folder: Path) -> list[str]:
    """Write the tables of a file into `folder` (made if missing); the names of what was written, summary.json last.

    `positions.parquet`, `events.parquet`, `messages/TYPE.parquet`, `transmitters.parquet`; the points of a cloud are
    written while they are read (`point_writer`).
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = [name for name, table in _tables(found) if _write(table, folder / name)]
    (folder / "summary.json").write_bytes(msgspec.json.format(msgspec.json.encode(summary)))
    return [*written, "summary.json"]


def _tables(found: Found) -> Iterator[tuple[str, pa.Table]]:
    match found:
        case Flight():
            yield "positions.parquet", found.positions
            yield "events.parquet", found.events
            yield from _messages(found.messages)
        case RemoteIds():
            yield "positions.parquet", found.positions
            yield from _messages(found.messages)
            if found.transmitters is not None:
                yield "transmitters.parquet", found.transmitters
        case Photo():
            yield "positions.parquet", found.position
        case _:
            pass


def _messages(tables: dict[str, pa.Table]) -> Iterator[tuple[str, pa.Table]]:
    """A message may be named anything: what no file system likes is replaced, and no two get one file."""
    taken: set[str] = set()
    for number, (name, table) in enumerate(tables.items()):
        safe = _UNSAFE.sub("_", name)[:_NAME_CHARS].lstrip(".") or "message"
        if safe.lower() in taken:
            safe = f"{safe}.{number}"
        taken.add(safe.lower())
        yield f"messages/{safe}.parquet", table


def _write(table: pa.Table, path: Path) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd")
    return True


@contextmanager
def point_writer(cloud: Cloud, folder: Path) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """A sink for the points of a cloud: `points.arrow` in `folder`, there only when all were written."""
    folder.mkdir(parents=True, exist_ok=True)
    partial, whole = folder / "points.arrow.part", folder / "points.arrow"
    writer: list[pa.RecordBatchFileWriter] = []
    with pa.OSFile(str(partial), "wb") as sink:

        def write(batch: pa.RecordBatch) -> None:
            if not writer:
                about = {"kind": cloud.kind, "crs": cloud.crs or "", "height_datum": cloud.height_datum or ""}
                writer.append(pa.ipc.new_file(sink, batch.schema.with_metadata(about)))
            writer[0].write_batch(batch)

        yield write
        for one in writer:
            one.close()
    partial.replace(whole)
