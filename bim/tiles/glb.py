"""One tile as GLB: glTF 2.0 with quantised positions, a feature id a vertex, and meshopt compression.

Sources: glTF 2.0, KHR_mesh_quantization, EXT_meshopt_compression and EXT_mesh_features as Khronos and Cesium publish
them. There are no normals: glTF asks for flat shading then, which is what walls and slabs want.
"""

import struct
from dataclasses import dataclass
from typing import Any

import meshopt
import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["Surface", "glb_of"]

_STEP_M = 2.0**-10  # finest grid: nothing is half a millimetre off; meshes.arrow is what one measures in
_STEPS_MAX = 32_767  # 15 bits: nothing is a millimetre off in a tile of 64 m; the 16th costs a tenth more bytes
_SHORT_VERTICES_MAX = 65_535  # index 65535 is kept for primitive restart
_UBYTE, _USHORT, _UINT = 5121, 5123, 5125
_ARRAY, _ELEMENT_ARRAY = 34962, 34963
_EXTENSIONS = ["EXT_mesh_features", "EXT_meshopt_compression", "KHR_mesh_quantization"]
_MESHOPT = "EXT_meshopt_compression"


@dataclass(frozen=True, slots=True)
class Surface:
    """Triangles that are drawn in one way. Vertices are metres in glTF axes (y up), relative to the origin."""

    vertices: NDArray[np.float64]  # (n, 3)
    triangles: NDArray[np.uint32]  # (m, 3)
    features: NDArray[np.uint16]  # (n,), row in features.arrow minus the tile's first
    colors: NDArray[np.uint8]  # (n, 4), red, green, blue (sRGB) and alpha
    blended: bool


def glb_of(surfaces: list[Surface]) -> bytes:
    """The bytes of one tile; at least one surface, none of them empty."""
    low_m, step_m = _grid(surfaces)
    parts = _Parts()
    primitives = [_primitive(parts, surface, low_m, step_m) for surface in surfaces]
    document = {
        "asset": {"version": "2.0", "generator": "AID4"},
        "extensionsUsed": _EXTENSIONS,
        "extensionsRequired": _EXTENSIONS[1:],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "translation": low_m.tolist(), "scale": [step_m] * 3}],
        "meshes": [{"primitives": [{**one, "material": at} for at, one in enumerate(primitives)]}],
        "materials": [_material(surface.blended) for surface in surfaces],
        **parts.document(),
    }
    return _container(msgspec.json.encode(document), bytes(parts.packed))


def _grid(surfaces: list[Surface]) -> tuple[NDArray[np.float64], float]:
    """Corner and step of the finest grid of 16 bits that holds all; grids of one step fit each other's seams."""
    low = np.min([surface.vertices.min(axis=0) for surface in surfaces], axis=0)
    high = np.max([surface.vertices.max(axis=0) for surface in surfaces], axis=0)
    step = _STEP_M
    while (np.ceil(high / step) - np.floor(low / step)).max() > _STEPS_MAX:
        step *= 2.0
    return np.floor(low / step) * step, step


def _primitive(parts: "_Parts", surface: Surface, low_m: NDArray[np.float64], step_m: float) -> dict[str, Any]:
    place = np.rint((surface.vertices - low_m) / step_m).astype(np.uint16)
    triangles = _without_slivers(surface.triangles, place, surface.features)
    indices, remap, count = meshopt.reorder_mesh(triangles.ravel(), triangles=True, optsize=True)
    used = remap < count
    rows = np.empty(count, np.int64)
    rows[remap[used]] = np.flatnonzero(used)
    place = place[rows]
    bounds = {"min": place.min(axis=0).tolist(), "max": place.max(axis=0).tolist()}
    attributes = {
        "POSITION": parts.add(_padded(place, 4), _USHORT, "VEC3", _ARRAY, **bounds),
        "_FEATURE_ID_0": parts.add(_padded(surface.features[rows, None], 2), _USHORT, "SCALAR", _ARRAY),
        "COLOR_0": parts.add(_linear(surface.colors[rows]), _UBYTE, "VEC4", _ARRAY, normalized=True),
    }
    short = count < _SHORT_VERTICES_MAX
    flat = indices.astype(np.uint16 if short else np.uint32)
    features = {"featureIds": [{"featureCount": len(np.unique(surface.features)), "attribute": 0}]}
    return {
        "attributes": attributes,
        "indices": parts.add(flat, _USHORT if short else _UINT, "SCALAR", _ELEMENT_ARRAY),
        "mode": 4,
        "extensions": {"EXT_mesh_features": features},
    }


