"""The one door: `read(path)` finds out what a file is and reads it.

A file that is damaged gives everything that is whole, with the damage in `notes`; one that gives nothing, or that is
none of ours, is refused with InputError.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drone_ingest.found import Cloud, Flight, Found, Photo, RemoteIds
from drone_ingest.limits import MIB, DroneLimits
from drone_ingest.sniff import HEAD_BYTES, kind_of
from wire.errors import InputError, UserError

__all__ = ["Progress", "read", "summary_count"]

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class _Row:
    """A reader: where it lives, and the bound of its files."""

    target: str
    bound: str  # field of DroneLimits


_READERS = {
    "tlog": _Row("drone_ingest.logs.tlog:read_tlog", "log_bytes"),
    "mavlink": _Row("drone_ingest.logs.tlog:read_raw", "log_bytes"),
    "dataflash": _Row("drone_ingest.logs.dataflash:read_dataflash", "log_bytes"),
    "ulog": _Row("drone_ingest.logs.ulog:read_ulog", "log_bytes"),
    "srt": _Row("drone_ingest.logs.srt:read_srt", "text_bytes"),
    "csv": _Row("drone_ingest.logs.csv_track:read_csv", "text_bytes"),
    "kml": _Row("drone_ingest.logs.kml:read_kml", "text_bytes"),
    "kmz": _Row("drone_ingest.logs.kml:read_kmz", "text_bytes"),
    "fence": _Row("drone_ingest.logs.fence:read_fence", "text_bytes"),
    "photo": _Row("drone_ingest.media.photo:read_photo", "photo_bytes"),
    "pcap": _Row("drone_ingest.remote_id.capture:read_capture", "log_bytes"),
    "las": _Row("drone_ingest.clouds.las:read_las", "log_bytes"),
    "ply": _Row("drone_ingest.clouds.ply:read_ply", "log_bytes"),
    "pcd": _Row("drone_ingest.clouds.pcd:read_pcd", "log_bytes"),
    "e57": _Row("drone_ingest.clouds.e57:read_e57", "log_bytes"),
}
_REFUSED = {
    "fields": ("it lists field names of the DJI Cloud API and holds no flight", "give a log, photo, cloud or capture"),
    "plan": ("it is a plan of a mission, not a flight", "plans are read by `aid4 drone plan`"),
}
_WANTED = "give a .tlog, .BIN, .ulg, .srt, .csv, .kml, .kmz, photo, pcap, .las, .laz, .ply, .pcd or .e57 file"


def read(path: str | Path, limits: DroneLimits | None = None, progress: Progress | None = None) -> Found:
    """Read one file; see the module. `progress` is told how many more bytes are done."""
    path = Path(path)
    limits = limits or DroneLimits()
    head = _head(path)
    kind = kind_of(head, path.name)
    if kind in _REFUSED:
        raise InputError(_REFUSED[kind][0], file=str(path), fix=_REFUSED[kind][1])
    if kind is None:
        raise InputError("nothing here reads such a file", file=str(path), fix=_WANTED)
    row = _READERS[kind]
    _check_size(path, int(getattr(limits, row.bound)))
    module, _, name = row.target.partition(":")
    reader: Callable[..., Any] = getattr(importlib.import_module(module), name)
    try:
        found: Found = reader(path, limits, progress or (lambda _: None))
    except InputError as error:
        raise InputError(error.problem, file=error.file or str(path), field=error.field, fix=error.fix) from error
    except UserError:
        raise
    except OSError as error:
        raise InputError(f"it cannot be read: {error.strerror}", file=str(path), fix="copy the file again") from error
    if not summary_count(found):
        raise InputError(_nothing(found), file=str(path), fix="copy the file again from the drone or its card")
    return found


def summary_count(found: Found) -> int:
    """How many messages, cues, rows, pictures, frames or points a file gave."""
    match found:
        case Flight():
            return found.records if found.records is not None else sum(len(one) for one in found.messages.values())
        case RemoteIds():
            return sum(len(one) for one in found.messages.values())
        case Cloud():
            return found.points
        case Photo():
            return 1
        case _:
            return 0


def _head(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise InputError("there is no such file", file=str(path), fix="check the path")
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise InputError(f"it cannot be opened: {error.strerror}", file=str(path), fix="check its rights") from error
    if not head:
        raise InputError("it is empty", file=str(path), fix="copy the file again")
    return head


def _check_size(path: Path, bound: int) -> None:
    size = path.stat().st_size
    if size > bound:
        problem = f"it has {size // MIB} MiB; such files are read up to {bound // MIB} MiB"
        raise InputError(problem, file=str(path), fix="split the file")


def _nothing(found: Found) -> str:
    damages = found.damages
    first = f": {damages[0].problem} at {damages[0].unit} {damages[0].at}" if damages else ""
    return f"nothing in it could be read as {found.kind}{first}"
