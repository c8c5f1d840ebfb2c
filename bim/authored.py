"""A small IFC4 building authored by code from a site's devices.toml, so that a fresh clone has a model of its own.

Storeys, spaces, walls, slabs, doors and windows in simple boxes; one element per device and one IfcSensor per
measurement of a room, each contained in its space and carrying `Pset_AID4` with the key of its point.
The same plan and seed give the same bytes.
"""

import math
from pathlib import Path
from typing import Any

from bim.authored_shell import Shell
from bim.building_plan import BuildingPlan, Device, Metric, Space
from bim.ifc_author import Author, Box

__all__ = ["author_building", "write_sample"]

SEED = 4
_SPACE_HEADROOM_M = 0.3  # slab and ceiling above a room

# class.predefined type: size of the box that stands for it, the system it belongs to, and its height above the floor
_BODIES: dict[str, tuple[Box, str, float]] = {
    "IfcFlowMeter.ENERGYMETER": ((0.3, 0.1, 0.4), "electrical", 1.4),
    "IfcTransformer.INVERTER": ((0.6, 0.3, 0.8), "electrical", 0.8),
    "IfcUnitaryEquipment.AIRHANDLER": ((3.0, 1.4, 1.6), "ventilation", 0.1),
    "IfcUnitaryEquipment.SPLITSYSTEM": ((1.2, 0.9, 1.4), "heating", 0.1),
    "IfcBuildingElementProxy.USERDEFINED": ((2.6, 2.2, 2.3), "", 0.0),
    "IfcSensor.USERDEFINED": ((0.3, 0.3, 2.0), "control", 0.0),
    "IfcElectricAppliance.USERDEFINED": ((0.4, 0.3, 1.5), "electrical", 0.0),
    "IfcController.PROGRAMMABLE": ((0.12, 0.04, 0.12), "control", 1.3),
}
_SENSOR_BOX: Box = (0.08, 0.03, 0.08)
_SENSOR_HEIGHT_M = 1.6
_SYSTEMS = {
    "electrical": ("Electrical", "ELECTRICAL"),
    "ventilation": ("Ventilation", "VENTILATION"),
    "heating": ("Heating", "HEATING"),
    "control": ("Building automation", "CONTROL"),
}
_FREE_KINDS = {
    "IfcBuildingElementProxy": "MACHINETOOL",
    "IfcSensor": "WEATHERSTATION",
    "IfcElectricAppliance": "EVCHARGER",
}


def write_sample(plan: BuildingPlan, out: Path, seed: int = SEED) -> None:
    """Write the building of a plan as an IFC4 file."""
    out.write_text(author_building(plan, seed), encoding="ascii", newline="\n")


def author_building(plan: BuildingPlan, seed: int = SEED) -> str:
    """The building of a plan as the text of an IFC4 file; pure."""
    return _Building(plan, Author(seed)).write()


