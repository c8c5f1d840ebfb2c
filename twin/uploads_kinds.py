"""What a file from a drone or a scanner is for, by its name and by what its sender says."""

import re
from pathlib import PurePosixPath
from typing import Literal

from wire.errors import InputError

__all__ = ["KINDS", "UploadKind", "kind_of_upload", "plain_name", "suffix_of"]

UploadKind = Literal["log", "media", "cloud", "stations", "trajectory", "cameras", "control"]
KINDS: dict[UploadKind, tuple[str, ...]] = {
    "log": (
        ".tlog", ".mavlink", ".raw", ".bin", ".ulg", ".srt", ".csv", ".tsv", ".txt", ".kml", ".kmz", ".pcap", ".pcapng",
    ),
    "media": (".jpg", ".jpeg", ".tif", ".tiff", ".dng"),
    "cloud": (".las", ".laz", ".ply", ".pcd", ".e57"),
    "stations": (".csv",),
    "trajectory": (".csv", ".tlog", ".bin", ".ulg", ".srt", ".txt"),
    "cameras": (".json", ".geojson", ".xml", ".txt", ".csv", ".out", ".nvm", ".opf"),
    "control": (".csv", ".txt"),
}  # fmt: skip
_WORDS: tuple[tuple[str, UploadKind], ...] = (  # in the name of a table that comes beside a cloud
    ("station", "stations"), ("trajector", "trajectory"), ("camera", "cameras"), ("shots", "cameras"),
    ("control", "control"), ("gcp", "control"),
)  # fmt: skip
_SUFFIX = re.compile(r"\.[a-z0-9]{1,10}\Z")
_NAME_CHARS = 200


def plain_name(name: str) -> str:
    """The last part of a name as people see it, without what no screen shows; InputError when nothing is left."""
    last = PurePosixPath(name.replace("\\", "/")).name
    shown = "".join(sign for sign in last if sign.isprintable())[:_NAME_CHARS].strip()
    if not shown.strip("."):
        raise InputError("the file has no name", field="name", fix="send name=FILE with its ending")
    return shown


def suffix_of(name: str) -> str:
    """The ending in small letters, the only part of a name that reaches the file system; "" for a strange one."""
    found = _SUFFIX.search(name.lower())
    return found.group() if found else ""


def kind_of_upload(name: str, said: UploadKind | None, *, grouped: bool) -> UploadKind:
    """What a file is for. In a group a table is told by its name; InputError for what nothing here reads."""
    suffix = suffix_of(name)
    if said is not None:
        if suffix not in KINDS[said]:
            fix = f"send a file ending in one of {', '.join(KINDS[said])}"
            raise InputError(f"{name[:80]!r} is no file of kind {said}", field="name", fix=fix)
        return said
    if grouped:
        for word, kind in _WORDS:
            if word in name.lower() and suffix in KINDS[kind]:
                return kind
    first: tuple[UploadKind, ...] = ("log", "media", "cloud")
    for kind in first:
        if suffix in KINDS[kind]:
            return kind
    every = ", ".join(ending for kind in first for ending in KINDS[kind])
    raise InputError(f"nothing here reads {name[:80]!r}", field="name", fix=f"send a file ending in one of {every}")
