"""One run of one geometry kernel over some products, in a process of its own that may crash or hang.

Before the first product it writes the order in which the kernel goes through them, so that whoever watches knows
where it died; each mesh goes to the spool at once.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bim.damage import READ_ERRORS, text
from bim.tiles.spool import Mesh, write_mesh
from bim.tiles.tessellation import TESSELLATION, write_tessellations
from bim.tiles.trust import Kernel

__all__ = ["LOG_FILE", "ORDER_FILE", "run_kernel"]

_COLOR_KERNEL = "cgal-simple"
ORDER_FILE = "order.u32"
LOG_FILE = "log.json"
_SETTINGS = {
    "use-world-coords": False,  # shared shapes are made once; placing them is a product of ours
    "weld-vertices": True,
    "no-normals": True,  # tiles are shaded flat
    "apply-default-materials": True,
}
_COORDINATE_M_MAX = 1e8  # beyond the Earth: damage
_LINE = re.compile(r"^\[error\] (?:\[\w+\] )?\[[^\]]*\] (?:\{([^}]*)\} )?(.*)$")
_REASON_CHARS = 200


def run_kernel(model: Any, kernel: Kernel, products: list[Any], spool: int, work_dir: Path) -> None:
    """Write a mesh for each product that the kernel can turn into triangles."""
    from ifcopenshell import geom, get_log

    settings = geom.settings()
    for name, value in {**_SETTINGS, **kernel.settings}.items():
        settings.set(name, value)
    if kernel.name == TESSELLATION:
        write_tessellations(model, products, spool, lambda product: _one_color(geom, settings, product))
        return
    get_log()
    iterator = geom.iterator(settings, model, 1, include=products, geometry_library=kernel.name)
    more = iterator.initialize()
    if more:
        _write_order(iterator, work_dir / ORDER_FILE)
    shape = _Shape()
    while more:
        element = iterator.get()
        mesh = shape.placed(element)
        if mesh is not None:
            write_mesh(spool, element.id, mesh)
        more = iterator.next()
    _write(work_dir / LOG_FILE, json.dumps(_reasons(get_log())).encode())


class _Shape:
    """The last shape, kept because its next placements follow at once."""

    def __init__(self) -> None:
        self._id = ""
        self._mesh: Mesh | None = None

    def placed(self, element: Any) -> Mesh | None:
        """The element's mesh in model metres; None when it has no triangle or no sound number."""
        geometry = element.geometry
        if geometry.id != self._id:
            self._id, self._mesh = geometry.id, _mesh_of(geometry)
        if self._mesh is None:
            return None
        matrix = np.array(element.transformation.matrix).reshape(4, 4)  # row vectors: the last row moves
        vertices = self._mesh.vertices @ matrix[:3, :3] + matrix[3, :3]
        if not np.abs(vertices).max() < _COORDINATE_M_MAX:
            return None
        return Mesh(vertices, self._mesh.triangles, self._mesh.colors)


def _mesh_of(geometry: Any) -> Mesh | None:
    triangles = np.frombuffer(geometry.faces_buffer, np.int32).reshape(-1, 3)
    vertices = np.frombuffer(geometry.verts_buffer, np.float64).reshape(-1, 3)
    if not len(triangles) or triangles.min() < 0 or triangles.max() >= len(vertices):
        return None
    used = np.zeros(len(vertices), bool)
    used[triangles.ravel()] = True
    if not used.all():  # ends of curves
        place = np.cumsum(used, dtype=np.int32) - 1
        vertices, triangles = vertices[used], place[triangles]
    return Mesh(vertices, triangles, _colors_of(geometry, len(triangles)))


def _colors_of(geometry: Any, count: int) -> NDArray[np.uint32]:
    palette = np.array([_rgba(material) for material in geometry.materials] or [_rgba(None)], np.uint32)
    which = np.frombuffer(geometry.material_ids_buffer, np.int32)
    if len(which) != count:
        which = np.zeros(count, np.int32)
    colors: NDArray[np.uint32] = palette[np.clip(which, 0, len(palette) - 1)]
    return colors


def _rgba(material: Any) -> int:
    """Surface colour as 0xRRGGBBAA; light grey where the file gives none."""
    try:
        diffuse, clear = material.diffuse, material.transparency
        parts = [*(diffuse.components if hasattr(diffuse, "components") else diffuse), 1.0 - clear]
        red, green, blue, alpha = (round(255 * min(max(float(part), 0.0), 1.0)) for part in parts)
    except READ_ERRORS:
        return 0xB2B2B2FF
    return red << 24 | green << 16 | blue << 8 | alpha


def _one_color(geom: Any, settings: Any, product: Any) -> int | None:
    """The colour that a kernel gives a product; None when it gives several, or nothing."""
    try:
        geometry = geom.create_shape(settings, product, geometry_library=_COLOR_KERNEL).geometry
        mesh = _mesh_of(geometry)
    except READ_ERRORS:
        return None
    colors = [] if mesh is None else np.unique(mesh.colors).tolist()
    return int(colors[0]) if len(colors) == 1 else None


def _write_order(iterator: Any, path: Path) -> None:
    """Pairs of task and element, in the order they are worked on; elements of one task share a shape."""
    tasks = super(type(iterator), iterator).get_task_products()  # the subclass's own is broken in 0.9.0
    pairs = [(task, one.id()) for task, products in enumerate(tasks) for one in products]
    _write(path, np.array(pairs, np.uint32).tobytes())


def _reasons(log: str) -> dict[str, str]:
    """First complaint about each GlobalId; "" collects what names no element."""
    found: dict[str, str] = {}
    for line in log.splitlines():
        complaint = _LINE.match(line)
        if complaint:
            found.setdefault(text(complaint[1]), text(complaint[2])[:_REASON_CHARS])
    return found


def _write(path: Path, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)
