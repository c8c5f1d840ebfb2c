"""`aid4 edge profile`: the device profiles that there are, one of them whole, and whether one of your own is right."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from wire.errors import ConfigError

if TYPE_CHECKING:
    from wire.profiles import Profile

__all__ = ["profile"]

_SITE = click.option("--site", type=click.Path(path_type=Path, file_okay=False), help="A site's folder: its own first.")
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON document.")


@click.group()
def profile() -> None:
    """Profiles of devices: points, units, ranges, alarms and what they mean."""


@profile.command("list")
@_SITE
@_JSON
def list_(site: Path | None, as_json: bool) -> None:
    """The profiles by name."""
    from wire.profiles import load_profile, profile_names

    found = [load_profile(name, site) for name in profile_names(site)]
    rows = [
        {
            "name": one.name,
            "title": one.title,
            "brick": one.brick,
            "points": len(one.points),
            "optional": sum(point.optional for point in one.points),
            "alarms": len(one.alarms),
            "derived": len(one.derived),
        }
        for one in found
    ]
    if as_json:
        click.echo(json.dumps({"profiles": rows}))
        return
    for row in rows:
        figures = f"{row['points']:>3} points {row['alarms']:>3} alarms {row['derived']:>2} derived"
        click.echo(f"{row['name']:<18}{figures}   {row['title']}")


@profile.command()
@click.argument("name")
@_SITE
@_JSON
def show(name: str, site: Path | None, as_json: bool) -> None:
    """One profile: every point, derived point and alarm."""
    from wire.profiles import load_profile
    from wire.units import UNITS

    one = load_profile(name, site)
    if as_json:
        click.echo(msgspec.json.encode(one))
        return
    click.echo(f"{one.title} · {one.title_sk} · {one.title_zh_tw} (brick:{one.brick}, every {one.period_s:g} s)")
    for point in one.points:
        unit = UNITS[point.unit].label if point.kind == "value" else "state"
        span = "" if point.low is None else f"{point.low:g} … {'' if point.high is None else f'{point.high:g}'}"
        marks = " ".join(mark for mark, on in (("writable", point.writable), ("optional", point.optional)) if on)
        click.echo(f"  {point.name:<36}{unit:<8}{span:<18}{point.brick:<44}{marks}".rstrip())
    for row in one.derived:
        click.echo(f"  {row.metric:<36}{row.unit:<8}= {row.expression}")
    for alarm in one.alarms:
        levels = {level: getattr(alarm, level) for level in ("low_low", "low", "high", "high_high")}
        what = ", ".join(f"{level} {value:g}" for level, value in levels.items() if value is not None)
        click.echo(f"  ! {alarm.name} ({alarm.priority}, {alarm.respond_min:g} min): {what or ', '.join(alarm.states)}")
        click.echo(f"    {alarm.consequence}\n    {alarm.action}")


@profile.command()
@click.argument("name")
@click.argument("devices", nargs=-1, required=True)
@_SITE
@click.option("--without", multiple=True, help="A point of the profile that the devices lack; may be repeated.")
@click.option("--rules", is_flag=True, help="Alarms too, as local rules: for a gateway that no twin rings for.")
@_JSON
def tables(
    name: str, devices: tuple[str, ...], site: Path | None, without: tuple[str, ...], rules: bool, as_json: bool
) -> None:
    """What the gateway of DEVICES adds to its configuration: [[derived]] points, and [[rule]] if asked for."""
    from wire.names import check_name
    from wire.profile_tables import derived_tables, rule_tables
    from wire.profiles import load_profile
    from wire.toml_text import document_text

    one = load_profile(name, site)
    have = {point.name for point in one.points} - set(without)
    found: dict[str, list[dict[str, object]]] = {"derived": [], "rule": []}
    for device in devices:
        check_name("device", device)
        found["derived"] += derived_tables(one, device, have)
        found["rule"] += rule_tables(one, device, have) if rules else []
    click.echo(json.dumps(found) if as_json else document_text({key: rows for key, rows in found.items() if rows}))


@profile.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@_JSON
def check(files: tuple[Path, ...], as_json: bool) -> None:
    """Whether profiles of your own are right: units, ranges, formulas, alarms. Exit status 2 when one is not."""
    findings = [(path, _problem(path)) for path in files]
    if as_json:
        rows = [{"file": str(path), "ok": problem is None, **(problem or {})} for path, problem in findings]
        click.echo(json.dumps({"profiles": rows}))
    for path, problem in findings if not as_json else ():
        told = "is right" if problem is None else f"{problem['field']}: {problem['problem']}; {problem['fix']}"
        click.echo(f"{path}: {told}")
    if any(problem for _, problem in findings):
        raise SystemExit(2)


def _problem(path: Path) -> dict[str, str] | None:
    try:
        _read(path)
    except ConfigError as error:
        return {"field": error.field, "problem": error.problem, "fix": error.fix}
    return None


def _read(path: Path) -> "Profile":
    from wire.profiles import load_profile

    if path.suffix != ".toml":
        raise ConfigError("is no .toml file", file=str(path), field="file", fix="name it after the sort of device")
    return load_profile(path.stem, path.parent, folder="")
