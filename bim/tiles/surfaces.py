"""From meshes of elements to what one tile draws: opaque and blended triangles, a colour a vertex. Pure."""

import numpy as np
from numpy.typing import NDArray

from bim.tiles.glb import Surface
from bim.tiles.places import Product
from bim.tiles.spool import Mesh

__all__ = ["surfaces_of"]

_SPACE_ALPHA_MAX = 0x40  # a room is a tint, whatever its file says


def surfaces_of(meshes: list[Mesh], products: list[Product], origin: NDArray[np.float64]) -> list[Surface]:
    """Opaque and blended triangles of a tile; an element of several colours has a vertex for each of them."""
    parts: dict[bool, list[tuple[int, NDArray[np.float64], NDArray[np.int32], int]]] = {False: [], True: []}
    for feature, (mesh, product) in enumerate(zip(meshes, products, strict=True)):
        for color, vertices, triangles in _by_color(mesh):
            shown = _tint(color) if product.type == "IfcSpace" else color
            parts[shown & 0xFF < 0xFF].append((feature, vertices, triangles, shown))
    return [_surface(found, origin, blended) for blended, found in parts.items() if found]


def _by_color(mesh: Mesh) -> list[tuple[int, NDArray[np.float64], NDArray[np.int32]]]:
    first = int(mesh.colors[0])
    if (mesh.colors == first).all():
        return [(first, mesh.vertices, mesh.triangles)]
    found = []
    for color in np.unique(mesh.colors).tolist():
        rows, triangles = np.unique(mesh.triangles[mesh.colors == color], return_inverse=True)
        found.append((color, mesh.vertices[rows], triangles.reshape(-1, 3).astype(np.int32)))
    return found


def _surface(
    parts: list[tuple[int, NDArray[np.float64], NDArray[np.int32], int]], origin: NDArray[np.float64], blended: bool
) -> Surface:
    counts = [len(vertices) for _, vertices, _, _ in parts]
    starts = np.cumsum([0, *counts[:-1]])
    local = np.concatenate([vertices for _, vertices, _, _ in parts]) - origin
    triangles = [part[2] + start for part, start in zip(parts, starts, strict=True)]
    colors = np.repeat(np.array([part[3] for part in parts], ">u4"), counts)  # first byte first: red
    return Surface(
        vertices=np.column_stack([local[:, 0], local[:, 2], -local[:, 1]]),
        triangles=np.concatenate(triangles).astype(np.uint32),
        features=np.repeat(np.array([part[0] for part in parts], np.uint16), counts),
        colors=colors.view(np.uint8).reshape(-1, 4),
        blended=blended,
    )


def _tint(color: int) -> int:
    return color & 0xFFFFFF00 | min(color & 0xFF, _SPACE_ALPHA_MAX)
