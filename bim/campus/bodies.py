"""What stands in a park, by name: furniture, plants and the bodies of devices, each as a handful of coloured parts.

Every body stands on z = 0 with its middle at the origin, its front towards −y. Sizes are those of the trade.
"""

import math

from bim.campus.solids import Box, Mesh, Part, Pipe, Prism, Shape

__all__ = ["BODIES", "SENSOR_BODY", "crown", "panel_body", "window_body", "door_body"]

_UP, _X, _Y = (0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)


def _block(dx: float, dy: float, dz: float, colour: str, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Box:
    """A box by its middle in plan."""
    return Box((x - dx / 2, y - dy / 2, z), (dx, dy, dz), colour)


def _legs(dx: float, dy: float, height: float, thick: float, colour: str) -> list[Part]:
    return [_block(thick, thick, height, colour, x, y) for x in (-dx / 2, dx / 2) for y in (-dy / 2, dy / 2)]


def _pot(x: float, y: float, z: float, radius: float, height: float, colour: str) -> Pipe:
    return Pipe((x, y, z), _UP, radius, height, colour)


_FURNITURE: dict[str, Shape] = {
    "desk": (_block(1.6, 0.8, 0.04, "parquet", z=0.7), *_legs(1.4, 0.6, 0.7, 0.05, "anthracite"),
             _block(0.6, 0.04, 0.36, "black", y=0.15, z=0.84), _block(0.1, 0.1, 0.1, "anthracite", y=0.16, z=0.74)),
    "chair": (_block(0.5, 0.5, 0.08, "panel_blue", z=0.42), _block(0.5, 0.06, 0.5, "panel_blue", y=-0.24, z=0.5),
              _pot(0.0, 0.0, 0.05, 0.03, 0.37, "anthracite"), _pot(0.0, 0.0, 0.0, 0.28, 0.05, "anthracite")),
    "table": (_block(1.8, 0.9, 0.04, "timber", z=0.71), *_legs(1.5, 0.6, 0.71, 0.06, "anthracite")),
    "seats": (_block(2.2, 0.5, 0.06, "panel_blue", z=0.42), _block(2.2, 0.05, 0.45, "panel_blue", y=-0.25, z=0.48),
              *_legs(1.8, 0.3, 0.42, 0.05, "steel")),
    "sofa": (_block(2.0, 0.9, 0.42, "machine_green"), _block(2.0, 0.2, 0.4, "machine_green", y=0.35, z=0.42)),
    "bench": (_block(2.0, 0.8, 0.05, "clean_white", z=0.85), _block(1.9, 0.7, 0.75, "panel_grey", z=0.1),
              _block(1.9, 0.3, 0.5, "steel", y=0.25, z=0.9)),
    "shelf": (*_legs(1.8, 0.5, 2.2, 0.06, "steel"), *(_block(1.9, 0.6, 0.03, "aluminium", z=z)
              for z in (0.1, 0.75, 1.4, 2.05)), _block(0.6, 0.4, 0.4, "timber", x=-0.5, z=0.78)),
    "rack": (_block(0.6, 1.0, 2.0, "black"), _block(0.5, 0.02, 1.8, "signal_blue", y=-0.51, z=0.1)),
}  # fmt: skip

_DEVICES: dict[str, Shape] = {
    "cabinet": (_block(0.6, 0.4, 1.6, "panel_grey"), _block(0.5, 0.02, 1.4, "aluminium", y=-0.21, z=0.1)),
    "wall-box": (_block(0.3, 0.1, 0.4, "panel_white"), _block(0.2, 0.02, 0.12, "black", y=-0.06, z=0.2)),
    "controller": (_block(0.12, 0.04, 0.12, "panel_white"),),
    "switchboard": (*(_block(0.78, 0.6, 2.1, "panel_grey", x=0.8 * n - 1.2) for n in range(4)),
                    *(_block(0.5, 0.02, 0.25, "black", x=0.8 * n - 1.2, y=-0.31, z=1.5) for n in range(4))),
    "transformer": (_block(3.6, 2.5, 0.2, "concrete"), _block(3.2, 2.1, 2.3, "panel_white", z=0.2),
                    _block(3.5, 2.4, 0.12, "anthracite", z=2.5), _block(1.0, 0.05, 1.9, "machine_green", y=-1.06,
                                                                        z=0.3)),
    "battery": (_block(6.4, 2.8, 0.25, "concrete"), _block(6.06, 2.44, 2.6, "panel_white", z=0.25),
                *(_block(1.3, 0.06, 2.2, "panel_grey", x=1.45 * n - 2.2, y=-1.24, z=0.4) for n in range(4)),
                _block(1.6, 1.2, 0.5, "anthracite", x=1.8, z=2.85)),
    "inverter": (_block(0.7, 0.3, 0.9, "panel_white", z=0.6), _block(0.5, 0.02, 0.15, "black", y=-0.16, z=1.2),
                 _block(0.8, 0.1, 1.6, "steel", y=0.2)),
    "air-handler": (_block(4.2, 1.6, 0.12, "anthracite"), _block(4.0, 1.5, 0.85, "panel_grey", z=0.12),
                    _block(4.0, 1.5, 0.85, "panel_white", z=0.99), _pot(-1.7, 0.0, 1.84, 0.3, 0.3, "duct_supply"),
                    _pot(1.7, 0.0, 1.84, 0.3, 0.3, "duct_return"),
                    *(_block(0.03, 0.02, 1.6, "anthracite", x=x, y=-0.76, z=0.2) for x in (-1.0, 0.0, 1.0))),
    "heat-pump": (_block(2.2, 1.1, 0.1, "concrete"), _block(2.0, 0.9, 1.5, "panel_white", z=0.1),
                  Pipe((-0.5, -0.45, 0.85), (0.0, -1.0, 0.0), 0.42, 0.04, "black"),
                  Pipe((0.5, -0.45, 0.85), (0.0, -1.0, 0.0), 0.42, 0.04, "black")),
    "chiller": (_block(5.0, 2.2, 0.2, "steel"), _block(4.8, 2.0, 1.3, "panel_grey", z=0.2),
                *(_pot(-1.8 + 1.2 * n, 0.0, 1.5, 0.5, 0.3, "black") for n in range(4))),
    "cooling-tower": (_block(3.0, 3.0, 3.2, "panel_grey"), _pot(0.0, 0.0, 3.2, 1.1, 0.6, "anthracite"),
                      *(_block(2.8, 0.04, 0.12, "anthracite", y=-1.51, z=0.4 + 0.3 * n) for n in range(5))),
    "boiler": (_block(1.0, 1.4, 1.6, "panel_white"), _pot(0.0, 0.5, 1.6, 0.15, 1.6, "zinc")),
    "tank": (_pot(0.0, 0.0, 0.2, 0.6, 2.0, "zinc"), *_legs(0.7, 0.7, 0.25, 0.1, "steel")),
    "silo": (_pot(0.0, 0.0, 1.6, 1.4, 6.0, "zinc"), *_legs(1.8, 1.8, 1.7, 0.15, "steel"),
             _pot(0.0, 0.0, 7.6, 0.8, 0.5, "zinc"), _pot(0.0, 0.0, 0.9, 0.4, 0.7, "zinc")),
    "pump": (_block(0.9, 0.4, 0.12, "concrete"), Pipe((-0.4, 0.0, 0.35), _X, 0.16, 0.5, "signal_blue"),
             Pipe((0.1, 0.0, 0.35), _X, 0.2, 0.25, "steel"), _pot(0.22, 0.0, 0.4, 0.08, 0.35, "steel")),
    "compressor": (_block(1.8, 1.1, 1.6, "signal_blue"), _block(1.4, 0.02, 1.0, "black", y=-0.56, z=0.4)),
    "charger": (_block(0.5, 0.4, 0.1, "concrete"), _block(0.34, 0.22, 1.5, "anthracite", z=0.1),
                _block(0.26, 0.02, 0.25, "signal_green", y=-0.12, z=1.2), _block(0.1, 0.14, 0.2, "black", x=0.22,
                                                                                 z=0.9)),
    "weather-station": (_pot(0.0, 0.0, 0.0, 0.03, 3.0, "steel"), _block(0.9, 0.04, 0.04, "steel", z=2.8),
                        _pot(-0.4, 0.0, 2.84, 0.08, 0.12, "panel_white"), _pot(0.4, 0.0, 2.84, 0.06, 0.2, "black"),
                        _pot(0.0, 0.0, 1.7, 0.14, 0.35, "panel_white")),
    "machining-centre": (_block(3.2, 2.4, 0.25, "anthracite"), _block(3.0, 2.1, 2.2, "machine_white", z=0.25),
                         _block(1.5, 0.05, 1.3, "black", x=-0.3, y=-1.06, z=0.8),
                         _block(0.45, 0.25, 0.7, "panel_grey", x=1.2, y=-1.15, z=1.1),
                         _block(0.08, 0.08, 0.35, "signal_green", x=1.3, z=2.45)),
    "lathe": (_block(3.8, 1.7, 0.2, "anthracite"), _block(3.6, 1.5, 1.7, "machine_green", z=0.2),
              _block(1.4, 0.05, 0.9, "black", x=0.2, y=-0.76, z=0.7), _block(0.4, 0.2, 0.6, "panel_grey", x=1.5,
                                                                             y=-0.85, z=0.9),
              _block(0.08, 0.08, 0.35, "signal_green", x=1.5, z=1.9)),
    "robot": (_pot(0.0, 0.0, 0.0, 0.4, 0.5, "anthracite"), _pot(0.0, 0.0, 0.5, 0.26, 0.5, "robot_orange"),
              _block(0.26, 0.3, 1.1, "robot_orange", x=0.1, z=0.9), Pipe((0.1, 0.25, 1.9), (0.0, -1.0, 0.0), 0.2, 0.5,
                                                                         "robot_orange"),
              Pipe((0.1, 0.0, 1.95), _X, 0.14, 1.1, "robot_orange"), _pot(1.15, 0.0, 1.5, 0.09, 0.5, "black")),
    "measuring-machine": (_block(2.4, 1.6, 0.8, "concrete_dark"), _block(0.3, 0.4, 1.6, "machine_white", x=-1.1, z=0.8),
                          _block(0.3, 0.4, 1.6, "machine_white", x=1.1, z=0.8), _block(2.5, 0.45, 0.4,
                                                                                       "machine_white", z=2.2),
                          _pot(0.2, 0.0, 1.3, 0.06, 0.9, "aluminium")),
    "etcher": (_block(2.6, 3.6, 0.15, "steel"), _block(2.4, 3.4, 2.0, "clean_white", z=0.15),
               _block(2.2, 0.05, 1.3, "black", y=-1.71, z=0.6), _block(0.5, 0.05, 0.5, "signal_blue", x=0.7, y=-1.74,
                                                                       z=1.2)),
    "stepper": (_block(3.4, 4.2, 0.2, "steel"), _block(3.2, 4.0, 2.6, "clean_white", z=0.2),
                _block(1.2, 0.05, 1.8, "safety_yellow", x=-0.8, y=-2.01, z=0.4), _block(0.8, 0.8, 0.4, "panel_grey",
                                                                                        z=2.8)),
    "scrubber": (_pot(0.0, 0.0, 0.2, 0.7, 2.6, "panel_white"), _pot(0.0, 0.0, 2.8, 0.25, 1.2, "zinc"),
                 _block(1.6, 1.6, 0.2, "concrete")),
    "vacuum-pump": (_block(0.9, 0.5, 0.7, "signal_blue"), Pipe((0.0, 0.0, 0.7), _UP, 0.1, 0.5, "steel")),
    "gas-cabinet": (_block(1.2, 0.6, 2.1, "safety_yellow"), _block(1.0, 0.02, 1.2, "glass", y=-0.31, z=0.6),
                    _pot(-0.25, 0.0, 2.1, 0.06, 0.5, "pipe_gas"), _pot(0.25, 0.0, 2.1, 0.06, 0.5, "pipe_gas")),
    "fan-filter": (_block(1.18, 1.18, 0.3, "panel_white"), _pot(0.0, 0.0, 0.3, 0.3, 0.08, "black")),
    "soil-node": (_pot(0.0, 0.0, -0.3, 0.03, 0.7, "steel"), _block(0.14, 0.1, 0.18, "panel_white", z=0.4)),
    "valve": (Pipe((-0.15, 0.0, 0.2), _X, 0.05, 0.3, "steel"), _pot(0.0, 0.0, 0.22, 0.06, 0.2, "signal_blue")),
    "climate-box": (_block(0.5, 0.25, 0.6, "panel_white", z=1.4), _pot(0.0, 0.0, 0.0, 0.04, 1.4, "steel")),
    "gateway": (_block(0.3, 0.2, 0.08, "black"), _pot(0.12, 0.08, 0.0, 0.01, 0.3, "black")),
    "tractor": (_block(3.2, 1.4, 0.9, "signal_green", z=0.7), _block(1.3, 1.3, 1.2, "glass", x=-0.7, z=1.6),
                *(Pipe((x, y, r), _Y, r, 0.35, "black") for x, r in ((-1.0, 0.8), (1.2, 0.5)) for y in (-1.0, 0.65))),
}  # fmt: skip


def _round_tree() -> Shape:
    return (_pot(0.0, 0.0, 0.0, 0.16, 2.4, "bark"), crown(0.0, 0.0, 4.1, 2.1, 2.2, "leaf"))


def _slim_tree() -> Shape:
    return (_pot(0.0, 0.0, 0.0, 0.13, 1.6, "bark"), crown(0.0, 0.0, 4.4, 1.1, 3.2, "leaf_light"))


def crown(x: float, y: float, z: float, radius: float, height: float, colour: str) -> Mesh:
    """A crown of leaves: a ball of 42 points, stretched upwards, with a ragged skin."""
    points, triangles = _ball()
    ragged = tuple(
        (x + px * radius * (1 + 0.09 * math.sin(7.1 * i)), y + py * radius * (1 + 0.09 * math.sin(5.3 * i + 1)),
         z + pz * height * (1 + 0.06 * math.sin(3.7 * i + 2)))
        for i, (px, py, pz) in enumerate(points)
    )  # fmt: skip
    return Mesh(ragged, triangles, colour)


def _ball() -> tuple[tuple[tuple[float, float, float], ...], tuple[tuple[int, int, int], ...]]:
    """An icosahedron divided once."""
    g = (1 + math.sqrt(5)) / 2
    corners = [(-1, g, 0), (1, g, 0), (-1, -g, 0), (1, -g, 0), (0, -1, g), (0, 1, g), (0, -1, -g), (0, 1, -g),
               (g, 0, -1), (g, 0, 1), (-g, 0, -1), (-g, 0, 1)]  # fmt: skip
    faces = [(0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11), (1, 5, 9), (5, 11, 4), (11, 10, 2), (10, 7, 6),
             (7, 1, 8), (3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8), (3, 8, 9), (4, 9, 5), (2, 4, 11), (6, 2, 10),
             (8, 6, 7), (9, 8, 1)]  # fmt: skip
    points = [_unit(*corner) for corner in corners]
    middle: dict[tuple[int, int], int] = {}

    def between(a: int, b: int) -> int:
        key = (min(a, b), max(a, b))
        if key not in middle:
            middle[key] = len(points)
            points.append(_unit(*(p + q for p, q in zip(points[a], points[b], strict=True))))
        return middle[key]

    finer = []
    for a, b, c in faces:
        ab, bc, ca = between(a, b), between(b, c), between(c, a)
        finer += [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
    return tuple(points), tuple(finer)


def _unit(x: float, y: float, z: float) -> tuple[float, float, float]:
    length = math.sqrt(x * x + y * y + z * z)
    return x / length, y / length, z / length


BODIES: dict[str, Shape] = {
    **_FURNITURE,
    **_DEVICES,
    "tree-round": _round_tree(),
    "tree-slim": _slim_tree(),
    "tree-shrub": (crown(0.0, 0.0, 0.6, 0.8, 0.7, "leaf_light"),),
    "lamp-post": (_pot(0.0, 0.0, 0.0, 0.06, 5.0, "anthracite"), _block(0.9, 0.16, 0.08, "anthracite", x=0.35, z=5.0),
                  _block(0.5, 0.14, 0.03, "lamp", x=0.5, z=4.97)),
    "car": (_block(4.3, 1.75, 0.6, "signal_blue", z=0.3), _block(2.4, 1.6, 0.55, "glass", x=-0.2, z=0.9),
            *(Pipe((x, y, 0.32), _Y, 0.32, 0.22, "black") for x in (-1.35, 1.35) for y in (-0.9, 0.68))),
    "light": (_block(1.2, 0.3, 0.06, "lamp"),),
    "high-bay": (_pot(0.0, 0.0, 0.0, 0.25, 0.12, "lamp"), _pot(0.0, 0.0, 0.12, 0.1, 0.15, "anthracite")),
    "diffuser": (_block(0.6, 0.6, 0.05, "panel_white"), _pot(0.0, 0.0, 0.05, 0.12, 0.2, "duct_supply")),
    "grille": (_block(0.5, 0.5, 0.05, "panel_grey"), _pot(0.0, 0.0, 0.05, 0.12, 0.2, "duct_return")),
    "air-box": (_block(0.7, 0.4, 0.3, "zinc"),),
    "sprinkler": (_pot(0.0, 0.0, 0.0, 0.04, 0.06, "copper"), _pot(0.0, 0.0, 0.06, 0.012, 0.2, "pipe_hot")),
    "radiator": (_block(1.2, 0.1, 0.55, "clean_white", z=0.12),),
    "outlet": (_block(0.16, 0.02, 0.08, "clean_white"),),
    "board": (_block(0.7, 0.2, 1.0, "panel_grey"), _block(0.6, 0.02, 0.9, "aluminium", y=-0.11, z=0.05)),
    "access-point": (_pot(0.0, 0.0, 0.0, 0.11, 0.04, "clean_white"),),
}  # fmt: skip
SENSOR_BODY: Shape = (
    _block(0.09, 0.03, 0.09, "clean_white"),
    _block(0.02, 0.008, 0.02, "signal_green", y=-0.017, z=0.035),
)


def panel_body(width: float, depth: float) -> Shape:
    """A photovoltaic module: frame below, cells above, one corner at the origin."""
    inner = Box((0.03, 0.03, 0.03), (width - 0.06, depth - 0.06, 0.012), "pv_cell")
    return (Box((0.0, 0.0, 0.0), (width, depth, 0.035), "aluminium"), inner)


def window_body(width: float, height: float, thick: float, colour: str = "anthracite") -> Shape:
    """A frame around one pane, in the middle of a wall of `thick`; x along the wall, the corner at the origin."""
    rim = 0.07
    outer = ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))
    hole = ((rim, rim), (rim, height - rim), (width - rim, height - rim), (width - rim, rim))
    frame = Prism(outer, 0.09, colour, (0.0, thick / 2 + 0.045, 0.0), (0.0, -1.0, 0.0), _X, (hole,))
    return (frame, Box((rim, thick / 2 - 0.015, rim), (width - 2 * rim, 0.03, height - 2 * rim), "glass"))


def door_body(width: float, height: float, thick: float, colour: str = "door") -> Shape:
    """A leaf in its frame; x along the wall, the corner at the origin."""
    rim = 0.06
    outline = ((0.0, 0.0), (rim, 0.0), (rim, height - rim), (width - rim, height - rim), (width - rim, 0.0),
               (width, 0.0), (width, height), (0.0, height))  # fmt: skip
    frame = Prism(outline, thick + 0.02, "anthracite", (0.0, thick + 0.01, 0.0), (0.0, -1.0, 0.0), _X)
    leaf = Box((rim, thick / 2 - 0.025, 0.01), (width - 2 * rim, 0.05, height - rim - 0.01), colour)
    handle = Box((width - rim - 0.16, thick / 2 - 0.08, 1.03), (0.1, 0.16, 0.03), "steel")
    return (frame, leaf, handle)
