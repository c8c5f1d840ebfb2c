"""Points as sensors of the model.

A point that belongs to a sensor, meter or controller of the model becomes a PointKey on it, and so does a command, a
setpoint or a state of any element. Any other measured point becomes a new IfcSensor (in IFC2X3 an
IfcDistributionControlElement of an IfcSensorType) in its space, at its position if it has one, else beside the
element it measures, else in the middle of the space. Runs in the child process only.
"""

from typing import Any

import numpy as np

from bim.global_id import derived
from bim.hints import PSET, role_of
from bim.placement import Matrix, Placements
from bim.project_units import read_units
from bim.writeback.psets import Psets
from bim.writeback.rows import SensorRow

__all__ = ["Sensors"]

_NOT_MEASURED = ("_command", "_setpoint")
_STATES = frozenset({"status", "on_off", "mode", "alarm", "fault"})
_PREDEFINED = {
    "temperature": "TEMPERATURESENSOR", "humidity": "HUMIDITYSENSOR", "co2": "CO2SENSOR", "voc": "GASSENSOR",
    "illuminance": "LIGHTSENSOR", "irradiance": "RADIATIONSENSOR", "sound_pressure": "SOUNDSENSOR",
    "occupancy": "MOVEMENTSENSOR", "presence": "MOVEMENTSENSOR", "pressure": "PRESSURESENSOR", "flow": "FLOWSENSOR",
    "mass_flow": "FLOWSENSOR", "soil_moisture": "MOISTURESENSOR", "wind_speed": "WINDSENSOR",
    "wind_direction": "WINDSENSOR", "acidity": "PHSENSOR",
}  # fmt: skip
_SINCE_IFC4 = frozenset({"WINDSENSOR", "PHSENSOR"})
_BOX_M = 0.08  # a sensor as people see it on a wall
_HEIGHT_M = 1.2  # above the floor, where no position is known


