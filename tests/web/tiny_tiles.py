"""A PMTiles archive of one zoom level around a place, made here: water over the whole tile, a road across it.

The tiles are Mapbox vector tiles written by hand (https://github.com/mapbox/vector-tile-spec, version 2.1).
"""

import gzip
import math
from pathlib import Path
from typing import Any

from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import write

ZOOM = 15
_EXTENT = 4_096
_POINT, _LINE, _POLYGON = 1, 2, 3


def write_tiles(path: Path, latitude: float, longitude: float) -> None:
    """Nine tiles of zoom 15 around the place: about 2 by 2 km of Europe."""
    across = 2**ZOOM
    x = int((longitude + 180) / 360 * across)
    y = int((1 - math.asinh(math.tan(math.radians(latitude))) / math.pi) / 2 * across)
    tiles = [(column, row) for column in (x - 1, x, x + 1) for row in (y - 1, y, y + 1)]
    with write(str(path)) as writer:
        for column, row in sorted(tiles, key=lambda one: zxy_to_tileid(ZOOM, *one)):
            writer.write_tile(zxy_to_tileid(ZOOM, column, row), gzip.compress(_tile()))
        writer.finalize(
            _head(latitude, longitude),
            {"vector_layers": [{"id": "water", "fields": {}}, {"id": "roads", "fields": {}}]},
        )


def _head(latitude: float, longitude: float) -> dict[str, Any]:
    west, east, south, north = (
        round(v * 1e7) for v in (longitude - 0.02, longitude + 0.02, latitude - 0.02, latitude + 0.02)
    )
    return {
        "tile_type": TileType.MVT, "tile_compression": Compression.GZIP, "min_zoom": ZOOM, "max_zoom": ZOOM,
        "min_lon_e7": west, "max_lon_e7": east, "min_lat_e7": south, "max_lat_e7": north,
        "center_zoom": ZOOM, "center_lon_e7": (west + east) // 2, "center_lat_e7": (south + north) // 2,
    }  # fmt: skip


def _tile() -> bytes:
    water = [
        _command(1, 1),
        *_step(0, 0),
        _command(2, 3),
        *_step(_EXTENT, 0),
        *_step(0, _EXTENT),
        *_step(-_EXTENT, 0),
        _command(7, 1),
    ]
    road = [_command(1, 1), *_step(0, 0), _command(2, 1), *_step(_EXTENT, _EXTENT)]
    return _layer("water", _POLYGON, water) + _layer("roads", _LINE, road)


def _layer(name: str, shape: int, geometry: list[int]) -> bytes:
    feature = _field(3, shape) + _chunk(4, b"".join(map(_varint, geometry)))
    return _chunk(3, _field(15, 2) + _chunk(1, name.encode()) + _chunk(2, feature) + _field(5, _EXTENT))


def _command(what: int, times: int) -> int:
    return what | times << 3


def _step(dx: int, dy: int) -> tuple[int, int]:
    return (dx << 1) ^ (dx >> 31), (dy << 1) ^ (dy >> 31)


def _field(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _chunk(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])
