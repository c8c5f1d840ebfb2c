"""One IFC4X3 model while it is written: elements with their place, type, material, properties, systems and trade.

What many elements share (a type, a material, a property set, a class) is collected and written once by `finish`.
"""

import math
from typing import Any

from bim.campus.catalogue import COST_GROUPS, TRADES
from bim.campus.layout import Place
from bim.campus.solids import Frame, Shape, Shapes
from bim.campus.step import DERIVED, Enum, Ref, StepFile, Typed
from wire.errors import ConfigError

__all__ = ["Built", "Model", "Spot"]

_ELEMENTS_MAX = 100_000  # an authored park is a sample; tiles and pages are tested up to that
Values = tuple[tuple[str, Any], ...]
Built = tuple[str, int, str]  # building code ("" is the site), storey number (-1: none), trade


class Spot:
    """A spatial element: what is in it stands relative to it, and belongs to its building and storey."""

    __slots__ = ("building", "path", "placement", "ref", "storey")

    def __init__(self, ref: Ref, placement: Ref, path: str, building: str = "", storey: int = -1) -> None:
        self.ref, self.placement, self.path, self.building, self.storey = ref, placement, path, building, storey


class Model:
    """Makes elements; `built` says afterwards which of them a task can build."""

    def __init__(self, place: Place, seed: int) -> None:
        self.file = StepFile(seed)
        self.shapes = Shapes(self.file)
        self.place = place
        self.built: dict[Built, list[Ref]] = {}
        self.placements: dict[Ref, Ref] = {}
        self.systems: dict[str, list[Ref]] = {}
        self.zones: dict[str, list[Ref]] = {}
        self.elements = self.sensors = 0
        self._content: dict[str, tuple[Spot, list[Ref]]] = {}
        self._parts: dict[Ref, list[Ref]] = {}
        self._painted: dict[Ref, list[Ref]] = {}
        self._types: dict[tuple[str, str, str, str], tuple[Shape | None, list[Ref]]] = {}
        self._materials: dict[str, list[Ref]] = {}
        self._psets: dict[tuple[str, Values], list[Ref]] = {}
        self._classes: dict[str, list[Ref]] = {}
        self.project = self._begin()

    def element(
        self,
        ifc_class: str,
        path: str,
        name: str,
        spot: Spot,
        frame: Frame,
        shape: Shape = (),
        *,
        predefined: str | None = "NOTDEFINED",
        object_type: str | None = None,
        trade: str = "",
        type_name: str = "",
        shared: bool = False,
        tag: str | None = None,
        above: Ref | None = None,
        whole: Ref | None = None,
        host: Ref | None = None,
        system: str = "",
        tail: tuple[Any, ...] = (),
    ) -> Ref:
        """One element in a spot; `above` is another element whose axes `frame` is relative to, `whole` what it is
        a part of, `host` what it is painted on, `tail` the attributes between Tag and PredefinedType or, in a door,
        all after Tag."""
        if self.elements >= _ELEMENTS_MAX:
            problem = f"the site has more than {_ELEMENTS_MAX} elements"
            raise ConfigError(problem, file="layout.toml", field=path, fix="make spacings larger or the site smaller")
        base = spot.placement if above is None else self.placements[above]
        placement = self.shapes.placement(frame, base)
        drawn = None
        if shape:
            drawn = self.shapes.mapped(shape) if shared else self.shapes.definition(shape)
        kind = () if predefined is None else (Enum(predefined),)
        ref = self.file.root(
            ifc_class, path, name, None, object_type, placement, drawn, tag, *(tail if tail else kind)
        )  # fmt: skip
        self.placements[ref] = placement
        self.elements += ifc_class != "IfcOpeningElement"
        self.sensors += ifc_class == "IfcSensor"
        if whole is not None:
            self._parts.setdefault(whole, []).append(ref)
        elif host is not None:
            self._painted.setdefault(host, []).append(ref)
        elif ifc_class != "IfcOpeningElement":
            self._content.setdefault(spot.path, (spot, []))[1].append(ref)
        if trade:
            self._file_under(trade, spot, ref)
        if type_name:
            key = (ifc_class, type_name, predefined or "NOTDEFINED", object_type or "")
            self._types.setdefault(key, (shape if shared else None, []))[1].append(ref)
        if system:
            self.systems.setdefault(system, []).append(ref)
        return ref

    def spot(self, ref: Ref, frame_placement: Ref, path: str, building: str = "", storey: int = -1) -> Spot:
        """A spatial element that is already in the file, as a place for others."""
        self.placements[ref] = frame_placement
        return Spot(ref, frame_placement, path, building, storey)

    def spatial(
        self, ifc_class: str, path: str, name: str, above: Spot, frame: Frame, *, shape: Shape = (),
        long_name: str | None = None, tail: tuple[Any, ...] = (), building: str = "", storey: int = -1,
    ) -> Spot:  # fmt: skip
        """A building, storey, space, road or part of one below another spatial element."""
        placement = self.shapes.placement(frame, above.placement)
        drawn = self.shapes.definition(shape) if shape else None
        ref = self.file.root(ifc_class, path, name, None, None, placement, drawn, long_name, Enum("ELEMENT"), *tail)
        self._parts.setdefault(above.ref, []).append(ref)
        return self.spot(ref, placement, path, building or above.building, storey if storey >= 0 else above.storey)

    def properties(self, ref: Ref, pset: str, **values: Any) -> None:
        """A property set; equal sets are written once. A value is (measure, value), a text or a truth."""
        self._psets.setdefault((pset, tuple(values.items())), []).append(ref)

    def quantities(self, path: str, ref: Ref, name: str, **values: tuple[str, float]) -> None:
        """A quantity set; a value is (Length, Area or Volume, number)."""
        rows = [self.file.once(f"IfcQuantity{kind}", key, None, None, number, None)
                for key, (kind, number) in values.items()]  # fmt: skip
        entity = self.file.root("IfcElementQuantity", f"{path}/{name}", name, None, None, rows)
        self.relate("IfcRelDefinesByProperties", f"{path}/{name}", [ref], entity)

    def relate(self, ifc_class: str, path: str, *ends: Any) -> Ref:
        """A relation without name."""
        return self.file.root(ifc_class, f"rel/{path}", None, None, *ends)

    def finish(self) -> None:
        """Write what was collected, in a fixed order."""
        for number, (whole, parts) in enumerate(self._parts.items()):
            self.relate("IfcRelAggregates", f"parts/{number}", whole, parts)
        for path, (spot, content) in self._content.items():
            self.relate("IfcRelContainedInSpatialStructure", f"{path}/content", content, spot.ref)
        for number, (host, marks) in enumerate(self._painted.items()):
            self.relate("IfcRelAdheresToElement", f"paint/{number}", host, marks)
        for number, ((pset, values), refs) in enumerate(self._psets.items()):
            self._write_pset(f"pset/{number}", pset, values, refs)
        for (ifc_class, name, predefined, object_type), (shape, refs) in self._types.items():
            self._write_type(ifc_class, name, predefined, object_type, shape, refs)
        for name, refs in self._materials.items():
            material = self.file.add("IfcMaterial", name, None, None)
            self.relate("IfcRelAssociatesMaterial", f"material/{name}", refs, material)
        self._write_classes()

    def _begin(self) -> Ref:
        place, make = self.place, self.file.add
        metre = make("IfcSIUnit", DERIVED, Enum("LENGTHUNIT"), None, Enum("METRE"))
        units = [metre] + [
            make("IfcSIUnit", DERIVED, Enum(kind), None, Enum(name))
            for kind, name in (("AREAUNIT", "SQUARE_METRE"), ("VOLUMEUNIT", "CUBIC_METRE"), ("PLANEANGLEUNIT",
                                                                                             "RADIAN"),
                               ("POWERUNIT", "WATT"), ("ELECTRICVOLTAGEUNIT", "VOLT"))
        ]  # fmt: skip
        north, turn = math.radians(place.true_north_deg), math.radians(place.x_axis_deg)
        context = self.shapes.begin((math.sin(north), math.cos(north)))
        crs = make("IfcProjectedCRS", place.crs, place.crs_title, place.geodetic_datum, place.vertical_datum,
                   place.projection, place.zone, metre)  # fmt: skip
        make("IfcMapConversion", context, crs, place.eastings_m, place.northings_m, place.height_m, math.cos(turn),
             math.sin(turn), place.map_scale)  # fmt: skip
        assigned = make("IfcUnitAssignment", units)
        return self.file.root(
            "IfcProject",
            "project",
            place.name,
            None,
            None,
            f"{place.title}, authored by AID4",
            None,
            [context],
            assigned,
        )

    def site(self) -> Spot:
        """The site below the project."""
        place = self.place
        placement = self.shapes.placement(Frame((0.0, 0.0, 0.0)), None)
        ref = self.file.root(
            "IfcSite", "site", place.name, None, None, placement, None, place.title, Enum("ELEMENT"),
            _compound_angle(place.latitude_deg), _compound_angle(place.longitude_deg), place.height_m, None, None,
        )  # fmt: skip
        self._parts.setdefault(self.project, []).append(ref)
        return self.spot(ref, placement, "site")

    def _file_under(self, trade: str, spot: Spot, ref: Ref) -> None:
        code, material = TRADES[trade]
        self.built.setdefault((spot.building, spot.storey, trade), []).append(ref)
        self._classes.setdefault(code, []).append(ref)
        if material:
            self._materials.setdefault(material, []).append(ref)

    def _write_pset(self, path: str, pset: str, values: Values, refs: list[Ref]) -> None:
        rows = []
        for name, value in values:
            measure = value if isinstance(value, Typed) else Typed(
                "IfcBoolean" if isinstance(value, bool) else "IfcLabel", value
            )  # fmt: skip
            rows.append(self.file.once("IfcPropertySingleValue", name, None, measure, None))
        entity = self.file.root("IfcPropertySet", path, pset, None, rows)
        self.relate("IfcRelDefinesByProperties", path, refs, entity)

    def _write_type(
        self, ifc_class: str, name: str, predefined: str, object_type: str, shape: Shape | None, refs: list[Ref]
    ) -> None:
        path = f"type/{ifc_class}/{name}/{predefined}"
        maps = [self.shapes.map_of(shape)] if shape else None
        tail: tuple[Any, ...] = (Enum(predefined),)
        if ifc_class == "IfcDoor":
            tail = (Enum(predefined), Enum("SINGLE_SWING_LEFT"), None, None)
        elif ifc_class == "IfcWindow":
            tail = (Enum(predefined), Enum("SINGLE_PANEL"), None, None)
        elif ifc_class == "IfcFurniture":
            tail = (Enum("NOTDEFINED"), Enum(predefined))
        entity = self.file.root(
            f"{ifc_class}Type", path, name, None, None, None, maps, None, object_type or None, *tail
        )
        self.relate("IfcRelDefinesByType", path, refs, entity)

    def _write_classes(self) -> None:
        source = self.file.add("IfcClassification", "DIN", "2018-12", None, "DIN 276 cost groups", None, None, None)
        for code, refs in sorted(self._classes.items()):
            entry = self.file.add("IfcClassificationReference", None, code, COST_GROUPS[code], source, None, None)
            self.relate("IfcRelAssociatesClassification", f"class/{code}", refs, entry)


def _compound_angle(degrees: float) -> tuple[int, int, int, int]:
    """Degrees, minutes, seconds and millionths of a second, all of one sign."""
    sign = -1 if degrees < 0 else 1
    millionths = round(abs(degrees) * 3600 * 1_000_000)
    seconds, rest = divmod(millionths, 1_000_000)
    return sign * (seconds // 3600), sign * (seconds // 60 % 60), sign * (seconds % 60), sign * rest
