"""The bounds of one schedule: the largest programmes we know have 150,000 activities in 200 MB of XML."""

import msgspec

__all__ = ["ReaderLimits", "ScheduleLimits"]

_MIB = 1 << 20


class ScheduleLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Each bound with its reason."""

    file_bytes: int = 256 * _MIB  # XER or XML; a parsed file takes about six times its text
    model_bytes: int = 512 * _MIB  # an IFC file that carries a schedule besides its building
    xml_depth: int = 64  # PMXML nests eight deep
    xml_nodes: int = 8_000_000  # 200 bytes each
    tasks: int = 500_000  # three times the largest programme
    rows: int = 5_000_000  # of any other table
    text_chars: int = 8_192  # one name; documents belong elsewhere
    warnings: int = 200  # a broken export can complain a million times
    horizon_years: int = 200  # a network whose dates lie further apart is a mistake


class ReaderLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the child process that reads one schedule may use."""

    memory_bytes: int = 1536 * _MIB  # address space; the largest programmes take 900 MiB, libraries included
    wall_s: float = 180.0  # a child that hangs is killed
    cpu_s: int = 150  # the kernel ends a child that spins, even when the parent is gone
    output_bytes: int = 1024 * _MIB  # any one file the child writes
