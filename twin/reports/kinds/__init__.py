"""What each kind of report holds; `BUILDERS` is the table."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from twin.reports.document import Section
from twin.reports.kinds import alarms, construction, energy, operations
from twin.reports.period import Period
from twin.reports.settings import Kind, ReportSettings
from twin.reports.words import Words

if TYPE_CHECKING:
    from twin.core import Twin

__all__ = ["BUILDERS", "Builder"]

Builder = Callable[["Twin", ReportSettings, Period, Words], tuple[list[Section], list[str]]]
BUILDERS: dict[Kind, Builder] = {
    "operations": operations.build,
    "alarms": alarms.build,
    "energy": energy.build,
    "construction": construction.build,
}
