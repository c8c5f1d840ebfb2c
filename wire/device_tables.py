"""`devices.toml` of a site, read once for whoever needs it: profiles put in, arrays of devices and points spread out.

```toml
[[device]]                             # one device a room: {space} is its name, {slug} its name in a topic, {n} 1, 2, …
name = "vav-{slug}"
label = "VAV box, {space}"
kind = "vav-box"
protocol = "bacnet"
spaces = ["Office*", "Meeting room*"]  # globs over the rooms of layout.toml, in their order
not_spaces = ["*corridor*"]

[[device]]                             # a row of them
name = "charger-{n}"
count = 6                              # with first = 7: charger-7 … charger-12
at_m = [5.0, 4.9]
step_m = [10.0, 0.0]

[kind.energy-meter]
profile = "meter"                      # configs/profiles/devices/meter.toml; what stands here goes before it
also = ["voltage_thd"]                 # optional points of the profile that these devices have
models = { voltage_thd = { … } }       # what moves a point, for the simulator: by name

[kind.circuit-monitor]
metrics = [
  { name = "circuit_{n}_power", count = 24, unit = "kW", class = "power" },
]
```
`rows = N` breaks a row after N devices and goes on `row_m` further.
"""

import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from wire.errors import ConfigError
from wire.names import slug
from wire.profiles import load_profile

__all__ = ["COUNT_MAX", "read_devices"]

COUNT_MAX: Final = 1_000  # devices of one row, points of one array: a park beyond that is a table of its own
_HOLDER: Final = re.compile(r"\{(n|nn|space|slug)\}")
_DEVICE_KEYS: Final = ("count", "first", "spaces", "not_spaces", "step_m", "row_m", "rows")
_KIND_KEYS: Final = ("profile", "also", "models")


def read_devices(folder: Path) -> dict[str, Any]:
    """The table with every device and every point written out, and each kind's `profile` by name beside it.

    Raises ConfigError with file, field and fix.
    """
    file = folder / "devices.toml"
    table = _toml(file)
    spaces = _spaces(_toml(folder / "layout.toml")) if (folder / "layout.toml").is_file() else []
    devices: list[dict[str, Any]] = []
    for place, row in enumerate(_rows(table, "device", file)):
        devices += _spread_device(row, spaces, file, f"device[{place}]")
    kinds = table.get("kind", {})
    if not isinstance(kinds, dict):
        raise ConfigError("is no table", file=str(file), field="kind", fix="write [kind.NAME]")
    spread = {name: _spread_kind(kind, folder, file, f"kind.{name}") for name, kind in kinds.items()}
    return {**table, "device": devices, "kind": spread}


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError("cannot be read", file=str(file), fix="name a site's folder") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"not TOML in UTF-8: {error}", file=str(file), fix="mend the line that it names") from error


def _rows(table: dict[str, Any], name: str, file: Path) -> list[dict[str, Any]]:
    rows = table.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ConfigError("is no list of tables", file=str(file), field=name, fix=f"write [[{name}]]")
    return rows


def _spaces(layout: dict[str, Any]) -> list[str]:
    """The names of the rooms, then of the places under the sky."""
    rooms = [room for one in layout.get("building", []) for storey in one.get("storey", []) for room in storey["rooms"]]
    return [str(one.get("name", "")) for one in (*rooms, *layout.get("outdoor", []))]


def _spread_device(row: dict[str, Any], spaces: list[str], file: Path, field: str) -> Iterator[dict[str, Any]]:
    plain = {name: value for name, value in row.items() if name not in _DEVICE_KEYS}
    if "spaces" not in row and "count" not in row:
        return iter([plain])
    count = _count(row, file, field)
    where = [str(row.get("space", ""))]
    if "spaces" in row:
        where = [one for one in spaces if _any(one, row["spaces"]) and not _any(one, row.get("not_spaces", []))]
        if not where:
            fix = "name rooms of layout.toml, * for any letters"
            raise ConfigError("no room is meant", file=str(file), field=f"{field}.spaces", fix=fix)
    return _spread(plain, row, where, count)


def _spread(plain: dict[str, Any], row: dict[str, Any], where: list[str], count: int) -> Iterator[dict[str, Any]]:
    (dx, dy), (rx, ry), length = row.get("step_m", (0, 0)), row.get("row_m", (0, 0)), row.get("rows", count)
    total = 0
    for space in where:
        for place in range(count):
            number = row.get("first", 1) + total
            total += 1
            words = {"n": str(number), "nn": f"{number:02}", "space": space, "slug": slug(space).replace("_", "-")}
            found = {**_filled({**plain, "space": space}, words), "row": str(plain.get("name", ""))}
            if "at_m" in plain:
                x, y, *height = plain["at_m"]
                column, line = place % length, place // length
                found["at_m"] = [x + dx * column + rx * line, y + dy * column + ry * line, *height]
            yield found


def _spread_kind(kind: dict[str, Any], folder: Path, file: Path, field: str) -> dict[str, Any]:
    """A kind with its profile put in, models beside their metrics, arrays of metrics written out."""
    base: dict[str, Any] = {}
    if "profile" in kind:
        profile, also = load_profile(str(kind["profile"]), folder), tuple(kind.get("also", ()))
        if lacking := [name for name in also if profile.point(name) is None]:
            fix = f"see aid4 edge profile show {profile.name}"
            problem = f"the profile {profile.name} has no point {lacking[0]}"
            raise ConfigError(problem, file=str(file), field=f"{field}.also", fix=fix)
        base = profile.kind(also)
    merged = {**base, **{name: value for name, value in kind.items() if name not in _KIND_KEYS}}
    merged["metrics"] = [*base.get("metrics", []), *kind.get("metrics", [])]
    metrics = [one for row in merged["metrics"] for one in _spread_metric(row, file, field)]
    models = kind.get("models", {})
    names = {one.get("name") for one in metrics}
    if lacking := [name for name in models if name not in names]:
        raise ConfigError(
            f"there is no point {lacking[0]}", file=str(file), field=f"{field}.models", fix="name a point"
        )
    merged["metrics"] = [{**one, "model": models[one["name"]]} if one.get("name") in models else one for one in metrics]
    return {**merged, "profile": kind.get("profile", "")}


def _spread_metric(row: dict[str, Any], file: Path, field: str) -> Iterator[dict[str, Any]]:
    if "count" not in row:
        yield row
        return
    plain = {name: value for name, value in row.items() if name not in ("count", "first")}
    for number in range(_count(row, file, field)):
        at = row.get("first", 1) + number
        yield _filled(plain, {"n": str(at), "nn": f"{at:02}"})


def _count(row: dict[str, Any], file: Path, field: str) -> int:
    count = row.get("count", 1)
    if not isinstance(count, int) or not 1 <= count <= COUNT_MAX:
        raise ConfigError(
            f"{count!r} is no count", file=str(file), field=f"{field}.count", fix=f"write 1 to {COUNT_MAX}"
        )
    return count


def _any(name: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _filled(value: Any, words: dict[str, str]) -> Any:
    """The same with every {word} replaced in texts and names of tables; {words} of others stay."""
    if isinstance(value, str):
        return _HOLDER.sub(lambda match: words.get(match[1], match[0]), value)
    if isinstance(value, dict):
        return {_filled(name, words): _filled(inner, words) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, words) for inner in value]
    return value
