"""`aid4 bim plan`: storey plans of a model as SVG files."""

import json
import shutil
import tempfile
from pathlib import Path

import click
import msgspec

from bim.limits import MIB
from bim.tiles.build import build_tiles
from bim.tiles.cli import progress_bar
from bim.tiles.limits import TileLimits
from wire.errors import UserError

__all__ = ["plan"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder of the plans.")
@click.option("--memory-mib", default=TileLimits().memory_bytes // MIB, show_default=True, help="Memory of the child.")
@click.option("--seconds", default=TileLimits().wall_s, show_default=True, help="Time of the child.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def plan(file: Path, out: Path, memory_mib: int, seconds: float, as_json: bool) -> None:
    """Draw every storey of an IFC file as an SVG plan, cut 1.2 m above its floor."""
    limits = TileLimits(memory_bytes=memory_mib * MIB, wall_s=seconds)
    with tempfile.TemporaryDirectory(prefix="aid4-plan-") as folder:
        with progress_bar(file.name) as tell:
            tileset = build_tiles(file, Path(folder), limits=limits, progress=tell)
        try:
            out.mkdir(parents=True, exist_ok=True)
            for one in tileset.plans:
                shutil.move(Path(folder) / one.file, out / one.file)
        except OSError as error:
            raise UserError(str(error.strerror), file=str(out), fix="give a folder that can be written") from error
    names = {storey.global_id: storey.name for storey in tileset.storeys}
    rows = [{"name": names.get(one.storey, "site"), **msgspec.to_builtins(one)} for one in tileset.plans]
    if as_json:
        known = {"sha256": tileset.sha256, "origin_m": tileset.origin_m, "plans": rows, "warnings": tileset.warnings}
        click.echo(json.dumps(known, ensure_ascii=False))
        return
    for row in rows:
        click.echo(f"{out / row['file']}  {row['name']}")
    for warning in tileset.warnings:
        click.echo(f"warning: {warning}", err=True)
