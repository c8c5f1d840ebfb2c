"""What a piece of fab equipment says, as points, rows and events."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from edge.sources import Batch, SourceHealth
from edge.sources.columns import TEXT_SUFFIX, Happening, LastValues, PointList, PointSpec, events
from edge.sources.row_list import RowList
from wire.errors import UserError
from wire.names import slug
from wire.units import canonical

__all__ = ["EquipmentRows"]

POINTS_MAX: Final = 5_000  # of one piece of equipment, with its alarms
EVENTS_MAX: Final = 5_000  # that wait for the disk; the oldest go, and are counted
CLOCK_US_MAX: Final = 60_000_000  # between the clocks of two processes of one machine, at the most
_IS_SET: Final = 0x80  # of an alarm's code
_SEVERITY: Final = {1: 3, 2: 3, 3: 2, 4: 2, 5: 3, 6: 1, 7: 1, 8: 2}  # by the category of SEMI E5: personal safety first
_UNITS: Final = {"sec": "s", "degC": "Cel", "C": "Cel", "": ""}


class EquipmentRows:
    """One piece of equipment; `specs` and `event_names` are by id as text."""

    def __init__(
        self, device: str, specs: Mapping[str, PointSpec], event_names: Mapping[str, str], commands: Sequence[str],
        health: SourceHealth,
    ) -> None:  # fmt: skip
        self.points = PointList()
        self.is_connected = False
        self._device, self._specs, self._names, self._health = device, specs, event_names, health
        self._rows, self._last = RowList(self.points), LastValues(self.points)
        self._told: list[Happening] = []
        self._described: dict[str, tuple[str, dict[str, Any]]] = {}
        self._ids: dict[tuple[str, bool], int] = {}
        self._alarms: dict[str, int] = {}
        self._constants: dict[int, int | str] = {}
        self._stale: list[Batch] = []
        if commands:
            about = {"declared": "enum", "writable": True, "meta": {"values": list(commands)}}
            self.points.add(device, "command", kind="state", **about)

    def constant_of(self, point: int) -> int | str:
        """The id of the equipment constant behind a point."""
        return self._constants[point]

    def batches(self) -> list[Batch]:
        """The rows and events so far; the lists are then empty."""
        found = self._rows.batches(self._last, self._health) + self._stale
        self._stale = []
        if self._told:
            found.append(events(self._told))
            self._told = []
        return found

    def take(self, told: dict[str, Any], now_us: int) -> None:
        """A line of the host process (see `secsgem_child`)."""
        at_us = int(told.get("at", now_us))
        if abs(at_us - now_us) > CLOCK_US_MAX:
            at_us = now_us
        match told["what"]:
            case "ready":
                self._ready(told, now_us)
            case "values":
                self._values(told["values"], at_us)
                self._values(told["constants"], at_us)
            case "event":
                self._values(told["values"], at_us)
                name = self._names.get(str(told["event"])) or f"event_{told['event']}"
                known = {self._described.get(key, (key, {}))[0]: value for key, value in told["values"].items()}
                self._tell("collection_event", 0, name.replace("_", " "), at_us, **{**known, "event": name})
            case "alarm":
                self._alarm(str(told["alarm"]), int(told["code"]), str(told["text"]), at_us)

    def lost(self, now_us: int, why: str) -> bool:
        """The equipment is gone: every point once more as stale. Whether it was there."""
        if not self.is_connected:
            return False
        self.is_connected = False
        self._tell("equipment_lost", 2, f"{self._device}: {why}", now_us)
        self._stale += self._rows.batches(self._last, self._health)
        self._stale += self._last.stale(range(len(self.points.points)), now_us, self._health)
        return True

    def _ready(self, told: dict[str, Any], now_us: int) -> None:
        for number, name, unit in told["variables"]:
            self._described[str(number)] = (slug(str(name) or f"sv_{number}"), {"unit": _unit(unit)})
        for number, name, low, high, _, unit in told["constants"]:
            about = {"unit": _unit(unit), "low": _limit(low), "high": _limit(high), "writable": True}
            self._described[str(number)] = (slug(str(name) or f"ec_{number}"), about)
            if (point := self._point(str(number), text=False)) is not None:
                self._constants[point] = number
        if not self.is_connected:
            self.is_connected = True
            self._tell("equipment_connected", 0, f"{self._device} communicates", now_us,
                       variables=len(told["variables"]), alarms=len(told["alarms"]))  # fmt: skip
        for number, text, code in told["alarms"]:
            self._alarm(str(number), int(code), str(text), now_us, quiet=True)

    def _alarm(self, number: str, code: int, text: str, at_us: int, *, quiet: bool = False) -> None:
        point = self._alarms.get(number)
        if point is None:
            if len(self.points.points) >= POINTS_MAX:
                self._health.error("points", f"more than {POINTS_MAX} points")
                return
            about = {"declared": "enum", "label": text[:200], "meta": {"alarm": number}, "point_class": "alarm"}
            name = f"alarm_{slug(text or number)}"
            point = self._alarms[number] = self.points.add(self._device, name, kind="state", **about)
        word = "set" if code & _IS_SET else "clear"
        self._rows.add(point, at_us, word)
        if not quiet:
            severity = _SEVERITY.get(code & 0x7F, 1) if code & _IS_SET else 0
            self._tell(f"equipment_alarm_{word}", severity, f"{text or number}: {word}", at_us, alarm=number)

    def _values(self, values: Mapping[str, Any], at_us: int) -> None:
        for number, value in values.items():
            worth = _worth(value)
            if worth is None:
                continue
            if (point := self._point(number, text=isinstance(worth, str))) is not None:
                self._rows.add(point, at_us, worth)

    def _point(self, number: str, *, text: bool) -> int | None:
        found = self._ids.get((number, text))
        if found is None:
            if len(self.points.points) >= POINTS_MAX:
                self._health.error("points", f"more than {POINTS_MAX} points")
                return None
            name, about = self._described.get(number, (f"v_{slug(number)}", {}))
            spec = self._specs.get(number)
            known = {key: value for key, value in spec.about().items() if value not in ("", None)} if spec else {}
            name = spec.metric if spec and spec.metric else name
            if text:
                suffix = TEXT_SUFFIX if (number, False) in self._ids else ""
                numeric = ("unit", "low", "high", "writable")
                about = {key: value for key, value in (about | known).items() if key not in numeric}
                found = self.points.add(self._device, name + suffix, kind="state", **about)
            else:
                found = self.points.add(self._device, name, **(about | known))
            self._ids[number, text] = found
        return found

    def _tell(self, kind: str, severity: int, message: str, at_us: int, /, **detail: Any) -> None:
        if len(self._told) >= EVENTS_MAX:
            self._health.error("overflow", f"over {EVENTS_MAX} events wait for the disk")
            self._told.pop(0)
        self._told.append(Happening(at_us, self._device, kind, severity, message[:500], detail))


def _worth(value: Any) -> float | str | None:
    """A SECS-II item as a number, a text, or a list as JSON; None for nothing."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return msgspec.json.encode(value).decode()
    return None


def _unit(text: Any) -> str:
    try:
        return _UNITS.get(str(text)) or canonical(str(text))
    except UserError:
        return ""


def _limit(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
