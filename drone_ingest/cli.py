"""`aid4 drone`: read what a drone or a scanner leaves behind, and merge one flight into one track."""

import json
from pathlib import Path
from typing import Any

import click

from drone_ingest.clouds.columns import survey
from drone_ingest.command_options import AS_JSON, bar
from drone_ingest.door import read
from drone_ingest.found import Cloud, Found
from drone_ingest.limits import MIB, DroneLimits
from drone_ingest.mission.cli import plan
from drone_ingest.photos.cli import photos
from drone_ingest.scan.cli import progress, register
from drone_ingest.simulate.cli import simulate
from drone_ingest.summary import summary_of
from drone_ingest.table_files import point_writer, write_found
from wire.errors import InputError, UserError

__all__ = ["drone"]

_LISTED = 20


@click.group()
def drone() -> None:
    """Read flights and scans, and judge what was built."""


@drone.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Write positions, messages and events here as Parquet.")
@click.option("--memory-mib", default=1024, show_default=True, help="Decoded messages beyond that go to a file.")
@AS_JSON
def import_command(file: Path, out: Path | None, memory_mib: int, as_json: bool) -> None:
    """What a log, photo, cloud or capture holds; a damaged one gives what is whole and ends with exit code 1."""
    limits = DroneLimits(memory_bytes=max(memory_mib, 1) * MIB)
    found, summary = _import(file, limits, out)
    if as_json:
        click.echo(json.dumps(summary, ensure_ascii=False, allow_nan=False))
    else:
        _show(summary)
    if found.damages:
        raise SystemExit(1)


@drone.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--origin", help="LAT,LON,HEIGHT of east-north-up; default: the first position.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the track here (.parquet).")
@AS_JSON
def track(files: tuple[Path, ...], origin: str | None, out: Path | None, as_json: bool) -> None:
    """Merge logs, subtitles, tables and photos of one flight into one track of poses."""
    from drone_ingest.track.merge import merge, write_track

    limits = DroneLimits()
    sizes = sum(file.stat().st_size for file in files if file.is_file())
    with bar("reading", sizes) as progress:
        found = [read(file, limits, progress) for file in files]
    merged = merge(found, _origin(origin))
    if out is not None:
        write_track(merged.table, out)
    if as_json:
        click.echo(json.dumps(merged.summary, ensure_ascii=False, allow_nan=False))
    else:
        _show(merged.summary)


def _import(file: Path, limits: DroneLimits, out: Path | None) -> tuple[Found, dict[str, Any]]:
    with bar("reading", file.stat().st_size if file.is_file() else 0) as progress:
        found = read(file, limits, progress)
    if isinstance(found, Cloud):
        _survey(found, out)
    summary = summary_of(found)
    if isinstance(found, Cloud) and not found.points:
        first = found.warnings[0] if found.warnings else "no point"
        raise InputError(f"none of its points can be read: {first}", file=str(file), fix="export the cloud again")
    if out is not None:
        summary["written"] = write_found(found, summary, out)
    return found, summary


def _survey(cloud: Cloud, out: Path | None) -> None:
    with bar("points", cloud.points) as progress:
        if out is None:
            survey(cloud, progress)
            return
        with point_writer(cloud, out) as sink:
            survey(cloud, progress, sink)


def _origin(text: str | None) -> tuple[float, float, float] | None:
    if text is None:
        return None
    try:
        lat, lon, height = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UserError(f"{text!r} is no place", field="--origin", fix="give LAT,LON,HEIGHT") from error
    if not (abs(lat) <= 90 and abs(lon) <= 180 and abs(height) < 1e5):
        raise UserError(
            f"{text!r} lies outside the Earth", field="--origin", fix="give LAT,LON,HEIGHT in degrees, metres"
        )
    return lat, lon, height


def _show(summary: dict[str, Any]) -> None:
    for name, value in summary.items():
        if isinstance(value, list) and value and isinstance(value[0], (str, dict)):
            click.echo(f"{name}: {len(value)}")
            for one in value[:_LISTED]:
                words = one if isinstance(one, str) else "  ".join(f"{key} {cell}" for key, cell in one.items())
                click.echo(f"  {words}")
        elif isinstance(value, dict):
            click.echo(f"{name}: {'  '.join(f'{key} {cell}' for key, cell in value.items()) or '-'}")
        else:
            click.echo(f"{name}: {'-' if value is None else value}")


drone.add_command(simulate)
drone.add_command(plan)
drone.add_command(photos)
drone.add_command(register)
drone.add_command(progress)
