"""A site's devices (`devices.toml`) and rooms (`layout.toml`), which the model, the park and the agents share."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from sim_devices.drone.table import DroneSpec, Frame
from sim_devices.physics.signals import Signal
from sim_devices.physics.weather import ANNUAL_MEAN_C, ANNUAL_SWING_C
from wire.device_tables import read_devices
from wire.errors import ConfigError
from wire.names import check_name
from wire.profile_tables import derived_tables
from wire.profiles import load_profile

__all__ = ["FIRST_GATEWAY", "Device", "Gateway", "Kind", "Metric", "Place", "Site", "Space", "load_site"]

T = TypeVar("T", bound=msgspec.Struct)

_Metre = Annotated[float, Meta(ge=-20_000, le=20_000)]
FIRST_GATEWAY = "gw-1"  # of a site that names none
_AREA_M2_MIN = 0.25  # a room that somebody or something stands in

Protocol = Literal[
    "modbus",
    "sunspec",
    "opcua",
    "mqtt",
    "mtconnect",
    "mavlink",
    "bacnet",
    "mbus",
    "dsmr",
    "ocpp",
    "secsgem",
    "shdr",
    "remote-id",
    "lorawan",
    "sparkplug",
    "http-json",
    "snmp",
]
Declared = Literal["f64", "f32", "i16", "u16", "i32", "u32", "bool", "enum", "text"]


class Metric(msgspec.Struct, frozen=True):
    """One quantity that a kind of device measures or takes."""

    name: str
    unit: str = ""
    kind: Literal["value", "state"] = "value"
    point_class: str = msgspec.field(name="class", default="")
    low: float | None = None
    high: float | None = None
    declared: Declared = "f64"
    writable: bool = False
    model: Signal | None = None  # what moves it, where no physics of its own does


class Kind(msgspec.Struct, frozen=True):
    """What devices of one kind have in common."""

    metrics: tuple[Metric, ...]
    period_s: float = 1.0
    profile: str = ""  # of configs/profiles/devices


class Gateway(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One agent of the site, and which kinds of device and which protocols hang on it."""

    name: str
    label: str = ""
    kinds: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()


class Device(msgspec.Struct, frozen=True):
    """One device, where it stands and what it speaks."""

    name: str
    kind: str
    protocol: Protocol
    space: str
    label: str = ""
    planned: bool = False  # stands in the plan only
    feeds: str = ""  # of a meter: the building (its code) whose loads hang below it; else those of its space
    links: dict[str, str] = {}  # other devices by the names that models of its kind have for them
    gateway: str = ""  # that reads it; else by its kind, its protocol, else the first one
    dialect: str = ""  # the version of its protocol that it speaks, where there are several
    row: str = ""  # of devices that one table spreads out, by the name in that table


class Space(msgspec.Struct, frozen=True):
    """A room or an outdoor area; `rect_m` is x0, y0, x1, y1 on the grid it lies on."""

    name: str
    rect_m: tuple[_Metre, _Metre, _Metre, _Metre]
    use: str = ""
    outside: bool = False
    height_m: Annotated[float, Meta(ge=0.3, le=1_000)] = 3.0
    building: str = ""

    @property
    def area_m2(self) -> float:
        """Floor area."""
        x0, y0, x1, y1 = self.rect_m
        return abs((x1 - x0) * (y1 - y0))


class Place(msgspec.Struct, frozen=True):
    """Where the site lies, and its climate: mean air temperature, and by how much summer and winter leave it."""

    name: str
    latitude_deg: float
    longitude_deg: float
    annual_mean_c: float = ANNUAL_MEAN_C
    annual_swing_c: float = ANNUAL_SWING_C
    height_m: float = 0.0  # of the ground, above the sea
    true_north_deg: float = 0.0  # against the grid's y axis, clockwise

    @property
    def frame(self) -> Frame:
        """Where the site's grid lies on Earth."""
        return Frame(self.latitude_deg, self.longitude_deg, self.height_m, self.true_north_deg)


