"""A simulated park, faster than real time: does a planted fault of each kind raise one alarm, and is a quiet day quiet?

The campus lives some weekdays in which the scorer learns, untrained. From the same moment on it then lives one more day
twice, with the same weather and people: once quiet, once with one fault of each kind, each on a device of its own.
The twin's own rules (limits, silence) watch both days as well, and an asset whose rule rings raises no second alarm.
All times are those of readings; no clock of this machine is asked. Figures of this bench are simulated.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inference.bundle import AlarmPolicy
from inference.diagnosis import Symptom, diagnose
from inference.fitted import fit
from inference.runtime import Event, Model, Scorer, Settings
from inference.runtime.choice import stream_of
from sim_devices.campus import Campus
from sim_devices.damage import KINDS
from sim_devices.faults import Fault, Faults, Scenario
from sim_devices.site import Device, Metric, Site, load_site
from twin.alarms.rules import alarms_of, read_rules
from twin.alarms.watch import PointWatch
from twin.directory import PointView
from twin.state import NO_TIME, Rows
from wire.errors import InputError

__all__ = ["FAULTS", "park_alarms"]

_SITE = Path(__file__).resolve().parents[2] / "configs" / "sites" / "campus"
_NODE = "gw-1"
START = datetime(2026, 3, 16, tzinfo=UTC)  # a Monday on which it heats and the sun shines
STEP_S = 20.0
LEARN_DAYS = 3
_DAY_S = 86_400.0
_LOT = 90  # rows of one lot: half an hour
_H = 3_600.0
_RESOLUTION = {"Cel": 0.1, "%": 1.0, "[ppm]": 1.0, "m3/h": 1.0}  # of points that devices give as whole numbers

# what, device, metric, hour of the day at which it begins, how many it lasts, and its size
FAULTS = (
    Fault(what="stuck", device="room-lab", metric="temperature", from_s=8 * _H, to_s=16 * _H),
    Fault(what="drift", device="room-open-office", metric="co2", from_s=6 * _H, to_s=18 * _H, rate_h=240.0),
    Fault(what="bias", device="room-seminar", metric="temperature", from_s=8 * _H, to_s=16 * _H, amount=7.0),
    Fault(what="noise", device="room-office", metric="humidity", from_s=8 * _H, to_s=16 * _H, amount=9.0),
    Fault(what="scale", device="air-office", metric="voc", from_s=8 * _H, to_s=16 * _H, factor=10.0),
    Fault(
        what="spike", device="weather", metric="air_temperature", from_s=8 * _H, to_s=12 * _H, amount=12.0, every_s=600,
        width_s=20,
    ),
    Fault(what="gap", device="mill-2", metric="vibration", from_s=8 * _H, to_s=12 * _H),
    Fault(what="counter-reset", device="lab-meter", metric="energy_import", from_s=8 * _H, to_s=16 * _H),
    Fault(what="frozen", device="room-workshop", from_s=8 * _H, to_s=16 * _H),
    Fault(what="link-cut", device="centre-meter", from_s=8 * _H, to_s=12 * _H),
    Fault(what="fouled-filter", device="ahu-1", from_s=6 * _H, to_s=18 * _H, ramp_s=3 * _H),
    Fault(what="belt-slip", device="ahu-2", from_s=8 * _H, to_s=16 * _H),
    Fault(what="blocked-coil", device="ahu-3", from_s=4 * _H, to_s=16 * _H),
    Fault(what="refrigerant-leak", device="heat-pump", from_s=6 * _H, to_s=18 * _H, ramp_s=3 * _H),
    Fault(what="short-cycling", device="heat-pump-2", from_s=6 * _H, to_s=18 * _H),
    Fault(what="open-window", device="room-meeting", from_s=8 * _H, to_s=14 * _H),
    Fault(what="stuck-radiator", device="room-reception", from_s=4 * _H, to_s=16 * _H),
    Fault(what="soiling", device="pv-inverter", from_s=7 * _H, to_s=16 * _H),
    Fault(what="hot-cell", device="battery", from_s=6 * _H, to_s=16 * _H),
    Fault(what="bearing-wear", device="mill-1", from_s=6 * _H, to_s=16 * _H, ramp_s=3 * _H),
    Fault(what="tool-wear", device="mill-3", from_s=6 * _H, to_s=16 * _H),
    Fault(what="leak", device="lab-water", from_s=1 * _H, to_s=16 * _H),
    Fault(what="oil-cooling", device="transformer-1", from_s=6 * _H, to_s=18 * _H, ramp_s=_H),
)  # fmt: skip


Lot = tuple[NDArray[np.int64], NDArray[np.float64]]  # times of rows, and values (rows, points)


class Alarm(NamedTuple):
    """What an operator would see: where, when (seconds of the day), by whom (`detector` or the rule's kind)."""

    asset: str
    at_s: float
    by: str
    event: Event | None


class _Park:
    """A campus and its points, as an agent would read them."""

    def __init__(self, site: Site, seed: int) -> None:
        self.points = [(device, metric) for device, metric in site.points() if metric.kind == "value"]
        self.keys = [f"{device.name}/{metric.name}" for device, metric in self.points]
        self.campus = Campus(site, seed, round(START.timestamp() * 1e6))
        self.keys = [key for key in self.keys if key in self.campus.values()]
        held = set(self.keys)
        self.points = [pair for pair in self.points if f"{pair[0].name}/{pair[1].name}" in held]
        self.views = [
            _view(at, *pair, max(site.kinds[pair[0].kind].period_s, STEP_S)) for at, pair in enumerate(self.points)
        ]
        self._grain = np.array([_grain(metric) for _, metric in self.points])

    def live(self, days: float, scenario: Scenario | None = None) -> Iterator[Lot]:
        """Lots of rows (rows, points); NaN where a sensor says nothing."""
        faults = Faults(scenario or Scenario(""), self.campus.now_us)
        left = round(days * _DAY_S / STEP_S)
        while left:
            count = min(_LOT, left)
            left -= count
            ts, values = np.zeros(count, np.int64), np.zeros((count, len(self.keys)))
            for row in range(count):
                faults.afflict(self.campus)
                self.campus.leap(STEP_S)
                shown = faults.shown(self.campus.values(), self.campus.now_us)
                away = faults.cut(self.campus.now_us)
                ts[row] = self.campus.now_us
                values[row] = [_number(shown[key], key.partition("/")[0] in away) for key in self.keys]
            yield ts, np.where(self._grain > 0, np.round(values / np.maximum(self._grain, 1e-9)) * self._grain, values)


def park_alarms(
    *,
    budget_per_day: float = 0.02,
    days: float = LEARN_DAYS,
    seed: int = 7,
    site: Path = _SITE,
    trained: bool = False,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Learn, live a quiet day and a day of faults; `ok`: each kind raises one alarm, and the quiet day is in budget.

    `untrained` has only the streams' own learning; with `trained` both days are scored once more with a model of each
    device, fitted on the learned days, which takes minutes.
    """
    table = load_site(site)
    _check(table)
    park = _Park(table, seed)
    streams = [one for view in park.views if (one := stream_of(view, _NODE)) is not None]
    settings = Settings(budget_per_day=budget_per_day)
    scorer = Scorer(settings)
    scorer.watch(streams)
    tell(f"learning {days:g} days of {len(streams)} streams, untrained")
    history = list(park.live(days))
    learned = _watched(park, scorer, history, site)
    state, campus = scorer.save(), copy.deepcopy(park.campus)
    tell(f"a quiet day, and the same day with {len(FAULTS)} faults")
    quiet = list(park.live(1.0))
    park.campus = campus
    faulty = list(park.live(1.0, Scenario("bench", FAULTS)))
    used_by: dict[str, list[Model]] = {"untrained": []}
    if trained:
        tell("fitting a model of each device")
        used_by["trained"] = _fitted(park, history, budget_per_day)
    found: dict[str, Any] = {}
    for name, used in used_by.items():
        tell(f"scoring both days, {name}")
        days_of = []
        for lots in (quiet, faulty):
            again = Scorer(settings, used)
            again.restore(state)
            again.watch(streams)
            days_of.append(_watched(park, again, lots, site))
        found[name] = _judged(park, *days_of, allowed=budget_per_day * len(streams))
    return {
        "simulated": True,
        "streams": len(streams),
        "models": len(used_by.get("trained", [])),
        "learned_days": days,
        "learning_alarms": sum(alarm.by == "detector" for alarm in learned),
        **found,
        "ok": all(part["ok"] for part in found.values()),
    }


def _judged(park: _Park, quiet: list[Alarm], faulty: list[Alarm], *, allowed: float) -> dict[str, Any]:
    rows = [_row(fault, faulty, quiet, park) for fault in FAULTS]
    stricken = {f"{_NODE}/{fault.device}" for fault in FAULTS}
    usual = {alarm.asset for alarm in quiet}
    others = [alarm for alarm in faulty if alarm.asset not in stricken | usual]
    false = sum(alarm.by == "detector" for alarm in quiet)
    return {
        "quiet_day_false_alarms": false,
        "quiet_day_allowed": round(allowed, 1),
        "planted": len(rows),
        "found": sum(row["alarms"] >= 1 for row in rows),
        "once": sum(row["alarms"] == 1 for row in rows),
        "faults": rows,
        "others": [f"{alarm.asset} at {alarm.at_s / _H:.1f} h by {alarm.by}" for alarm in others],
        "ok": false <= allowed and all(row["alarms"] == 1 for row in rows),
    }


def _fitted(park: _Park, history: Sequence[Lot], budget_per_day: float) -> list[Model]:
    """One model a device of several streams, from minutes of the learned days, as `aid4 model train` makes them."""
    values = np.concatenate([values for _, values in history])
    each = round(60.0 / STEP_S)
    minutes = values[: len(values) // each * each].reshape(-1, each, values.shape[1]).mean(axis=1)
    columns: dict[str, list[int]] = {}
    for at, view in enumerate(park.views):
        stream = stream_of(view, _NODE)
        if stream is not None and not stream.counts and stream.alarms:
            columns.setdefault(view.device, []).append(at)
    models = []
    for device, mine in columns.items():
        if len(mine) > 1:
            policy = AlarmPolicy(budget_per_day=budget_per_day * len(mine), row_s=60.0, block_rows=64)
            names = [park.views[at].key for at in mine]
            data = fit(minutes[:, mine], names, pooled=True, alarm=policy).to_bytes()
            models.append(Model(data, name=device, version="1"))
    return models


def _watched(park: _Park, scorer: Scorer, lots: Sequence[Lot], site: Path) -> list[Alarm]:
    """Alarms of a stretch of time: those of rules, and of detectors where no rule rings for the device."""
    watch = PointWatch(alarms_of(park.views, read_rules(site / "alarms.toml")))
    ids = np.arange(len(park.keys), dtype=np.uint32)
    heard = np.full(len(park.keys), NO_TIME)
    alarms: list[Alarm] = []
    ringing: dict[str, int] = {}  # rules that ring, by device
    start_us = int(lots[0][0][0])
    for ts, values in lots:
        said = np.isfinite(values)
        point, when = np.broadcast_to(ids, values.shape)[said], np.broadcast_to(ts[:, None], values.shape)[said]
        now_us = int(ts[-1])
        scorer.push(when, point, values[said])
        scorer.tick(now_us + 2_000_000)
        np.maximum.at(heard, point, when)
        turns = watch.take(Rows(point, when, values[said], np.zeros(len(point), np.uint8), now_us))
        muted = watch.mute(now_us, heard[watch.stale_points])
        silent = {definition.group: since_us for definition, since_us in muted}
        found = [(turn.alarm.definition.group, str(turn.alarm.kind), turn.active, turn.at_us) for turn in turns]
        for turn in watch.silent(now_us, heard[watch.stale_points]):
            group = turn.alarm.definition.group
            found.append((group, "silent" if group in silent else "stale", turn.active, turn.at_us))
        for group, kind, active, at_us in found:
            if active and not ringing.get(group):
                alarms.append(Alarm(group, (at_us - start_us) / 1e6, kind, None))
            ringing[group] = max(ringing.get(group, 0) + (1 if active else -1), 0)
        for event in scorer.events():
            if event.kind == "opened" and not ringing.get(event.asset):
                alarms.append(Alarm(event.asset, (event.ts_us - start_us) / 1e6, "detector", event))
            elif event.kind == "updated":
                alarms = [
                    a._replace(event=event)
                    if a.event and a.event.since_us == event.since_us and a.asset == event.asset
                    else a
                    for a in alarms
                ]
    return alarms


def _row(fault: Fault, faulty: list[Alarm], quiet: list[Alarm], park: _Park) -> dict[str, Any]:
    asset = f"{_NODE}/{fault.device}"
    mine = [a for a in faulty if a.asset == asset and fault.from_s <= a.at_s < fault.to_s + 2 * _H]
    joined = [a for a in faulty if a.event is not None and asset in a.event.also and a.at_s >= fault.from_s]
    alarms = mine or joined[:1]
    first = alarms[0] if alarms else None
    channels = first.event.channels if first and first.event else []
    views = {f"{_NODE}/{view.device}/{view.metric}": view for view in park.views}
    directions = {1: "high", -1: "low", 0: ""}
    facts = {"stuck": "stuck", "frozen": "stuck", "spikes": "spike", "clock": "clock"}
    causes = diagnose(
        Symptom(
            point=one.key, point_class=views[one.key].point_class, brick=views[one.key].brick,
            direction=facts.get(one.fact) or directions[one.direction], share=one.share,
        )
        for one in channels
    )  # fmt: skip
    return {
        "what": fault.what,
        "device": fault.device,
        "alarms": len(alarms),
        "by": first.by if first else "",
        "delay_min": round((first.at_s - fault.from_s) / 60.0, 1) if first else None,
        "channels": [f"{one.key.rpartition('/')[2]} {one.fact or one.direction}" for one in channels[:3]],
        "cause": causes[0].cause if causes else "",
        "meant": KINDS[fault.what].cause if fault.what in KINDS else fault.what,
        "quiet_too": any(a.asset == asset for a in quiet),
    }


def _view(at: int, device: Device, metric: Metric, period_s: float) -> PointView:
    return PointView(
        id=at, key=f"{_NODE}/{device.name}/{metric.name}", node=_NODE, device=device.name, metric=metric.name,
        label=metric.name, kind=metric.kind, unit=metric.unit, point_class=metric.point_class, low=metric.low,
        high=metric.high, writable=metric.writable, period_s=period_s, element=None, space=None, binding=None,
    )  # fmt: skip


def _grain(metric: Metric) -> float:
    return _RESOLUTION.get(metric.unit, 0.0) if metric.declared in ("i16", "u16") else 0.0


def _number(value: Any, away: bool) -> float:
    return float("nan") if away or value is None or isinstance(value, str) else float(value)


def _check(site: Site) -> None:
    missing = {fault.device for fault in FAULTS} - {device.name for device in site.devices}
    if missing:
        raise InputError(f"the site has no {min(missing)}", field="--site", fix="use the campus")
