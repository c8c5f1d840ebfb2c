"""What a source is. One protocol = one file beside this one, with its config, its class and its `SOURCE` row.

A kind is found in `BUILT_IN` or in the entry point group `aid4.sources`; its module is imported when a config
names it and not before, so a gateway without OPC UA never loads an OPC UA library.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, Self

import msgspec

from wire.errors import Aid4Error

if TYPE_CHECKING:
    import pyarrow as pa

    from wire.catalogue import Point
    from wire.clock import Clock

__all__ = [
    "BUILT_IN",
    "EXTRAS",
    "Batch",
    "Position",
    "Source",
    "SourceConfig",
    "SourceContext",
    "SourceError",
    "SourceHealth",
    "SourceKind",
    "Stream",
    "kinds",
    "load_kind",
]

ENTRY_POINT_GROUP = "aid4.sources"
BUILT_IN = {
    "bacnet": "edge.sources.bacnet:SOURCE",
    "dji-dock": "edge.sources.dji_dock:SOURCE",
    "dsmr": "edge.sources.dsmr:SOURCE",
    "mbus": "edge.sources.mbus:SOURCE",
    "modbus": "edge.sources.modbus:SOURCE",
    "ocpp": "edge.sources.ocpp:SOURCE",
    "opcua": "edge.sources.opcua:SOURCE",
    "gpio": "edge.sources.gpio:SOURCE",
    "http-json": "edge.sources.http_json:SOURCE",
    "i2c": "edge.sources.i2c:SOURCE",
    "lorawan": "edge.sources.lorawan:SOURCE",
    "mqtt": "edge.sources.mqtt:SOURCE",
    "mtconnect": "edge.sources.mtconnect:SOURCE",
    "mavlink": "edge.sources.mavlink:SOURCE",
    "secsgem": "edge.sources.secsgem:SOURCE",
    "shdr": "edge.sources.shdr:SOURCE",
    "remote-id": "edge.sources.remote_id:SOURCE",
    "replay": "edge.sources.replay:SOURCE",
    "serial": "edge.sources.serial:SOURCE",
    "snmp": "edge.sources.snmp:SOURCE",
    "sparkplug": "edge.sources.sparkplug:SOURCE",
    "host": "edge.sources.host:SOURCE",
    "onewire": "edge.sources.onewire:SOURCE",
}

EXTRAS = {"bacnet": "bacnet", "gpio": "pins", "i2c": "pins", "ocpp": "ocpp", "secsgem": "secsgem", "snmp": "snmp"}
"""What to install for a kind whose library is not in `aid4[edge]`."""

State = Literal["starting", "running", "waiting", "failed", "ended"]


class SourceError(Aid4Error):
    """A device or its connection failed. `stage` names where (connect, read, decode, write); a restart may help."""

    def __init__(self, stage: str, detail: str) -> None:
        super().__init__(f"{stage}: {detail}")
        self.stage = stage
        self.detail = detail


class SourceConfig(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """One `[[source]]` table. A kind derives its own with `class ModbusConfig(SourceConfig, tag="modbus")`."""

    name: str
    device: str = ""
    enabled: bool = True


@dataclass(slots=True)
class SourceHealth:
    """The counters that every source keeps, in readings; `errors` counts by stage. `why` explains a silence."""

    received: int = 0
    sent: int = 0
    discarded: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    state: State = "starting"
    last_us: int = 0
    why: str = ""

    def error(self, stage: str, why: str) -> None:
        """Count one error at `stage` and keep its reason for the person who asks."""
        self.errors[stage] = self.errors.get(stage, 0) + 1
        self.why = why

    @contextmanager
    def counting(self, stage: str) -> Iterator[None]:
        """Count what the block raises under `stage`, then let it pass."""
        try:
            yield
        except Exception as error:
            self.error(stage, str(error) or type(error).__name__)
            raise


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one schema (`wire.schemas`), with ids that index the source's own `points()`.

    `accepted(refused)` is called once, on the event loop, when every row is durable on disk (after fdatasync) or
    refused; `refused` counts readings that the spool had no room for. Only then may a source acknowledge upstream.
    `recorded(epoch, first_seq, last_seq)` is called before it, for each run of records that holds some of the rows.
    `stream` is the number that `Position.resume` gave for the rows' schema, 0 for rows that cannot be read again.
    """

    schema_id: int
    rows: pa.RecordBatch
    accepted: Callable[[int], None] | None = None
    recorded: Callable[[bytes, int, int], None] | None = None
    stream: int = 0


class Stream(NamedTuple):
    """A resumable stream of rows: its number, for `Batch.stream`, and how many of its rows were accepted so far."""

    number: int
    rows: int


class Position(Protocol):
    """Where a source learns how far it got, for one that can read its rows again, in the same order.

    Rows of a stream are accepted in order. Once some are refused, all that follow are, until the source is entered
    anew and resumes; so it raises `SourceError` when `accepted(refused)` says so, and nothing is lost or doubled.
    """

    async def resume(self, identity: str, schemas: Sequence[int]) -> dict[int, Stream]:
        """One stream for each schema id. Another `identity` than before (another file, say) begins at row 0."""
        ...


@dataclass(frozen=True, slots=True)
class SourceContext:
    """What the agent lends a source: the clock, the folder of the config file for relative paths, its position."""

    clock: Clock
    folder: Path
    position: Position | None = None


class Source(Protocol):
    """One connection to the field. The agent enters it, reads `batches()`, and restarts it with backoff when it raises.

    `points()[i].id == i`; the list only grows. A source that discovers a point appends it before it yields the first
    batch that uses its id. `batches()` is advanced only while earlier batches are being accepted, which is the
    back-pressure; it ends only for a finite source. One that loses nothing by waiting (a recording read as fast as
    possible) may have a true attribute `can_wait`: it is then held while the twin is behind. `write` raises
    `SourceError` when the device did not take it.
    """

    health: SourceHealth

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> bool | None: ...

    def points(self) -> list[Point]:
        """What it offers so far; ids count from 0 and the list only grows."""
        ...

    def batches(self) -> AsyncIterator[Batch]:
        """Its readings, for as long as it runs."""
        ...

    async def write(self, point: Point, value: float | str | bool) -> None:
        """Carry out a command; SourceError when the device did not take it."""
        ...


@dataclass(frozen=True, slots=True)
class SourceKind:
    """A row of the registry: the config of a kind and how a source is made from it (nothing is opened yet)."""

    config: type[SourceConfig]
    create: Callable[[Any, SourceContext], Source]


def kinds() -> list[str]:
    """Names of all kinds that a config may use, without importing any of them."""
    return sorted({*BUILT_IN, *(entry.name for entry in entry_points(group=ENTRY_POINT_GROUP))})


def load_kind(kind: str) -> SourceKind:
    """Import the module of one kind. Raises KeyError for an unknown one, ImportError when its extra is missing."""
    if target := BUILT_IN.get(kind):
        module, _, attribute = target.partition(":")
        row = getattr(import_module(module), attribute)
    else:
        found = list(entry_points(group=ENTRY_POINT_GROUP, name=kind))
        if not found:
            raise KeyError(kind)
        row = found[0].load()
    assert isinstance(row, SourceKind), f"{kind}: the entry point must name a SourceKind"
    return row
