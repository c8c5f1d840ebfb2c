"""The bounds of one file from a drone or a scanner."""

import msgspec

__all__ = ["GIB", "MIB", "DroneLimits"]

MIB = 1 << 20
GIB = 1 << 30


class DroneLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Each bound with its reason; the defaults read every file of the field we know."""

    log_bytes: int = 8 * GIB  # a day of dataflash at 400 Hz is 4 GB; logs are read in windows, never whole
    text_bytes: int = 128 * MIB  # SRT, CSV and KML are held whole: an hour of SRT at 60 Hz is 60 MB
    photo_bytes: int = 1 * GIB  # a 150 MP DNG is 300 MB; only its tags are read
    window_bytes: int = 16 * MIB  # of a log, decoded at once: large enough for numpy, small enough for a Pi
    memory_bytes: int = 1 * GIB  # of decoded messages; beyond it they move to a temporary file
    message_types: int = 4_096  # a ULog with every topic of PX4 in four instances stays below
    fields: int = 4_096  # of one message type, arrays counted by element: the largest of PX4 has 600
    xml_depth: int = 64
    xml_nodes: int = 2_000_000  # a KML track of ten hours at 10 Hz has 720,000
    kmz_bytes: int = 256 * MIB  # unpacked; the ratio of real ones is 1:10
    photo_tags: int = 4_096  # of one directory
    photo_segments: int = 512  # JPEG segments before the picture
    points: int = 4_000_000_000  # of one cloud, read in chunks
    chunk_points: int = 1_000_000  # 30 to 60 MB of Arrow
    header_bytes: int = 64 * MIB  # of a cloud: VLRs, XML or text header
    repairs: int = 200_000  # places tried while looking for the next whole message: two seconds
    warnings: int = 100  # a broken file can complain a million times
