"""The bounds of one model: what the child process may use and what it may hand back."""

import msgspec

__all__ = ["GIB", "MIB", "ModelLimits"]

MIB = 1 << 20
GIB = 1 << 30


class ModelLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Each bound with its reason; the defaults read every file of the field we know."""

    memory_bytes: int = 1536 * MIB  # address space of the child; a 10 MB model needs 420 MB, libraries included
    wall_s: float = 300.0  # a child that hangs is killed
    cpu_s: int = 240  # the kernel ends a child that spins, even when the parent is gone
    file_bytes: int = 512 * MIB  # a parsed model takes about ten times its file
    unpacked_bytes: int = 512 * MIB  # of an .ifczip, counted while unpacking, never believed from its directory
    unpacked_ratio: int = 200  # IFC text packs about 1:10; a bomb packs 1:1000
    output_bytes: int = 1 * GIB  # any one file the child writes
    elements: int = 2_000_000  # rows of elements.arrow
    property_rows: int = 20_000_000  # rows of psets.arrow; one property of one element each
    warnings: int = 200  # a broken file can complain a million times
