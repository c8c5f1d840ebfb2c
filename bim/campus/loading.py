"""Reads a site's layout and devices, and checks what their types cannot say: unique names, references that lead
somewhere, boxes that are boxes."""

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from bim.campus.bodies import BODIES
from bim.campus.catalogue import DEVICE_CLASSES, SENSOR_KINDS, SYSTEMS, TRADES, USES
from bim.campus.layout import Device, DeviceTable, Kind, Layout, Rect, read_table
from bim.campus.solids import COLOURS
from wire.device_tables import read_devices
from wire.errors import ConfigError

__all__ = ["load_layout"]

_SPACES_MAX = 2_000
_TERRAIN_POINTS_MAX = 250_000  # a surface beyond that is a survey, not a backdrop
_SIDE_M_MIN = 0.5


def load_layout(folder: Path) -> Layout:
    """Read `layout.toml` and `devices.toml` of a site's folder; raises ConfigError with file, field and fix."""
    layout, table = read_table(folder / "layout.toml", Layout), _devices(folder)
    layout = msgspec.structs.replace(layout, devices=table.devices, kinds=table.kinds)
    _check(layout, folder)
    return layout


def _devices(folder: Path) -> DeviceTable:
    try:
        return msgspec.convert(read_devices(folder), DeviceTable)
    except msgspec.ValidationError as error:
        text, _, field = str(error).partition(" - at `$.")
        file, fix = str(folder / "devices.toml"), "see configs/sites/campus"
        raise ConfigError(text, file=file, field=field.rstrip("`"), fix=fix) from error


def _check(layout: Layout, folder: Path) -> None:
    file = str(folder / "layout.toml")
    _check_names(layout, file)
    for field, (x0, y0, x1, y1) in _rects(layout):
        if x1 - x0 < _SIDE_M_MIN or y1 - y0 < _SIDE_M_MIN:
            raise ConfigError(f"{[x0, y0, x1, y1]} is no box", file=file, field=field, fix="write x0, y0, x1, y1")
    for field, word, known in _words(layout):
        if word not in known:
            fix = f"use one of {', '.join(sorted(known))}"
            raise ConfigError(f"{word!r} is not known", file=file, field=field, fix=fix)
    x0, y0, x1, y1 = layout.terrain.rect_m
    if (x1 - x0) * (y1 - y0) / layout.terrain.step_m**2 > _TERRAIN_POINTS_MAX:
        raise ConfigError("the terrain has too many points", file=file, field="terrain.step_m", fix="make it larger")
    _check_devices(layout, str(folder / "devices.toml"))


def _check_names(layout: Layout, file: str) -> None:
    spaces = layout.spaces()
    if len(spaces) > _SPACES_MAX:
        raise ConfigError(f"{len(spaces)} rooms; the bound is {_SPACES_MAX}", file=file, fix="split the site")
    lists = [("rooms", spaces), ("building.code", [one.code for one in layout.buildings])]
    lists.append(("panels.name", [one.name for one in layout.panels]))
    for building in layout.buildings:
        lists += [(f"rooms of {storey.name}", [room.number for room in storey.rooms]) for storey in building.storeys]
        lists.append((f"storeys of {building.code}", [storey.name for storey in building.storeys]))
    for field, names in lists:
        if doubled := next((name for name, count in Counter(names).items() if count > 1), None):
            raise ConfigError(f"{doubled!r} occurs twice", file=file, field=field, fix="change one of them")
    codes = {one.code for one in layout.buildings}
    for one in layout.panels:
        if one.building and one.building not in codes:
            raise ConfigError(f"no building {one.building!r}", file=file, field=f"panels {one.name}", fix="name one")


def _rects(layout: Layout) -> Iterator[tuple[str, Rect]]:
    yield "terrain.rect_m", layout.terrain.rect_m
    yield "terrain.flat_m", layout.terrain.flat_m
    for parking in layout.parkings:
        yield f"parking {parking.name}", parking.rect_m
    for place in layout.outdoors:
        yield f"outdoor {place.name}", place.rect_m
    for field in layout.fields:
        yield f"field {field.name}", field.rect_m
    for building in layout.buildings:
        for storey in building.storeys:
            for room in storey.rooms:
                yield f"room {room.number}", room.rect_m


def _words(layout: Layout) -> Iterator[tuple[str, str, Collection[str]]]:
    yield "terrain.colour", layout.terrain.colour, COLOURS
    for place in layout.outdoors:
        yield f"outdoor {place.name}", place.surface or "paving", COLOURS
    for field in layout.fields:
        yield f"field {field.name}", field.crop, COLOURS
    for building in layout.buildings:
        for colour in (building.outer, building.accent, building.roof):
            yield f"building {building.code}", colour, COLOURS
        for storey in building.storeys:
            for room in storey.rooms:
                yield f"room {room.number}", room.use, USES


def _check_devices(layout: Layout, file: str) -> None:
    known, seen = set(layout.spaces()), set[str]()
    for name, kind in layout.kinds.items():
        _check_kind(name, kind, file)
    for device in layout.devices:
        _check_device(device, layout, known, file)
        if device.name in seen:
            raise ConfigError(f"two devices are named {device.name}", file=file, field="device.name", fix="rename one")
        seen.add(device.name)


def _check_device(device: Device, layout: Layout, spaces: set[str], file: str) -> None:
    field = f"device {device.name}"
    if device.space not in spaces:
        raise ConfigError(f"no space {device.space!r}", file=file, field=field, fix="add it to layout.toml")
    if device.kind not in layout.kinds:
        raise ConfigError(f"no kind {device.kind!r}", file=file, field=field, fix=f"add [kind.{device.kind}]")


def _check_kind(name: str, kind: Kind, file: str) -> None:
    ifc_class, _, predefined = kind.ifc.partition(".")
    words: list[tuple[str, Collection[str]]] = [(ifc_class, DEVICE_CLASSES), (kind.body, BODIES), (kind.trade, TRADES)]
    words += [(kind.system, SYSTEMS)] if kind.system else []
    words += [(metric.sensor, SENSOR_KINDS) for metric in kind.metrics if metric.sensor]
    for word, known in words:
        if word not in known:
            fix = f"use one of {', '.join(sorted(known))}"
            raise ConfigError(f"{word!r} is not known", file=file, field=f"kind.{name}", fix=fix)
    if predefined == "USERDEFINED" and not kind.object_type:
        raise ConfigError("USERDEFINED needs a name", file=file, field=f"kind.{name}", fix="write object_type")
    if not predefined.isupper() or not predefined.replace("_", "").isalpha():
        raise ConfigError(f"{predefined!r} is no type", file=file, field=f"kind.{name}.ifc", fix="IfcPump.ENDSUCTION")
    if len({metric.name for metric in kind.metrics}) != len(kind.metrics):
        raise ConfigError("two metrics have one name", file=file, field=f"kind.{name}", fix="rename one")
