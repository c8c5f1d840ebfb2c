"""The segments before a JPEG's picture: EXIF, XMP and the size; the picture is not read."""

from dataclasses import dataclass, field

from drone_ingest.damage import Notes
from drone_ingest.media.tiff_tags import Bytes

__all__ = ["Segments", "read_segments"]

_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_SIZES = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_PICTURE, _END = 0xDA, 0xD9
_TAIL_BYTES = 4 << 20  # searched for the end marker: larger than what cameras append


@dataclass(slots=True)
class Segments:
    """What was found: the TIFF structure of EXIF, the XMP packet, width and height in pixels."""

    exif: bytes = b""
    xmp: bytes = b""
    size_px: tuple[int, int] | None = None
    cut: list[int] = field(default_factory=list)


def read_segments(data: Bytes, segments_max: int, notes: Notes) -> Segments:
    """Walk the segments up to the picture; a broken one ends the walk and is noted."""
    found, at = Segments(), 2
    for _ in range(segments_max):
        head = data[at : at + 4]
        if len(head) < 4:
            notes.damage(len(data), "byte", "the file ends before its picture")
            return found
        if head[0] != 0xFF:
            notes.damage(at, "byte", "no JPEG segment begins here")
            return found
        marker = head[1]
        if marker in (_PICTURE, _END):
            if not _ends(data, at):
                notes.damage(len(data), "byte", "the picture is cut: no end marker")
            return found
        if marker == 0xFF:
            at += 1
            continue
        length = head[2] << 8 | head[3]
        body = data[at + 4 : at + 2 + length]
        if length < 2 or len(body) < length - 2:
            notes.damage(at, "byte", "a JPEG segment is longer than the file")
            return found
        _take(marker, body, found)
        at += 2 + length
    notes.warn(f"more than {segments_max} segments before the picture")
    return found


def _ends(data: Bytes, picture_at: int) -> bool:
    """Whether the end marker stands behind the picture's beginning; cameras append thumbnails or padding after it, and
    inside the coded picture the marker cannot stand."""
    return b"\xff\xd9" in bytes(data[max(len(data) - _TAIL_BYTES, picture_at) : len(data)])


def _take(marker: int, body: bytes, found: Segments) -> None:
    if marker == 0xE1 and body.startswith(_EXIF):
        found.exif = found.exif or bytes(body[len(_EXIF) :])
    elif marker == 0xE1 and body.startswith(_XMP):
        found.xmp = found.xmp or bytes(body[len(_XMP) :])
    elif marker in _SIZES and len(body) >= 5:
        found.size_px = (body[3] << 8 | body[4], body[1] << 8 | body[2])
