"""Device profiles: what a device of one sort is made of, told once for model, simulator, gateway and twin.

```toml
title = "Three-phase energy meter"     # configs/profiles/devices/meter.toml
brick = "Electrical_Meter"
period_s = 1.0
points = [                             # UCUM units, classes of wire/point_classes.py, Brick classes
  { name = "voltage_l1", unit = "V", class = "voltage", low = 0, high = 300, brick = "Voltage_Sensor" },
  { name = "voltage_thd", unit = "%", class = "ratio", optional = true, brick = "Sensor" },  # not every one has it
]
[[alarm]]                              # one class of alarm with its meaning, and the points that ring
name = "undervoltage"
points = ["voltage_l1"]
low = 207.0                            # also low_low, high, high_high, states = [...]; deadband, on_delay_s, …
priority = "high"
consequence = "Motors draw more current and run hot; contactors drop out."
action = "Compare the phases; call the network operator if all are low."
respond_min = 15
sk = { consequence = "…", action = "…" }
zh-TW = { consequence = "…", action = "…" }
[[derived]]                            # wire/expressions.py
metric = "voltage_unbalance"
unit = "%"
expression = "100 * (max(voltage_l1, voltage_l2) - min(voltage_l1, voltage_l2)) / voltage_l1"
```
A site may hold profiles of its own in `profiles/` of its folder; they go before ours.
"""

import functools
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from wire.errors import ConfigError, UserError
from wire.expressions import Derived, formula_of
from wire.names import check_name
from wire.point_classes import check_unit

__all__ = ["PROFILES", "Profile", "ProfileAlarm", "ProfilePoint", "Words", "load_profile", "profile_names"]

PROFILES: Final = Path(__file__).resolve().parents[1] / "configs" / "profiles" / "devices"
BYTES_MAX: Final = 1 << 18  # a device of a thousand points; ours are a fiftieth of it
_Text = Annotated[str, Meta(min_length=1, max_length=500)]
_Delay = Annotated[float, Meta(ge=0, le=86_400)]
_Brick = Annotated[str, Meta(pattern=r"^[A-Z][A-Za-z0-9._]{1,99}$")]


class ProfilePoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One quantity; `sensor` gives it an IfcSensor of that predefined type in an authored model."""

    name: str
    brick: _Brick
    unit: str = ""
    kind: Literal["value", "state"] = "value"
    point_class: str = msgspec.field(name="class", default="")
    low: float | None = None
    high: float | None = None
    declared: Literal["f64", "f32", "i16", "u16", "i32", "u32", "bool", "enum", "text"] = "f64"
    writable: bool = False
    sensor: str = ""
    optional: bool = False  # a device may lack it; a kind of a site names those that it has


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an alarm means, in one language."""

    consequence: _Text
    action: _Text


class ProfileAlarm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One class of alarm of the device: what rings, what it means, what to do and how soon."""

    name: Annotated[str, Meta(pattern="^[a-z0-9-]{1,40}$")]
    points: Annotated[list[str], Meta(min_length=1, max_length=64)]
    low_low: float | None = None
    low: float | None = None
    high: float | None = None
    high_high: float | None = None
    states: list[Annotated[str, Meta(min_length=1, max_length=200)]] = []
    deadband: Annotated[float, Meta(ge=0)] = 0.0
    on_delay_s: _Delay = 0.0
    off_delay_s: _Delay = 5.0
    priority: Literal["critical", "high", "medium", "low"]
    consequence: _Text
    action: _Text
    respond_min: Annotated[float, Meta(gt=0, le=10_080)]
    sk: Words
    zh_tw: Words = msgspec.field(name="zh-TW")

    @property
    def levels(self) -> list[float]:
        """The limits that it has, lowest first if they are in order."""
        return [one for one in (self.low_low, self.low, self.high, self.high_high) if one is not None]


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A sort of device. `ifc`, `body`, `trade`, `system`, `object_type`, `height_m` say how a model shows it."""

    title: _Text
    title_sk: _Text
    title_zh_tw: _Text = msgspec.field(name="title_zh-TW")
    brick: _Brick
    points: Annotated[list[ProfilePoint], Meta(min_length=1, max_length=1_000)]
    alarms: list[ProfileAlarm] = msgspec.field(default_factory=list, name="alarm")
    derived: list[Derived] = []
    period_s: Annotated[float, Meta(gt=0, le=86_400)] = 1.0
    ifc: str = ""
    body: str = ""
    trade: str = ""
    system: str = ""
    object_type: str = ""
    height_m: float = 0.0
    name: str = ""  # of its file

    def point(self, name: str) -> ProfilePoint | None:
        """The point of that name."""
        return next((one for one in self.points if one.name == name), None)

    def kind(self, also: tuple[str, ...] = ()) -> dict[str, Any]:
        """The table `[kind.…]` of a devices.toml that says the same; optional points are in it when named."""
        fields = ("brick", "period_s", "ifc", "body", "trade", "system", "object_type", "height_m")
        table: dict[str, Any] = {name: value for name in fields if (value := getattr(self, name))}
        points = [one for one in self.points if not one.optional or one.name in also]
        rows: list[dict[str, Any]] = msgspec.to_builtins(points)
        table["metrics"] = [
            {name: value for name, value in row.items() if value not in (None, "") and name != "optional"}
            for row in rows
        ]
        return table


