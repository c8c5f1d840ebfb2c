"""Area and volume of meshes that lie one after the other in shared arrays. Pure."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["measure"]


def measure(
    vertices: NDArray[np.float64], triangles: NDArray[np.int64], starts: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Surface in m2 and enclosed volume in m3 of each mesh; NaN volume where a mesh is not closed.

    `triangles` (m, 3) index into `vertices` (n, 3) of all meshes; mesh i has triangles starts[i]:starts[i + 1], at
    least one. The volume is the sum of signed tetrahedra (divergence theorem) about a corner of each mesh, so that
    it stays exact far from the origin. A mesh is closed when each directed edge meets its reverse: sums of an
    antisymmetric random function over the edges vanish modulo 2^64 only then.
    """
    if not len(starts):
        return np.zeros(0), np.zeros(0)
    owner = np.repeat(np.arange(len(starts)), np.diff([*starts.tolist(), len(triangles)]))
    a, b, c = (vertices[triangles[:, corner]] - vertices[triangles[starts, 0]][owner] for corner in range(3))
    area = np.add.reduceat(np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2.0, starts)
    volume = np.abs(np.add.reduceat(np.einsum("ij,ij->i", a, np.cross(b, c)) / 6.0, starts))
    noise = np.random.default_rng(0).integers(0, 1 << 63, (2, len(vertices)), dtype=np.uint64)
    edges = np.zeros(len(triangles), np.uint64)
    for first, second in ((0, 1), (1, 2), (2, 0)):
        one, two = triangles[:, first], triangles[:, second]
        edges += noise[0, one] * noise[1, two] - noise[0, two] * noise[1, one]
    volume[np.add.reduceat(edges, starts) != 0] = np.nan
    return area, volume
