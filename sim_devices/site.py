"""The table of a site's devices (`devices.toml`), which the model, the park and the agents share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from wire.errors import ConfigError
from wire.names import check_name

__all__ = ["Building", "Device", "Kind", "Metric", "Site", "Space", "load_site"]

T = TypeVar("T", bound=msgspec.Struct)

Protocol = Literal["modbus", "sunspec", "opcua", "mqtt"]
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


class Kind(msgspec.Struct, frozen=True):
    """What devices of one kind have in common."""

    metrics: tuple[Metric, ...]
    period_s: float = 1.0


class Device(msgspec.Struct, frozen=True):
    """One device, where it stands and what it speaks."""

    name: str
    kind: str
    protocol: Protocol
    space: str
    label: str = ""


class Space(msgspec.Struct, frozen=True):
    """A room or an outdoor area; `rect_m` is x0, y0, x1, y1 on the building grid."""

    name: str
    storey: str
    rect_m: tuple[float, float, float, float]
    outside: bool = False

    @property
    def area_m2(self) -> float:
        """Floor area."""
        x0, y0, x1, y1 = self.rect_m
        return abs((x1 - x0) * (y1 - y0))


class Storey(msgspec.Struct, frozen=True):
    """A storey with its clear height."""

    name: str
    height_m: float


class Building(msgspec.Struct, frozen=True):
    """Where the building stands."""

    name: str
    latitude_deg: float
    longitude_deg: float


class _SiteFile(msgspec.Struct, frozen=True):
    """What the park needs of `site.toml`."""

    time_zone: str = "UTC"


class Site(msgspec.Struct, frozen=True):
    """The whole table, and the clock that people on site follow."""

    building: Building
    storeys: tuple[Storey, ...] = msgspec.field(name="storey")
    spaces: tuple[Space, ...] = msgspec.field(name="space")
    devices: tuple[Device, ...] = msgspec.field(name="device")
    kinds: dict[str, Kind] = msgspec.field(name="kind")
    time_zone: str = "UTC"

    def space(self, name: str) -> Space:
        """The space of that name; raises KeyError."""
        return {space.name: space for space in self.spaces}[name]

    def height_m(self, space: Space) -> float:
        """Clear height of a space, from its storey."""
        return next((storey.height_m for storey in self.storeys if storey.name == space.storey), 3.0)

    def of_kind(self, kind: str) -> list[Device]:
        """The devices of one kind, in the order of the table."""
        return [device for device in self.devices if device.kind == kind]

    def metrics(self, device: Device) -> tuple[Metric, ...]:
        """What the device measures."""
        return self.kinds[device.kind].metrics

    def points(self) -> Iterator[tuple[Device, Metric]]:
        """Every point of the site, device by device."""
        for device in self.devices:
            for metric in self.metrics(device):
                yield device, metric


def load_site(folder: Path) -> Site:
    """Read `<folder>/devices.toml` and the time zone of `site.toml`. Raises ConfigError with the field to mend."""
    path = folder / "devices.toml"
    site = _decode(path, Site)
    _check(site, str(path))
    return msgspec.structs.replace(site, time_zone=_decode(folder / "site.toml", _SiteFile).time_zone)


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
    spaces, seen = {space.name for space in site.spaces}, set[str]()
    for place, device in enumerate(site.devices):
        check_name("device", device.name)
        at = f"device[{place}]"
        if device.name in seen:
            raise ConfigError(f"two devices are named {device.name}", file=file, field=f"{at}.name", fix="rename one")
        if device.kind not in site.kinds:
            raise ConfigError(f"there is no [kind.{device.kind}]", file=file, field=f"{at}.kind", fix="add the table")
        if device.space not in spaces:
            raise ConfigError(f"no space is named {device.space}", file=file, field=f"{at}.space", fix="add [[space]]")
        seen.add(device.name)
    for kind in site.kinds.values():
        for metric in kind.metrics:
            check_name("metric", metric.name)