def profile_names(site: Path | None = None) -> list[str]:
    """The profiles that there are: ours, and those of a site's folder."""
    folders = [PROFILES] if site is None else [site / "profiles", PROFILES]
    return sorted({path.stem for folder in folders for path in folder.glob("*.toml")})


def load_profile(name: str, site: Path | None = None, *, folder: str = "profiles") -> Profile:
    """The profile `name` of a site's folder, else of ours, checked; raises ConfigError with file, field and fix."""
    folders = [PROFILES] if site is None else [site / folder, PROFILES]
    path = next((found for folder in folders if (found := folder / f"{name}.toml").is_file()), None)
    if path is None or "/" in name:
        fix = f"use one of {', '.join(profile_names(site))}"
        raise ConfigError(f"there is no device profile {name!r}", field="profile", fix=fix)
    return _read(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _read(path: Path, _changed: int) -> Profile:
    if path.stat().st_size > BYTES_MAX:
        raise ConfigError(f"over {BYTES_MAX} bytes", file=str(path), fix="is it a profile?")
    try:
        data = tomllib.loads(path.read_text("utf-8"))
        profile = msgspec.structs.replace(msgspec.convert(data, Profile), name=path.stem)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"not TOML in UTF-8: {error}", file=str(path), fix="mend the line that it names") from error
    except msgspec.ValidationError as error:
        problem, _, field = str(error).partition(" - at `$.")
        fix = "see the sample in wire/profiles.py"
        raise ConfigError(problem, file=str(path), field=field.rstrip("`"), fix=fix) from error
    _check(profile, str(path))
    return profile


def _check(profile: Profile, file: str) -> None:
    """What the types cannot say."""
    names = [one.name for one in profile.points]
    for place, point in enumerate(profile.points):
        field = f"points[{place}]"
        if point.name in names[:place]:
            raise ConfigError(f"two points are named {point.name}", file=file, field=field, fix="rename one")
        try:
            check_name("metric", point.name)
            if point.kind == "value":
                check_unit(point.point_class, point.unit)
        except UserError as error:
            raise ConfigError(error.problem, file=file, field=field, fix=error.fix) from error
        if point.low is not None and point.high is not None and point.low >= point.high:
            raise ConfigError("low is not below high", file=file, field=field, fix="swap them")
    known = {*names, *(one.metric for one in profile.derived)}
    for place, row in enumerate(profile.derived):
        if row.metric in names:
            raise ConfigError(
                f"{row.metric} is measured", file=file, field=f"derived[{place}].metric", fix="give another name"
            )
        try:
            formula_of(row, known - {row.metric}, field=f"derived[{place}]")
        except UserError as error:
            raise ConfigError(error.problem, file=file, field=error.field, fix=error.fix) from error
    for place, alarm in enumerate(profile.alarms):
        _check_alarm(profile, alarm, known, file, f"alarm[{place}]")
    if len({one.name for one in profile.alarms}) < len(profile.alarms):
        raise ConfigError("two alarms of one name", file=file, field="alarm", fix="rename one")


def _check_alarm(profile: Profile, alarm: ProfileAlarm, known: set[str], file: str, field: str) -> None:
    if lacking := [name for name in alarm.points if name not in known]:
        fix = f"name one of {', '.join(sorted(known))}"
        raise ConfigError(f"there is no point {lacking[0]}", file=file, field=f"{field}.points", fix=fix)
    if bool(alarm.levels) == bool(alarm.states):
        raise ConfigError("has limits or states, one of both", file=file, field=field, fix="write high = or states =")
    if alarm.levels != sorted(set(alarm.levels)):
        fix = "low_low < low < high < high_high"
        raise ConfigError("the levels are not in order", file=file, field=field, fix=fix)
    for name in alarm.points:
        point = profile.point(name)
        if point is None:
            continue
        if alarm.states and point.kind != "state":
            raise ConfigError(f"{name} has no states", file=file, field=f"{field}.states", fix="write high = or low =")
        low, high = point.low, point.high
        if any((low is not None and level < low) or (high is not None and level > high) for level in alarm.levels):
            problem = f"a level is outside the range {low} to {high} of {name}: it could never ring"
            raise ConfigError(problem, file=file, field=field, fix="mend the level or the range")
