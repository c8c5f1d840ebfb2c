"""Days of the simulated campus for `aid4 bench detect --part park`: as an agent would read them, quiet or with faults.

The campus lives some weekdays, then the same day again and again with the same weather and people: once quiet, and once
for each lot of faults, each fault on a device of its own. All times are those of readings; no clock of this machine is
asked.
"""

import copy
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from sim_devices.campus import Campus
from sim_devices.faults import Fault, Faults, Scenario
from sim_devices.site import Device, Metric, Site
from twin.directory import PointView
from wire.errors import InputError

__all__ = ["FAULT_DAYS", "NODE", "Days", "Lot", "Park", "live_days"]

NODE = "gw-1"
START = datetime(2026, 3, 16, tzinfo=UTC)  # a Monday on which it heats and the sun shines
STEP_S = 20.0
_DAY_S = 86_400.0
_OPEN = 50.0  # % of a valve
_LOT = 90  # rows of one lot: half an hour
_H = 3_600.0
_TYPES = {"water-meter": "Water_Meter"}  # that the building's model has, where a name does not tell
_RESOLUTION = {"Cel": 0.1, "%": 1.0, "[ppm]": 1.0, "m3/h": 1.0}  # of points that devices give as whole numbers

# no two on one make at the same hours: what, device, metric, hour of the day at which it begins and ends, its size
FAULT_DAYS = (
    (
        Fault(what="stuck", device="room-lab", metric="temperature", from_s=8 * _H, to_s=16 * _H),
        Fault(what="noise", device="room-office", metric="humidity", from_s=8 * _H, to_s=16 * _H, amount=9.0),
        Fault(what="scale", device="air-office", metric="voc", from_s=8 * _H, to_s=16 * _H, factor=10.0),
        Fault(what="gap", device="mill-2", metric="vibration", from_s=8 * _H, to_s=12 * _H),
        Fault(what="link-cut", device="centre-meter", from_s=8 * _H, to_s=12 * _H),
        Fault(what="fouled-filter", device="ahu-1", from_s=6 * _H, to_s=18 * _H, ramp_s=3 * _H),
        Fault(what="refrigerant-leak", device="heat-pump", from_s=6 * _H, to_s=18 * _H, ramp_s=3 * _H),
        Fault(what="soiling", device="pv-inverter", from_s=7 * _H, to_s=16 * _H, ramp_s=3 * _H),
        Fault(what="hot-cell", device="battery", from_s=6 * _H, to_s=16 * _H),
        Fault(what="bearing-wear", device="mill-1", from_s=6 * _H, to_s=16 * _H, ramp_s=3 * _H),
        Fault(what="leak", device="lab-water", from_s=1 * _H, to_s=16 * _H),
        Fault(what="oil-cooling", device="transformer-1", from_s=6 * _H, to_s=18 * _H, ramp_s=_H),
        Fault(what="stuck-vent", device="climate-1", from_s=9 * _H, to_s=16 * _H),
        Fault(what="open-contactor", device="charger-3", from_s=6 * _H, to_s=18 * _H),
    ),
    (
        Fault(what="drift", device="room-open-office", metric="co2", from_s=6 * _H, to_s=18 * _H, rate_h=240.0),
        Fault(what="bias", device="room-seminar", metric="temperature", from_s=8 * _H, to_s=16 * _H, amount=7.0),
        Fault(
            what="spike", device="weather", metric="air_temperature", from_s=8 * _H, to_s=12 * _H, amount=12.0,
            every_s=600, width_s=20,
        ),
        Fault(what="counter-reset", device="lab-meter", metric="energy_import", from_s=8 * _H, to_s=16 * _H),
        Fault(what="belt-slip", device="ahu-2", from_s=8 * _H, to_s=16 * _H),
        Fault(what="short-cycling", device="heat-pump-2", from_s=6 * _H, to_s=18 * _H),
        Fault(what="string-loss", device="pv-inverter", from_s=9 * _H, to_s=16 * _H),
        Fault(what="tool-wear", device="mill-3", from_s=6 * _H, to_s=16 * _H),
        Fault(what="leak", device="compressor-1", from_s=6 * _H, to_s=16 * _H),
        Fault(what="clogged-line", device="valve-1", from_s=2 * _H, to_s=20 * _H),
        Fault(what="capacity-fade", device="battery", from_s=6 * _H, to_s=18 * _H),
        Fault(what="bearing-wear", device="lathe-1", from_s=6 * _H, to_s=16 * _H, ramp_s=3 * _H),
    ),
    (
        Fault(what="frozen", device="room-workshop", from_s=8 * _H, to_s=16 * _H),
        Fault(what="open-window", device="room-meeting", from_s=8 * _H, to_s=14 * _H),
        Fault(what="blocked-coil", device="ahu-3", from_s=4 * _H, to_s=16 * _H),
        Fault(what="inverter-trip", device="pv-inverter-2", from_s=9 * _H, to_s=14 * _H),
        Fault(what="coolant-loss", device="mill-1", from_s=6 * _H, to_s=16 * _H),
        Fault(what="clock-skew", device="mill-3", from_s=9 * _H, to_s=14 * _H, amount=900.0),
        Fault(what="flapping", device="hall-meter", from_s=8.25 * _H, to_s=14 * _H, every_s=1_800.0, width_s=900.0),
    ),
    (
        Fault(what="stuck-radiator", device="room-reception", from_s=4 * _H, to_s=16 * _H),
        Fault(what="replay", device="room-electronics", from_s=9 * _H, to_s=16 * _H, window_s=3_600.0),
        Fault(what="stuck-valve", device="ahu-2", from_s=5 * _H, to_s=16 * _H),
        Fault(what="drift", device="room-studio-2", metric="temperature", from_s=6 * _H, to_s=20 * _H, rate_h=0.5),
    ),
)  # fmt: skip


