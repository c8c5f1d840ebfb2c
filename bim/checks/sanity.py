"""Checks that need no IDS: what makes a model useless for a twin, found in its tables.

Each check is one row of `CHECKS` and one function from the model to findings. Pure.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

import msgspec
import pyarrow as pa

from bim.global_id import is_global_id
from bim.summary import ModelSummary

__all__ = ["CHECKS", "SHOWN_MAX", "Finding", "sanity"]

SHOWN_MAX = 1_000  # elements named for one finding; the count is of all
Severity = Literal["error", "warning", "note"]
Row = dict[str, Any]

_FAR_M = 100_000.0  # no building grid is that far from its origin; float32 viewers lose centimetres there
_STOREY_LOW_M, _STOREY_HIGH_M = 1.0, 30.0
_EXTENT_LOW_M, _EXTENT_HIGH_M = 0.5, 20_000.0
_SAME_LEVEL_M = 0.01
_LEVEL_APART_M = 0.05
_DEPTH_MAX = 100
# what stands there belongs to no storey
_OUTDOORS = frozenset({
    "IfcSite", "IfcExternalSpatialElement", "IfcRoad", "IfcRoadPart", "IfcBridge", "IfcBridgePart", "IfcRailway",
    "IfcRailwayPart", "IfcMarineFacility", "IfcFacility", "IfcFacilityPart", "IfcFacilityPartCommon",
})  # fmt: skip


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found; `elements` are GlobalIds."""

    check: str
    severity: Severity
    message: str
    count: int
    elements: list[str]


class _Model(NamedTuple):
    summary: ModelSummary
    rows: list[Row]

    def of(self, *kinds: str) -> list[Row]:
        return [row for row in self.rows if row["type"] in kinds]


def sanity(summary: ModelSummary, elements: pa.Table) -> list[Finding]:
    """All findings, errors first."""
    model = _Model(summary, elements.to_pylist())
    found = [finding for check in CHECKS.values() for finding in check(model)]
    order = {"error": 0, "warning": 1, "note": 2}
    return sorted(found, key=lambda one: order[one.severity])


def _finding(check: str, severity: Severity, message: str, elements: Iterable[str]) -> list[Finding]:
    """One finding, or none where nothing is wrong."""
    found = list(elements)
    if not found:
        return []
    text = message.format(n=len(found))
    return [Finding(check=check, severity=severity, message=text, count=len(found), elements=found[:SHOWN_MAX])]


def _lost(model: _Model) -> list[Finding]:
    lost = model.summary.lost
    twice = [one.global_id for one in lost if "GlobalId is that of" in one.reason]
    nameless = [f"#{one.step}" for one in lost if not one.global_id]
    rest = [one.global_id for one in lost if one.global_id and one.global_id not in set(twice)]
    return [
        *_finding(
            "duplicate_global_id", "error", "{n} elements have the GlobalId of another one and are left out", twice
        ),
        *_finding("no_global_id", "error", "{n} elements have no GlobalId and are left out", nameless),
        *_finding("unreadable_element", "error", "{n} elements cannot be read and are left out", rest),
    ]


def _ids(model: _Model) -> list[Finding]:
    bad = (row["id"] for row in model.rows if not is_global_id(row["id"]))
    return _finding("malformed_global_id", "warning", "{n} GlobalIds are not 22 characters of IFC's alphabet", bad)


def _structure(model: _Model) -> list[Finding]:
    found = []
    for kind, name in (("IfcProject", "project"), ("IfcSite", "site"), ("IfcBuilding", "building")):
        rows = model.of(kind)
        if not rows:
            severity: Severity = "error" if kind == "IfcProject" else "note"
            found.append(
                Finding(check=f"no_{name}", severity=severity, message=f"there is no {kind}", count=0, elements=[])
            )
        elif kind == "IfcProject" and len(rows) > 1:
            found += _finding("several_projects", "error", "{n} IfcProjects in one file", (row["id"] for row in rows))
    return found


def _rings(model: _Model) -> list[Finding]:
    parent = {row["id"]: row["parent"] for row in model.rows}
    known: dict[str, bool] = {}  # whether the way up from here ends
    for start in parent:
        trail: list[str] = []
        at: str | None = start
        seen: set[str] = set()
        while at is not None and at not in known and at not in seen and len(trail) < _DEPTH_MAX:
            seen.add(at)
            trail.append(at)
            at = parent.get(at)
        ends = at is None or known.get(at, at not in seen and len(trail) < _DEPTH_MAX)
        known.update(dict.fromkeys(trail, ends))
    held = (one for one, ends in known.items() if not ends)
    return _finding("ring_of_containment", "error", "{n} elements hold themselves in a ring, or nest without end", held)


def _storeys(model: _Model) -> list[Finding]:
    rows = {row["id"]: row for row in model.rows}
    lost = (
        row["id"]
        for row in model.rows
        if row["category"] == "element" and row["storey"] is None and _place_of(row, rows) not in _OUTDOORS
    )
    return _finding("element_without_storey", "warning", "{n} elements belong to no storey", lost)


def _place_of(row: Row, rows: dict[str, Row]) -> str:
    """Class of the place that holds an element, through its wholes and its space; "" for none."""
    for _ in range(_DEPTH_MAX):
        above = rows.get(row["parent"] or "")
        if above is None:
            return ""
        if above["category"] == "spatial" and above["type"] != "IfcSpace":  # a field is a space of the site
            return str(above["type"])
        row = above
    return ""


