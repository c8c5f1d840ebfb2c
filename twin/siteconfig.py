"""A site's own configuration, `configs/sites/<site>/site.toml`: who it is, its model, and which point belongs where.

```toml
name = "campus"                       # stands in every topic
title = "Smart-energy campus"
time_zone = "Europe/Bratislava"
languages = ["en", "sk", "zh-TW"]
crs = "EPSG:8353"
bounds = [18.15, 48.95, 18.17, 48.97] # west, south, east, north in degrees

[origin]                              # of a model that does not say where it lies
latitude_deg = 48.96
longitude_deg = 18.16

[georeference]                        # what the model leaves open; see docs/georeference.md
vertical_datum = "EPSG:8357"
geoid_height_m = 43.6

[calibration]                         # control points replace what the model says
file = "control.csv"

[model]
file = "campus.ifc"                   # beside this file; files = ["architecture.ifc", "electrical.ifc"] for several

[schedule]                            # see docs/schedule.md; without `file` that of the model, if it has one
file = "plan.xml"
links = "links.csv"                   # GlobalId, task_id

[basemap]                             # see twin/basemap.py
file = "region.pmtiles"

[retention]                           # days; see docs/retention.md. Without it everything stays
event_days = 3650
default = { raw_days = 400, minute_days = 3650 }
by_class = { vibration = { raw_days = 30, minute_days = 400, hour_days = 3650 } }

[[bind]]                              # see bim/bind_rules.py
points = "*/ahu-1/*"
space = "Plant room"
```
"""

import re
import tomllib
import zoneinfo
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from bim.bind_rules import BindRule, read_rules
from bim.brick.points import BrickPoint
from bim.brick.read import read_brick
from bim.federation.merge import PARTS_MAX
from bim.federation.open import PartFile
from bim.federation.parts import PartPlace
from bim.geo.settings import CalibrationSettings, GeoreferenceSettings, Origin
from twin.basemap import BasemapFile
from twin.plan_lifecycle import LifecycleRules
from twin.retention import Policies
from wire.errors import ConfigError, UserError
from wire.names import check_name

__all__ = ["ModelFile", "Origin", "SchedulePlan", "SiteConfig", "load_site", "site_from_dict"]

_OWN = {"folder", "rules", "brick_points"}  # fields that no file gives
_Text = Annotated[str, Meta(max_length=200)]
_Tasks = Annotated[list[_Text], Meta(max_length=1_000)]  # ids or codes
_AT = re.compile(r" - at `\$\.?([^`]*)`")


class ModelPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One [[model.part]]: a file of several, and where it lies in the first one if the files do not say it."""

    file: str
    place: PartPlace | None = None


class ModelFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The site's building model: one file, or several of which the first has the most authority (see
    bim/federation). A relative path starts at the site's folder."""

    file: str = ""
    files: Annotated[list[str], Meta(max_length=PARTS_MAX)] = []
    part: Annotated[list[ModelPart], Meta(max_length=PARTS_MAX)] = []

    @property
    def parts(self) -> list[ModelPart]:
        """The files, however they are given."""
        return self.part or [ModelPart(file) for file in self.files or [self.file]]


class SchedulePlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The site's work schedule, how its tasks are linked to elements, and how it is read; see docs/schedule.md."""

    file: _Text | None = None
    links: _Text | None = None
    rules: _Text | None = None
    project: _Text = ""
    encoding: _Text = ""
    baseline: _Text | None = None
    umbrella: _Tasks = []
    decides: _Tasks = []
    lifecycle: LifecycleRules = msgspec.field(default_factory=LifecycleRules)


class SiteConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One site. `folder` is where the file lies, empty when there is none; `rules` are the [[bind]] tables."""

    name: str = "park"
    title: _Text = ""
    time_zone: str = "UTC"
    languages: list[Annotated[str, Meta(pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]] = msgspec.field(
        default_factory=lambda: ["en", "zh-TW", "sk"]
    )
    crs: Annotated[str, Meta(pattern="^EPSG:[0-9]{4,6}$")] | None = None
    bounds: tuple[float, float, float, float] | None = None
    origin: Origin | None = None
    georeference: GeoreferenceSettings = GeoreferenceSettings()
    calibration: CalibrationSettings | None = None
    model: ModelFile | None = None
    schedule: SchedulePlan | None = None
    basemap: BasemapFile | None = None
    retention: Policies = msgspec.field(default_factory=Policies)
    bind: Annotated[list[dict[str, Any]], Meta(max_length=5_000)] = []
    brick: _Text | None = None  # a Brick file (Turtle) beside site.toml whose ref:ifcGlobalID place points
    folder: str = ""
    rules: list[BindRule] = []
    brick_points: list[BrickPoint] = []

    @property
    def model_path(self) -> Path | None:
        """The model's file, the first of several, or None."""
        return self.model_files[0].path if self.model else None

    @property
    def model_files(self) -> list[PartFile]:
        """All files of the model."""
        return [PartFile(Path(self.folder, part.file), part.place) for part in self.model.parts] if self.model else []


def load_site(folder: Path) -> SiteConfig:
    """Read `folder/site.toml`; ConfigError names the file, the field and the fix."""
    path = folder / "site.toml"
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError("no such file", file=str(path), fix="give a folder that holds site.toml") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"not TOML: {error}", file=str(path), fix="mend the line that it names") from error
    for name in _OWN & data.keys():
        raise ConfigError("unknown field", file=str(path), field=name, fix="leave it out")
    return site_from_dict({**data, "folder": str(folder)}, file=str(path))


def site_from_dict(data: dict[str, object], *, file: str) -> SiteConfig:
    """Check a site's configuration; ConfigError names the field and the fix."""
    try:
        site = msgspec.convert(data, type=SiteConfig)
    except msgspec.ValidationError as error:
        raise _config_error(error, file) from error
    try:
        check_name("site", site.name)
    except UserError as error:
        raise ConfigError(error.problem, file=file, field="name", fix=error.fix) from error
    if site.time_zone not in zoneinfo.available_timezones():
        fix = "write an IANA name such as Europe/Bratislava or Asia/Taipei"
        raise ConfigError(f"{site.time_zone!r} is no time zone", file=file, field="time_zone", fix=fix)
    if site.model and [bool(site.model.file), bool(site.model.files), bool(site.model.part)].count(True) != 1:
        fix = 'write file = "…", files = ["…", "…"] or [[model.part]] tables'
        raise ConfigError("give the model's file, files or parts", file=file, field="model", fix=fix)
    if site.bounds and not _is_box(site.bounds):
        fix = "write [west, south, east, north] in degrees"
        raise ConfigError("bounds are no box on Earth", file=file, field="bounds", fix=fix)
    points = read_brick(Path(site.folder, site.brick)) if site.brick and not site.brick_points else site.brick_points
    return msgspec.structs.replace(site, rules=read_rules(site.bind, file), brick_points=points)


def _is_box(bounds: tuple[float, float, float, float]) -> bool:
    west, south, east, north = bounds
    return -180 <= west < east <= 180 and -90 <= south < north <= 90


def _config_error(error: msgspec.ValidationError, file: str) -> ConfigError:
    text = str(error)
    at = _AT.search(text)
    unknown = re.search(r"unknown field `([^`]*)`", text)
    field = ".".join(part for part in (at.group(1) if at else "", unknown.group(1) if unknown else "") if part)
    known = ", ".join(f.name for f in msgspec.structs.fields(SiteConfig) if f.name not in _OWN)
    fix = f"leave it out; known here: {known}" if unknown else "see the sample in twin/siteconfig.py"
    return ConfigError(_AT.sub("", text), file=file, field=field, fix=fix)
