"""Property sets, quantities, materials and classifications of an IFC file."""

import json
import math
from dataclasses import dataclass
from typing import Any

from bim.damage import READ_ERRORS, text
from bim.project_units import NO_UNIT, Unit, Units, unit_of

__all__ = ["Property", "PropertySets", "read_associations", "read_properties"]

_DEPTH_MAX = 8  # complex properties and material sets nest; a cycle never ends

# quantity class: attribute with the number, and the kind of unit
_QUANTITIES = {
    "IfcQuantityLength": ("LengthValue", "LENGTHUNIT"),
    "IfcQuantityArea": ("AreaValue", "AREAUNIT"),
    "IfcQuantityVolume": ("VolumeValue", "VOLUMEUNIT"),
    "IfcQuantityCount": ("CountValue", ""),
    "IfcQuantityWeight": ("WeightValue", "MASSUNIT"),
    "IfcQuantityTime": ("TimeValue", "TIMEUNIT"),
    "IfcQuantityNumber": ("NumberValue", ""),
}


@dataclass(frozen=True, slots=True)
class Property:
    """One value of one set, as psets.arrow holds it."""

    pset: str
    name: str
    value: str
    number: float | None
    unit: str
    value_type: str
    kind: str


@dataclass(slots=True)
class PropertySets:
    """Properties by instance number of the element or type object they belong to."""

    of: dict[int, list[list[Property]]]
    unread: int = 0


def read_properties(model: Any, units: Units) -> PropertySets:
    """Sets of occurrences (through relations) and of type objects (their own attribute)."""
    reader = _SetReader(units)
    sets: dict[int, list[list[Property]]] = {}
    for relation in model.by_type("IfcRelDefinesByProperties"):
        try:
            given = relation.RelatingPropertyDefinition
            definitions = given if isinstance(given, tuple) else (given,)
            rows = [reader.read(definition) for definition in definitions if definition is not None]
            for element in relation.RelatedObjects:
                sets.setdefault(element.id(), []).extend(rows)
        except READ_ERRORS:
            reader.unread += 1
    for kind in model.by_type("IfcTypeObject"):
        try:
            rows = [reader.read(definition) for definition in kind.HasPropertySets or ()]
        except READ_ERRORS:
            reader.unread += 1
            continue
        if rows:
            sets[kind.id()] = rows
    return PropertySets(sets, reader.unread)


class _SetReader:
    """Reads each set once; files share one set among thousands of elements."""

    def __init__(self, units: Units) -> None:
        self._units = units
        self._known: dict[int, list[Property]] = {}
        self.unread = 0

    def read(self, definition: Any) -> list[Property]:
        key = definition.id()
        if key not in self._known:
            self._known[key] = self._rows(definition)
        return self._known[key]

    def _rows(self, definition: Any) -> list[Property]:
        pset = text(definition.Name) or definition.is_a()
        if definition.is_a("IfcPropertySet"):
            return self._properties(pset, "", definition.HasProperties, 0)
        if definition.is_a("IfcElementQuantity"):
            return self._quantities(pset, definition.Quantities)
        return self._predefined(pset, definition)

    def _properties(self, pset: str, above: str, properties: Any, depth: int) -> list[Property]:
        rows: list[Property] = []
        for one in properties or ():
            try:
                name = above + text(one.Name)
                if one.is_a("IfcComplexProperty"):
                    if depth < _DEPTH_MAX:
                        rows.extend(self._properties(pset, f"{name}.", one.HasProperties, depth + 1))
                    continue
                rows.append(self._property(pset, name, one))
            except READ_ERRORS:
                self.unread += 1
        return rows

    def _property(self, pset: str, name: str, one: Any) -> Property:
        if one.is_a("IfcPropertySingleValue"):
            return self._single(pset, name, one)
        if one.is_a("IfcPropertyEnumeratedValue"):
            values: list[Any] = [_plain(value) for value in one.EnumerationValues or ()]
        elif one.is_a("IfcPropertyListValue"):
            values = [_plain(value) for value in one.ListValues or ()]
        elif one.is_a("IfcPropertyBoundedValue"):
            values = [_plain(one.LowerBoundValue), _plain(one.UpperBoundValue)]
        elif one.is_a("IfcPropertyTableValue"):
            table = zip(one.DefiningValues or (), one.DefinedValues or (), strict=False)
            values = [[_plain(left), _plain(right)] for left, right in table]
        else:  # a reference to another entity
            values = [one.is_a()]
        shown = values[0] if len(values) == 1 and isinstance(values[0], str) else json.dumps(values, ensure_ascii=False)
        return Property(pset, name, text(shown), None, "", one.is_a(), "property")

    def _single(self, pset: str, name: str, one: Any) -> Property:
        value = one.NominalValue
        if value is None:
            return Property(pset, name, "", None, "", "", "property")
        raw, measure = value.wrappedValue, value.is_a()
        own = None if one.Unit is None else unit_of(one.Unit)
        number, unit = _number(raw, own or self._units.of_measure(measure))
        return Property(pset, name, _shown(raw), number, unit, measure, "property")

    def _quantities(self, pset: str, quantities: Any) -> list[Property]:
        rows: list[Property] = []
        for one in quantities or ():
            try:
                if one.is_a("IfcPhysicalComplexQuantity"):
                    rows.extend(self._quantities(pset, [part for part in one.HasQuantities if part != one]))
                    continue
                attribute, kind = _QUANTITIES[one.is_a()]
                raw = getattr(one, attribute)
                own = None if one.Unit is None else unit_of(one.Unit)
                number, unit = _number(raw, own or self._units.of_kind(kind))
                rows.append(Property(pset, text(one.Name), _shown(raw), number, unit, one.is_a(), "quantity"))
            except READ_ERRORS:
                self.unread += 1
        return rows

    def _predefined(self, pset: str, definition: Any) -> list[Property]:
        """Door linings and their like: their attributes are their properties."""
        rows = []
        for name, value in definition.get_info(include_identifier=False, recursive=False).items():
            if name in _ROOT_ATTRIBUTES or not isinstance(value, str | int | float):
                continue
            number, _ = _number(value, NO_UNIT)
            rows.append(Property(pset, name, _shown(value), number, "", definition.is_a(), "property"))
        return rows


