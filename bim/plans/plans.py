"""All storeys of a model as SVG files."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from bim.plans.drawing import Shape, draw
from bim.plans.grounds import site_shapes
from bim.plans.storeys import Meshed, MeshRow, find_floors, find_sites
from bim.plans.svg import names_of, svg_of

__all__ = ["storey_plans"]


def storey_plans(
    meshes: Sequence[MeshRow],
    elements: pa.Table,
    out_dir: Path,
    *,
    origin_m: Sequence[float] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Write plan-000.svg, … of the lowest storey first; rows of storey, file and bounds_m of those that show something.

    After the storeys comes a plan of each site on which things stand in the open; its `storey` is the IfcSite.

    meshes: of bim/tiles/meshes.py, in model metres; elements: columns of bim/tables.py. origin_m: what coordinates are
    relative to, by default that of the meshes.
    """
    given = getattr(meshes, "origin_m", (0.0, 0.0, 0.0)) if origin_m is None else origin_m
    origin = (float(given[0]), float(given[1]))
    meshed = Meshed.of(meshes)
    names = names_of(elements.select(["id", "name", "long_name"]).to_pylist())
    floors = find_floors(meshed, elements)
    plans: list[dict[str, Any]] = []

    def keep(place: str, name: str, shapes: list[Shape]) -> None:
        if shapes:
            text, bounds = svg_of(shapes, names, name, origin)
            file = f"plan-{len(plans):03}.svg"
            (out_dir / file).write_text(text, encoding="utf-8")
            plans.append({"storey": place, "file": file, "bounds_m": [round(one, 3) for one in bounds]})

    for done, floor in enumerate(floors):
        keep(floor.storey, floor.name, draw(meshes, floor))
        if progress is not None:
            progress(done + 1, len(floors))
    for site in find_sites(meshed, elements):
        own = [floor for floor in floors if floor.house in site.houses]
        keep(site.site, site.name, site_shapes(meshes, site.rows, own, meshed.low_m))
    return plans
