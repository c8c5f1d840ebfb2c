"""Control points: places that a surveyor knows in the cloud and in the model.

```
id,cloud_x,cloud_y,cloud_z,model_x,model_y,model_z
N1,512.310,40.020,212.900,12.310,40.020,2.900
```
Columns may be named so, or be seven in this order without a head; comma, semicolon or tab.
"""

import csv
import math
from pathlib import Path

import numpy as np

from drone_ingest.registration.refine import Controls
from drone_ingest.registration.rigid import Matrix, apply, kabsch
from drone_ingest.scan.elements import Floats
from wire.errors import InputError

__all__ = ["motion_of", "read_controls", "residuals_m"]

_FIELDS = ("cloud_x", "cloud_y", "cloud_z", "model_x", "model_y", "model_z")
_SHORT = {"cx": "cloud_x", "cy": "cloud_y", "cz": "cloud_z", "mx": "model_x", "my": "model_y", "mz": "model_z",
          "x": "cloud_x", "y": "cloud_y", "z": "cloud_z", "ifc_x": "model_x", "ifc_y": "model_y", "ifc_z": "model_z",
          "x_cloud": "cloud_x", "y_cloud": "cloud_y", "z_cloud": "cloud_z", "x_model": "model_x",
          "y_model": "model_y", "z_model": "model_z", "source_x": "cloud_x", "source_y": "cloud_y",
          "source_z": "cloud_z", "target_x": "model_x", "target_y": "model_y", "target_z": "model_z"}  # fmt: skip
_POINTS_MAX = 10_000
_BYTES_MAX = 4 << 20
_FIX = f"give a CSV with id,{','.join(_FIELDS)}"


def read_controls(path: Path) -> Controls:
    """At least one control point; raises InputError with line and column."""
    rows = list(csv.reader(_lines(path), delimiter=_delimiter(path)))
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if not rows:
        raise InputError("it has no control point", file=str(path), fix=_FIX)
    places, first = _places(rows[0], path)
    if len(rows) - first > _POINTS_MAX:
        raise InputError(f"more than {_POINTS_MAX} control points", file=str(path), fix="give the best of them")
    ids, values = [], []
    for line, row in enumerate(rows[first:], first + 1):
        ids.append(row[places[0]].strip() if places[0] < len(row) else f"line {line}")
        values.append([_number(row, place, path, line) for place in places[1:]])
    if not ids:
        raise InputError("it has no control point", file=str(path), fix=_FIX)
    table = np.array(values, np.float64)
    return Controls(ids, table[:, :3], table[:, 3:])


def motion_of(controls: Controls, start: Matrix) -> Matrix:
    """What the control points alone say: a full motion of three or more that are not on one line, else a shift."""
    here = controls.cloud_m
    if len(here) >= 3 and np.linalg.svd(here - here.mean(axis=0), compute_uv=False)[1] > 0.5:
        return kabsch(here, controls.model_m)
    moved = start.copy()
    moved[:3, 3] += (controls.model_m - apply(start, here)).mean(axis=0)
    return moved


def _lines(path: Path) -> list[str]:
    try:
        if path.stat().st_size > _BYTES_MAX:
            raise InputError(f"more than {_BYTES_MAX >> 20} MiB of control points", file=str(path), fix=_FIX)
        return path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"it cannot be read: {error}", file=str(path), fix=_FIX) from error


def _delimiter(path: Path) -> str:
    head = (_lines(path) or [""])[0]
    return max(",;\t", key=head.count)


def _places(head: list[str], path: Path) -> tuple[list[int], int]:
    """Column of the id and of each field, and the first row with a point."""
    names = [cell.strip().lower().replace(" ", "_") for cell in head]
    if len(names) >= 7 and all(_is_number(cell) for cell in names[1:7]):
        return list(range(7)), 0
    plain = [_SHORT.get(name, name) for name in names]
    missing = [field for field in _FIELDS if field not in plain]
    if missing:
        raise InputError(f"no column {', '.join(missing)}", file=str(path), field=missing[0], fix=_FIX)
    name = next((at for at, one in enumerate(plain) if one in ("id", "name", "point")), len(names))
    return [name, *(plain.index(field) for field in _FIELDS)], 1


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _number(row: list[str], place: int, path: Path, line: int) -> float:
    text = row[place].strip() if place < len(row) else ""
    if not _is_number(text):
        raise InputError(f"line {line}: {text[:40]!r} is no coordinate", file=str(path), field=_FIELDS[0], fix=_FIX)
    return float(text)


def residuals_m(controls: Controls, motion: Matrix) -> Floats:
    """How far each control point is from where it should be, metres."""
    found: Floats = np.linalg.norm(apply(motion, controls.cloud_m) - controls.model_m, axis=1)
    return found
