"""What becomes of the shapes of a model's elements: tried for real, and kept nowhere."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pyarrow as pa

from bim.errors import ModelError
from bim.limits import ModelLimits
from bim.tiles.build import build_tiles
from bim.tiles.limits import TileLimits
from bim.tiles.progress import Step
from bim.tiles.tileset import Lost

__all__ = ["Shapes", "try_shapes"]


class Shapes(msgspec.Struct, frozen=True):
    """How many elements have a mesh, which have none although the file gives them a representation, and why."""

    meshes: int
    lost: list[Lost]
    warnings: list[str]


def try_shapes(file: Path, elements: pa.Table, limits: ModelLimits, progress: Callable[[Step], None]) -> Shapes:
    """Make every mesh of a model that was read into `elements`; a build that is refused loses them all, and says so."""
    bounds = TileLimits(memory_bytes=limits.memory_bytes, wall_s=limits.wall_s, cpu_s=limits.cpu_s)
    try:
        with tempfile.TemporaryDirectory(prefix="aid4-shapes-") as folder:
            built = build_tiles(file, Path(folder), limits=bounds, progress=progress, plans=False)
    except ModelError as refusal:
        rows = elements.filter(elements["has_shape"]).select(["id", "type"]).to_pylist()
        lost = [Lost(row["id"], row["type"], refusal.problem) for row in rows]
        return Shapes(0, lost, [f"no shape was made: {refusal.problem}"])
    return Shapes(built.meshes, built.lost, built.warnings)
