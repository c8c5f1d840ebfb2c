"""What an element's own properties say about the points it carries."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from bim.properties import Property

__all__ = ["PSET", "Hints", "hints_of", "role_of"]

PSET = "Pset_AID4"  # PointKey: "device/metric" or a list; Device; BrickClass
_BRICK_NAMES = ("BrickClass", "brick:class", "Brick")
_SEPARATORS = (";", ",", "\n")

# class of the occurrence or of its type, without `Ifc` and `Type`: what it does for a point
_ROLES = {
    "Sensor": "sensor", "Actuator": "actuator", "Controller": "controller", "UnitaryControlElement": "controller",
    "Alarm": "alarm", "FlowMeter": "meter", "FlowInstrument": "sensor",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hints:
    """Point keys, devices and the Brick class that a model writes on an element."""

    point_keys: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    brick: str = ""


def hints_of(sets: Iterable[Iterable[Property]]) -> Hints:
    """Hints among the sets of one element (its own first, then those of its type)."""
    keys: list[str] = []
    devices: list[str] = []
    brick = ""
    for rows in sets:
        for row in rows:
            if row.pset == PSET and row.name == "PointKey":
                keys.extend(_listed(row.value))
            elif row.pset == PSET and row.name == "Device":
                devices.extend(_listed(row.value))
            elif row.name in _BRICK_NAMES and not brick:
                brick = row.value.removeprefix("brick:").rsplit("#", 1)[-1]
    return Hints(tuple(dict.fromkeys(keys)), tuple(dict.fromkeys(devices)), brick)


def role_of(ifc_class: str, type_class: str) -> str:
    """sensor, actuator, controller, alarm, meter or ""; IFC2X3 knows it from the type object only."""
    for name in (ifc_class, type_class):
        role = _ROLES.get(name.removeprefix("Ifc").removesuffix("Type"))
        if role:
            return role
    return ""


def _listed(value: str) -> list[str]:
    if value.startswith("["):
        try:
            items = json.loads(value)
        except ValueError:
            items = [value]
        return [str(item).strip() for item in items if str(item).strip()]
    for separator in _SEPARATORS:
        value = value.replace(separator, "\n")
    return [part.strip() for part in value.split("\n") if part.strip()]
