"""Reads an open IFC file into the tables of bim/tables.py. Runs in the child process only.

units → relations → placements and footprints → properties → one row an element. What cannot be read of one
element goes to `lost` with its reason; the others stay.
"""

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from bim.damage import READ_ERRORS, text
from bim.footprint import Footprint, SpaceFinder, read_footprint
from bim.georeference import Georeference, read_georeference
from bim.hints import Hints, hints_of, role_of
from bim.limits import ModelLimits
from bim.placement import Matrix, Placements
from bim.project_units import Units, read_units
from bim.properties import Property, PropertySets, read_associations, read_properties
from bim.relations import Relations, read_relations
from bim.shape_hash import ShapeHashes
from bim.spatial import Containment, is_room_thing
from bim.tables import ELEMENTS, PSETS, RELATIONS, table_of

__all__ = ["Lost", "ModelTables", "BoundError", "read"]

_GLOBAL_ID_CHARS = 64  # of 22; a text that is never closed runs on to the end of the file

# first class that fits names the category
_CATEGORIES = (
    ("IfcFeatureElement", "opening"),
    ("IfcElement", "element"),
    ("IfcSpatialStructureElement", "spatial"),
    ("IfcSpatialElement", "spatial"),
    ("IfcPort", "port"),
    ("IfcGroup", "group"),
    ("IfcProject", "project"),
)


class BoundError(Exception):
    """A model beyond a bound of ModelLimits."""


@dataclass(frozen=True, slots=True)
class Lost:
    """An element that is not in the tables."""

    global_id: str
    step: int
    reason: str


@dataclass(slots=True)
class ModelTables:
    """Everything that was read of one file."""

    elements: pa.Table
    psets: pa.Table
    relations: pa.Table
    units: Units
    georeference: Georeference
    lost: list[Lost] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read(model: Any, limits: ModelLimits) -> ModelTables:
    """Tables of one open file; raises BoundError when it is beyond a bound."""
    units = read_units(model)
    sets = read_properties(model, units)
    unread: dict[str, int] = {}
    relations = read_relations(model, unread)
    reader = _Reader(model, units, relations, sets)
    if len(reader.instances) > limits.elements:
        raise BoundError(f"{len(reader.instances)} elements; the bound is {limits.elements}")
    rows = reader.rows()
    psets = reader.property_rows(limits)
    georeference = read_georeference(model, units, sets, reader.placements)
    tables = ModelTables(
        table_of(rows, ELEMENTS), psets, reader.relation_rows(), units, georeference, reader.lost, reader.warnings
    )
    tables.warnings.extend(f"{count} {name} cannot be read and are left out" for name, count in unread.items())
    if units.unread:
        tables.warnings.append(f"{units.unread} units of the project cannot be read and are left out")
    if sets.unread:
        tables.warnings.append(f"{sets.unread} properties or property sets cannot be read and are left out")
    if not units.stated:
        tables.warnings.append("the file states no length unit; metres are assumed")
    return tables


