"""Devices and their sensors in the model: one element a device, one IfcSensor for each point that has its own.

`Pset_AID4` carries the name of the device, the key of the point and the Brick class: by these a twin finds the place
of every reading.
"""

from bim.campus.bodies import BODIES, SENSOR_BODY
from bim.campus.catalogue import FLOW_CLASSES
from bim.campus.layout import Device, Kind, Layout, Metric
from bim.campus.model import Model, Spot
from bim.campus.services import port
from bim.campus.solids import Frame
from bim.campus.step import Ref

__all__ = ["place_devices"]

_WALL_M, _SENSOR_HIGH_M, _SENSOR_STEP_M = 0.26, 1.6, 0.22
_ON_WALL_FROM_M = 0.5  # a body mounted higher hangs on a wall
_KIND = {"electrical": "CABLE", "generation": "CABLE", "charging": "CABLE", "control": "WIRELESS"}


def place_devices(model: Model, layout: Layout, spots: dict[str, Spot], rects: dict[str, tuple[float, ...]]) -> None:
    """`spots` are the spaces by name, `rects` their outlines on the grid they stand on."""
    taken: dict[str, int] = {}
    for device in layout.devices:
        kind, spot = layout.kinds[device.kind], spots[device.space]
        frame = _frame(device, kind, rects[device.space], taken)
        element = _device(model, device, kind, spot, frame)
        sensors = [metric for metric in kind.metrics if metric.sensor]
        refs = [_sensor(model, device, metric, spot, _beside(frame, index, rects[device.space]))
                for index, metric in enumerate(sensors)]  # fmt: skip
        ifc_class = kind.ifc.partition(".")[0]
        if refs and ifc_class in FLOW_CLASSES:
            model.relate("IfcRelFlowControlElements", f"device/{device.name}/control", refs, element)


def _device(model: Model, device: Device, kind: Kind, spot: Spot, frame: Frame) -> Ref:
    ifc_class, _, predefined = kind.ifc.partition(".")
    path = f"device/{device.name}"
    element = model.element(
        ifc_class, path, device.label, spot, frame, BODIES[kind.body],
        predefined=predefined or "NOTDEFINED", object_type=kind.object_type or None, trade=kind.trade,
        type_name=kind.object_type.capitalize().replace("_", " ") or device.kind.replace("-", " ").capitalize(),
        shared=True, tag=device.name, system=kind.system,
    )  # fmt: skip
    model.properties(element, "Pset_AID4", Device=device.name, BrickClass=f"brick:{kind.brick}")
    if ifc_class in FLOW_CLASSES and kind.system:
        medium = _KIND.get(kind.system, "PIPE" if kind.system not in ("supply_air", "ventilation") else "DUCT")
        ends = [port(model, f"{path}/port/{flow}", name, element, flow, medium, kind.system, (x, 0.0, 0.4))
                for flow, name, x in (("SINK", "Inlet", -0.3), ("SOURCE", "Outlet", 0.3))]  # fmt: skip
        model.relate("IfcRelNests", f"{path}/ports", element, ends)
    return element


def _sensor(model: Model, device: Device, metric: Metric, spot: Spot, frame: Frame) -> Ref:
    path = f"device/{device.name}/{metric.name}"
    free = metric.name if metric.sensor == "USERDEFINED" else None
    what = (free or metric.sensor.removesuffix("SENSOR")).replace("_", " ").capitalize()
    sensor = model.element(
        "IfcSensor", path, f"{device.label}: {metric.name.replace('_', ' ')}", spot, frame, SENSOR_BODY,
        predefined=metric.sensor, object_type=free, trade="sensors", type_name=f"{what} sensor", shared=True,
        tag=f"{device.name}/{metric.name}", system="control",
    )  # fmt: skip
    model.properties(sensor, "Pset_AID4", PointKey=f"{device.name}/{metric.name}", BrickClass=f"brick:{metric.brick}",
                     Unit=metric.unit)  # fmt: skip
    return sensor


def _frame(device: Device, kind: Kind, rect: tuple[float, ...], taken: dict[str, int]) -> Frame:
    """The given place, else the next free one: along a wall for what hangs, on a grid for what stands."""
    if device.at_m is not None:
        x, y, z = (*device.at_m, kind.height_m)[:3]
        return Frame.turned(x, y, z, device.turn_deg)
    width, depth = rect[2] - rect[0], rect[3] - rect[1]
    hangs = kind.height_m >= _ON_WALL_FROM_M
    key = f"{device.space}/{hangs}"
    count = taken[key] = taken.get(key, -1) + 1
    if hangs:
        return Frame.turned(0.9 + 2.2 * count % max(width - 1.8, 0.1), depth - _WALL_M, kind.height_m, 0.0)
    columns = max(1, int((width - 3) // 4) + 1)
    x, y = min(2.0 + 4.0 * (count % columns), width - 1.0), min(2.0 + 3.5 * (count // columns), depth - 1.0)
    return Frame.turned(x, y, kind.height_m, device.turn_deg)


def _beside(frame: Frame, index: int, rect: tuple[float, ...]) -> Frame:
    """In reach of its device, inside the room."""
    width, depth = rect[2] - rect[0], rect[3] - rect[1]
    x = min(max(frame.at[0] + 0.3 + _SENSOR_STEP_M * index, 0.3), width - 0.3)
    y = min(max(frame.at[1] - 0.02 * (index % 2), 0.3), depth - 0.24)
    return Frame((x, y, max(_SENSOR_HIGH_M, min(frame.at[2], 2.2))))
