"""What runs through a storey: air ducts and terminals, lights, sprinklers, pipes, cable trays, outlets, furniture.

Mains follow the storey's corridor (else the middle of its largest room); branches go into the rooms beside it. Duct
and pipe mains have ports that are joined end to end.
"""

from bim.campus.bodies import BODIES
from bim.campus.catalogue import USES
from bim.campus.layout import Room
from bim.campus.model import Model, Spot
from bim.campus.solids import Box, Frame, Pipe
from bim.campus.step import Enum, Ref

__all__ = ["fit_out", "port"]

_PIECE_M, _SPRINKLER_M, _OUTLET_M = 3.0, 3.5, 5.0
_LIGHT_UNDER_M, _DUCT_UNDER_M, _TRAY_UNDER_M = 0.30, 0.62, 0.95
_FURNITURE_MAX = 28  # pieces a room
_SPACING = {"desk": (2.4, 2.6), "table": (3.0, 2.6), "seats": (2.6, 1.2), "sofa": (3.2, 3.0), "bench": (3.0, 2.4),
            "shelf": (2.4, 2.0), "rack": (0.8, 2.2)}  # fmt: skip
_PREDEFINED = {"desk": "DESK", "chair": "CHAIR", "table": "TABLE", "seats": "CHAIR", "sofa": "SOFA", "bench": "TABLE",
               "shelf": "SHELF", "rack": "TECHNICALCABINET"}  # fmt: skip
# key, aside, width, height, colour, class, trade, system, medium
_MAINS = (
    ("supply", 0.45, 0.5, 0.3, "duct_supply", "IfcDuctSegment", "ducts", "supply_air"),
    ("extract", -0.45, 0.5, 0.3, "duct_return", "IfcDuctSegment", "ducts", "extract_air"),
    ("hot", 0.85, 0.06, 0.06, "pipe_hot", "IfcPipeSegment", "heating", "heating"),
    ("cold", 0.95, 0.06, 0.06, "pipe_cold", "IfcPipeSegment", "heating", "cooling"),
)


def fit_out(model: Model, spot: Spot, rooms: list[Room], height_m: float, *, mains: bool = True) -> None:
    """Services and furniture of one storey whose clear height is `height_m`."""
    inside = [room for room in rooms if not room.outside]
    way = next((room for room in inside if room.use == "corridor"), None)
    if way is not None and mains:
        _mains(model, spot, way, height_m)
    for room in inside:
        _lights(model, spot, room, height_m)
        if way is not None and room is not way:
            _branch(model, spot, room, way, height_m)
        _sprinklers(model, spot, room, height_m)
        _outlets(model, spot, room)
        _furniture(model, spot, room)


def _mains(model: Model, spot: Spot, way: Room, height_m: float) -> None:
    x0, y0, x1, y1 = way.rect_m
    along_x = x1 - x0 >= y1 - y0
    length, middle = (x1 - x0, (y0 + y1) / 2) if along_x else (y1 - y0, (x0 + x1) / 2)
    count = max(1, round((length - 0.6) / _PIECE_M))
    piece = (length - 0.6) / count
    for key, aside, wide, high, colour, ifc_class, trade, system in _MAINS:
        z = height_m - _DUCT_UNDER_M
        if ifc_class == "IfcDuctSegment":
            body = (Box((0.0, -wide / 2, 0.0), (piece - 0.02, wide, high), colour),)
        else:
            body = (Pipe((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), wide / 2, piece - 0.01, colour),)  # type: ignore[assignment]
        before: Ref | None = None
        for index in range(count):
            far = 0.3 + index * piece
            frame = Frame((x0 + far, middle + aside, z)) if along_x else Frame.turned(middle - aside, y0 + far, z, 90.0)
            path = f"{spot.path}/main/{key}/{index}"
            ref = model.element(ifc_class, path, f"{key.capitalize()} main {index + 1}", spot, frame, body,
                                predefined="RIGIDSEGMENT", trade=trade,
                                type_name=f"{key.capitalize()} main {piece:.2f} m", shared=True,
                                system=system)  # fmt: skip
            kind = "DUCT" if ifc_class == "IfcDuctSegment" else "PIPE"
            inlet = port(model, f"{path}/in", "Inlet", ref, "SINK", kind, system, (0.0, 0.0, 0.0))
            outlet = port(model, f"{path}/out", "Outlet", ref, "SOURCE", kind, system, (piece, 0.0, 0.0))
            model.relate("IfcRelNests", f"{path}/ports", ref, [inlet, outlet])
            if before is not None:
                model.relate("IfcRelConnectsPorts", f"{path}/joint", before, inlet, None)
            before = outlet
    tray = (Box((0.0, -0.15, 0.0), (piece - 0.02, 0.3, 0.06), "zinc"),)
    for index in range(count):
        far, z = 0.3 + index * piece, height_m - _TRAY_UNDER_M
        frame = Frame((x0 + far, middle, z)) if along_x else Frame.turned(middle, y0 + far, z, 90.0)
        model.element("IfcCableCarrierSegment", f"{spot.path}/tray/{index}", f"Cable tray {index + 1}", spot, frame,
                      tray,
                      predefined="CABLETRAYSEGMENT", trade="trays", type_name=f"Cable tray 300 mm, {piece:.2f} m",
                      shared=True, system="electrical")  # fmt: skip
    board = model.element("IfcElectricDistributionBoard", f"{spot.path}/board", f"Distribution board {way.number}",
                          spot,
                          Frame((x0 + 0.8, y1 - 0.2, 0.6)), BODIES["board"], predefined="DISTRIBUTIONBOARD",
                          trade="electrical", type_name="Storey distribution board", shared=True,
                          system="electrical")  # fmt: skip
    model.properties(board, "Pset_ElectricalDeviceCommon", IP_Code="IP44")