class _Reader:
    """One pass over the file's products, groups and project."""

    def __init__(self, model: Any, units: Units, relations: Relations, sets: PropertySets) -> None:
        self._model, self._units, self._relations, self._sets = model, units, relations, sets
        self.placements = Placements(units.length_m)
        self.lost: list[Lost] = []
        self.warnings: list[str] = []
        self.instances: dict[int, Any] = {}
        self._ids: dict[int, str] = {}
        self._collect()
        self._types = self._read_types()
        self._materials, self._classes = read_associations(model)
        self._shapes = ShapeHashes(model)
        self._placed = {step: self._place(one) for step, one in self.instances.items()}
        self._footprints = self._read_footprints()
        self._containment = Containment(relations, self._of_class("IfcBuildingStorey"), self._of_class("IfcSpace"))
        self._finder = SpaceFinder({str(step): print_ for step, print_ in self._footprints.items()})

    def rows(self) -> list[dict[str, Any]]:
        """Rows of elements.arrow, in the order of the file."""
        rows = []
        for step, one in self.instances.items():
            try:
                rows.append(self._row(step, one))
            except READ_ERRORS as error:
                self.lost.append(Lost(self._ids.pop(step), step, f"an attribute cannot be read: {error}"))
        self._note_placements()
        return rows

    def property_rows(self, limits: ModelLimits) -> pa.Table:
        """psets.arrow: each element's own sets, and of its type what it does not have itself."""
        columns: list[list[Any]] = [[] for _ in PSETS]
        for step, global_id in self._ids.items():
            own = [row for rows in self._sets.of.get(step, ()) for row in rows]
            kind = self._types.get(step)
            inherited = [row for rows in self._sets.of.get(kind.id(), ()) for row in rows] if kind is not None else []
            names = {(row.pset, row.name) for row in own} if inherited else set()
            _append(columns, global_id, own, "occurrence")
            _append(columns, global_id, [row for row in inherited if (row.pset, row.name) not in names], "type")
            if len(columns[0]) > limits.property_rows:
                raise BoundError(f"more than {limits.property_rows} property values")
        return pa.Table.from_arrays(
            [pa.array(column, part.type) for column, part in zip(columns, PSETS, strict=True)], schema=PSETS
        )

    def relation_rows(self) -> pa.Table:
        """relations.arrow: pairs of which both ends are in the tables."""
        known = self._ids
        pairs = [pair for pair in self._relations.pairs if pair.source in known and pair.target in known]
        columns = ([p.kind for p in pairs], [known[p.source] for p in pairs], [known[p.target] for p in pairs])
        return pa.Table.from_arrays([pa.array(column, pa.string()) for column in columns], schema=RELATIONS)

    def _collect(self) -> None:
        seen: dict[str, int] = {}
        for ifc_class in ("IfcProject", "IfcProduct", "IfcGroup"):
            for one in self._model.by_type(ifc_class):
                step = one.id()
                try:
                    global_id = text(one.GlobalId)
                except READ_ERRORS:
                    global_id = ""
                if not global_id or global_id in seen or len(global_id) > _GLOBAL_ID_CHARS:
                    same = (
                        f"its GlobalId is that of #{seen[global_id]}" if global_id in seen else "its GlobalId is none"
                    )
                    reason = same if global_id else "it has no GlobalId"
                    self.lost.append(Lost(global_id[:_GLOBAL_ID_CHARS], step, reason))
                    continue
                seen[global_id] = step
                self.instances[step], self._ids[step] = one, global_id

    def _of_class(self, ifc_class: str) -> set[int]:
        return {step for step, one in self.instances.items() if one.is_a(ifc_class)}

    def _read_types(self) -> dict[int, Any]:
        types: dict[int, Any] = {}
        for relation in self._model.by_type("IfcRelDefinesByType"):
            try:
                for one in relation.RelatedObjects if relation.RelatingType is not None else ():
                    types.setdefault(one.id(), relation.RelatingType)
            except READ_ERRORS:
                self.warnings.append(f"#{relation.id()} IfcRelDefinesByType cannot be read and is left out")
        return types

    def _place(self, one: Any) -> Matrix | None:
        try:
            placement = getattr(one, "ObjectPlacement", None)
            return None if placement is None else self.placements.of(placement)
        except READ_ERRORS:
            return None

    def _read_footprints(self) -> dict[int, Footprint]:
        found: dict[int, Footprint] = {}
        for step in sorted(self._of_class("IfcSpace")):
            placed = self._placed[step]
            try:
                outline = None if placed is None else read_footprint(self.instances[step], placed, self._units.length_m)
            except READ_ERRORS:
                outline = None
            if outline is not None:
                found[step] = outline
        return found

    def _row(self, step: int, one: Any) -> dict[str, Any]:
        kind, ifc_class = self._types.get(step), one.is_a()
        type_class = "" if kind is None else kind.is_a()
        hints = self._hints(step, kind)
        return {
            "id": self._ids[step],
            "step": step,
            "type": ifc_class,
            "category": next((name for parent, name in _CATEGORIES if one.is_a(parent)), "other"),
            "role": role_of(ifc_class, type_class),
            "predefined": _predefined(one) or ("" if kind is None else _predefined(kind)),
            "name": text(one.Name),
            "long_name": text(getattr(one, "LongName", None)),
            "description": text(one.Description),
            "object_type": text(getattr(one, "ObjectType", None)),
            "tag": text(getattr(one, "Tag", None)),
            "type_id": None if kind is None else text(kind.GlobalId),
            "type_class": type_class,
            "type_name": "" if kind is None else text(kind.Name),
            "elevation_m": self._elevation(one),
            "has_shape": getattr(one, "Representation", None) is not None,
            "materials": self._inherited(self._materials, step, kind),
            "classifications": self._inherited(self._classes, step, kind),
            "point_keys": list(hints.point_keys),
            "devices": list(hints.devices),
            "brick": hints.brick,
            "shape": self._shapes.of(one),
            "source": "",
            **self._where(step, one),
        }

    def _where(self, step: int, one: Any) -> dict[str, Any]:
        placed, around = self._placed[step], None
        x, y, z = (None, None, None) if placed is None else (float(number) for number in placed[:3, 3])
        if x is not None and y is not None and z is not None and is_room_thing(one.is_a):
            found = self._finder.at(x, y, z)
            around = None if found is None else int(found)
        place = self._containment.of(step, around)
        outline = self._footprints.get(step)
        return {
            "parent": None if place.parent is None else self._ids.get(place.parent),
            "storey": None if place.storey is None else self._ids.get(place.storey),
            "storey_how": place.storey_how,
            "space": None if place.space is None else self._ids.get(place.space),
            "space_how": place.space_how,
            "x_m": x,
            "y_m": y,
            "z_m": z,
            "footprint_m": None if outline is None else outline.outline_m.ravel().tolist(),
            "z_min_m": None if outline is None else outline.z_min_m,
            "z_max_m": None if outline is None else outline.z_max_m,
        }

    def _elevation(self, one: Any) -> float | None:
        if not one.is_a("IfcBuildingStorey") or one.Elevation is None:
            return None
        return float(one.Elevation * self._units.length_m)

    def _hints(self, step: int, kind: Any) -> Hints:
        own = self._sets.of.get(step, [])
        inherited = [] if kind is None else self._sets.of.get(kind.id(), [])
        return hints_of([*own, *inherited]) if own or inherited else Hints()

    def _inherited(self, table: dict[int, list[str]], step: int, kind: Any) -> list[str]:
        return table.get(step) or ([] if kind is None else table.get(kind.id(), []))

    def _note_placements(self) -> None:
        for kind, count in self.placements.unread.items():
            self.warnings.append(f"{count} placements of the kind {kind} cannot be resolved")


def _predefined(one: Any) -> str:
    value = text(getattr(one, "PredefinedType", None))
    if value == "USERDEFINED":
        return text(getattr(one, "ObjectType", None) or getattr(one, "ElementType", None)) or value
    return "" if value == "NOTDEFINED" else value


def _append(columns: list[list[Any]], element: str, rows: list[Property], source: str) -> None:
    for row in rows:
        values = (element, row.pset, row.name, row.value, row.number, row.unit, row.value_type, row.kind, source)
        for column, value in zip(columns, values, strict=True):
            column.append(value)
