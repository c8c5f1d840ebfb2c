"""Writes IFC4 entities by code, the same bytes each time: GlobalIds come from a seed and a path of names."""

import uuid
from collections.abc import Iterable
from typing import Any

import ifcopenshell
import ifcopenshell.guid

__all__ = ["Author", "Box"]

Box = tuple[float, float, float]  # x, y, z in metres

_NAMESPACE = uuid.UUID("6f2c8f6e-1d0b-5b57-9a3e-6c8f4f1d2a40")
_STAMP = "2026-01-01T00:00:00"


class Author:
    """One IFC4 file being written. Every entity with a GlobalId is named by a path such as `storey/0/wall/3`."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.file = ifcopenshell.file(schema="IFC4")
        self._origin = self.file.create_entity("IfcCartesianPoint", (0.0, 0.0, 0.0))
        self._body: Any = None
        header = self.file.header
        header.file_name.time_stamp = _STAMP
        header.file_name.preprocessor_version = header.file_name.originating_system = "AID4"

    def root(self, ifc_class: str, path: str, name: str | None = None, **attributes: Any) -> Any:
        """An IfcRoot with a GlobalId that depends on seed and path only."""
        key = uuid.uuid5(_NAMESPACE, f"{self._seed}/{path}")
        global_id = ifcopenshell.guid.compress(key.hex)
        return self.file.create_entity(ifc_class, GlobalId=global_id, Name=name, **attributes)

    def relate(self, ifc_class: str, path: str, **ends: Any) -> Any:
        """A relation."""
        return self.root(ifc_class, f"rel/{path}", **ends)

    def context(self, true_north: tuple[float, float]) -> Any:
        """The model's geometric context with its body subcontext."""
        make = self.file.create_entity
        axes = make("IfcAxis2Placement3D", self._origin)
        north = make("IfcDirection", true_north)
        context = make("IfcGeometricRepresentationContext", None, "Model", 3, 1e-5, axes, north)
        self._body = make(
            "IfcGeometricRepresentationSubContext",
            ContextIdentifier="Body",
            ContextType="Model",
            ParentContext=context,
            TargetView="MODEL_VIEW",
        )
        return context

    def at(self, x: float, y: float, z: float, above: Any = None) -> Any:
        """A placement relative to another one."""
        point = self.file.create_entity("IfcCartesianPoint", (float(x), float(y), float(z)))
        axes = self.file.create_entity("IfcAxis2Placement3D", point)
        return self.file.create_entity("IfcLocalPlacement", above, axes)

    def box(self, size: Box, corner: tuple[float, float] = (0.0, 0.0)) -> Any:
        """The shape of a box that stands on z = 0 with its lower corner at `corner`."""
        make = self.file.create_entity
        centre = make("IfcCartesianPoint", (corner[0] + size[0] / 2, corner[1] + size[1] / 2))
        profile = make("IfcRectangleProfileDef", "AREA", None, make("IfcAxis2Placement2D", centre), size[0], size[1])
        up = make("IfcDirection", (0.0, 0.0, 1.0))
        solid = make("IfcExtrudedAreaSolid", profile, make("IfcAxis2Placement3D", self._origin), up, size[2])
        shape = make("IfcShapeRepresentation", self._body, "Body", "SweptSolid", [solid])
        return make("IfcProductDefinitionShape", None, None, [shape])

    def properties(self, path: str, elements: list[Any], pset: str, values: dict[str, Any]) -> None:
        """A property set for some elements; a value is (measure class, value) or a text."""
        make = self.file.create_entity
        singles = []
        for name, value in values.items():
            measure, plain = value if isinstance(value, tuple) else ("IfcLabel", value)
            singles.append(make("IfcPropertySingleValue", name, None, make(measure, plain)))
        entity = self.root("IfcPropertySet", f"{path}/{pset}", pset, HasProperties=singles)
        self.relate(
            "IfcRelDefinesByProperties", f"{path}/{pset}", RelatedObjects=elements, RelatingPropertyDefinition=entity
        )

    def quantities(self, path: str, element: Any, name: str, values: dict[str, tuple[str, float]]) -> None:
        """A quantity set; a value is (Length, Area or Volume, number)."""
        make = self.file.create_entity
        rows = [make(f"IfcQuantity{kind}", key, None, None, number) for key, (kind, number) in values.items()]
        entity = self.root("IfcElementQuantity", f"{path}/{name}", name, Quantities=rows)
        self.relate(
            "IfcRelDefinesByProperties", f"{path}/{name}", RelatedObjects=[element], RelatingPropertyDefinition=entity
        )

    def aggregate(self, path: str, whole: Any, parts: list[Any]) -> None:
        """Parts of a whole."""
        self.relate("IfcRelAggregates", f"{path}/parts", RelatingObject=whole, RelatedObjects=parts)

    def contain(self, path: str, place: Any, elements: list[Any]) -> None:
        """Elements in a storey, a space or the site."""
        if elements:
            self.relate(
                "IfcRelContainedInSpatialStructure",
                f"{path}/content",
                RelatingStructure=place,
                RelatedElements=elements,
            )

    def group(self, ifc_class: str, path: str, name: str, members: list[Any], **attributes: Any) -> Any:
        """A zone or a system with its members."""
        group = self.root(ifc_class, path, name, **attributes)
        self.relate("IfcRelAssignsToGroup", path, RelatedObjects=members, RelatingGroup=group)
        return group

    def type_of(self, ifc_class: str, path: str, name: str, members: Iterable[Any], predefined: str) -> Any:
        """A type object and the occurrences it types."""
        kind = self.root(ifc_class, path, name, PredefinedType=predefined)
        self.relate("IfcRelDefinesByType", path, RelatedObjects=list(members), RelatingType=kind)
        return kind