def _without_slivers(
    triangles: NDArray[np.uint32], place: NDArray[np.uint16], features: NDArray[np.uint16]
) -> NDArray[np.uint32]:
    """Leave out triangles that the grid made lines or points, but of no element all."""
    key = place.astype(np.uint64) @ np.array([1, 1 << 16, 1 << 32], np.uint64)
    a, b, c = (key[triangles[:, corner]] for corner in range(3))
    whole = (a != b) & (b != c) & (c != a)
    owner = features[triangles[:, 0]]
    left = np.bincount(owner[whole], minlength=int(owner.max()) + 1)
    kept: NDArray[np.uint32] = triangles[whole | (left[owner] == 0)]
    return kept


def _padded(values: NDArray[np.uint16], width: int) -> NDArray[np.uint16]:
    """Rows filled up to a multiple of four bytes, as glTF aligns them."""
    rows = np.zeros((len(values), width), np.uint16)
    rows[:, : values.shape[1]] = values
    return rows


def _linear(colors: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """sRGB as the linear values that COLOR_0 holds; alpha is linear already."""
    return np.column_stack([_LINEAR[colors[:, :3]], colors[:, 3]])


def _linear_table() -> NDArray[np.uint8]:
    share = np.arange(256) / 255.0
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return np.rint(linear * 255.0).astype(np.uint8)


_LINEAR = _linear_table()


def _material(blended: bool) -> dict[str, Any]:
    surface = {"metallicFactor": 0, "roughnessFactor": 0.9}
    mode = {"alphaMode": "BLEND"} if blended else {}
    return {"pbrMetallicRoughness": surface, "doubleSided": True, **mode}


class _Parts:
    """Accessors and their compressed views; the second buffer is what a reader would hold uncompressed."""

    def __init__(self) -> None:
        self.packed = bytearray()
        self._plain_bytes = 0
        self._views: list[dict[str, Any]] = []
        self._accessors: list[dict[str, Any]] = []

    def add(self, rows: NDArray[Any], component: int, kind: str, target: int, **more: Any) -> int:
        """Number of a new accessor over rows of an attribute (two dimensions) or indices (one)."""
        attribute = rows.ndim == 2
        stride = rows.itemsize * (rows.shape[1] if attribute else 1)
        mode = "ATTRIBUTES" if attribute else "TRIANGLES"
        data = meshopt.encode_gltf_buffer(rows, mode)
        view = {"byteLength": len(rows) * stride, **({"byteStride": stride} if attribute else {})}
        packed = {
            "buffer": 0,
            "byteOffset": len(self.packed),
            "byteLength": len(data),
            "byteStride": stride,
            "mode": mode,
            "count": len(rows),
        }
        self._views.append(
            {"buffer": 1, "byteOffset": self._plain_bytes, **view, "target": target, "extensions": {_MESHOPT: packed}}
        )
        self.packed += data + b"\0" * (-len(data) % 4)
        self._plain_bytes += len(rows) * stride + -len(rows) * stride % 4
        self._accessors.append(
            {"bufferView": len(self._views) - 1, "componentType": component, "count": len(rows), "type": kind, **more}
        )
        return len(self._accessors) - 1

    def document(self) -> dict[str, Any]:
        """Buffers, views and accessors of the glTF document."""
        fallback = {"byteLength": self._plain_bytes, "extensions": {_MESHOPT: {"fallback": True}}}
        return {
            "buffers": [{"byteLength": len(self.packed)}, fallback],
            "bufferViews": self._views,
            "accessors": self._accessors,
        }


def _container(document: bytes, binary: bytes) -> bytes:
    document += b" " * (-len(document) % 4)
    length = 12 + 8 + len(document) + 8 + len(binary)
    head = struct.pack("<4sII", b"glTF", 2, length)
    chunks = struct.pack("<I4s", len(document), b"JSON") + document + struct.pack("<I4s", len(binary), b"BIN\0")
    return head + chunks + binary
