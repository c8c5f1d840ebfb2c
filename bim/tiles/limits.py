"""The bounds of one tile set: what its child process may use, and how large tiles become."""

import msgspec

from bim.limits import GIB, MIB, ModelLimits

__all__ = ["Job", "TileLimits", "TilePart"]


class TileLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Each bound with its reason; the defaults build every file of the field we know."""

    memory_bytes: int = 1536 * MIB  # address space of the child and of each worker that it forks
    wall_s: float = 900.0  # the whole build; a large model takes a minute
    cpu_s: int = 600  # of each process; the kernel ends one that spins, even when the parent is gone
    element_s: float = 30.0  # a geometry kernel that gives nothing for so long hangs on an element
    attempts: int = 64  # of one kernel; crashes of a kernel beyond these leave the rest to the next one
    file_bytes: int = 512 * MIB  # a parsed model takes about ten times its file
    unpacked_bytes: int = 512 * MIB  # of an .ifczip, counted while unpacking
    unpacked_ratio: int = 200  # IFC text packs about 1:10; a bomb packs 1:1000
    output_bytes: int = 4 * GIB  # any one file the child writes: 100,000 elements of 130 triangles spool 0.6 GB
    elements: int = 2_000_000  # with a representation
    triangles: int = 60_000_000  # of the whole model: beyond that a browser has no use for it
    tile_elements: int = 2_000  # a culled tile saves that much work; a feature id has 16 bits
    tile_triangles: int = 300_000  # a tile arrives and is drawn as one piece
    cell_m: float = 64.0  # side of a cell: 15-bit positions are within a millimetre there
    warnings: int = 200  # a broken file can complain a million times

    def of_model(self) -> ModelLimits:
        """The same bounds as those of a model that is read."""
        return ModelLimits(
            memory_bytes=self.memory_bytes,
            wall_s=self.wall_s,
            cpu_s=self.cpu_s,
            file_bytes=self.file_bytes,
            unpacked_bytes=self.unpacked_bytes,
            unpacked_ratio=self.unpacked_ratio,
            output_bytes=self.output_bytes,
            elements=self.elements,
            warnings=self.warnings,
        )


class TilePart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of a model of several; `source` is its name in the column of elements.arrow."""

    path: str
    source: str
    matrix: list[float]  # row by row: takes its points to the model


class Job(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the parent asks of the child."""

    limits: TileLimits
    plans: bool = True  # storey plans beside the tiles
    parts: list[TilePart] = []  # of a model of several files
    elements: str = ""  # path of their elements.arrow: who is in the model, and where
    sha256: str = ""  # of the model of several files
    niceness: int = 0  # of the child: a twin that builds beside its ingest lets readings go first