_ROOT_ATTRIBUTES = {"type", "GlobalId", "OwnerHistory", "Name", "Description"}


def _plain(value: Any) -> str | int | float | bool | None:
    raw = getattr(value, "wrappedValue", value)
    return raw if raw is None or (isinstance(raw, int | float | bool) and math.isfinite(raw)) else text(raw)


def _shown(raw: Any) -> str:
    if isinstance(raw, bool):
        return "true" if raw else "false"
    return repr(raw) if isinstance(raw, float) else text(raw)


def _number(raw: Any, unit: Unit) -> tuple[float | None, str]:
    if isinstance(raw, bool):
        return float(raw), ""
    if isinstance(raw, int | float) and math.isfinite(raw):
        return float(raw) * unit.factor, unit.code
    return None, ""


def read_associations(model: Any) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    """Materials and classifications ("system:code") by instance number of what they are associated with."""
    materials: dict[int, list[str]] = {}
    classes: dict[int, list[str]] = {}
    for relation in model.by_type("IfcRelAssociates"):
        try:
            if relation.is_a("IfcRelAssociatesMaterial"):
                names, into = _material_names(relation.RelatingMaterial, 0), materials
            elif relation.is_a("IfcRelAssociatesClassification"):
                names, into = [_class_name(relation.RelatingClassification)], classes
            else:
                continue
            for element in relation.RelatedObjects:
                known = into.setdefault(element.id(), [])
                known.extend(name for name in dict.fromkeys(names) if name and name not in known)
        except READ_ERRORS:
            continue
    return materials, classes


_MATERIAL_PARTS = (
    "ForLayerSet", "MaterialLayers", "ForProfileSet", "MaterialProfiles", "MaterialConstituents", "Materials",
    "Material",
)  # fmt: skip


def _material_names(entity: Any, depth: int) -> list[str]:
    if entity is None or depth > _DEPTH_MAX:
        return []
    if entity.is_a("IfcMaterial"):
        return [text(entity.Name)]
    names: list[str] = []
    for attribute in _MATERIAL_PARTS:
        part = getattr(entity, attribute, None)
        for one in part if isinstance(part, tuple) else (part,):
            names.extend(_material_names(one, depth + 1))
    return names


def _class_name(entity: Any) -> str:
    if entity is None or entity.is_a("IfcClassification"):
        return "" if entity is None else text(entity.Name)
    code = getattr(entity, "Identification", None) or getattr(entity, "ItemReference", None) or entity.Name
    source, depth = entity.ReferencedSource, 0
    while source is not None and not source.is_a("IfcClassification") and depth < _DEPTH_MAX:
        source, depth = getattr(source, "ReferencedSource", None), depth + 1
    system = "" if source is None else text(getattr(source, "Name", ""))
    return f"{system}:{text(code)}" if system else text(code)
