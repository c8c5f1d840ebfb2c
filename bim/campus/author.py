"""Turns the tables of a site's folder into one IFC4X3 file; the same tables, seed and data date give the same bytes."""

from datetime import date
from pathlib import Path
from typing import NamedTuple

from bim.campus.catalogue import SYSTEMS
from bim.campus.devices import place_devices
from bim.campus.frame import SLAB_M, FrameStorey
from bim.campus.glasshouse import build_glasshouse
from bim.campus.ground import build_ground
from bim.campus.hall import Hall
from bim.campus.layout import Building, Layout, Room
from bim.campus.loading import load_layout
from bim.campus.model import Model, Spot
from bim.campus.panels import build_panels
from bim.campus.plan import Dated, elements_of, write_plan
from bim.campus.plan_table import load_plan, without_empty
from bim.campus.services import fit_out
from bim.campus.solids import Box, Frame
from bim.campus.step import Enum, Ref

__all__ = ["Authored", "author_site", "write_site"]

_STAMP = "2026-01-01T00:00:00"
_OUTDOOR_HIGH_M = 6.0


class Authored(NamedTuple):
    """The text of the file and how much is in it."""

    text: str
    elements: int
    sensors: int
    tasks: int


def write_site(folder: Path, out: Path, *, seed: int, data_date: date) -> Authored:
    """Author the site of a folder into `out`; raises ConfigError for a table that is wrong."""
    authored = author_site(folder, seed=seed, data_date=data_date)
    out.write_text(authored.text, encoding="ascii", newline="\n")
    return authored


def author_site(folder: Path, *, seed: int, data_date: date) -> Authored:
    """The site of a folder with layout.toml, devices.toml and, if it has one, plan.toml."""
    layout = load_layout(folder)
    park = _Park(layout, Model(layout.place, seed))
    park.build()
    tasks = park.plan(folder, data_date)
    park.model.finish()
    model = park.model
    return Authored(model.file.text(f"{layout.place.name}.ifc", _STAMP), model.elements, model.sensors, tasks)


