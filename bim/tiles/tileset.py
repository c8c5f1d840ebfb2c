"""What is known about a tile set once it was built: tileset.json, written last of all."""

import msgspec

__all__ = ["FEATURES_FILE", "TILESET_FILE", "VERSION", "Lost", "Plan", "Storey", "Tile", "TileSet"]

TILESET_FILE = "tileset.json"
FEATURES_FILE = "features.arrow"
VERSION = 1  # of the folder's form; a page and a cache ask for theirs


class Storey(msgspec.Struct, frozen=True):
    """A storey of the model, lowest first."""

    global_id: str
    name: str
    elevation_m: float | None  # as the file states it


class Tile(msgspec.Struct, frozen=True):
    """One GLB; its features are the rows from `first_feature` on. Bounds in model axes, relative to the origin."""

    file: str
    bytes: int
    storey: str | None
    cell: tuple[int, int]
    bounds_m: tuple[float, ...]
    first_feature: int
    features: int
    triangles: int


class Plan(msgspec.Struct, frozen=True):
    """A storey cut as SVG. Bounds: minimum x, y, maximum x, y in model axes, relative to the origin."""

    storey: str
    file: str
    bounds_m: tuple[float, ...]


class Lost(msgspec.Struct, frozen=True):
    """An element with a representation and without a mesh."""

    global_id: str
    type: str
    reason: str


class TileSet(msgspec.Struct, frozen=True, kw_only=True):
    """tileset.json. The origin is in model coordinates, metres, z up; everything else is relative to it."""

    version: int = VERSION
    sha256: str
    schema: str
    origin_m: tuple[float, float, float]
    bounds_m: tuple[float, ...]
    features: int
    feature_table: str = FEATURES_FILE
    represented: int  # elements of the file with a representation: meshes + lost
    meshes: int
    not_drawn: dict[str, int]  # by class: openings have a mesh and no place in a tile
    storeys: list[Storey]
    tiles: list[Tile]
    plans: list[Plan]
    lost: list[Lost]
    kernels: dict[str, int]  # elements by the kernel that made them
    warnings: list[str]
    build_s: float
    memory_mib: int  # most that the child or a worker of it held
