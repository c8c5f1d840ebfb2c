"""Decoded messages by type: in memory while they are few, in a temporary file when a log is longer than that."""

import tempfile
from pathlib import Path

import pyarrow as pa

from drone_ingest.limits import DroneLimits
from wire.errors import InputError

__all__ = ["MessageStore"]


class MessageStore:
    """Takes record batches; gives one table a type. The store must live as long as its tables (they may be mapped)."""

    def __init__(self, limits: DroneLimits) -> None:
        self._limits = limits
        self._batches: dict[str, list[pa.RecordBatch]] = {}
        self._schemas: dict[str, pa.Schema] = {}
        self._bytes = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._files: dict[str, tuple[pa.OSFile, pa.RecordBatchFileWriter]] = {}
        self.messages = 0

    def add(self, name: str, batch: pa.RecordBatch) -> None:
        """Keep one batch; raises InputError when there are more types than any log has."""
        if not batch.num_rows:
            return
        if name not in self._batches:
            if len(self._batches) >= self._limits.message_types:
                problem = f"it has more than {self._limits.message_types} types of messages"
                raise InputError(problem, fix="no autopilot writes so many; the file is not what it seems")
            self._batches[name] = []
            self._schemas[name] = batch.schema
        self._batches[name].append(batch)
        self.messages += batch.num_rows
        self._bytes += batch.nbytes
        if self._bytes > self._limits.memory_bytes:
            self._spill()

    def schema(self, name: str) -> pa.Schema | None:
        """The schema of a type's first batch."""
        return self._schemas.get(name)

    def tables(self) -> dict[str, pa.Table]:
        """All messages, in their order; nothing can be added afterwards."""
        if self._folder is None:
            return {name: pa.Table.from_batches(batches) for name, batches in self._batches.items()}
        self._spill()
        tables = {}
        for name, (sink, writer) in self._files.items():
            writer.close()
            sink.close()
            tables[name] = pa.ipc.open_file(pa.memory_map(self._path(name))).read_all()
        return tables

    def _spill(self) -> None:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="aid4-log-")
        for name, batches in self._batches.items():
            if not batches:
                continue
            if name not in self._files:
                sink = pa.OSFile(self._path(name), "wb")
                self._files[name] = (sink, pa.ipc.new_file(sink, batches[0].schema))
            for batch in batches:
                self._files[name][1].write_batch(batch)
            batches.clear()
        self._bytes = 0

    def _path(self, name: str) -> str:
        assert self._folder is not None
        number = list(self._batches).index(name)
        return str(Path(self._folder.name) / f"{number:04d}.arrow")
