"""Geometry of a model as tiles that a browser draws, and as meshes that checks and plans compute with.

IFC → kernels.py (meshes, in forked workers) → pack.py (cells, GLB, feature table) → a folder with tileset.json.
Importing this loads neither the IFC library nor the encoder; only the child process of child.py does.
"""

from bim.tiles.build import build_federated_tiles, build_tiles, cached_tiles, load_tileset, tiles_key
from bim.tiles.limits import TileLimits, TilePart
from bim.tiles.meshes import ElementMesh, Meshes, load_meshes
from bim.tiles.progress import Step
from bim.tiles.tileset import TileSet

__all__ = [
    "ElementMesh",
    "Meshes",
    "Step",
    "TileLimits",
    "TilePart",
    "TileSet",
    "build_federated_tiles",
    "build_tiles",
    "cached_tiles",
    "load_meshes",
    "load_tileset",
    "tiles_key",
]
