"""What passes between a process that has readings and its scoring child: frames on pipes.

A frame is its length (u32), its kind (one byte) and its body: JSON, or one Arrow record batch without its schema. Each
`tick` is answered by one `said`, and one `table` when there are scores.
"""

import struct
from typing import Any, BinaryIO, Final

import msgspec
import pyarrow as pa

from inference.runtime.answers import SCORES
from inference.runtime.episodes import Event
from inference.runtime.settings import Settings, Stream
from inference.runtime.trained import Mode
from wire.errors import InputError
from wire.schemas import READINGS, schema

__all__ = [
    "FRAME_BYTES_MAX", "HEAD", "Feedback", "ModelFile", "Open", "Push", "Said", "Tick", "Watch", "frame", "read_frame",
    "readings_of", "table_of",
]  # fmt: skip

FRAME_BYTES_MAX: Final = 256 << 20
HEAD: Final = struct.Struct("<IB")


class ModelFile(msgspec.Struct, frozen=True, kw_only=True):
    """A trained bundle on disk."""

    path: str
    id: str
    version: str = ""
    mode: Mode = "live"


class Open(msgspec.Struct, frozen=True, kw_only=True, tag="open"):
    """The first frame: what to be, and where the state lies."""

    settings: Settings
    state: str
    save_s: float = 60.0


class Watch(msgspec.Struct, frozen=True, kw_only=True, tag="watch"):
    """Streams that are new, links of the plant, and the models in force (None: as before)."""

    streams: list[Stream] = []
    links: list[tuple[str, str]] | None = None
    models: list[ModelFile] | None = None


class Push(msgspec.Struct, frozen=True, kw_only=True, tag="push"):
    """A batch of readings follows in the next frame; `arrived_us` None: from history."""

    arrived_us: int | None = None


class Tick(msgspec.Struct, frozen=True, kw_only=True, tag="tick"):
    """Score what has ended by now; with `save` write the state as well. Without `facts` the readings are means of
    rows, of which plain facts about readings learn nothing."""

    now_us: int
    save: bool = False
    facts: bool = True


class Feedback(msgspec.Struct, frozen=True, kw_only=True, tag="feedback"):
    """An operator's verdict on an alarm of these streams."""

    keys: list[str]
    accepted: bool


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """The child's answer; the first one, to `Open`, says up to when its state had scored."""

    scored_us: int | None = None
    events: list[Event] = []
    figures: dict[str, int] = {}
    rss_bytes: int = 0
    table: bool = False  # a table follows
    problems: list[str] = []


Order = Open | Watch | Push | Tick | Feedback
_JSON, _ARROW = 1, 2


def frame(body: Any) -> bytes:
    """A struct as JSON, or a record batch."""
    data, kind = (body.serialize(), _ARROW) if isinstance(body, pa.RecordBatch) else (msgspec.json.encode(body), _JSON)
    return HEAD.pack(len(data), kind) + bytes(data)


def read_frame(source: BinaryIO) -> bytes | None:
    """The next body; None when the other side is gone. InputError when it speaks nonsense."""
    head = source.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    size, kind = HEAD.unpack(head)
    if size > FRAME_BYTES_MAX or kind not in (_JSON, _ARROW):
        raise InputError("no frame of scoring", field="frame", fix="the two sides are of different versions")
    body = source.read(size)
    return body if len(body) == size else None


def readings_of(body: bytes) -> pa.RecordBatch:
    """The body of a frame of readings, checked."""
    return _batch(body, schema(READINGS))


def table_of(body: bytes) -> pa.RecordBatch:
    """The body of a frame of scores, checked."""
    return _batch(body, SCORES)


def _batch(body: bytes, kind: pa.Schema) -> pa.RecordBatch:
    try:
        found = pa.ipc.read_record_batch(pa.py_buffer(body), kind)
        found.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"no batch of scoring: {error}", field="frame", fix="restart both sides") from error
    return found