def _levels(model: _Model) -> list[Finding]:
    storeys = model.of("IfcBuildingStorey")
    unknown = (row["id"] for row in storeys if row["elevation_m"] is None)
    houses: defaultdict[str | None, list[tuple[float, str]]] = defaultdict(list)  # storeys count within their building
    for row in storeys:
        if row["elevation_m"] is not None:
            houses[row["parent"]].append((row["elevation_m"], row["id"]))
    steps = [(b[0] - a[0], b[1]) for levels in houses.values() for a, b in itertools.pairwise(sorted(levels))]
    apart = (
        row["id"]
        for row in storeys
        if row["elevation_m"] is not None
        and row["z_m"] is not None
        and abs(row["elevation_m"] - row["z_m"]) > _LEVEL_APART_M
        and not _raised_with_the_site(row, model)
    )
    return [
        *_finding("storey_without_elevation", "warning", "{n} storeys have no elevation", unknown),
        *_finding(
            "storeys_of_one_level", "warning", "{n} storeys lie at the height of another one",
            (one for step, one in steps if step < _SAME_LEVEL_M),
        ),
        *_finding(
            "storey_height", "warning", "{n} storeys are lower than 1 m or higher than 30 m: is the length unit right?",
            (one for step, one in steps if _SAME_LEVEL_M <= step < _STOREY_LOW_M or step > _STOREY_HIGH_M),
        ),
        *_finding("elevation_apart", "warning", "{n} storeys stand elsewhere than their elevation says", apart),
    ]  # fmt: skip


def _raised_with_the_site(row: Row, model: _Model) -> bool:
    """Elevations count from the building's zero, which may be placed at its height above the sea."""
    zero = [one["z_m"] for one in model.of("IfcBuilding") if one["z_m"] is not None]
    return any(abs(row["z_m"] - at - row["elevation_m"]) <= _LEVEL_APART_M for at in zero)


def _spaces(model: _Model) -> list[Finding]:
    spaces = model.of("IfcSpace")
    names: defaultdict[tuple[Any, str], list[str]] = defaultdict(list)
    for row in spaces:
        names[row["storey"], row["name"]].append(row["id"])
    return [
        *_finding(
            "space_without_footprint", "warning", "{n} spaces have no outline: nothing can be placed in them",
            (row["id"] for row in spaces if not row["footprint_m"]),
        ),
        *_finding(
            "space_without_name", "warning", "{n} spaces have neither number nor name",
            (row["id"] for row in spaces if not row["name"] and not row["long_name"]),
        ),
        *_finding(
            "space_number_twice", "note", "{n} spaces have the number of another one on their storey",
            (one for (_, name), ids in names.items() if name for one in ids[1:]),
        ),
    ]  # fmt: skip


def _sensors(model: _Model) -> list[Finding]:
    sensors = [row for row in model.rows if row["role"] and row["category"] == "element"]
    return [
        *_finding(
            "sensor_without_point", "note",
            "{n} sensors, actuators, controllers and meters name no point (Pset_AID4.PointKey or Device)",
            (row["id"] for row in sensors if not row["point_keys"] and not row["devices"]),
        ),
        *_finding(
            "sensor_without_space", "note", "{n} of them stand in no space",
            (row["id"] for row in sensors if row["space"] is None),
        ),
        *_finding(
            "point_claimed_twice", "error", "{n} elements claim a point that another one claims",
            _claimed_twice(model.rows),
        ),
    ]  # fmt: skip


def _claimed_twice(rows: list[Row]) -> list[str]:
    claims: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        for key in dict.fromkeys(row["point_keys"]):
            claims[key].append(row["id"])
    return list(dict.fromkeys(one for ids in claims.values() if len(ids) > 1 for one in ids))


def _places(model: _Model) -> list[Finding]:
    placed = [row for row in model.rows if row["category"] == "element" and row["x_m"] is not None]
    far = (row["id"] for row in placed if math.hypot(row["x_m"], row["y_m"]) > _FAR_M)
    nowhere = (row["id"] for row in model.rows if row["category"] == "element" and row["x_m"] is None)
    return [
        *_finding("far_from_origin", "warning", "{n} elements lie more than 100 km from the model's origin", far),
        *_finding("element_without_place", "warning", "{n} elements have no placement that can be read", nowhere),
    ]


def _units(model: _Model) -> list[Finding]:
    units, found = model.summary.units, []
    if not units.stated:
        message = "the file states no length unit; metres are assumed"
        found.append(Finding(check="no_length_unit", severity="error", message=message, count=0, elements=[]))
    placed = [row for row in model.rows if row["category"] == "element" and row["x_m"] is not None]
    if len(placed) > 1:
        spans = [max(row[n] for row in placed) - min(row[n] for row in placed) for n in ("x_m", "y_m", "z_m")]
        size = max(spans)
        if 0 < size < _EXTENT_LOW_M or size > _EXTENT_HIGH_M:
            message = f"all elements together measure {size:.3g} m: is the length unit right?"
            found.append(Finding(check="size_of_model", severity="warning", message=message, count=0, elements=[]))
    return found


def _on_earth(model: _Model) -> list[Finding]:
    place = model.summary.georeference
    site = place.site
    at_zero = site is not None and site.latitude_deg == 0 and site.longitude_deg == 0
    if place.kind == "none" or (place.kind == "site" and at_zero):
        message = "the model does not say where on Earth it lies"
        return [Finding(check="no_georeference", severity="note", message=message, count=0, elements=[])]
    if place.kind == "site":
        message = "only the site's latitude and longitude say where it lies: metres to decametres are uncertain"
        return [Finding(check="rough_georeference", severity="note", message=message, count=0, elements=[])]
    return []


CHECKS: dict[str, Callable[[_Model], list[Finding]]] = {
    "lost elements": _lost,
    "GlobalIds": _ids,
    "spatial structure": _structure,
    "rings": _rings,
    "storeys": _storeys,
    "levels": _levels,
    "spaces": _spaces,
    "sensors": _sensors,
    "places": _places,
    "units": _units,
    "place on Earth": _on_earth,
}
