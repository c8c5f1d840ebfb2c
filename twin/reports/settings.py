"""A site's `reports.toml`: which reports are made when and mailed to whom, and what its meters mean.

```toml
[[report]]
kind = "operations"                   # operations | alarms | energy | construction
at = "06:00"                          # of the site's clock; the day before is reported
days = "Mon-Sun"
languages = ["sk", "en"]
formats = ["pdf"]                     # pdf, html
route = "duty"                        # an e-mail route of alarms.toml; without it the report is only kept

[[meter]]
name = "Grid"
points = "*/main-meter/energy_import" # counters in kWh; several are added up
role = "grid"                         # grid | generation | part (of another meter, not added to the total)
factor = "grid"

[[factor]]
name = "grid"
kg_co2e_per_kwh = 0.2
source = "supplier's disclosure 2025, market based"
valid = "2025"
```
"""

from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from twin.reports.words import Language
from twin.site_file import read_site_file
from wire.errors import ConfigError

__all__ = ["Factor", "Kind", "Meter", "Planned", "ReportSettings", "read_reports_file"]

FILE: Final = "reports.toml"
Kind = Literal["operations", "alarms", "energy", "construction"]
Format = Literal["pdf", "html"]
_Text = Annotated[str, Meta(min_length=1, max_length=300)]
_Clock = Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Planned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A [[report]] table."""

    kind: Kind
    at: _Clock = "06:00"
    days: Annotated[str, Meta(pattern="^[A-Za-z]{3}(-[A-Za-z]{3})?$")] = "Mon-Sun"
    languages: Annotated[tuple[Language, ...], Meta(min_length=1)] = ("en",)
    formats: Annotated[tuple[Format, ...], Meta(min_length=1)] = ("pdf",)
    route: Annotated[str, Meta(pattern="^[a-z0-9_-]{0,64}$")] = ""

    @property
    def minute(self) -> int:
        """Minutes after midnight."""
        hours, minutes = self.at.split(":")
        return int(hours) * 60 + int(minutes)

    def on(self, weekday: int) -> bool:
        """Whether it is made on this day of the week, 0 for Monday."""
        first, last = _DAYS.index(self.days.lower()[:3]), _DAYS.index(self.days.lower()[-3:])
        return first <= weekday <= last if first <= last else weekday >= first or weekday <= last


class Meter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A [[meter]] table."""

    name: _Text
    points: _Text
    role: Literal["grid", "generation", "part"] = "part"
    factor: str = ""


class Factor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A [[factor]] table: no factor without its source."""

    name: _Text
    kg_co2e_per_kwh: Annotated[float, Meta(ge=0, le=10)]
    source: _Text
    valid: _Text = ""


class ReportSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    report: Annotated[list[Planned], Meta(max_length=50)] = []
    meter: Annotated[list[Meter], Meta(max_length=200)] = []
    factor: Annotated[list[Factor], Meta(max_length=50)] = []


def read_reports_file(folder: Path | None) -> ReportSettings:
    """The settings of a site's folder, none where there is no file; ConfigError names what is wrong."""
    settings, file = read_site_file(folder, FILE, ReportSettings, docs="docs/reports.md")
    if file is None:
        return settings
    known = {factor.name for factor in settings.factor}
    for meter in settings.meter:
        if meter.factor and meter.factor not in known:
            fix = f"write a [[factor]] of that name; there are {', '.join(sorted(known)) or 'none'}"
            raise ConfigError(f"no factor {meter.factor!r}", file=str(file), field="meter.factor", fix=fix)
    for planned in settings.report:
        if any(day not in _DAYS for day in planned.days.lower().split("-")):
            raise ConfigError(f"{planned.days!r} are no days", file=str(file), field="report.days", fix="Mon-Fri")
    return settings
