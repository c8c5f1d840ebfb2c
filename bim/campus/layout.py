"""A site's `layout.toml`: where it lies on Earth, its ground, roads and plants, and its buildings room by room.

Lengths are metres on the site's grid (x, y) or, inside a building, on the building's own. See configs/sites/campus.
"""

from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from wire.errors import ConfigError

__all__ = [
    "Building", "Device", "DeviceTable", "Fence", "Field", "Kind", "Lamps", "Layout", "Metric", "Outdoor", "Panels",
    "Parking", "Place", "Rect", "Road", "Room", "Storey", "Terrain", "Trees", "read_table",
]  # fmt: skip

T = TypeVar("T", bound=msgspec.Struct)
_Metre = Annotated[float, Meta(ge=-20_000, le=20_000)]  # a park of 40 km is a region
Rect = tuple[_Metre, _Metre, _Metre, _Metre]  # x0, y0, x1, y1
Point = tuple[_Metre, _Metre]
_Positive = Annotated[float, Meta(ge=0.3, le=1_000)]
_Size = Annotated[float, Meta(ge=2, le=500)]
_Name = Annotated[str, Meta(min_length=1, max_length=120)]
_DEVICES_MAX = 5_000  # a park beyond that is modelled in a tool, not in a table


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every table refuses what it does not know."""


class Place(_Table, frozen=True, kw_only=True):
    """The site and where its grid lies on Earth."""

    name: _Name
    title: _Name
    latitude_deg: Annotated[float, Meta(ge=-90, le=90)]
    longitude_deg: Annotated[float, Meta(ge=-180, le=180)]
    crs: str
    crs_title: str
    geodetic_datum: str
    vertical_datum: str
    projection: str
    zone: str | None = None
    eastings_m: Annotated[float, Meta(ge=-2e7, le=2e7)]
    northings_m: Annotated[float, Meta(ge=-2e7, le=2e7)]
    height_m: Annotated[float, Meta(ge=-500, le=9_000)]
    x_axis_deg: Annotated[float, Meta(ge=-360, le=360)]  # of the grid's x axis against map east, counter-clockwise
    true_north_deg: Annotated[float, Meta(ge=-360, le=360)]  # of true north against the grid's y axis, clockwise
    map_scale: Annotated[float, Meta(gt=0.99, lt=1.01)] = 1.0  # metres of the map a metre on the ground
    annual_mean_c: float | None = None  # the climate, for whoever simulates the weather
    annual_swing_c: float | None = None


class Terrain(_Table, frozen=True, kw_only=True):
    """The ground: level inside `flat_m`, with a relief outside of it."""

    rect_m: Rect
    flat_m: Rect
    step_m: Annotated[float, Meta(ge=1, le=1_000)] = 10.0
    relief_m: Annotated[float, Meta(ge=0, le=500)] = 2.0
    colour: str = "grass"


class Road(_Table, frozen=True, kw_only=True):
    """A road or a path along a line of points; roads have kerbs and a centre line."""

    name: _Name
    kind: Literal["road", "path"] = "road"
    path_m: Annotated[list[Point], Meta(min_length=2, max_length=100)]
    width_m: _Positive = 6.0


class Parking(_Table, frozen=True, kw_only=True):
    """Bays side by side along x, in one row or two that face each other; `carport` puts modules above them."""

    name: _Name
    rect_m: Rect
    bay_m: _Positive = 2.5
    carport: bool = False


class Trees(_Table, frozen=True, kw_only=True):
    """A row of trees from one point to the other."""

    from_m: Point
    to_m: Point
    every_m: _Positive = 8.0
    kind: Literal["round", "slim", "shrub"] = "round"


class Lamps(_Table, frozen=True, kw_only=True):
    """Lamp posts along a line."""

    from_m: Point
    to_m: Point
    every_m: _Positive = 20.0


class Fence(_Table, frozen=True, kw_only=True):
    """A fence along points, in panels; gaps are left by starting a new one."""

    path_m: Annotated[list[Point], Meta(min_length=2, max_length=100)]


class Field(_Table, frozen=True, kw_only=True):
    """Beds or rows of plants in the open."""

    name: _Name
    rect_m: Rect
    rows: Annotated[int, Meta(ge=1, le=200)] = 10
    crop: str = "crop"


class Panels(_Table, frozen=True, kw_only=True):
    """An array of photovoltaic modules on the ground or on a building's roof; rows run along x."""

    name: _Name
    building: str = ""  # its code; none is the ground
    rect_m: Rect
    tilt_deg: Annotated[float, Meta(ge=0, le=60)] = 15.0
    pitch_m: _Positive = 2.2  # from row to row