class Lot(NamedTuple):
    """Rows of readings: times, values (rows, points) with NaN where a sensor says nothing, and clocks that are off."""

    ts_us: NDArray[np.int64]
    values: NDArray[np.float64]
    ahead_us: NDArray[np.int64]  # of each point


class Days(NamedTuple):
    """What was lived: the days to learn from, a quiet one, and one for each lot of faults, which are `planted`."""

    history: list[Lot]
    quiet: list[Lot]
    faulty: list[list[Lot]]
    planted: tuple[tuple[Fault, ...], ...] = FAULT_DAYS


class Park:
    """A campus and its points, as an agent would read them."""

    def __init__(self, site: Site, seed: int) -> None:
        _check(site)
        self.campus = Campus(site, seed, round(START.timestamp() * 1e6))
        held = self.campus.values()
        points = [(device, metric) for device, metric in site.points() if metric.kind == "value"]
        points = [pair for pair in points if f"{pair[0].name}/{pair[1].name}" in held]
        self.keys = [f"{device.name}/{metric.name}" for device, metric in points]
        self.devices = [device.name for device, _ in points]
        self.types = {device.name: _TYPES.get(device.kind, "") for device, _ in points}
        self.views = [
            _view(at, *pair, max(site.kinds[pair[0].kind].period_s, STEP_S)) for at, pair in enumerate(points)
        ]
        self._grain = np.array([_grain(metric) for _, metric in points])

    def live(self, days: float, scenario: Scenario | None = None) -> Iterator[Lot]:
        """Lots of rows, from where the campus stands."""
        faults = Faults(scenario or Scenario(""), self.campus.now_us)
        left = round(days * _DAY_S / STEP_S)
        while left:
            count = min(_LOT, left)
            left -= count
            ts, values = np.zeros(count, np.int64), np.zeros((count, len(self.keys)))
            ahead = faults.ahead_s(self.campus.now_us + 1_000_000)
            for row in range(count):
                faults.afflict(self.campus)
                self.campus.leap(STEP_S)
                shown = faults.shown(self.campus.values(), self.campus.now_us)
                away = faults.cut(self.campus.now_us)
                ts[row] = self.campus.now_us
                values[row] = [
                    _number(shown[key], device in away) for key, device in zip(self.keys, self.devices, strict=True)
                ]
            rounded = np.round(values / np.maximum(self._grain, 1e-9)) * self._grain
            off_us = np.array([round(ahead.get(device, 0.0) * 1e6) for device in self.devices], np.int64)
            yield Lot(ts, np.where(self._grain > 0, rounded, values), off_us)


def live_days(park: Park, days: float) -> Days:
    """Learn, then one day as often as there are lots of faults, and once without."""
    history = list(park.live(days))
    before = park.campus
    park.campus = copy.deepcopy(before)
    quiet = list(park.live(1.0))
    faulty = []
    planted = tuple(tuple(_where_it_waters(fault, park, quiet) for fault in faults) for faults in FAULT_DAYS)
    for faults in planted:
        park.campus = copy.deepcopy(before)
        faulty.append(list(park.live(1.0, Scenario("bench", faults))))
    park.campus = before
    return Days(history, quiet, faulty, planted)


def _where_it_waters(fault: Fault, park: Park, quiet: Sequence[Lot]) -> Fault:
    """A clogged line shows only while its valve is open: on the line that waters longest on that day, if any does."""
    if fault.what != "clogged-line":
        return fault
    at = (quiet[0].ts_us[0] + 1_000_000 * np.array([fault.from_s, fault.to_s])).tolist()
    open_rows = {
        key.partition("/")[0]: sum(
            int(np.count_nonzero(lot.values[(lot.ts_us >= at[0]) & (lot.ts_us < at[1]), column] > _OPEN))
            for lot in quiet
        )
        for column, key in enumerate(park.keys)
        if key.startswith("valve-") and key.endswith("/opening")
    }
    best = max(open_rows, key=lambda device: (open_rows[device], device == fault.device), default=fault.device)
    return msgspec.structs.replace(fault, device=best) if open_rows.get(best) else fault


def _view(at: int, device: Device, metric: Metric, period_s: float) -> PointView:
    return PointView(
        id=at, key=f"{NODE}/{device.name}/{metric.name}", node=NODE, device=device.name, metric=metric.name,
        label=metric.name, kind=metric.kind, unit=metric.unit, point_class=metric.point_class, low=metric.low,
        high=metric.high, writable=metric.writable, period_s=period_s, element=None, space=None, binding=None,
    )  # fmt: skip


def _grain(metric: Metric) -> float:
    return _RESOLUTION.get(metric.unit, 0.0) if metric.declared in ("i16", "u16") else 0.0


def _number(value: Any, away: bool) -> float:
    return float("nan") if away or value is None or isinstance(value, str) else float(value)


def _check(site: Site) -> None:
    missing = {fault.device for faults in FAULT_DAYS for fault in faults} - {device.name for device in site.devices}
    if missing:
        raise InputError(f"the site has no {min(missing)}", field="--site", fix="use the campus")