def port(
    model: Model, path: str, name: str, owner: Ref, flow: str, kind: str, system: str, at: tuple[float, float, float]
) -> Ref:
    """A port of an element; the caller nests it."""
    placement = model.shapes.placement(Frame(at), model.placements[owner])
    medium = {"supply_air": "VENTILATION", "extract_air": "EXHAUST", "heating": "HEATING", "cooling": "CHILLEDWATER",
              "ventilation": "VENTILATION"}.get(system, "ELECTRICAL")  # fmt: skip
    return model.file.root("IfcDistributionPort", path, name, None, None, placement, None, Enum(flow), Enum(kind),
                           Enum(medium))  # fmt: skip


def _branch(model: Model, spot: Spot, room: Room, way: Room, height_m: float) -> None:
    """From the corridor into the room: an air box, ducts in pieces, a terminal in each field of the ceiling."""
    use = USES[room.use]
    if not use.terminal_m:
        return
    _, y0, _, y1 = room.rect_m
    z = height_m - _DUCT_UNDER_M
    fields = _grid(room, use.terminal_m)
    rows = sorted({x for x, _ in fields})
    for number, x in enumerate(rows):
        supply = number % 2 == 0
        colour, system = ("duct_supply", "supply_air") if supply else ("duct_return", "extract_air")
        ends = [y for at, y in fields if at == x]
        near_low = (way.rect_m[1] + way.rect_m[3]) / 2 < (y0 + y1) / 2
        start = y0 + 0.2 if near_low else min(ends) - 0.15
        stop = max(ends) + 0.15 if near_low else y1 - 0.2
        count = max(1, round((stop - start) / _PIECE_M))
        piece = (stop - start) / count
        body = (Box((-0.15, 0.0, 0.0), (0.3, piece - 0.02, 0.22), colour),)
        path = f"{spot.path}/branch/{room.number}/{number}"
        model.element("IfcAirTerminalBox", f"{path}/box", f"Air box {room.number}-{number + 1}", spot,
                      Frame((x, y0 + 0.6 if near_low else y1 - 0.6, z - 0.04)), BODIES["air-box"],
                      predefined="VARIABLEFLOWPRESSUREINDEPENDANT", trade="terminals", type_name="Variable air box",
                      shared=True, system=system)  # fmt: skip
        for index in range(count):
            model.element("IfcDuctSegment", f"{path}/{index}", f"Branch {room.number}-{number + 1}.{index + 1}", spot,
                          Frame((x, start + index * piece, z)), body, predefined="RIGIDSEGMENT", trade="ducts",
                          type_name=f"Branch duct {piece:.2f} m", shared=True, system=system)  # fmt: skip
        for index, y in enumerate(ends):
            model.element("IfcAirTerminal", f"{path}/terminal/{index}",
                          f"Air terminal {room.number}-{number + 1}.{index + 1}",
                          spot, Frame((x, y, z - 0.25)), BODIES["diffuser" if supply else "grille"],
                          predefined="DIFFUSER" if supply else "GRILLE", trade="terminals",
                          type_name="Swirl diffuser 600" if supply else "Extract grille 500", shared=True,
                          system=system)  # fmt: skip


