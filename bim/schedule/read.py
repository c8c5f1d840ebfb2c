"""The one door to schedules: a path in, a checked Schedule out, whatever tool wrote the file."""

import csv
import hashlib
import re
import stat
from pathlib import Path

import msgspec

from bim.schedule.build import Draft, build
from bim.schedule.csv_tasks import read_csv
from bim.schedule.errors import ScheduleError
from bim.schedule.ifc_schedule import read_ifc
from bim.schedule.limits import ScheduleLimits
from bim.schedule.mspdi import read_mspdi
from bim.schedule.pmxml import read_pmxml
from bim.schedule.tables import Schedule
from bim.schedule.xer import read_xer

__all__ = ["FORMATS", "format_of", "read_schedule"]

FORMATS = {
    "xer": "Primavera P6 XER",
    "pmxml": "Primavera P6 XML",
    "mspdi": "Microsoft Project XML",
    "csv": "CSV of tasks",
    "ifc": "IFC work schedule",
}
_HEAD_BYTES = 4096
_GIVE = "give a P6 XER or XML, a Microsoft Project XML, a CSV of tasks, or an IFC file with a work schedule"
_ROOT = re.compile(rb"<(?:\w+:)?(Project|APIBusinessObjects)[\s/>]")


def read_schedule(path: str | Path, *, encoding: str = "", limits: ScheduleLimits | None = None) -> Schedule:
    """Read one file; raises ScheduleError (a UserError) with reason, file, line, field and fix."""
    limits = limits or ScheduleLimits()
    try:
        data = _bytes_of(path, limits)
        schedule = build(_draft(data, encoding, limits), limits)
    except ScheduleError as refusal:
        raise refusal.in_file(str(path)) from refusal.__cause__
    about = msgspec.structs.replace(schedule.about, file=Path(path).name, sha256=hashlib.sha256(data).hexdigest())
    return Schedule(about, schedule.tables)


def format_of(data: bytes) -> str:
    """Which of FORMATS the bytes are, by what they say and not by the file's name; raises ScheduleError."""
    head = data[:_HEAD_BYTES]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.decode("utf-16", "replace").encode()
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"ERMHDR"):
        return "xer"
    if head.startswith(b"ISO-10303-21"):
        return "ifc"
    if head.startswith(b"<"):
        root = _ROOT.search(head)
        if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
            return "mspdi"  # its reader refuses it with the line
        if root is None:
            raise ScheduleError("format", "it is XML of another kind", fix=_GIVE)
        return "mspdi" if root[1] == b"Project" else "pmxml"
    if _looks_like_csv(head):
        return "csv"
    raise ScheduleError("format", f"it begins with {head[:16]!r}: none of the formats that are read", fix=_GIVE)


def _draft(data: bytes, encoding: str, limits: ScheduleLimits) -> Draft:
    if not data.strip():
        raise ScheduleError("format", "the file is empty", fix=_GIVE)
    kind = format_of(data)
    if kind == "xer":
        return read_xer(data, encoding)
    if kind == "csv":
        return read_csv(data, encoding)
    readers = {"mspdi": read_mspdi, "pmxml": read_pmxml, "ifc": read_ifc}
    return readers[kind](data, limits)


def _looks_like_csv(head: bytes) -> bool:
    first = head.decode("utf-8", "replace").split("\n", 1)[0]
    if "\x00" in first:
        return False
    try:
        return len(next(csv.reader([first.replace(";", ",").replace("\t", ",")]), [])) >= 2
    except csv.Error:
        return False


def _bytes_of(path: str | Path, limits: ScheduleLimits) -> bytes:
    try:
        info = Path(path).stat()
        if not stat.S_ISREG(info.st_mode):
            raise ScheduleError("missing", "not a plain file", fix=_GIVE)
        bound = limits.model_bytes if str(path).lower().endswith(".ifc") else limits.file_bytes
        if info.st_size > bound:
            problem = f"{info.st_size >> 20} MiB; the bound is {bound >> 20} MiB"
            raise ScheduleError("too_big", problem, fix="export fewer projects into one file")
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ScheduleError("missing", reason, fix="give the path of a schedule") from error
