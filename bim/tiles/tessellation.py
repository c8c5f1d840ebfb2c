"""Triangles that a file states itself, read as they stand: what exporters write as IFC4 Reference View.

It acts as the first kernel of the cascade, and takes only what needs no geometry at all: IfcTriangulatedFaceSet bodies
without styles of their own, no opening to cut, no mapping to follow, in a context without a turn of its own.
Everything else is left to the kernels, and so is the question of colour: of each class, material and type one product
is made by a kernel too, and the others of that group are given its colour.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bim.damage import READ_ERRORS
from bim.placement import Placements, axis_matrix
from bim.project_units import read_units
from bim.tiles.spool import Mesh, write_mesh

__all__ = ["TESSELLATION", "has_tessellations", "write_tessellations"]

TESSELLATION = "tessellation"
_BODY = ("Body", "Facetation")
_FACE_SET = "IfcTriangulatedFaceSet"


def has_tessellations(model: Any) -> bool:
    """Whether there is anything to read in this way."""
    try:
        return bool(model.by_type(_FACE_SET))
    except RuntimeError:  # IFC2X3 has none
        return False


def write_tessellations(model: Any, products: list[Any], spool: int, color_of: Callable[[Any], int | None]) -> None:
    """Write a mesh for each product whose body is plain triangles; damaged ones are passed over.

    `color_of` asks a kernel: 0xRRGGBBAA of a product that has one colour, else None.
    """
    reader = _Reader(read_units(model).length_m, color_of)
    for product in products:
        try:
            mesh = reader.mesh_of(product)
        except READ_ERRORS:
            continue
        if mesh is not None:
            write_mesh(spool, product.id(), mesh)


class _Reader:
    def __init__(self, length_m: float, color_of: Callable[[Any], int | None]) -> None:
        self._length_m, self._color_of = length_m, color_of
        self._placements = Placements(length_m)
        self._plain_contexts: dict[int, bool] = {}
        self._colors: dict[tuple[Any, ...], int | None] = {}

    def mesh_of(self, product: Any) -> Mesh | None:
        """The product's mesh in model metres; None when a kernel has to make it."""
        bodies = [part for part in product.Representation.Representations if _may_be_a_shape(part)]
        if len(bodies) != 1 or _is_cut(product) or not self._is_plain(bodies[0].ContextOfItems):
            return None
        items = bodies[0].Items
        if not items or not all(_is_plain_item(item) for item in items):
            return None
        placed = self._placements.of(product.ObjectPlacement) if product.ObjectPlacement is not None else None
        color = None if placed is None else self._group_color(product)
        if placed is None or color is None:
            return None
        parts = [_triangles_of(item) for item in items]
        starts = np.cumsum([0, *(len(vertices) for vertices, _ in parts)])
        vertices = np.concatenate([part for part, _ in parts]) * self._length_m @ placed[:3, :3].T + placed[:3, 3]
        triangles = [part + start for (_, part), start in zip(parts, starts, strict=False)]
        whole = np.concatenate(triangles).astype(np.int32)
        return _sound(Mesh(vertices, whole, np.full(len(whole), color, np.uint32)))

    def _is_plain(self, context: Any) -> bool:
        key = context.id()
        if key not in self._plain_contexts:
            while context.is_a("IfcGeometricRepresentationSubContext"):
                context = context.ParentContext
            axes = axis_matrix(context.WorldCoordinateSystem, self._length_m)
            self._plain_contexts[key] = axes is not None and bool(np.array_equal(axes, np.eye(4)))
        return self._plain_contexts[key]

    def _group_color(self, product: Any) -> int | None:
        """Colour of its class, material and type, made once by a kernel."""
        key = (product.is_a(), *_related(product))
        if key not in self._colors:
            self._colors[key] = self._color_of(product)
        return self._colors[key]


def _related(product: Any) -> list[int]:
    """Instance numbers of its materials and its type: all that a colour may come from."""
    materials = [one for one in product.HasAssociations if one.is_a("IfcRelAssociatesMaterial")]
    types = [
        one for one in (*getattr(product, "IsTypedBy", ()), *product.IsDefinedBy) if one.is_a("IfcRelDefinesByType")
    ]
    kinds = [one.RelatingType.id() for one in types]
    return [*sorted(one.RelatingMaterial.id() for one in materials), 0, *sorted(kinds)]


def _is_plain_item(item: Any) -> bool:
    if item.is_a() != _FACE_SET or item.PnIndex is not None:
        return False
    return not (item.StyledByItem or item.HasColours or item.HasTextures)


def _may_be_a_shape(part: Any) -> bool:
    """Axes, footprints, boxes and annotations are none."""
    kind = part.RepresentationType or ""
    flat = ("Curve", "GeometricCurveSet", "Annotation2D", "BoundingBox", "Point", "FootPrint")
    return part.RepresentationIdentifier in _BODY or not kind.startswith(flat)


def _is_cut(product: Any) -> bool:
    """Whether openings of its own or of the whole that it is part of are to be cut."""
    if getattr(product, "HasOpenings", ()):
        return True
    wholes = [relation.RelatingObject for relation in getattr(product, "Decomposes", ())]
    return any(getattr(whole, "HasOpenings", ()) for whole in wholes)


def _triangles_of(item: Any) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    vertices = np.array(item.Coordinates.CoordList, np.float64).reshape(-1, 3)
    triangles = np.array(item.CoordIndex, np.int64).reshape(-1, 3) - 1
    if not len(triangles) or triangles.min() < 0 or triangles.max() >= len(vertices):
        raise ValueError("a triangle points outside its coordinates")
    return vertices, triangles


def _sound(mesh: Mesh) -> Mesh | None:
    """Equal points made one, points that nothing uses and triangles without area left out; None when none is left."""
    vertices, triangles, colors = mesh
    if not np.isfinite(vertices).all() or np.abs(vertices).max() > 1e8:
        return None
    points, same = np.unique(vertices, axis=0, return_inverse=True)
    triangles = same.reshape(-1)[triangles].astype(np.int32)
    a, b, c = triangles.T
    whole = (a != b) & (b != c) & (c != a)
    if not whole.any():
        return None
    used, compact = np.unique(triangles[whole], return_inverse=True)
    return Mesh(points[used], compact.reshape(-1, 3).astype(np.int32), colors[whole])
