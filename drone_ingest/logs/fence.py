"""ArduPilot's text files of places: a geofence (`latitude longitude` a line, the first the return point) and rally
points (`RALLY lat lon alt break_alt land_dir flags`, heights above home)."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from drone_ingest.damage import Notes
from drone_ingest.found import Flight
from drone_ingest.limits import DroneLimits
from drone_ingest.logs.tlog import Progress
from drone_ingest.positions import positions_table

__all__ = ["read_fence"]

_ROWS_MAX = 10_000
_RALLY_WORDS, _FENCE_WORDS = 6, 2


def read_fence(path: Path, limits: DroneLimits, progress: Progress) -> Flight:
    """One file, as a Flight of kind `fence` or `rally` without times."""
    notes = Notes(limits.warnings)
    text = path.read_text("utf-8-sig", "replace")
    progress(path.stat().st_size)
    rows: list[list[float]] = []
    decimals: list[int] = []
    rally = text.lstrip("\ufeff").startswith("RALLY")
    for number, line in enumerate(text.splitlines()[:_ROWS_MAX], 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            values = [float(word) for word in (words[1:] if rally else words)]
        except ValueError:
            values = []
        if len(values) < (_RALLY_WORDS if rally else _FENCE_WORDS):
            notes.damage(number, "line", "a line that is no place")
        else:
            rows.append(values[:3])
            decimals.append(len(words[-1].partition(".")[2]))
    if rows and not text.endswith("\n") and decimals[-1] < min(decimals[:-1], default=0):
        rows.pop()
        notes.damage(len(text.splitlines()), "line", "the last number is cut")
    kind = "rally" if rally else "fence"
    flight = Flight(kind=kind, file=path.name, notes=notes, records=len(rows))
    if rows:
        columns = {"lat_deg": np.array([row[0] for row in rows]), "lon_deg": np.array([row[1] for row in rows]),
                   "source": np.full(len(rows), kind)}  # fmt: skip
        if rally:
            columns["alt_takeoff_m"] = np.array([row[2] for row in rows])
        flight.positions = positions_table(len(rows), columns, notes)
        flight.messages = {kind: pa.table({"lat_deg": columns["lat_deg"], "lon_deg": columns["lon_deg"]})}
    return flight
