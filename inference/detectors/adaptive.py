"""One stream from its first reading, without training: value, step, means, spread, calendar and Holt residual.

A step is a pure function (state, value, slot of the day) → (state, features); the graph runs it with Scan over rows
for any number of streams at once, a tick being one row. All state goes in and out as tensors, so it can be kept,
moved to another machine, or thrown away. Features keep the unit of the value: calibration is by rank.

| feature | is |
|---|---|
| value, step | the value, and its difference to the one before |
| mean4 | mean of the last 4 |
| away16, away64 | value less the mean of the last 16, 64 |
| calendar | value less its running mean at this time of day: 48 slots, the last 30 values or so of each |
| holt | value less the forecast of level and trend (Holt-Winters; the calendar carries the season) |
| spread16, spread64 | standard deviation of the last 16, 64 |
| calendar4, 16, 64 | mean of the last 4, 16, 64 calendar residuals |
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.graph import Graph
from inference.windows import Floats

__all__ = ["Adaptive", "FEATURES", "SLOTS", "STATE"]

SLOTS = 48
FEATURES = (
    *("value", "step", "mean4", "away16", "away64", "calendar", "holt"),
    *("spread16", "spread64", "calendar4", "calendar16", "calendar64"),
)
_RING = 64
STATE = {
    "count": 1,
    "ring": _RING,
    "residuals": _RING,
    "level": 1,
    "slot_mean": SLOTS,
    "slot_count": SLOTS,
    "holt_level": 1,
    "trend": 1,
}
_LEVEL_ROWS = 500.0  # memory of the slow level
_SLOT_VALUES, _SLOT_TRUSTED = 30.0, 3.0
_ALPHA, _BETA = 0.1, 0.01


@dataclass(frozen=True)
class Adaptive:
    """Nothing to learn: two functions that say the same."""

    @staticmethod
    def start(streams: int) -> dict[str, Floats]:
        """State before the first reading."""
        return {name: np.zeros((streams, width)) for name, width in STATE.items()}

    @staticmethod
    def run(state: dict[str, Floats], values: Floats, slots: NDArray[np.int64]) -> tuple[dict[str, Floats], Floats]:
        """Reference in numpy: `values`, `slots` (rows, streams) → new state and features (rows, streams, features)."""
        found = []
        for value, slot in zip(values[..., None], slots, strict=True):
            state, row = _step(state, value, slot)
            found.append(row)
        return state, np.stack(found)

    @staticmethod
    def to_bytes(metadata: dict[str, str]) -> bytes:
        """The ONNX file: inputs `value`, `slot` (rows, streams) and the state; outputs `features` and the state."""
        g = Graph("adaptive")
        states = [g.input(name, ["streams", width]) for name, width in STATE.items()]
        value, slot = g.input("value", ["rows", "streams"]), g.input("slot", ["rows", "streams"], np.int64)
        found = g.ops("Scan", len(STATE) + 1, *states, value, slot, body=_step_graph().body(), num_scan_inputs=2)
        for name, output in zip(STATE, found, strict=False):
            g.output(f"{name}_out", output, ["streams", STATE[name]])
        g.output("features", found[-1], ["rows", "streams", len(FEATURES)])
        return g.to_bytes(metadata)


def _step(state: dict[str, Floats], value: Floats, slot: NDArray[np.int64]) -> tuple[dict[str, Floats], Floats]:
    first = state["count"] == 0.0
    ring = np.where(first, value, np.concatenate([state["ring"][:, 1:], value], axis=1))
    before = np.where(first, value, state["ring"][:, -1:])
    count = state["count"] + 1.0
    level = np.where(first, value, state["level"])
    level = level + (value - level) / np.minimum(count, _LEVEL_ROWS)
    here = (slot[:, None] == np.arange(SLOTS)).astype(np.float64)
    visits = (here * state["slot_count"]).sum(axis=1, keepdims=True)
    usual = (here * state["slot_mean"]).sum(axis=1, keepdims=True)
    calendar = value - np.where(visits >= _SLOT_TRUSTED, usual, level)
    slot_count = state["slot_count"] + here
    slot_mean = state["slot_mean"] + here * (value - state["slot_mean"]) / np.clip(slot_count, 1.0, _SLOT_VALUES)
    forecast = np.where(first, value, state["holt_level"] + state["trend"])
    holt = value - forecast
    residuals = np.concatenate([state["residuals"][:, 1:], calendar], axis=1)
    means = {span: ring[:, -span:].mean(axis=1, keepdims=True) for span in (4, 16, 64)}
    spreads = [ring[:, -span:].std(axis=1, keepdims=True) for span in (16, 64)]
    usual_off = [residuals[:, -span:].mean(axis=1, keepdims=True) for span in (4, 16, 64)]
    row = [value, value - before, means[4], value - means[16], value - means[64], calendar, holt]
    row += [*spreads, *usual_off]
    new = {
        "count": count,
        "ring": ring,
        "residuals": residuals,
        "level": level,
        "slot_mean": slot_mean,
        "slot_count": slot_count,
        "holt_level": forecast + _ALPHA * holt,
        "trend": state["trend"] + _ALPHA * _BETA * holt,
    }
    return new, np.concatenate(row, axis=1)


def _step_graph() -> Graph:
    """One step as nodes; the order of outputs is that of STATE, then the features."""
    g = Graph("step")
    state = {name: g.input(f"{name}_in", ["streams", width]) for name, width in STATE.items()}
    value = g.op("Unsqueeze", g.input("value_in", ["streams"]), g.ints(-1))
    slot = g.op("Unsqueeze", g.input("slot_in", ["streams"], np.int64), g.ints(-1))
    one = g.const(1.0)
    first = g.op("Equal", state["count"], g.const(0.0))
    rest = g.op("Slice", state["ring"], g.ints(1), g.ints(_RING), g.ints(1))
    ring = g.op("Where", first, value, g.op("Concat", rest, value, axis=1))
    before = g.op("Where", first, value, g.last(state["ring"], 1, 1))
    count = g.op("Add", state["count"], one)
    level = g.op("Where", first, value, state["level"])
    step = g.op("Div", g.op("Sub", value, level), g.op("Min", count, g.const(_LEVEL_ROWS)))
    level = g.op("Add", level, step)
    here = g.op("Cast", g.op("Equal", slot, g.const(np.arange(SLOTS), np.int64)), to=11)  # 11: float64
    visits, usual = (
        g.op("ReduceSum", g.op("Mul", here, state[name]), g.ints(1), keepdims=1) for name in ("slot_count", "slot_mean")
    )
    trusted = g.op("GreaterOrEqual", visits, g.const(_SLOT_TRUSTED))
    calendar = g.op("Sub", value, g.op("Where", trusted, usual, level))
    slot_count = g.op("Add", state["slot_count"], here)
    pull = g.op("Div", g.op("Sub", value, state["slot_mean"]), g.clip(slot_count, 1.0, _SLOT_VALUES))
    slot_mean = g.op("Add", state["slot_mean"], g.op("Mul", here, pull))
    forecast = g.op("Where", first, value, g.op("Add", state["holt_level"], state["trend"]))
    holt = g.op("Sub", value, forecast)
    late = g.op("Slice", state["residuals"], g.ints(1), g.ints(_RING), g.ints(1))
    residuals = g.op("Concat", late, calendar, axis=1)
    means, usual_off = ({span: _mean_of_last(g, part, span) for span in (4, 16, 64)} for part in (ring, residuals))
    spreads = [_spread_of_last(g, ring, span, means[span]) for span in (16, 64)]
    away = [g.op("Sub", value, means[span]) for span in (16, 64)]
    first_looks = [value, g.op("Sub", value, before), means[4], *away, calendar, holt]
    row = g.op("Concat", *first_looks, *spreads, *usual_off.values(), axis=1)
    holt_level = g.op("Add", forecast, g.op("Mul", g.const(_ALPHA), holt))
    trend = g.op("Add", state["trend"], g.op("Mul", g.const(_ALPHA * _BETA), holt))
    new = [count, ring, residuals, level, slot_mean, slot_count, holt_level, trend]
    for name, output in zip(STATE, new, strict=True):
        g.output(f"{name}_next", output, ["streams", STATE[name]])
    g.output("row", row, ["streams", len(FEATURES)])
    return g


def _mean_of_last(g: Graph, values: str, span: int) -> str:
    return g.op("ReduceMean", g.last(values, span, 1), g.ints(1), keepdims=1)


def _spread_of_last(g: Graph, values: str, span: int, mean: str) -> str:
    away = g.op("Sub", g.last(values, span, 1), mean)
    return g.op("Sqrt", g.op("ReduceMean", g.op("Mul", away, away), g.ints(1), keepdims=1))
