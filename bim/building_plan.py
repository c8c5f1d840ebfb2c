"""The plan of an authored building: storeys, spaces and devices of a site's devices.toml."""

import tomllib
from pathlib import Path

import msgspec

from wire.errors import ConfigError

__all__ = ["BuildingPlan", "Device", "Kind", "Metric", "Place", "Space", "Storey", "load_plan"]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """The building and where its grid lies on Earth."""

    name: str
    latitude_deg: float
    longitude_deg: float
    crs: str
    eastings_m: float
    northings_m: float
    height_m: float
    x_axis_deg: float  # of the grid's x axis against map east, counter-clockwise
    true_north_deg: float  # of true north against the grid's y axis, clockwise


class Storey(msgspec.Struct, frozen=True, kw_only=True):
    """One storey."""

    name: str
    elevation_m: float
    height_m: float


class Space(msgspec.Struct, frozen=True, kw_only=True):
    """One room, a rectangle x0, y0, x1, y1 on the grid."""

    number: str
    name: str
    storey: str
    rect_m: tuple[float, float, float, float]
    outside: bool = False


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One point of every device of a kind; `sensor` gives it an IfcSensor of that predefined type."""

    name: str
    brick: str = ""
    sensor: str = ""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of device; `ifc` is class.predefined type."""

    ifc: str
    brick: str
    metrics: list[Metric]


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """One device."""

    name: str
    label: str
    kind: str
    space: str


class BuildingPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The whole table."""

    building: Place
    storeys: list[Storey] = msgspec.field(name="storey")
    spaces: list[Space] = msgspec.field(name="space")
    devices: list[Device] = msgspec.field(name="device")
    kinds: dict[str, Kind] = msgspec.field(name="kind")

    def storey_of(self, space: Space) -> Storey:
        """The storey a space lies on."""
        return next(storey for storey in self.storeys if storey.name == space.storey)

    def spaces_on(self, storey: Storey, *, outside: bool) -> list[Space]:
        """Spaces of one storey, the rooms or those under the sky."""
        return [space for space in self.spaces if space.storey == storey.name and space.outside == outside]


def load_plan(folder: Path) -> BuildingPlan:
    """Read `<folder>/devices.toml`; raises ConfigError with file, field and fix."""
    path = folder / "devices.toml"
    try:
        plan = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), BuildingPlan)
    except FileNotFoundError as error:
        raise ConfigError("no such file", file=str(path), fix="give a site's folder with a devices.toml") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(str(error), file=str(path), fix="see configs/sites/campus/devices.toml") from error
    _check_names(plan, str(path))
    return plan


def _check_names(plan: BuildingPlan, file: str) -> None:
    storeys = {storey.name for storey in plan.storeys}
    spaces = {space.name for space in plan.spaces}
    for space in plan.spaces:
        if space.storey not in storeys:
            raise ConfigError(
                f"no storey {space.storey!r}", file=file, field=f"space {space.number}", fix="add a [[storey]]"
            )
    for device in plan.devices:
        field = f"device {device.name}"
        if device.space not in spaces:
            raise ConfigError(f"no space {device.space!r}", file=file, field=field, fix="add a [[space]]")
        if device.kind not in plan.kinds:
            raise ConfigError(f"no kind {device.kind!r}", file=file, field=field, fix=f"add [kind.{device.kind}]")
