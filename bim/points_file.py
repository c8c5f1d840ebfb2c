"""Points from a file a person wrote: CSV or JSON rows with node, device, metric and, as they like, hints.

The answer of `GET /api/v1/points` is read too. Columns: node, device, metric; optional id, element_hint,
space_hint, point_class, unit, label and x_m, y_m, z_m of the model.
"""

import csv
import json
from pathlib import Path
from typing import Any

from bim.binding import PointRef
from wire.errors import InputError

__all__ = ["read_points"]

_NEEDED = ("node", "device", "metric")
_COLUMNS = "give the columns node, device, metric and, if known, element_hint, space_hint, x_m, y_m, z_m"


def read_points(path: Path) -> list[PointRef]:
    """The points of a file; raises InputError naming file, row and fix."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"it cannot be read: {error}", file=str(path), fix="give a UTF-8 CSV or JSON file") from error
    rows = _json_rows(text, path) if path.suffix.lower() == ".json" else list(csv.DictReader(text.splitlines()))
    return [_point(row, index, path) for index, row in enumerate(rows)]


def _json_rows(text: str, path: Path) -> list[dict[str, Any]]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise InputError(f"it is not JSON: {error}", file=str(path), fix="give a list of points") from error
    rows = data.get("items") if isinstance(data, dict) else data
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError("it holds no list of points", file=str(path), fix=_COLUMNS)
    return rows


def _point(row: dict[str, Any], index: int, path: Path) -> PointRef:
    field = f"row {index + 1}"
    missing = [name for name in _NEEDED if not row.get(name)]
    if missing:
        raise InputError(f"no {', '.join(missing)}", file=str(path), field=field, fix=_COLUMNS)
    at = [row.get(name) for name in ("x_m", "y_m", "z_m")]
    try:
        position = None if any(part in (None, "") for part in at) else tuple(float(part or 0) for part in at)
        point_id = int(row.get("id") or index)
    except (TypeError, ValueError) as error:
        raise InputError(str(error), file=str(path), field=field, fix="give numbers for id, x_m, y_m, z_m") from error
    return PointRef(
        id=point_id,
        node=str(row["node"]),
        device=str(row["device"]),
        metric=str(row["metric"]),
        element_hint=str(row.get("element_hint") or ""),
        space_hint=str(row.get("space_hint") or ""),
        point_class=str(row.get("point_class") or ""),
        unit=str(row.get("unit") or ""),
        label=str(row.get("label") or ""),
        position_m=None if position is None else (position[0], position[1], position[2]),
    )
