"""Which elements of an open file have a shape to draw, and where they belong: the light half of bim/reader.py.

Units, properties and footprints are left out: tiles need none of them, and reading them costs more than the meshes.
"""

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from bim.damage import READ_ERRORS, text
from bim.project_units import read_units
from bim.relations import read_relations
from bim.spatial import Containment
from bim.tables import ELEMENTS

__all__ = ["Places", "Product", "places_of", "read_places"]


@dataclass(frozen=True, slots=True)
class Product:
    """A product with a representation."""

    global_id: str
    type: str
    storey: str | None  # GlobalId
    drawn: bool  # openings and virtual boundaries are nothing to look at


@dataclass(slots=True)
class Places:
    """`entities` and `products` by instance number; `unnamed` have no GlobalId of their own, with why."""

    entities: dict[int, Any] = field(default_factory=dict)
    products: dict[int, Product] = field(default_factory=dict)
    unnamed: list[tuple[str, str, str]] = field(default_factory=list)  # GlobalId, type, reason
    storeys: list[tuple[str, str, float | None]] = field(default_factory=list)  # GlobalId, name, elevation in m
    elements: pa.Table | None = None  # columns of bim/tables.py as far as they are known here


def read_places(model: Any) -> Places:
    """Products of one open file that have a representation, and the storeys."""
    places = Places()
    relations = read_relations(model, {})
    storeys, length_m = _instances(model, "IfcBuildingStorey"), read_units(model).length_m
    ids = _ids(model, places)
    spaces = {one.id() for one in _instances(model, "IfcSpace")}
    containment = Containment(relations, {one.id() for one in storeys}, spaces)
    rows = []
    for step, (global_id, one) in ids.items():
        place = containment.of(step, None)
        storey = ids[place.storey][0] if place.storey in ids else None
        if _represented(one):
            places.entities[step] = one
            drawn = not one.is_a("IfcFeatureElementSubtraction") and not one.is_a("IfcVirtualElement")
            places.products[step] = Product(global_id, one.is_a(), storey, drawn)
        space = ids[place.space][0] if place.space in ids else None
        parent = ids[place.parent][0] if place.parent in ids else None
        rows.append(_row(step, global_id, one, storey, space, parent, length_m))
    places.elements = pa.Table.from_pylist(rows, schema=ELEMENTS)
    places.storeys = _storeys(rows)
    return places


def places_of(elements: pa.Table, source: str, model: Any) -> Places:
    """The same of one part of a model of several files, as their table has it."""
    import pyarrow.compute as pc  # a tenth of a second that a single file need not pay

    places = Places(elements=elements)
    for row in elements.filter(pc.equal(elements["source"], source)).to_pylist():
        if row["has_shape"]:
            drawn = row["category"] != "opening" and row["type"] != "IfcVirtualElement"
            places.entities[row["step"]] = model.by_id(row["step"])
            places.products[row["step"]] = Product(row["id"], row["type"], row["storey"], drawn)
    places.storeys = _storeys(elements.filter(pc.equal(elements["type"], "IfcBuildingStorey")).to_pylist())
    return places


def _storeys(rows: list[dict[str, Any]]) -> list[tuple[str, str, float | None]]:
    """Lowest first, those of unknown height last."""
    storeys = [(row["id"], row["name"], row["elevation_m"]) for row in rows if row["type"] == "IfcBuildingStorey"]
    return sorted(storeys, key=lambda storey: (storey[2] is None, storey[2] or 0.0, storey[1]))


def _ids(model: Any, places: Places) -> dict[int, tuple[str, Any]]:
    """GlobalId and entity of each product by instance number; the first of the file keeps an id that two have."""
    found: dict[int, tuple[str, Any]] = {}
    first: dict[str, int] = {}
    for one in _instances(model, "IfcProduct"):
        step = one.id()
        try:
            global_id = text(one.GlobalId)
        except READ_ERRORS:
            global_id = ""
        if global_id and global_id not in first:
            first[global_id] = step
            found[step] = (global_id, one)
        elif _represented(one):
            reason = f"its GlobalId is that of #{first[global_id]}" if global_id else f"#{step} has no GlobalId"
            places.unnamed.append((global_id, one.is_a(), reason))
    return found


def _represented(one: Any) -> bool:
    try:
        return one.Representation is not None
    except READ_ERRORS:
        return False


def _row(
    step: int, global_id: str, one: Any, storey: str | None, space: str | None, parent: str | None, length_m: float
) -> dict[str, Any]:
    words = {name: _attribute(one, attribute) for name, attribute in _WORDS}
    height = _number(one, "Elevation") if one.is_a("IfcBuildingStorey") else None
    known = {
        "id": global_id,
        "step": step,
        "type": one.is_a(),
        "category": "opening" if one.is_a("IfcFeatureElement") else "element" if one.is_a("IfcElement") else "spatial",
        "storey": storey,
        "space": space,
        "parent": parent,
        "elevation_m": None if height is None else height * length_m,
        "has_shape": _represented(one),
    }
    return {**_BLANK, **words, **known}


def _blank(kind: pa.DataType) -> Any:
    return "" if pa.types.is_string(kind) else False if pa.types.is_boolean(kind) else []


_BLANK = {one.name: _blank(one.type) for one in ELEMENTS if not one.nullable}
_WORDS = (
    ("name", "Name"), ("long_name", "LongName"), ("description", "Description"), ("object_type", "ObjectType"),
    ("tag", "Tag"),
)  # fmt: skip


def _attribute(one: Any, name: str) -> str:
    try:
        return text(getattr(one, name, None))
    except READ_ERRORS:
        return ""


def _number(one: Any, name: str) -> float | None:
    try:
        value = getattr(one, name)
    except READ_ERRORS:
        return None
    return float(value) if isinstance(value, int | float) else None


def _instances(model: Any, ifc_class: str) -> list[Any]:
    try:
        return list(model.by_type(ifc_class))
    except RuntimeError:  # the schema of this file does not know the class
        return []