def _lights(model: Model, spot: Spot, room: Room, height_m: float) -> None:
    use = USES[room.use]
    if not use.light_m:
        return
    high = room.use in ("hall", "barn", "greenhouse")
    body = BODIES["high-bay" if high else "light"]
    for index, (x, y) in enumerate(_grid(room, use.light_m)):
        model.element("IfcLightFixture", f"{spot.path}/light/{room.number}/{index}",
                      f"Light {room.number}-{index + 1}", spot,
                      Frame((x, y, height_m - (0.6 if high else _LIGHT_UNDER_M))), body, predefined="POINTSOURCE",
                      trade="lighting", type_name="High bay 120 W" if high else "Linear light 32 W", shared=True,
                      system="lighting")  # fmt: skip


def _sprinklers(model: Model, spot: Spot, room: Room, height_m: float) -> None:
    if room.use not in (
        "office",
        "canteen",
        "lobby",
        "seminar",
        "meeting",
        "laboratory",
        "store",
        "workshop",
        "cleanroom",
    ):
        return
    for index, (x, y) in enumerate(_grid(room, _SPRINKLER_M)):
        model.element("IfcFireSuppressionTerminal", f"{spot.path}/sprinkler/{room.number}/{index}",
                      f"Sprinkler {room.number}-{index + 1}", spot, Frame((x + 0.4, y + 0.4, height_m - 0.4)),
                      BODIES["sprinkler"], predefined="SPRINKLER", trade="sprinklers", type_name="Sprinkler K80",
                      shared=True, system="sprinklers")  # fmt: skip


def _outlets(model: Model, spot: Spot, room: Room) -> None:
    x0, _, x1, y1 = room.rect_m
    if room.use in ("corridor", "stair", "greenhouse", "barn", "hall"):
        return
    count = max(1, int((x1 - x0) // _OUTLET_M))
    for index in range(count):
        x = x0 + (x1 - x0) * (index + 0.5) / count
        model.element("IfcOutlet", f"{spot.path}/outlet/{room.number}/{index}", f"Outlets {room.number}-{index + 1}",
                      spot,
                      Frame((x, y1 - 0.22, 0.3)), BODIES["outlet"], predefined="POWEROUTLET", trade="electrical",
                      type_name="Double outlet", shared=True, system="electrical")  # fmt: skip


def _furniture(model: Model, spot: Spot, room: Room) -> None:
    kind = USES[room.use].furniture
    if not kind:
        return
    wide, deep = _SPACING[kind]
    x0, y0, x1, y1 = room.rect_m
    columns, rows = max(1, int((x1 - x0 - 1.6) // wide)), max(1, int((y1 - y0 - 1.8) // deep))
    places = [
        (x0 + 1.0 + wide / 2 + c * wide, y0 + 1.0 + deep / 2 + r * deep) for r in range(rows) for c in range(columns)
    ]
    for index, (x, y) in enumerate(places[:_FURNITURE_MAX]):
        _piece(model, spot, f"{spot.path}/{kind}/{room.number}/{index}", kind, room, index, Frame((x, y, 0.02)))
        if kind == "desk":
            frame = Frame((x, y - 0.75, 0.02))
            _piece(model, spot, f"{spot.path}/chair/{room.number}/{index}", "chair", room, index, frame)


def _piece(model: Model, spot: Spot, path: str, kind: str, room: Room, index: int, frame: Frame) -> None:
    model.element("IfcFurniture", path, f"{kind.capitalize()} {room.number}-{index + 1}", spot, frame, BODIES[kind],
                  predefined=_PREDEFINED[kind], trade="furniture", type_name=kind.capitalize(),
                  shared=True)  # fmt: skip


def _grid(room: Room, every_m: float) -> list[tuple[float, float]]:
    """Middles of the fields that a room's ceiling is divided into."""
    x0, y0, x1, y1 = room.rect_m
    columns, rows = max(1, round((x1 - x0) / every_m)), max(1, round((y1 - y0) / every_m))
    return [(x0 + (x1 - x0) * (c + 0.5) / columns, y0 + (y1 - y0) * (r + 0.5) / rows)
            for c in range(columns) for r in range(rows)]  # fmt: skip
