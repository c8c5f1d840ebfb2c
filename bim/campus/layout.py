"""A site's `layout.toml`: where it lies on Earth, its ground, roads and plants, and its buildings room by room.

Lengths are metres on the site's grid (x, y) or, inside a building, on the building's own. See configs/sites/campus.
"""

from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from wire.errors import ConfigError

__all__ = [
    "Building", "Device", "Fence", "Field", "Kind", "Lamps", "Layout", "Metric", "Outdoor", "Parking", "Panels",
    "Place", "Road", "Room", "Storey", "Terrain", "Trees", "load_layout",
]  # fmt: skip

T = TypeVar("T", bound=msgspec.Struct)
Rect = tuple[float, float, float, float]  # x0, y0, x1, y1
Point = tuple[float, float]
_Positive = Annotated[float, Meta(gt=0, le=10_000)]
_SPACES_MAX, _DEVICES_MAX = 2_000, 5_000  # a park beyond that is modelled in a tool, not in a table


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every table refuses what it does not know."""


class Place(_Table, frozen=True, kw_only=True):
    """The site and where its grid lies on Earth."""

    name: str
    title: str
    latitude_deg: Annotated[float, Meta(ge=-90, le=90)]
    longitude_deg: Annotated[float, Meta(ge=-180, le=180)]
    crs: str
    crs_title: str
    geodetic_datum: str
    vertical_datum: str
    projection: str
    zone: str | None = None
    eastings_m: float
    northings_m: float
    height_m: float
    x_axis_deg: float  # of the grid's x axis against map east, counter-clockwise
    true_north_deg: float  # of true north against the grid's y axis, clockwise
    map_scale: Annotated[float, Meta(gt=0.99, lt=1.01)] = 1.0  # metres of the map a metre on the ground
    annual_mean_c: float | None = None  # the climate, for whoever simulates the weather
    annual_swing_c: float | None = None


class Terrain(_Table, frozen=True, kw_only=True):
    """The ground: level inside `flat_m`, with a relief outside of it."""

    rect_m: Rect
    flat_m: Rect
    step_m: _Positive = 10.0
    relief_m: float = 2.0
    colour: str = "grass"


class Road(_Table, frozen=True, kw_only=True):
    """A road or a path along a line of points; roads have kerbs and a centre line."""

    name: str
    kind: Literal["road", "path"] = "road"
    path_m: Annotated[list[Point], Meta(min_length=2, max_length=100)]
    width_m: _Positive = 6.0


class Parking(_Table, frozen=True, kw_only=True):
    """Bays side by side along x, in one row or two that face each other; `carport` puts modules above them."""

    name: str
    rect_m: Rect
    bay_m: _Positive = 2.5
    carport: bool = False
    chargers: int = 0


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

    name: str
    rect_m: Rect
    rows: Annotated[int, Meta(ge=1, le=200)] = 10
    crop: str = "crop"


class Panels(_Table, frozen=True, kw_only=True):
    """An array of photovoltaic modules on the ground or on a building's roof; rows run along x."""

    name: str
    building: str = ""  # its code; none is the ground
    rect_m: Rect
    tilt_deg: Annotated[float, Meta(ge=0, le=60)] = 15.0
    pitch_m: _Positive = 2.2  # from row to row


class Outdoor(_Table, frozen=True, kw_only=True):
    """A named place under the sky, in which devices stand."""

    number: str
    name: str
    rect_m: Rect
    surface: str = "paving"


class Room(_Table, frozen=True, kw_only=True):
    """A room or terrace on a storey; `use` decides its floor, furniture and services."""

    number: str
    name: str
    rect_m: Rect
    use: str = "office"
    outside: bool = False
    glazed: bool = False


class Storey(_Table, frozen=True, kw_only=True):
    """One storey; a room that names the same stair as one below it is a stairwell."""

    name: str
    elevation_m: float
    height_m: _Positive
    rooms: Annotated[list[Room], Meta(min_length=1, max_length=200)]


class Building(_Table, frozen=True, kw_only=True):
    """One building on its grid: a frame of columns and slabs, a hall of portal frames, or a glasshouse."""

    code: Annotated[str, Meta(pattern="^[A-Z][A-Z0-9]{0,3}$")]
    name: str
    form: Literal["frame", "hall", "glasshouse"] = "frame"
    at_m: Point
    size_m: tuple[_Positive, _Positive]
    turn_deg: float = 0.0
    floor_m: float = 0.15
    bay_m: _Positive = 6.0
    outer: str = "render_white"
    accent: str = "timber"
    roof: str = "gravel"
    storeys: Annotated[list[Storey], Meta(min_length=1, max_length=60)] = msgspec.field(name="storey")


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One point of every device of a kind; `sensor` gives it an IfcSensor of that predefined type."""

    name: str
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
    height_m: float = 0.0


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """One device; `at_m` is its place in its room, on the floor unless a height is given."""

    name: str
    label: str
    kind: str
    space: str
    at_m: Annotated[tuple[float, ...], Meta(min_length=2, max_length=3)] | None = None
    turn_deg: float = 0.0
    planned: bool = False  # in the model, not yet in the field


class _Devices(msgspec.Struct, frozen=True, kw_only=True):
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


def load_layout(folder: Path) -> Layout:
    """Read `layout.toml` and `devices.toml` of a site's folder; raises ConfigError with file, field and fix."""
    layout, table = read_table(folder / "layout.toml", Layout), read_table(folder / "devices.toml", _Devices)
    layout = msgspec.structs.replace(layout, devices=table.devices, kinds=table.kinds)
    _check(layout, folder)
    return layout


def read_table(path: Path, shape: type[T]) -> T:
    """One TOML file as a struct; raises ConfigError."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=shape)
    except OSError as error:
        raise ConfigError("no such file", file=str(path), fix="give a site's folder that holds it") from error
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        text, _, field = str(error).partition(" - at `$.")
        raise ConfigError(text, file=str(path), field=field.rstrip("`"), fix="see configs/sites/campus") from error


def _check(layout: Layout, folder: Path) -> None:
    """Names are unique, and every reference leads somewhere."""
    file, spaces = str(folder / "layout.toml"), layout.spaces()
    if len(spaces) > _SPACES_MAX:
        raise ConfigError(f"{len(spaces)} rooms; the bound is {_SPACES_MAX}", file=file, fix="split the site")
    if doubled := next((name for name in spaces if spaces.count(name) > 1), None):
        raise ConfigError(f"two places are named {doubled!r}", file=file, field="rooms", fix="rename one")
    codes = [one.code for one in layout.buildings]
    if len(set(codes)) != len(codes):
        raise ConfigError("two buildings have one code", file=file, field="building.code", fix="change one")
    for one in layout.panels:
        if one.building and one.building not in codes:
            raise ConfigError(f"no building {one.building!r}", file=file, field=f"panels {one.name}", fix="name one")
    known, file, seen = set(spaces), str(folder / "devices.toml"), set[str]()
    for device in layout.devices:
        field = f"device {device.name}"
        if device.space not in known:
            raise ConfigError(f"no space {device.space!r}", file=file, field=field, fix="add it to layout.toml")
        if device.kind not in layout.kinds:
            raise ConfigError(f"no kind {device.kind!r}", file=file, field=field, fix=f"add [kind.{device.kind}]")
        if device.name in seen:
            raise ConfigError(f"two devices are named {device.name}", file=file, field=field, fix="rename one")
        seen.add(device.name)
