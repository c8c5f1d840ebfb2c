"""Scenario files as one run: read, checked against the site, and put together.

Files of one run share site and start, and no two of their faults meet on one device: an alarm has one reason.
"""

from collections.abc import Sequence
from pathlib import Path

from sim_devices.faults import Fault, Scenario, load_scenario
from sim_devices.site import Site
from wire.errors import ConfigError

__all__ = ["Together", "together"]


class Together:
    """Scenarios of one run, by file; `faults` are theirs in the order of the files, `end_s` is when all has settled."""

    def __init__(self, scenarios: Sequence[tuple[str, Scenario]]) -> None:
        self.scenarios = list(scenarios)
        first = scenarios[0][1]
        self.site, self.start = first.site, first.start
        self.past_days = max(one.past_days for _, one in scenarios)
        self.settle_s = max(one.settle_s for _, one in scenarios)
        self.false_alarms_max = sum(one.false_alarms_max for _, one in scenarios)
        self.faults: list[tuple[str, Fault]] = [(file, fault) for file, one in scenarios for fault in one.faults]
        self.end_s = max((fault.to_s for _, fault in self.faults), default=0.0) + self.settle_s


def together(files: Sequence[Path], site: Site) -> Together:
    """Read the files of one run. ConfigError names the file and the field of what does not fit."""
    read = [(path, load_scenario(path, site)) for path in files]
    names = [str(path) if sum(other.name == path.name for other in files) > 1 else path.name for path in files]
    (first_path, first), *others = read
    for path, one in others:
        for field, mine, theirs in (("site", one.site, first.site), ("start", one.start, first.start)):
            if mine != theirs:
                problem = f"is {mine}, that of {first_path.name} is {theirs}"
                raise ConfigError(problem, file=str(path), field=field, fix="run the files one by one")
    taken: list[tuple[Path, Fault]] = []
    for path, one in read:
        for place, fault in enumerate(one.faults):
            clash = next((other for other in taken if _meet(other[1], fault)), None)
            if clash is not None:
                problem = f"{clash[1].what} of {clash[0].name} is on {fault.device} at that time"
                fix = "take another device, or begin when that has settled"
                raise ConfigError(problem, file=str(path), field=f"fault[{place}].device", fix=fix)
            taken.append((path, fault))
    return Together(list(zip(names, (one for _, one in read), strict=True)))


def _meet(one: Fault, other: Fault) -> bool:
    return one.device == other.device and one.from_s < other.to_s and other.from_s < one.to_s