class _Storey(msgspec.Struct, frozen=True):
    height_m: Annotated[float, Meta(ge=0.3, le=1_000)]
    rooms: tuple[Space, ...]


class _Building(msgspec.Struct, frozen=True):
    code: str
    storeys: tuple[_Storey, ...] = msgspec.field(name="storey")


class _Layout(msgspec.Struct, frozen=True):
    """What the park needs of `layout.toml`."""

    place: Place
    buildings: tuple[_Building, ...] = msgspec.field(name="building", default=())
    outdoors: tuple[Space, ...] = msgspec.field(name="outdoor", default=())


class _Devices(msgspec.Struct, frozen=True):
    """`devices.toml`."""

    devices: tuple[Device, ...] = msgspec.field(name="device")
    kinds: dict[str, Kind] = msgspec.field(name="kind")
    drones: tuple[DroneSpec, ...] = msgspec.field(name="drone", default=())
    gateways: tuple[Gateway, ...] = msgspec.field(name="gateway", default=())


class _SiteFile(msgspec.Struct, frozen=True):
    """What the park needs of `site.toml`."""

    time_zone: str = "UTC"


class Site(msgspec.Struct, frozen=True):
    """The tables of a site, and the clock that people on site follow."""

    place: Place
    spaces: dict[str, Space]
    devices: tuple[Device, ...]
    kinds: dict[str, Kind]
    time_zone: str = "UTC"
    drones: tuple[DroneSpec, ...] = ()
    gateways: tuple[Gateway, ...] = (Gateway(FIRST_GATEWAY),)
    folder: Path = Path()

    def gateway_of(self, device: Device) -> str:
        """The gateway that reads the device: its own word, else that of its kind, of its protocol, else the first."""
        if device.gateway:
            return device.gateway
        by_kind = (one.name for one in self.gateways if device.kind in one.kinds)
        by_protocol = (one.name for one in self.gateways if device.protocol in one.protocols)
        return next(by_kind, None) or next(by_protocol, self.gateways[0].name)

    def space(self, name: str) -> Space:
        """The space of that name; raises KeyError."""
        return self.spaces[name]

    def of_kind(self, kind: str) -> list[Device]:
        """The devices of one kind, in the order of the table."""
        return [device for device in self.devices if device.kind == kind]

    def metrics(self, device: Device) -> tuple[Metric, ...]:
        """What the device measures."""
        return self.kinds[device.kind].metrics

    def derived(self, device: Device, metrics: Collection[str]) -> list[dict[str, Any]]:
        """The `[[derived]]` tables that the device's profile gives the gateway which reads these metrics of it."""
        name = "drone" if device.kind == "drone" else self.kinds[device.kind].profile
        if not name:
            return []
        return derived_tables(load_profile(name, self.folder), device.name, metrics, space=device.space)

    def points(self) -> Iterator[tuple[Device, Metric]]:
        """Every point of the site, device by device."""
        for device in self.devices:
            for metric in self.metrics(device):
                yield device, metric


def load_site(folder: Path) -> Site:
    """Read `devices.toml`, the rooms of `layout.toml` and the time zone of `site.toml`; devices that are only planned
    are left out. Raises ConfigError with the field to mend."""
    layout, table = _decode(folder / "layout.toml", _Layout), _read_devices(folder)
    rooms = [
        msgspec.structs.replace(room, height_m=storey.height_m, building=building.code)
        for building in layout.buildings
        for storey in building.storeys
        for room in storey.rooms
    ]
    rooms += [msgspec.structs.replace(place, outside=True) for place in layout.outdoors]
    site = Site(
        place=layout.place,
        spaces={room.name: room for room in rooms},
        devices=tuple(device for device in table.devices if not device.planned),
        kinds=table.kinds,
        drones=table.drones,
        gateways=table.gateways or (Gateway(FIRST_GATEWAY),),
        time_zone=_decode(folder / "site.toml", _SiteFile).time_zone,
        folder=folder,
    )
    _check(site, str(folder / "devices.toml"))
    return site


