"""`aid4 bim info`: what a file holds, or how several files make one model."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from bim.command_options import AS_JSON, limits_of, opened, reader_bounds
from bim.federation.merge import Federation
from bim.federation.open import FederatedModel, PartFile, read_federation
from bim.geo.site import Geography, frame_of
from bim.georeference import Georeference
from bim.summary import ModelSummary
from bim.tiles.cli import progress_bar
from bim.tiles.shapes import Shapes, try_shapes
from wire.errors import InputError

__all__ = ["info"]

_SHOWN = 20


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=str))
@reader_bounds
@AS_JSON
def info(files: tuple[str, ...], memory_mib: int, seconds: float, as_json: bool) -> None:
    """What an IFC file holds, where it lies on Earth, and what could not be read; or how several make one model.

    Of several files the first has the most authority: name the architecture before its trades.
    """
    if len(files) == 1:
        with opened(files[0], memory_mib, seconds) as (summary, tables), progress_bar(summary.file) as tell:
            bounds = limits_of(memory_mib, seconds)
            document = _info(summary, try_shapes(Path(files[0]), tables["elements"], bounds, tell))
    else:
        with _reading(len(files), quiet=as_json) as step:
            parts = [PartFile(Path(file)) for file in files]
            document = _federated(read_federation(parts, limits_of(memory_mib, seconds), step))
    if as_json:
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    for name, value in document.items():
        _show(name, value)


def _show(name: str, value: Any) -> None:
    if isinstance(value, list):
        click.echo(f"{name}: {len(value)}")
        for one in value[:_SHOWN]:
            click.echo(f"  {_line(one)}")
        if len(value) > _SHOWN:
            click.echo(f"  and {len(value) - _SHOWN} more")
    elif not isinstance(value, dict):
        click.echo(f"{name}: {value}")


def _line(one: Any) -> str:
    if not isinstance(one, dict):
        return str(one)
    return "  ".join(f"{key}={value}" for key, value in one.items() if not isinstance(value, dict | list))


def _federated(model: FederatedModel) -> dict[str, Any]:
    """The document of several files."""
    whole: Federation = model.federation
    types = whole.elements["type"].to_pylist()
    return {
        "files": [summary.file for summary in model.summaries],
        "sha256": whole.sha256,
        "elements": whole.elements.num_rows,
        "storeys": types.count("IfcBuildingStorey"),
        "spaces": types.count("IfcSpace"),
        "duplicates": [msgspec.to_builtins(one) for one in whole.duplicates],
        "alignments": [msgspec.to_builtins(one) for one in whole.alignments],
        "merged_places": [msgspec.to_builtins(one) for one in whole.places],
        "contents": [msgspec.to_builtins(one) for one in whole.parts],
        "georeference": msgspec.to_builtins(whole.georeference),
        "warnings": whole.warnings,
        "parts": [_info(summary) for summary in model.summaries],
    }


def _info(summary: ModelSummary, shapes: Shapes | None = None) -> dict[str, Any]:
    """The document of one file; without `shapes` nothing was tried and `with_geometry` is what the file claims."""
    counts, place = summary.counts, summary.georeference
    every = [*(shapes.lost if shapes else ()), *summary.lost]  # one row an element; nameless ones by their reason
    lost = {one.global_id or one.reason: (one.global_id, one.reason) for one in every}
    complaints = dict.fromkeys((*summary.warnings, *(shapes.warnings if shapes else ())))
    frame, missing = _frame(summary)
    return {
        "file": summary.file,
        "schema": summary.schema,
        "sha256": summary.sha256,
        "application": summary.application,
        "project": summary.project,
        "products": counts.products,
        "with_geometry": shapes.meshes if shapes else counts.with_shape,
        "lost": [{"global_id": global_id, "reason": reason} for global_id, reason in lost.values()],
        "spaces": counts.spaces,
        "storeys": counts.storeys,
        "crs": place.crs.name if place.crs else None,
        "origin": _origin(place),
        "true_north_deg": frame["true_north_deg"] if frame and place.true_north_deg is None else place.true_north_deg,
        "georeference": msgspec.to_builtins(place),
        "frame": frame,
        "frame_missing": missing,
        "counts": msgspec.to_builtins(counts),
        "units": msgspec.to_builtins(summary.units),
        "warnings": list(complaints),
        "read_s": summary.read_s,
        "memory_mib": summary.memory_mib,
    }


def _origin(place: Georeference) -> dict[str, float | None] | None:
    """Of the model on the map, or of its site on Earth; None where the file states neither."""
    if place.eastings_m is not None:
        return {"eastings_m": place.eastings_m, "northings_m": place.northings_m, "height_m": place.height_m}
    if place.latitude_deg is not None:
        return {"latitude_deg": place.latitude_deg, "longitude_deg": place.longitude_deg, "height_m": place.height_m}
    site = place.site
    if site is None or site.latitude_deg is None:
        return None
    return {"latitude_deg": site.latitude_deg, "longitude_deg": site.longitude_deg, "height_m": site.elevation_m}


def _frame(summary: ModelSummary) -> tuple[dict[str, Any] | None, dict[str, str] | None]:
    """Where the model lies on Earth as far as the file alone says it, or why that is not known."""
    try:
        return msgspec.to_builtins(frame_of(summary.georeference, Geography()).facts()), None
    except InputError as refusal:
        return None, refusal.as_problem()


@contextmanager
def _reading(count: int, *, quiet: bool) -> Iterator[Callable[[str], None]]:
    """A bar on stderr while files are read; nothing where nobody watches."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=count, label="reading", file=sys.stderr) as bar:
        yield lambda _: bar.update(1)
