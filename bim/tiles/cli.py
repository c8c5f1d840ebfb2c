"""`aid4 bim tiles`: build the tiles of a model into a folder."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from bim.limits import MIB
from bim.tiles.build import build_tiles
from bim.tiles.limits import TileLimits
from bim.tiles.progress import Step
from bim.tiles.tileset import TileSet

__all__ = ["progress_bar", "tiles"]

_SHOWN = 20  # lost elements and warnings on a terminal; --json and tileset.json have them all


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder of the tile set.")
@click.option("--plans/--no-plans", default=True, show_default=True, help="Draw storey plans too.")
@click.option("--memory-mib", default=TileLimits().memory_bytes // MIB, show_default=True, help="Memory of the child.")
@click.option("--seconds", default=TileLimits().wall_s, show_default=True, help="Time of the child.")
@click.option("--json", "as_json", is_flag=True, help="Print tileset.json.")
def tiles(file: Path, out: Path, plans: bool, memory_mib: int, seconds: float, as_json: bool) -> None:
    """Turn an IFC file into tiles that a browser draws; name every element that could not be drawn."""
    limits = TileLimits(memory_bytes=memory_mib * MIB, wall_s=seconds)
    with progress_bar(file.name) as tell:
        tileset = build_tiles(file, out, limits=limits, progress=tell, plans=plans)
    click.echo(json.dumps(msgspec.to_builtins(tileset), ensure_ascii=False) if as_json else "\n".join(_lines(tileset)))


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[Step], None]]:
    """A bar on the terminal's standard error, nothing elsewhere; give its function each Step."""
    if not sys.stderr.isatty():
        yield lambda _step: None
        return
    bar: Any
    with click.progressbar(length=1000, label=label, file=sys.stderr) as bar:  # both stages are halves of one bar

        def tell(step: Step) -> None:
            bar.update(max(0, round(1000 * step.share) - bar.pos))

        yield tell


def _lines(tileset: TileSet) -> list[str]:
    size, triangles = (sum(getattr(tile, name) for tile in tileset.tiles) for name in ("bytes", "triangles"))
    kernels = ", ".join(f"{count} by {name}" for name, count in tileset.kernels.items())
    drawn = f"{tileset.meshes} meshes ({kernels}), {len(tileset.lost)} without"
    lines = [
        f"{len(tileset.tiles)} tiles, {size} bytes, {triangles} triangles, {len(tileset.plans)} plans",
        f"{tileset.represented} elements with a representation: {drawn}",
    ]
    lines += [f"  {one.global_id} {one.type}: {one.reason}" for one in tileset.lost[:_SHOWN]]
    lines += [f"  and {len(tileset.lost) - _SHOWN} more, see tileset.json"] if len(tileset.lost) > _SHOWN else []
    return [*lines, *tileset.warnings[:_SHOWN]]
