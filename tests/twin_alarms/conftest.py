"""A store with a clock of its own, points with limits, and readings as ingest leaves them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twin.directory import PointView
from twin.state import Rows
from twin.store import Store
from wire.clock import ManualClock

T0 = 1_750_000_000_000_000  # 2025-06-15
S = 1_000_000


def view(point: int, **fields: Any) -> PointView:
    """A point of the device `d<point>`, without a place."""
    plain: dict[str, Any] = {
        "id": point, "key": f"gw/d{point}/m", "node": "gw", "device": f"d{point}", "metric": "m", "label": f"P{point}",
        "kind": "value", "unit": "Cel", "point_class": "temperature", "low": None, "high": None, "writable": False,
        "period_s": None, "element": None, "space": None, "binding": None,
    }  # fmt: skip
    return PointView(**(plain | fields))


def rows(point: Any, ts_us: Any, value: Any, quality: Any = 0, recv_us: int = T0) -> Rows:
    """Anything may be one value for all rows."""
    shape = np.broadcast(np.asarray(point), np.asarray(ts_us), np.asarray(value), np.asarray(quality)).shape or (1,)
    full = [np.broadcast_to(np.asarray(one), shape).ravel() for one in (point, ts_us, value, quality)]
    kinds = (np.uint32, np.int64, np.float64, np.uint8)
    return Rows(*(one.astype(kind) for one, kind in zip(full, kinds, strict=True)), recv_us)  # type: ignore[call-arg]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(wall_us=T0, monotonic_s=100.0)


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[Store]:
    with Store.open(tmp_path / "twin", site="lab", clock=clock) as opened:
        yield opened
