"""What a file is, by its first bytes; its name only decides between texts that look alike."""

import re
from pathlib import Path

__all__ = ["HEAD_BYTES", "kind_of"]

HEAD_BYTES = 4_096
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"ULog\x01\x12\x35", "ulog"),
    (0, b"\xa3\x95", "dataflash"),
    (0, b"LASF", "las"),
    (0, b"ASTM-E57", "e57"),
    (0, b"ply\n", "ply"),
    (0, b"ply\r", "ply"),
    (0, b"\xff\xd8\xff", "photo"),
    (0, b"II*\0", "photo"),
    (0, b"MM\0*", "photo"),
    (0, b"\x0a\x0d\x0d\x0a", "pcap"),
    (0, b"\xd4\xc3\xb2\xa1", "pcap"),
    (0, b"\xa1\xb2\xc3\xd4", "pcap"),
    (0, b"\x4d\x3c\xb2\xa1", "pcap"),
    (0, b"\xa1\xb2\x3c\x4d", "pcap"),
    (0, b"PK\x03\x04", "kmz"),
)
_CUE = re.compile(rb"\d+:\d\d:\d\d[,.]\d+ *--> *\d+:\d\d")
_SRT_WORDS = re.compile(rb"GPS ?\(|\[latitude ?:|HOME\(|BAROMETER:")
_STAMP_YEARS_US = (1_000_000_000_000_000, 4_102_444_800_000_000)  # 2001 to 2100, big-endian before a frame


def kind_of(head: bytes, name: str) -> str | None:
    """One of ulog, dataflash, tlog, mavlink, srt, kml, kmz, csv, las, e57, ply, pcd, photo, pcap, fence, fields, plan;
    None when it is none of them. `head` are the first HEAD_BYTES of the file."""
    suffix = Path(name).suffix.lower()
    for place, magic, kind in _MAGIC:
        if head[place : place + len(magic)] == magic:
            return kind
    if _is_stamped(head):
        return "tlog"
    if head[:1] in (b"\xfe", b"\xfd") and suffix not in _TEXTS:
        return "mavlink"
    plain = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if plain.startswith(b"# .PCD") or (plain.startswith(b"VERSION") and b"FIELDS" in plain):
        return "pcd"
    if b"\0" in plain[:512]:
        return {".tlog": "tlog", ".mavlink": "mavlink", ".raw": "mavlink", ".bin": "dataflash"}.get(suffix)
    return _text_kind(plain, suffix)


_TEXTS = frozenset({".srt", ".csv", ".txt", ".kml", ".json", ".xyz"})


def _is_stamped(head: bytes) -> bool:
    if len(head) < 9 or head[8] not in (0xFE, 0xFD):
        return False
    return _STAMP_YEARS_US[0] < int.from_bytes(head[:8], "big") < _STAMP_YEARS_US[1]


def _text_kind(plain: bytes, suffix: str) -> str | None:
    if plain.startswith(b"<") and (b"<kml" in plain or suffix == ".kml"):
        return "kml"
    if plain.startswith(b"QGC WPL"):
        return "plan"
    if plain.startswith((b"{", b"[")):
        return "fields" if b"thing/product" in plain else "plan" if b'"fileType"' in plain else None
    if _CUE.search(plain) or (_SRT_WORDS.search(plain) and suffix in (".srt", ".txt")):
        return "srt"
    if plain.startswith(b"RALLY ") or _is_fence(plain):
        return "fence"
    first = next((line for line in plain.splitlines() if line and not line.startswith(b"#")), b"")
    if suffix in (".csv", ".tsv", ".txt") and any(sign in first for sign in (b",", b"\t", b";")):
        return "csv"
    return {".srt": "srt", ".kml": "kml"}.get(suffix)


def _is_fence(plain: bytes) -> bool:
    lines = plain.splitlines()[:3]
    return len(lines) >= 3 and all(re.fullmatch(rb"-?\d+\.\d+\s+-?\d+\.\d+", line.strip()) for line in lines)
