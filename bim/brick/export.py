"""A model and its points as Brick in Turtle: places, equipment, points, where each is and what it belongs to.

Every place and piece of equipment carries its `ref:ifcGlobalID`, every point its key as a time-series id, so that
the file can be read back as a source of bindings. The same model and points give the same bytes.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from bim.binding import Binding, PointRef
from bim.brick.equipment import PLACES, brick_class
from wire.point_classes import POINT_CLASSES

__all__ = ["turtle"]

_PREFIXES = {
    "brick": "https://brickschema.org/schema/Brick#",
    "ref": "https://brickschema.org/schema/Brick/ref#",
    "rec": "https://w3id.org/rec#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "unit": "http://qudt.org/vocab/unit/",
}
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
# Brick 1.4 leaves places to RealEstateCore and keeps its own names for older tools
_REAL_ESTATE = {
    "Site": "Site", "Building": "Building", "Floor": "Level", "Room": "Room", "Zone": "Zone",
    "Outdoor_Area": "OutdoorSpace",
}  # fmt: skip
_WHOLES = ("IfcSite", "IfcBuilding", "IfcBuildingStorey", "IfcSpace")
_QUDT = {
    "Cel": "DEG_C", "K": "K", "Pa": "PA", "kPa": "KiloPA", "bar": "BAR", "W": "W", "kW": "KiloW", "MW": "MegaW",
    "W.h": "W-HR", "kW.h": "KiloW-HR", "V": "V", "A": "A", "Hz": "HZ", "%": "PERCENT", "[ppm]": "PPM", "lx": "LUX",
    "m": "M", "m/s": "M-PER-SEC", "m3/h": "M3-PER-HR", "L/s": "L-PER-SEC", "m3": "M3", "s": "SEC", "h": "HR",
    "kg": "KiloGM", "deg": "DEG", "W/m2": "W-PER-M2", "V.A": "V-A", "var": "V-A_Reactive",
}  # fmt: skip


def turtle(
    site: str,
    elements: pa.Table,
    points: Iterable[PointRef] = (),
    bindings: Iterable[Binding] = (),
) -> Iterator[str]:
    """Lines of a Turtle file. `site` names the IRIs: `urn:aid4:<site>/element/<GlobalId>`."""
    base = f"urn:aid4:{quote(site, safe='')}"
    rows = [row for row in elements.to_pylist() if brick_class(row)]
    known = {row["id"] for row in rows}
    yield from (f"@prefix {name}: <{iri}> .\n" for name, iri in _PREFIXES.items())
    for row in rows:
        yield from _element(base, row, known)
    where = {one.point_id: one for one in bindings}
    for point in sorted(points, key=lambda one: one.key):
        yield from _point(base, point, where.get(point.id), known)


def _element(base: str, row: Mapping[str, Any], known: set[str]) -> Iterator[str]:
    name = f"{row['name']} {row['long_name']}".strip()
    kind = brick_class(row)
    lines = [f"a brick:{kind}, rec:{_REAL_ESTATE[kind]}" if kind in _REAL_ESTATE else f"a brick:{kind}"]
    if name:
        lines.append(f"rdfs:label {_text(name)}")
    above = row["parent"] if row["type"] in _WHOLES else row["space"] or row["storey"]
    if above in known and above != row["id"]:
        relation = "isPartOf" if row["type"] in PLACES else "hasLocation"
        lines.append(f"brick:{relation} {_iri(base, 'element', above)}")
    reference = f"a ref:IFCReference ; ref:ifcGlobalID {_text(row['id'])}"
    if row["source"]:
        reference += f" ; ref:ifcFileLocation {_text(row['source'])}"
    lines.append(f"ref:hasExternalReference [ {reference} ]")
    yield f"\n{_iri(base, 'element', row['id'])}\n    " + " ;\n    ".join(lines) + " .\n"


def _point(base: str, point: PointRef, binding: Binding | None, known: set[str]) -> Iterator[str]:
    rule = POINT_CLASSES.get(point.point_class)
    lines = [f"a brick:{rule.brick if rule else 'Point'}", f"rdfs:label {_text(point.label or point.key)}"]
    unit = _QUDT.get(point.unit)
    if unit:
        lines.append(f"brick:hasUnit unit:{unit}")
    if binding is not None and binding.element in known:
        at_place = binding.element == binding.space
        relation = "hasLocation" if at_place else "isPointOf"
        lines.append(f"brick:{relation} {_iri(base, 'element', binding.element)}")
    if binding is not None and binding.space in known and binding.space != binding.element:
        lines.append(f"brick:hasLocation {_iri(base, 'element', str(binding.space))}")
    reference = f"a ref:TimeseriesReference ; ref:hasTimeseriesId {_text(point.key)}"
    lines.append(f"ref:hasExternalReference [ {reference} ]")
    yield f"\n{_iri(base, 'point', point.key)}\n    " + " ;\n    ".join(lines) + " .\n"


def _iri(base: str, kind: str, name: str) -> str:
    return f"<{base}/{kind}/{quote(name, safe='/')}>"


def _text(value: str) -> str:
    return '"' + "".join(_ESCAPES.get(one, one if one >= " " else f"\\u{ord(one):04X}") for one in value) + '"'