class Sensors:
    """Writes points into one open file."""

    def __init__(self, model: Any, psets: Psets) -> None:
        self._model, self._psets = model, psets
        self._length_m = read_units(model).length_m
        self._placements = Placements(self._length_m)
        self._types: dict[str, Any] = {}
        self._old = model.schema == "IFC2X3"
        self._context = _context(model)
        self.added = self.kept = self.keys = 0
        self.skipped: list[str] = []

    def write(self, row: SensorRow) -> None:
        """One point."""
        element = _by_guid(self._model, row.element)
        if element is None:
            self.skipped.append(f"{row.key}: the model has no element {row.element}")
        elif self._belongs_on(row, element):
            self._add_key(row, element)
        else:
            self._add_sensor(row, element)

    def _belongs_on(self, row: SensorRow, element: Any) -> bool:
        kinds = [relation.RelatingType for relation in self._typed_by(element)]
        role = role_of(element.is_a(), kinds[0].is_a() if kinds else "")
        command = row.point_class.endswith(_NOT_MEASURED) or row.point_class in _STATES
        return bool(role) or (command and not element.is_a("IfcSpatialStructureElement"))

    def _typed_by(self, element: Any) -> list[Any]:
        relations = [*(getattr(element, "IsTypedBy", None) or ()), *(getattr(element, "IsDefinedBy", None) or ())]
        return [one for one in relations if one.is_a("IfcRelDefinesByType") and one.RelatingType is not None]

    def _add_key(self, row: SensorRow, element: Any) -> None:
        present = self._psets.values(element, PSET).get("PointKey", "")
        keys = [part.strip() for part in present.split(";") if part.strip()]
        if row.key in keys or row.key.partition("/")[2] in keys:
            self.kept += 1
            return
        self._psets.put(element, PSET, {"PointKey": ("IfcText", ";".join([*keys, row.key]))})
        self.keys += 1

    def _add_sensor(self, row: SensorRow, element: Any) -> None:
        global_id = derived("sensor", row.key)
        if _by_guid(self._model, global_id) is not None:
            self.kept += 1
            return
        space = _by_guid(self._model, row.space) if row.space else None
        holder = space if space is not None else _storey_of(element)
        at = self._position(row, element, space)
        if holder is None or at is None:
            missing = "no space or storey" if holder is None else "no position"
            self.skipped.append(f"{row.key}: {missing} is known for it")
            return
        sensor = self._sensor(row, global_id)
        sensor.ObjectPlacement = self._placement(holder, at)
        sensor.Representation = self._shape()
        self._contain(holder, sensor, row.key)
        if element.is_a("IfcDistributionFlowElement"):
            self._relate(
                "IfcRelFlowControlElements",
                f"flow {row.key}",
                RelatingFlowElement=element,
                RelatedControlElements=[sensor],
            )
        values = {
            "PointKey": ("IfcText", row.key),
            "Unit": ("IfcLabel", row.unit),
            "BrickClass": ("IfcLabel", row.brick),
        }
        self._psets.put(sensor, PSET, {name: value for name, value in values.items() if value[1]})
        self.added += 1

    def _sensor(self, row: SensorRow, global_id: str) -> Any:
        name = row.label or row.key
        predefined = _PREDEFINED.get(row.point_class, "USERDEFINED")
        if self._old:
            predefined = "USERDEFINED" if predefined in _SINCE_IFC4 else predefined
            sensor = self._make(
                "IfcDistributionControlElement", global_id, Name=name, ObjectType=row.point_class or None, Tag=row.key
            )
            self._type(sensor, predefined, row.point_class)
            return sensor
        own_type = row.point_class or "sensor"
        return self._make(
            "IfcSensor",
            global_id,
            Name=name,
            ObjectType=own_type if predefined == "USERDEFINED" else row.point_class or None,
            Tag=row.key,
            PredefinedType=predefined,
        )

    def _type(self, sensor: Any, predefined: str, point_class: str) -> None:
        """IFC2X3 says only by the type that an element is a sensor."""
        key = f"{predefined} {point_class}"
        relation = self._types.get(key)
        if relation is not None:
            relation.RelatedObjects = [*relation.RelatedObjects, sensor]
            return
        known = _by_guid(self._model, derived("sensor type", key))
        kind = known or self._make(
            "IfcSensorType",
            derived("sensor type", key),
            Name=f"AID4 {point_class or 'sensor'}",
            ElementType=point_class or "sensor",
            PredefinedType=predefined,
        )
        found = next(iter(getattr(kind, "ObjectTypeOf", None) or ()), None)
        if found is None:
            found = self._relate(
                "IfcRelDefinesByType", f"typed {key}", RelatedObjects=[sensor], RelatingType=kind
            )  # fmt: skip
        else:
            found.RelatedObjects = [*found.RelatedObjects, sensor]
        self._types[key] = found

    def _position(self, row: SensorRow, element: Any, space: Any) -> tuple[float, float, float] | None:
        if row.position_m is not None:
            return row.position_m
        if not element.is_a("IfcSpatialStructureElement"):
            placed = self._placed(element)
            if placed is not None:
                x, y, z = (float(one) for one in placed[:3, 3])
                return x, y, z
        return None if space is None else self._middle(space)

    def _middle(self, space: Any) -> tuple[float, float, float] | None:
        """The middle of a space's outline, at the height of a hand."""
        from bim.footprint import read_footprint  # numpy only, but of no use without a space

        placed = self._placed(space)
        if placed is None:
            return None
        outline = read_footprint(space, placed, self._length_m)
        if outline is None:
            x, y, z = (float(one) for one in placed[:3, 3])
            return x, y, z + _HEIGHT_M
        low, high = outline.outline_m.min(0), outline.outline_m.max(0)
        height = min(outline.z_min_m + _HEIGHT_M, (outline.z_min_m + outline.z_max_m) / 2)
        return float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2, float(height)

    def _placed(self, element: Any) -> Matrix | None:
        placement = getattr(element, "ObjectPlacement", None)
        return None if placement is None else self._placements.of(placement)

    def _placement(self, holder: Any, at: tuple[float, float, float]) -> Any:
        """Relative to what holds it, so that it moves with it."""
        above = self._placed(holder)
        own = np.linalg.inv(above) @ (*at, 1.0) if above is not None else np.array((*at, 1.0))
        make = self._model.create_entity
        point = make("IfcCartesianPoint", tuple(float(one) / self._length_m for one in own[:3]))
        axes = make("IfcAxis2Placement3D", point)
        return make("IfcLocalPlacement", holder.ObjectPlacement if above is not None else None, axes)

    def _shape(self) -> Any:
        if self._context is None:
            return None
        make, size = self._model.create_entity, _BOX_M / self._length_m
        flat = make("IfcAxis2Placement2D", make("IfcCartesianPoint", (0.0, 0.0)))
        profile = make("IfcRectangleProfileDef", "AREA", None, flat, size, size)
        corner = make("IfcAxis2Placement3D", make("IfcCartesianPoint", (0.0, 0.0, -size / 2)))
        solid = make("IfcExtrudedAreaSolid", profile, corner, make("IfcDirection", (0.0, 0.0, 1.0)), size)
        shape = make("IfcShapeRepresentation", self._context, "Body", "SweptSolid", [solid])
        return make("IfcProductDefinitionShape", None, None, [shape])

    def _contain(self, holder: Any, sensor: Any, key: str) -> None:
        found = _by_guid(self._model, derived("contained", holder.GlobalId))
        if found is not None:
            found.RelatedElements = [*found.RelatedElements, sensor]
            return
        self._make(
            "IfcRelContainedInSpatialStructure",
            derived("contained", holder.GlobalId),
            RelatedElements=[sensor],
            RelatingStructure=holder,
        )

    def _relate(self, ifc_class: str, path: str, **ends: Any) -> Any:
        return self._make(ifc_class, derived("relation", path), **ends)

    def _make(self, ifc_class: str, global_id: str, **attributes: Any) -> Any:
        return self._model.create_entity(
            ifc_class, GlobalId=global_id, OwnerHistory=self._psets.history, **attributes
        )  # fmt: skip


def _by_guid(model: Any, global_id: str | None) -> Any:
    try:
        return model.by_guid(global_id) if global_id else None
    except (RuntimeError, TypeError):
        return None


def _storey_of(element: Any) -> Any:
    """What holds an element, the element itself when it is a place."""
    if element.is_a("IfcSpatialStructureElement"):
        return element
    for relation in getattr(element, "ContainedInStructure", None) or ():
        return relation.RelatingStructure
    for relation in getattr(element, "Decomposes", None) or ():
        return _storey_of(relation.RelatingObject)
    return None


def _context(model: Any) -> Any:
    """Where bodies are drawn: the Body subcontext, else the first three-dimensional context."""
    contexts = model.by_type("IfcGeometricRepresentationContext")
    bodies = [one for one in contexts if one.ContextIdentifier == "Body"]
    solid = [
        one for one in contexts if one.ContextType == "Model" or not one.is_a("IfcGeometricRepresentationSubContext")
    ]
    return next(iter([*bodies, *solid]), None)
