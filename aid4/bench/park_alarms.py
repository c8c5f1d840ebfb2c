"""A simulated park, faster than real time: does a planted fault of each kind raise one alarm with its cause, and is a
quiet day quiet?

The campus lives some weekdays from which the scorer learns, untrained, as a starting twin teaches it: a value a minute.
From the same moment on it then lives one more day several times, with the same weather and people: once quiet, and with
one fault of each kind on a device of its own. The twin's own rules (limits, silence) watch those days as well, and an
asset whose rule rings raises no second alarm. An alarm that comes back is told apart from a new one. Figures of this
bench are simulated.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from aid4.bench.park_causes import ACCEPTED
from aid4.bench.park_days import FAULT_DAYS, NODE, STEP_S, Days, Lot, Park, live_days
from inference.bundle import AlarmPolicy
from inference.diagnosis import Cause, diagnose
from inference.fitted import fit
from inference.runtime import Event, Model, Scorer, Settings
from inference.runtime.choice import stream_of
from inference.runtime.symptoms import symptoms_of
from sim_devices.faults import Fault
from sim_devices.site import load_site
from twin.alarms.rules import alarms_of, read_rules
from twin.alarms.watch import PointWatch
from twin.state import NO_TIME, Rows

__all__ = ["judged_days", "park_alarms"]

_SITE = Path(__file__).resolve().parents[2] / "configs" / "sites" / "campus"
LEARN_DAYS = 3
_H = 3_600.0
_AFTER_S = 2 * _H  # an alarm of a fault that has just ended is still that fault's
Tell = Callable[[str], None]
Times = NDArray[np.int64]
Values = NDArray[np.float64]
_TOGETHER = 3  # rows
_SAME_US = 3_600_000_000  # what a detector says within an hour of a rule is the same incident


class Alarm(NamedTuple):
    """What an operator would see: where, when (seconds of the day), by whom (`detector` or the rule's kind)."""

    asset: str
    at_s: float
    by: str
    event: Event | None
    returns: int = 0  # how often it came back


def park_alarms(
    *,
    budget_per_day: float = 0.02,
    days: float = LEARN_DAYS,
    seeds: Sequence[int] = (7,),
    site: Path = _SITE,
    trained: bool = False,
    tell: Tell,
) -> dict[str, Any]:
    """Learn, live a quiet day and days of faults; `ok`: each kind raises one alarm, and the quiet day is in budget.

    `untrained` has only the streams' own learning; with `trained` the days are scored once more with a model of each
    device, fitted on the learned days, which takes minutes. With several seeds `seeds` has each, and `kinds`
    all of them.
    """
    table = load_site(site)
    found = {}
    for seed in seeds:
        tell(f"seed {seed}: {days:g} days to learn from, a quiet one, {len(FAULT_DAYS)} with faults")
        park = Park(table, seed)
        found[seed] = judged_days(park, live_days(park, days), site, budget_per_day, trained=trained, tell=tell)
    whole: dict[str, Any] = {"simulated": True, "learned_days": days, "ok": all(one["ok"] for one in found.values())}
    if len(found) == 1:
        return {**found[seeds[0]], **whole}
    rows = [row for one in found.values() for row in one["untrained"]["faults"]]
    return {**whole, "kinds": _by_kind(rows), "seeds": {str(seed): one for seed, one in found.items()}}


def judged_days(
    park: Park, days: Days, site: Path, budget_per_day: float, *, trained: bool = False, tell: Tell
) -> dict[str, Any]:
    """Score what was lived, and judge it."""
    streams = [one for view in park.views if (one := stream_of(view, NODE)) is not None]
    settings = Settings(budget_per_day=budget_per_day)
    scorer = Scorer(settings)
    scorer.watch(streams)
    tell(f"learning, {len(streams)} streams, untrained")
    for lot in days.history:
        _teach(park, scorer, lot)
    learned = scorer.events()
    state = scorer.save()
    used_by: dict[str, list[Model]] = {"untrained": []}
    if trained:
        tell("fitting a model of each device")
        used_by["trained"] = _fitted(park, days.history, budget_per_day)
    found: dict[str, Any] = {}
    for name, used in used_by.items():
        tell(f"scoring {1 + len(days.faulty)} days, {name}")
        alarms_of_days = []
        for lots in (days.quiet, *days.faulty):
            again = Scorer(settings, used)
            again.restore(state)
            again.watch(streams)
            _teach(park, again, days.history[-1])  # what had not ended is not in a state
            again.events()
            alarms_of_days.append(_watched(park, again, lots, site))
        found[name] = _judged(park, days.planted, alarms_of_days, allowed=budget_per_day * len(streams))
    return {
        "streams": len(streams),
        "relations": scorer.figures["relations"],
        "models": len(used_by.get("trained", [])),
        "learning_alarms": sum(event.kind == "opened" for event in learned),
        **found,
        "ok": all(part["ok"] for part in found.values()),
    }


def _judged(
    park: Park, planted: Sequence[Sequence[Fault]], days: Sequence[list[Alarm]], *, allowed: float
) -> dict[str, Any]:
    quiet, faulty = days[0], days[1:]
    rows = [
        _row(fault, alarms, quiet, park)
        for faults, alarms in zip(planted, faulty, strict=True)
        for fault in faults
    ]  # fmt: skip
    usual = {alarm.asset for alarm in quiet}
    others = []
    for faults, alarms in zip(planted, faulty, strict=True):
        known = usual | {f"{NODE}/{fault.device}" for fault in faults}
        others += [f"{a.asset} at {a.at_s / _H:.1f} h by {a.by}" for a in alarms if a.asset not in known]
    false = [alarm for alarm in quiet if alarm.by == "detector"]
    return {
        "quiet_day_false_alarms": len(false),
        "quiet_day_allowed": round(allowed, 1),
        "quiet_day": [f"{a.asset} at {a.at_s / _H:.1f} h: {_channels(a)}" for a in false],
        "planted": len(rows),
        "found": sum(row["alarms"] >= 1 for row in rows),
        "once": sum(row["alarms"] == 1 for row in rows),
        "cause_right": sum(row["cause_right"] for row in rows),
        "faults": rows,
        "others": others,
        "ok": len(false) <= allowed and all(row["alarms"] == 1 and row["cause_right"] for row in rows),
    }


def _by_kind(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        kind = found.setdefault(row["what"], {"planted": 0, "found": 0, "once": 0, "cause_right": 0})
        kind["planted"] += 1
        kind["found"] += row["alarms"] >= 1
        kind["once"] += row["alarms"] == 1
        kind["cause_right"] += row["cause_right"]
    return found


def _fitted(park: Park, history: Sequence[Lot], budget_per_day: float) -> list[Model]:
    """One model a device of several streams, from minutes of the learned days, as `aid4 model train` makes them."""
    values = np.concatenate([lot.values for lot in history])
    each = round(60.0 / STEP_S)
    minutes = values[: len(values) // each * each].reshape(-1, each, values.shape[1]).mean(axis=1)
    columns: dict[str, list[int]] = {}
    for at, view in enumerate(park.views):
        stream = stream_of(view, NODE)
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


def _watched(park: Park, scorer: Scorer, lots: Sequence[Lot], site: Path) -> list[Alarm]:
    """Alarms of a stretch of time: those of rules, and of detectors where no rule rings for the device."""
    watch = PointWatch(alarms_of(park.views, read_rules(site / "alarms.toml")))
    ids = np.arange(len(park.keys), dtype=np.uint32)
    heard = np.full(len(park.keys), NO_TIME)
    alarms: list[Alarm] = []
    ringing: dict[str, int] = {}  # rules that ring, by device
    over_us: dict[str, int] = {}  # when a rule rang last, by device
    start_us = int(lots[0].ts_us[0])
    for ts, values, ahead_us in lots:
        said = np.isfinite(values)
        point = np.broadcast_to(ids, values.shape)[said]
        when = (ts[:, None] + ahead_us)[said]
        now_us = int(ts[-1])
        _push(park, scorer, ts, values, ahead_us)
        scorer.tick(now_us + 2_000_000)
        turns = watch.take(Rows(point, when, values[said], np.zeros(len(point), np.uint8), now_us))
        found = [(turn.alarm.definition.group, str(turn.alarm.kind), turn.active, turn.at_us) for turn in turns]
        for begin in range(0, len(ts), _TOGETHER):
            found += _silences(watch, heard, ts[begin : begin + _TOGETHER], values[begin : begin + _TOGETHER])
        found.sort(key=lambda one: one[3])
        for group, kind, active, at_us in found:
            if active and not ringing.get(group):
                _ring(alarms, Alarm(group, (at_us - start_us) / 1e6, kind, None))
            ringing[group] = max(ringing.get(group, 0) + (1 if active else -1), 0)
            over_us[group] = at_us
        for event in scorer.events():
            same = event.asset in over_us and event.ts_us - over_us[event.asset] < _SAME_US
            if event.kind == "opened" and not ringing.get(event.asset) and not same:
                _ring(alarms, Alarm(event.asset, (event.ts_us - start_us) / 1e6, "detector", event))
            elif event.kind == "updated":
                _tell(alarms, event)
    return alarms


def _silences(watch: PointWatch, heard: Times, ts: Times, values: Values) -> list[tuple[str, str, bool, int]]:
    """Who fell silent or spoke again in these rows: device, kind, whether it began, when. `heard` is kept up."""
    row, point = np.nonzero(np.isfinite(values))
    np.maximum.at(heard, point, ts[row])
    now_us, known = int(ts[-1]), heard[watch.stale_points]
    silent = {definition.group for definition, _ in watch.mute(now_us, known)}
    turns = [(turn.alarm.definition.group, turn) for turn in watch.silent(now_us, known)]
    return [(group, "silent" if group in silent else "stale", turn.active, turn.at_us) for group, turn in turns]


def _teach(park: Park, scorer: Scorer, lot: Lot) -> None:
    """A past, as a starting twin gives it to its scorer: one value a minute."""
    ts, values = lot.ts_us[_TOGETHER - 1 :: _TOGETHER], lot.values[_TOGETHER - 1 :: _TOGETHER]
    said = np.isfinite(values)
    points = np.broadcast_to(np.arange(len(park.keys), dtype=np.uint32), values.shape)[said]
    scorer.push(np.broadcast_to(ts[:, None], values.shape)[said], points, values[said])
    scorer.tick(int(lot.ts_us[-1]) + 2_000_000, facts=False)


def _push(park: Park, scorer: Scorer, ts: Times, values: Values, ahead_us: Times) -> None:
    """Readings as they arrive: those of a minute together."""
    ids = np.arange(len(park.keys), dtype=np.uint32)
    for begin in range(0, len(ts), _TOGETHER):
        part = values[begin : begin + _TOGETHER]
        said, own = np.isfinite(part), ts[begin : begin + _TOGETHER, None]
        points, when = np.broadcast_to(ids, part.shape)[said], (own + ahead_us)[said]
        scorer.push(when, points, part[said], arrived_us=int(own[-1, 0]))


def _ring(alarms: list[Alarm], new: Alarm) -> None:
    """A rule's alarm that comes back is the same in the twin's book; a detector's says itself whether it is."""
    for at, known in enumerate(alarms):
        again = new.event.again if new.event is not None else known.by == new.by
        if known.asset == new.asset and again and (known.event is None) == (new.event is None):
            alarms[at] = known._replace(returns=known.returns + 1, event=known.event or new.event)
            return
    alarms.append(new)


def _tell(alarms: list[Alarm], event: Event) -> None:
    for at, known in enumerate(alarms):
        if known.event is not None and known.asset == event.asset and known.event.since_us == event.since_us:
            alarms[at] = known._replace(event=event)


def _row(fault: Fault, faulty: list[Alarm], quiet: list[Alarm], park: Park) -> dict[str, Any]:
    asset = f"{NODE}/{fault.device}"
    mine = [a for a in faulty if a.asset == asset and fault.from_s <= a.at_s < fault.to_s + _AFTER_S]
    joined = [a for a in faulty if a.event is not None and asset in a.event.also and a.at_s >= fault.from_s]
    alarms = mine or joined[:1]
    first = alarms[0] if alarms else None
    causes = _causes(first, park) if first else []
    meant = ACCEPTED[fault.what]
    named = first.by if first is not None and first.event is None else (causes[0].cause if causes else "")
    return {
        "what": fault.what,
        "device": fault.device,
        "alarms": len(alarms),
        "returns": sum(alarm.returns for alarm in alarms),
        "by": [alarm.by for alarm in alarms],
        "delay_min": round((first.at_s - fault.from_s) / 60.0, 1) if first else None,
        "channels": _channels(first) if first else [],
        "cause": named,
        "causes": [f"{cause.cause} {cause.p:.2f}" for cause in causes[:3]],
        "meant": meant,
        "cause_right": named in meant,
        "quiet_too": any(a.asset == asset for a in quiet),
    }


def _channels(alarm: Alarm) -> list[str]:
    channels = alarm.event.channels if alarm.event else []
    return [f"{one.key.rpartition('/')[2]} {one.fact or one.direction} {one.score:.1f}" for one in channels[:5]]


def _causes(alarm: Alarm, park: Park) -> list[Cause]:
    if alarm.event is None:
        return []
    views = {view.key: view for view in park.views}
    kind = park.types[alarm.asset.partition("/")[2]]  # what the building's model says of the machine
    found = symptoms_of([*alarm.event.channels, *alarm.event.calm], lambda key: views.get(key))
    return diagnose([msgspec.structs.replace(one, element_type=kind) for one in found])