class _Building:
    """Top to bottom: project, place on Earth, storeys, spaces, shell, devices, systems."""

    def __init__(self, plan: BuildingPlan, author: Author) -> None:
        self._plan, self._author = plan, author
        self._spaces: dict[str, Any] = {}
        self._content: dict[str, list[Any]] = {space.name: [] for space in plan.spaces}
        self._members: dict[str, list[Any]] = {name: [] for name in _SYSTEMS}
        self._sensors: dict[str, list[Any]] = {}

    def write(self) -> str:
        author, plan = self._author, self._plan
        project = self._project()
        building = self._site_and_building(project)
        storeys = []
        for index, storey in enumerate(plan.storeys):
            path = f"storey/{index}"
            placement = author.at(0, 0, storey.elevation_m, building.ObjectPlacement)
            entity = author.root(
                "IfcBuildingStorey",
                path,
                storey.name,
                ObjectPlacement=placement,
                CompositionType="ELEMENT",
                Elevation=storey.elevation_m,
            )
            storeys.append(entity)
            rooms = [self._space(space, entity) for space in plan.spaces if space.storey == storey.name]
            author.aggregate(path, entity, rooms)
            author.contain(path, entity, Shell(author, plan, storey, placement, path).build())
        author.aggregate("building", building, storeys)
        for device in plan.devices:
            self._device(device)
        for name, elements in self._content.items():
            author.contain(f"space/{name}", self._spaces[name], elements)
        self._types_and_systems(building)
        return str(author.file.to_string())

    def _project(self) -> Any:
        author, place = self._author, self._plan.building
        make = author.file.create_entity
        metre = make("IfcSIUnit", None, "LENGTHUNIT", None, "METRE")
        units = [
            metre,
            make("IfcSIUnit", None, "AREAUNIT", None, "SQUARE_METRE"),
            make("IfcSIUnit", None, "VOLUMEUNIT", None, "CUBIC_METRE"),
            make("IfcSIUnit", None, "PLANEANGLEUNIT", None, "RADIAN"),
        ]
        north = math.radians(place.true_north_deg)
        context = author.context((math.sin(north), math.cos(north)))
        crs = make(
            "IfcProjectedCRS",
            place.crs,
            "S-JTSK [JTSK03] / Krovak East North",
            "S-JTSK [JTSK03]",
            "Baltic after adjustment",
            "Krovak",
            None,
            metre,
        )
        turn = math.radians(place.x_axis_deg)
        east, north_m, height = place.eastings_m, place.northings_m, place.height_m
        make("IfcMapConversion", context, crs, east, north_m, height, math.cos(turn), math.sin(turn), 1.0)
        return author.root(
            "IfcProject",
            "project",
            place.name,
            LongName=f"{place.name}, authored by AID4",
            RepresentationContexts=[context],
            UnitsInContext=make("IfcUnitAssignment", units),
        )

    def _site_and_building(self, project: Any) -> Any:
        author, place = self._author, self._plan.building
        site = author.root(
            "IfcSite",
            "site",
            "Campus",
            ObjectPlacement=author.at(0, 0, 0),
            CompositionType="ELEMENT",
            RefLatitude=_compound_angle(place.latitude_deg),
            RefLongitude=_compound_angle(place.longitude_deg),
            RefElevation=place.height_m,
        )
        building = author.root(
            "IfcBuilding",
            "building",
            place.name,
            ObjectPlacement=author.at(0, 0, 0, site.ObjectPlacement),
            CompositionType="ELEMENT",
        )
        author.aggregate("project", project, [site])
        author.aggregate("site", site, [building])
        return building

    def _space(self, space: Space, storey: Any) -> Any:
        x0, y0, x1, y1 = space.rect_m
        width, depth = x1 - x0, y1 - y0
        height = self._plan.storey_of(space).height_m - _SPACE_HEADROOM_M
        path = f"space/{space.name}"
        entity = self._author.root(
            "IfcSpace",
            path,
            space.number,
            ObjectPlacement=self._author.at(x0, y0, 0, storey.ObjectPlacement),
            Representation=self._author.box((width, depth, height)),
            LongName=space.name,
            CompositionType="ELEMENT",
            PredefinedType="EXTERNAL" if space.outside else "INTERNAL",
        )
        values = {"Reference": ("IfcIdentifier", space.number), "IsExternal": ("IfcBoolean", space.outside)}
        self._author.properties(path, [entity], "Pset_SpaceCommon", values)
        quantities = {
            "Height": ("Length", height),
            "GrossFloorArea": ("Area", width * depth),
            "GrossVolume": ("Volume", width * depth * height),
        }
        self._author.quantities(path, entity, "Qto_SpaceBaseQuantities", quantities)
        self._spaces[space.name] = entity
        return entity

    def _device(self, device: Device) -> None:
        """The device's element, and the sensors that its points have of their own."""
        kind = self._plan.kinds[device.kind]
        ifc_class, predefined = kind.ifc.split(".")
        size, system, height = _BODIES[kind.ifc]
        path = f"device/{device.name}"
        free = _FREE_KINDS.get(ifc_class) if predefined == "USERDEFINED" else None
        element = self._author.root(
            ifc_class,
            path,
            device.label,
            ObjectType=free,
            ObjectPlacement=self._spot(device.space, height),
            Representation=self._author.box(size),
            Tag=device.name,
            PredefinedType=predefined,
        )
        values = {"Device": device.name, "BrickClass": f"brick:{kind.brick}"}
        self._author.properties(path, [element], "Pset_AID4", values)
        self._content[device.space].append(element)
        if system:
            self._members[system].append(element)
        sensors = [self._sensor(device, metric) for metric in kind.metrics if metric.sensor]
        if sensors and element.is_a("IfcDistributionFlowElement"):
            self._author.relate(
                "IfcRelFlowControlElements", path, RelatedControlElements=sensors, RelatingFlowElement=element
            )

    def _sensor(self, device: Device, metric: Metric) -> Any:
        path = f"device/{device.name}/{metric.name}"
        sensor = self._author.root(
            "IfcSensor",
            path,
            f"{device.label}: {metric.name.replace('_', ' ')}",
            ObjectPlacement=self._spot(device.space, _SENSOR_HEIGHT_M),
            Representation=self._author.box(_SENSOR_BOX),
            Tag=f"{device.name}/{metric.name}",
            PredefinedType=metric.sensor,
        )
        values = {"PointKey": f"{device.name}/{metric.name}", "BrickClass": f"brick:{metric.brick}"}
        self._author.properties(path, [sensor], "Pset_AID4", values)
        self._content[device.space].append(sensor)
        self._sensors.setdefault(metric.sensor, []).append(sensor)
        self._members["control"].append(sensor)
        return sensor

    def _spot(self, space_name: str, height_m: float) -> Any:
        """The next free place in a room: a grid one metre from its walls, relative to the room."""
        space = next(space for space in self._plan.spaces if space.name == space_name)
        x0, y0, x1, y1 = space.rect_m
        columns = max(1, int((x1 - x0 - 2) // 3))
        count = len(self._content[space_name])
        x, y = 1 + 3 * (count % columns), min(1 + 2.5 * (count // columns), y1 - y0 - 1)
        return self._author.at(x, y, height_m, self._spaces[space_name].ObjectPlacement)

    def _types_and_systems(self, building: Any) -> None:
        author = self._author
        for predefined, sensors in sorted(self._sensors.items()):
            name = predefined.removesuffix("SENSOR").capitalize() + " sensor"
            author.type_of("IfcSensorType", f"type/{predefined}", name, sensors, predefined)
        for key, (name, predefined) in _SYSTEMS.items():
            if self._members[key]:
                system = author.group(
                    "IfcDistributionSystem", f"system/{key}", name, self._members[key], PredefinedType=predefined
                )
                author.relate(
                    "IfcRelServicesBuildings",
                    f"system/{key}/serves",
                    RelatingSystem=system,
                    RelatedBuildings=[building],
                )
        heated = [self._spaces[space.name] for space in self._plan.spaces if not space.outside]
        author.group("IfcZone", "zone/heated", "Heated zone", heated)


def _compound_angle(degrees: float) -> tuple[int, int, int, int]:
    """Degrees, minutes, seconds and millionths of a second, all of one sign."""
    sign = -1 if degrees < 0 else 1
    millionths = round(abs(degrees) * 3600 * 1_000_000)
    seconds, rest = divmod(millionths, 1_000_000)
    return sign * (seconds // 3600), sign * (seconds // 60 % 60), sign * (seconds % 60), sign * rest
