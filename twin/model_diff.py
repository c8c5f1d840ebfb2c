"""What a new revision of the model changes, element by element, also where GlobalIds changed.

Rows of op, path, old, new: `/elements/{id}` added or removed, `/elements/{id}/{column}` changed, `/elements/{id}/id`
for a new GlobalId, `/elements/{id}/place` for a move, `/ambiguous/{old id}` for an element that may be one of several.
The first row, `/model`, counts them.
"""

import math
from typing import Any

from bim.revisions.match import Matching
from twin.model import Model

__all__ = ["difference"]

_DIFFED = (
    "type", "predefined", "name", "long_name", "tag", "parent", "storey", "space", "type_name", "elevation_m",
    "footprint_m",
)  # fmt: skip
_PLACES = ("parent", "storey", "space")
_AT = ("x_m", "y_m", "z_m")
_MOVED_M = 0.001
_NUMBERS_ALIKE_M = 1e-6

Row = dict[str, Any]


def difference(old: Model, new: Model, matching: Matching) -> list[Row]:
    """Rows of a preview, the summary first, then what is gone, new, and changed."""
    names = ["id", *_DIFFED, *_AT]
    before = {row["id"]: row for row in old.elements.select(names).to_pylist()}
    after = {row["id"]: row for row in new.elements.select(names).to_pylist()}
    into = {pair.old: pair.new for pair in matching.pairs}
    rows = [_row("remove", f"/elements/{one}", _short(before[one]), None) for one in matching.removed]
    rows += [_row("add", f"/elements/{one}", None, _short(after[one])) for one in matching.added]
    rows += [
        _row("replace", f"/ambiguous/{one.old}", _short(before[one.old]), one.candidates) for one in matching.ambiguous
    ]
    counts = dict.fromkeys(("changed", "moved", "renamed", "reguided"), 0)
    for pair in matching.pairs:
        was, now = before[pair.old], after[pair.new]
        changes = _changes(was, now, into)
        if pair.old != pair.new:
            reason = {"id": pair.new, "how": pair.how, "confidence": pair.confidence, **(_short(now) or {})}
            changes.insert(0, _row("replace", f"/elements/{pair.new}/id", pair.old, reason))
        rows += changes
        fields = {change["path"].rpartition("/")[2] for change in changes}
        counts["changed"] += bool(fields - {"id"})
        counts["moved"] += "place" in fields
        counts["renamed"] += bool(fields & {"name", "long_name"})
        counts["reguided"] += "id" in fields
    totals = {"added": len(matching.added), "removed": len(matching.removed), "ambiguous": len(matching.ambiguous)}
    summary = _row("replace", "/model", {"elements": len(old)}, {"elements": len(new), **totals, **counts})
    return [summary, *rows]


def _changes(was: Row, now: Row, into: dict[str, str]) -> list[Row]:
    found = []
    for name in _DIFFED:
        old = into.get(was[name], was[name]) if name in _PLACES else was[name]
        if not _alike(old, now[name]):
            found.append(_row("replace", f"/elements/{now['id']}/{name}", was[name], now[name]))
    places = [[row[name] for name in _AT] for row in (was, now)]
    if None not in places[0] and None not in places[1]:
        if math.dist(*places) > _MOVED_M:
            found.append(_row("replace", f"/elements/{now['id']}/place", *places))
    elif places[0] != places[1]:
        found.append(_row("replace", f"/elements/{now['id']}/place", *places))
    return found


def _alike(old: Any, new: Any) -> bool:
    """Equal, numbers but for the noise of a transformation."""
    if isinstance(old, float) and isinstance(new, float):
        return abs(old - new) <= _NUMBERS_ALIKE_M
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_alike, old, new))
    return bool(old == new)


def _short(row: Row | None) -> Row | None:
    return row and {"type": row["type"], "name": row["name"]}


def _row(op: str, path: str, old: Any, new: Any) -> Row:
    return {"op": op, "path": path, "old": old, "new": new}