class _Park:
    """Ground, buildings storey by storey, devices, systems and zones."""

    def __init__(self, layout: Layout, model: Model) -> None:
        self.layout, self.model = layout, model
        self._site = model.site()
        self._spaces: dict[str, Spot] = {}
        self._rects: dict[str, tuple[float, ...]] = {}
        self._buildings: list[Spot] = []

    def build(self) -> None:
        """Everything but the plan."""
        build_ground(self.model, self.layout, self._site)
        for outdoor in self.layout.outdoors:
            room = Room(number=outdoor.number, name=outdoor.name, rect_m=outdoor.rect_m, use="terrace", outside=True)
            self._space(room, self._site, _OUTDOOR_HIGH_M)
        for panels in self.layout.panels:
            if not panels.building:
                build_panels(self.model, self._site, panels, 0.3)
        for building in self.layout.buildings:
            self._building(building)
        place_devices(self.model, self.layout, self._spaces, self._rects)
        self._systems()

    def plan(self, folder: Path, data_date: date) -> int:
        """The work schedule, when the folder has one; returns how many tasks it has."""
        found = load_plan(folder, self.layout)
        if found is None:
            return 0
        rooms: dict[tuple[str, int], list[Ref]] = {}
        for spot in self._spaces.values():
            rooms.setdefault((spot.building, spot.storey), []).append(spot.ref)
        plan, tasks = found
        made = elements_of(tasks, self.model.built, rooms)
        empty = {task.code for task in tasks if task.work.trades and not made[task.code]}
        dated = Dated(plan, without_empty(tasks, empty), data_date)
        return write_plan(self.model, self.layout, dated, made)

    def _building(self, building: Building) -> None:
        model, path = self.model, f"building/{building.code}"
        spot = model.spatial(
            "IfcBuilding", path, building.code, self._site,
            Frame.turned(*building.at_m, building.floor_m, building.turn_deg), long_name=building.name,
            tail=(None, None, None), building=building.code,
        )  # fmt: skip
        self._buildings.append(spot)
        spots = []
        for number, storey in enumerate(building.storeys):
            here = model.spatial(
                "IfcBuildingStorey", f"{path}/{number}", storey.name, spot, Frame((0.0, 0.0, storey.elevation_m)),
                tail=(storey.elevation_m,), storey=number,
            )  # fmt: skip
            spots.append(here)
            for room in storey.rooms:
                self._space(room, here, storey.height_m - SLAB_M)
        top = self._shell(building, spots)
        for panels in self.layout.panels:
            if panels.building == building.code:
                pitched = building.form == "hall"
                spot_of_roof = spots[0] if pitched else spots[-1]
                base = top if pitched else top - building.storeys[-1].elevation_m
                build_panels(model, spot_of_roof, panels, base, pitched=pitched)
        rooms = [room for storey in building.storeys for room in storey.rooms if not room.outside]
        model.zones[f"{building.name}, heated"] = [self._spaces[room.name].ref for room in rooms]

    def _shell(self, building: Building, spots: list[Spot]) -> float:
        """The building's elements; returns the level of its roof above its floor."""
        model, last = self.model, building.storeys[-1]
        match building.form:
            case "frame":
                for number, spot in enumerate(spots):
                    FrameStorey(model, building, number, spot).build()
                    fit_out(model, spot, building.storeys[number].rooms, building.storeys[number].height_m - SLAB_M)
                return last.elevation_m + last.height_m + 0.08
            case "hall":
                hall = Hall(model, building, spots)
                hall.build()
                for number, spot in enumerate(spots):
                    low = [room for room in building.storeys[number].rooms if room.use not in ("hall", "barn")]
                    high = [room for room in building.storeys[number].rooms if room.use in ("hall", "barn")]
                    fit_out(model, spot, low, 3.4)
                    fit_out(model, spot, high, building.storeys[number].height_m)
                return hall.roof_m
            case "glasshouse":
                build_glasshouse(model, building, spots[0])
                fit_out(model, spots[0], building.storeys[0].rooms, building.storeys[0].height_m)
                return building.storeys[0].height_m

    def _space(self, room: Room, spot: Spot, height_m: float) -> None:
        model, (x0, y0, x1, y1) = self.model, room.rect_m
        path, width, depth = f"space/{room.name}", x1 - x0, y1 - y0
        here = model.spatial(
            "IfcSpace", path, room.number, spot, Frame((x0, y0, 0.0)),
            shape=(Box((0.0, 0.0, 0.0), (width, depth, height_m), "space"),), long_name=room.name,
            tail=(Enum("EXTERNAL" if room.outside else "INTERNAL"), None),
        )  # fmt: skip
        model.properties(here.ref, "Pset_SpaceCommon", Reference=room.use, IsExternal=room.outside)
        model.quantities(path, here.ref, "Qto_SpaceBaseQuantities", Height=("Length", height_m),
                         GrossFloorArea=("Area", width * depth), GrossVolume=("Volume",
                                                                              width * depth * height_m))  # fmt: skip
        self._spaces[room.name], self._rects[room.name] = here, room.rect_m

    def _systems(self) -> None:
        model = self.model
        for key, members in sorted(model.systems.items()):
            name, predefined = SYSTEMS[key]
            system = model.file.root(
                "IfcDistributionSystem", f"system/{key}", name, None, None, None, Enum(predefined)
            )  # fmt: skip
            model.relate("IfcRelAssignsToGroup", f"system/{key}", members, None, system)
            if self._buildings:
                served = [spot.ref for spot in self._buildings]
                model.relate("IfcRelServicesBuildings", f"system/{key}/serves", system, served)
        for name, spaces in model.zones.items():
            if spaces:
                zone = model.file.root("IfcZone", f"zone/{name}", name, None, None, None)
                model.relate("IfcRelAssignsToGroup", f"zone/{name}", spaces, None, zone)
