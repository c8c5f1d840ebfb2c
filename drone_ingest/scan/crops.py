"""What a person looks at to believe a verdict: the cloud round one element, as a PLY in model metres."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bim.tiles.meshes import Meshes
from drone_ingest.scan.elements import Floats

__all__ = ["CROPS_MAX", "write_crops"]

CROPS_MAX = 40  # of one scan: those judged late or early
_MARGIN_M = 0.5
_POINTS_MAX = 100_000
_ROW = np.dtype([("x", "<f8"), ("y", "<f8"), ("z", "<f8")])


def write_crops(
    points: Floats, meshes: Meshes, global_ids: Sequence[str], folder: Path, *, simulated: bool
) -> list[str]:
    """Write `<global_id>.ply` of the first CROPS_MAX elements that have points near; returns their ids."""
    written = []
    folder.mkdir(parents=True, exist_ok=True)
    for global_id in global_ids[:CROPS_MAX]:
        mesh = meshes.of(global_id)
        if mesh is None or not len(mesh.vertices):
            continue
        low, high = mesh.vertices.min(axis=0) - _MARGIN_M, mesh.vertices.max(axis=0) + _MARGIN_M
        rows = np.flatnonzero(((points >= low) & (points <= high)).all(axis=1))
        if len(rows):
            _write(points[rows[:: -(-len(rows) // _POINTS_MAX)]], folder / f"{global_id}.ply", simulated)
            written.append(global_id)
    return written


def _write(points: Floats, path: Path, simulated: bool) -> None:
    comment = ["comment AID4 simulated"] if simulated else []
    head = ["ply", "format binary_little_endian 1.0", *comment, f"element vertex {len(points)}"]
    rows = np.zeros(len(points), _ROW)
    rows["x"], rows["y"], rows["z"] = points.T
    fields = [f"property double {name}" for name in "xyz"]
    path.write_bytes("\n".join([*head, *fields, "end_header", ""]).encode() + rows.tobytes())