def _read_devices(folder: Path) -> _Devices:
    return _convert(read_devices(folder), _Devices, folder / "devices.toml")


def _convert(data: Any, shape: type[T], path: Path) -> T:
    try:
        return msgspec.convert(data, shape)
    except msgspec.ValidationError as error:
        text, _, field = str(error).partition(" - at `$.")
        raise ConfigError(text, file=str(path), field=field.rstrip("`"), fix="see configs/sites/campus") from error


def _decode(path: Path, shape: type[T]) -> T:
    try:
        return msgspec.toml.decode(path.read_bytes(), type=shape)
    except OSError as error:
        raise ConfigError("cannot be read", file=str(path), fix="name a site's folder") from error
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        text, _, field = str(error).partition(" - at `$.")
        raise ConfigError(text, file=str(path), field=field.rstrip("`"), fix="see configs/sites/campus") from error


def _check(site: Site, file: str) -> None:
    """What the types cannot say: legal names, and every reference leads somewhere."""
    spaces, seen = site.spaces, set[str]()
    for space in spaces.values():
        if space.area_m2 < _AREA_M2_MIN:
            layout = file.replace("devices.toml", "layout.toml")
            raise ConfigError("is no box", file=layout, field=f"{space.name}.rect_m", fix="write x0, y0, x1, y1")
    for place, device in enumerate(site.devices):
        check_name("device", device.name)
        at = f"device[{place}]"
        if device.name in seen:
            raise ConfigError(f"two devices are named {device.name}", file=file, field=f"{at}.name", fix="rename one")
        if device.kind not in site.kinds:
            raise ConfigError(f"there is no [kind.{device.kind}]", file=file, field=f"{at}.kind", fix="add the table")
        if device.space not in spaces:
            raise ConfigError(
                f"no space is named {device.space}", file=file, field=f"{at}.space", fix="add the room to layout.toml"
            )
        seen.add(device.name)
    _check_gateways(site, file)
    _check_drones(site, file, seen)
    for kind in site.kinds.values():
        for metric in kind.metrics:
            check_name("metric", metric.name)


def _check_gateways(site: Site, file: str) -> None:
    names = [one.name for one in site.gateways]
    for place, one in enumerate(site.gateways):
        check_name("node", one.name)
        if one.name in names[:place]:
            fix = "rename one"
            raise ConfigError(f"two gateways are named {one.name}", file=file, field=f"gateway[{place}].name", fix=fix)
        if lacking := [kind for kind in one.kinds if kind not in site.kinds and kind != "drone"]:
            field, fix = f"gateway[{place}].kinds", "name a kind of the table"
            raise ConfigError(f"there is no [kind.{lacking[0]}]", file=file, field=field, fix=fix)
    for place, device in enumerate(site.devices):
        if device.gateway and device.gateway not in names:
            field, fix = f"device[{place}].gateway", f"name one of {', '.join(names)}"
            raise ConfigError(f"there is no gateway {device.gateway}", file=file, field=field, fix=fix)


def _check_drones(site: Site, file: str, seen: set[str]) -> None:
    for place, drone in enumerate(site.drones):
        check_name("device", drone.name)
        if drone.name in seen:
            problem, field, fix = f"two devices are named {drone.name}", "name", "rename one"
        elif drone.space not in site.spaces:
            problem, field, fix = f"no space is named {drone.space}", "space", "add the place to layout.toml"
        elif any(up > drone.ceiling_m for _, _, up in drone.mission_m):
            problem, field, fix = "it flies above its ceiling", "mission_m", "fly lower or raise ceiling_m"
        else:
            seen.add(drone.name)
            continue
        raise ConfigError(problem, file=file, field=f"drone[{place}].{field}", fix=fix)