class Outdoor(_Table, frozen=True, kw_only=True):
    """A named place under the sky, in which devices stand."""

    number: _Name
    name: _Name
    rect_m: Rect
    surface: str = "paving"


class Room(_Table, frozen=True, kw_only=True):
    """A room or terrace on a storey; `use` decides its floor, furniture and services."""

    number: _Name
    name: _Name
    rect_m: Rect
    use: str = "office"
    outside: bool = False
    glazed: bool = False


class Storey(_Table, frozen=True, kw_only=True):
    """One storey; a room that names the same stair as one below it is a stairwell."""

    name: _Name
    elevation_m: Annotated[float, Meta(ge=-100, le=1_000)]
    height_m: _Positive
    rooms: Annotated[list[Room], Meta(min_length=1, max_length=200)]


class Building(_Table, frozen=True, kw_only=True):
    """One building on its grid: a frame of columns and slabs, a hall of portal frames, or a glasshouse."""

    code: Annotated[str, Meta(pattern="^[A-Z][A-Z0-9]{0,3}$")]
    name: _Name
    form: Literal["frame", "hall", "glasshouse"] = "frame"
    at_m: Point
    size_m: tuple[_Size, _Size]
    turn_deg: Annotated[float, Meta(ge=-360, le=360)] = 0.0
    floor_m: Annotated[float, Meta(ge=-50, le=1_000)] = 0.15
    bay_m: Annotated[float, Meta(ge=1, le=50)] = 6.0
    outer: str = "render_white"
    accent: str = "timber"
    roof: str = "gravel"
    storeys: Annotated[list[Storey], Meta(min_length=1, max_length=60)] = msgspec.field(name="storey")


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One point of every device of a kind; `sensor` gives it an IfcSensor of that predefined type."""

    name: _Name
    unit: str = ""
    brick: str = ""
    sensor: str = ""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of device; `ifc` is class.predefined type, `body` the name of its shape."""

    ifc: str
    brick: str
    metrics: list[Metric]
    body: str = "cabinet"
    object_type: str = ""
    system: str = ""
    trade: str = "plant"
    height_m: Annotated[float, Meta(ge=-5, le=50)] = 0.0


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """One device; `at_m` is its place in its room, on the floor unless a height is given."""

    name: _Name
    label: str
    kind: str
    space: str
    at_m: Annotated[tuple[_Metre, ...], Meta(min_length=2, max_length=3)] | None = None
    turn_deg: Annotated[float, Meta(ge=-360, le=360)] = 0.0
    planned: bool = False  # in the model, not yet in the field


class DeviceTable(msgspec.Struct, frozen=True, kw_only=True):
    """`devices.toml`, as far as a model needs it."""

    devices: Annotated[list[Device], Meta(max_length=_DEVICES_MAX)] = msgspec.field(name="device")
    kinds: dict[str, Kind] = msgspec.field(name="kind")


class Layout(_Table, frozen=True, kw_only=True):
    """The whole site."""

    place: Place
    terrain: Terrain
    roads: list[Road] = msgspec.field(name="road", default_factory=list)
    parkings: list[Parking] = msgspec.field(name="parking", default_factory=list)
    trees: list[Trees] = msgspec.field(name="trees", default_factory=list)
    lamps: list[Lamps] = msgspec.field(name="lamps", default_factory=list)
    fences: list[Fence] = msgspec.field(name="fence", default_factory=list)
    fields: list[Field] = msgspec.field(name="field", default_factory=list)
    panels: list[Panels] = msgspec.field(name="panels", default_factory=list)
    outdoors: list[Outdoor] = msgspec.field(name="outdoor", default_factory=list)
    buildings: list[Building] = msgspec.field(name="building", default_factory=list)
    devices: list[Device] = []
    kinds: dict[str, Kind] = {}

    def spaces(self) -> list[str]:
        """The names of all rooms and outdoor places."""
        rooms = [room.name for one in self.buildings for storey in one.storeys for room in storey.rooms]
        return rooms + [one.name for one in self.outdoors]


def read_table(path: Path, shape: type[T]) -> T:
    """One TOML file as a struct; raises ConfigError."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=shape)
    except OSError as error:
        raise ConfigError("no such file", file=str(path), fix="give a site's folder that holds it") from error
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        text, _, field = str(error).partition(" - at `$.")
        raise ConfigError(text, file=str(path), field=field.rstrip("`"), fix="see configs/sites/campus") from error
