"""The documents of a simulated MTConnect agent, after the schemas of version 2.4."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from xml.etree import ElementTree as ET

from sim_devices.site import Device
from wire.clock import SystemClock

__all__ = ["ITEMS", "SCALE", "Documents", "Item", "Observation"]

_CLOCK = SystemClock()
VERSION = "2.4"


class Item(NamedTuple):
    """What a metric is in MTConnect: the component that has it, and the data item."""

    component: str
    title: str
    category: str
    type: str
    sub_type: str
    units: str


class Observation(NamedTuple):
    """One report in the buffer."""

    sequence: int
    metric: str
    timestamp: str
    text: str


ITEMS = {
    "spindle_speed": Item("Rotary", "S", "SAMPLE", "ROTARY_VELOCITY", "ACTUAL", "REVOLUTION/MINUTE"),
    "spindle_load": Item("Rotary", "S", "SAMPLE", "LOAD", "", "PERCENT"),
    "spindle_temperature": Item("Rotary", "S", "SAMPLE", "TEMPERATURE", "", "CELSIUS"),
    "vibration": Item("Rotary", "S", "SAMPLE", "VELOCITY", "", "MILLIMETER/SECOND"),
    "feed_rate": Item("Path", "path", "SAMPLE", "PATH_FEEDRATE", "ACTUAL", "MILLIMETER/SECOND"),
    "position_x": Item("Linear", "X", "SAMPLE", "POSITION", "ACTUAL", "MILLIMETER"),
    "position_y": Item("Linear", "Y", "SAMPLE", "POSITION", "ACTUAL", "MILLIMETER"),
    "position_z": Item("Linear", "Z", "SAMPLE", "POSITION", "ACTUAL", "MILLIMETER"),
    "power": Item("Electric", "mains", "SAMPLE", "WATTAGE", "", "WATT"),
    "parts_made": Item("Path", "path", "EVENT", "PART_COUNT", "ALL", ""),
    "execution": Item("Path", "path", "EVENT", "EXECUTION", "", ""),
    "program": Item("Path", "path", "EVENT", "PROGRAM", "", ""),
}
SCALE = {"feed_rate": 1.0 / 60.0, "power": 1_000.0}  # ours to MTConnect's unit
PARENTS = {"Rotary": "Axes", "Linear": "Axes", "Path": "Controller", "Electric": "Systems"}


class Documents:
    """Writes the documents of one device with these metrics."""

    def __init__(self, device: Device, metrics: Sequence[str], instance: str, buffer: int) -> None:
        self._device, self._metrics = device, metrics
        self._instance, self._buffer = instance, buffer

    def id(self, metric: str) -> str:
        """The id of a metric's data item."""
        return f"{self._device.name}-{metric}"

    def devices(self) -> bytes:
        """What there is: components under the parents that the standard gives them."""
        root = self._root("MTConnectDevices", assetBufferSize="1", assetCount="0")
        name = self._device.name
        device = ET.SubElement(ET.SubElement(root, "Devices"), "Device", id=name, name=name, uuid=self._uuid)
        ET.SubElement(device, "Description").text = self._device.label or name
        own = ET.SubElement(device, "DataItems")
        ET.SubElement(own, "DataItem", category="EVENT", id=f"{name}-avail", type="AVAILABILITY")
        top = ET.SubElement(device, "Components")
        parents: dict[str, ET.Element] = {}
        lists: dict[tuple[str, str], ET.Element] = {}
        for metric in self._metrics:
            item = ITEMS[metric]
            parent = PARENTS[item.component]
            if parent not in parents:
                group = ET.SubElement(top, parent, id=f"{name}-{parent.lower()}")
                parents[parent] = ET.SubElement(group, "Components")
            place = (item.component, item.title)
            if place not in lists:
                component = ET.SubElement(parents[parent], item.component, id=self._component(item), name=item.title)
                lists[place] = ET.SubElement(component, "DataItems")
            about = {"category": item.category, "id": self.id(metric), "name": metric, "type": item.type}
            about |= {key: text for key, text in (("subType", item.sub_type), ("units", item.units)) if text}
            ET.SubElement(lists[place], "DataItem", about)
        return _written(root)

    def streams(self, chosen: Sequence[Observation], first: int, after_last: int, next_sequence: int) -> bytes:
        """What was observed, by component; `first` to `after_last` is what the buffer holds."""
        place = {"firstSequence": first, "lastSequence": max(after_last - 1, 1), "nextSequence": next_sequence}
        root = self._root("MTConnectStreams", **{key: str(value) for key, value in place.items()})
        streams = ET.SubElement(root, "Streams")
        if not chosen:
            return _written(root)
        device = ET.SubElement(streams, "DeviceStream", name=self._device.name, uuid=self._uuid)
        components: dict[tuple[str, str], ET.Element] = {}
        groups: dict[tuple[str, str, str], ET.Element] = {}
        for one in sorted(chosen, key=lambda one: (ITEMS[one.metric].category != "SAMPLE", one.sequence)):
            item = ITEMS[one.metric]
            at, kind = (item.component, item.title), "Samples" if item.category == "SAMPLE" else "Events"
            if at not in components:
                about = {"component": item.component, "name": item.title, "componentId": self._component(item)}
                components[at] = ET.SubElement(device, "ComponentStream", about)
            if (*at, kind) not in groups:
                groups[*at, kind] = ET.SubElement(components[at], kind)
            tag = "".join(word.capitalize() for word in item.type.split("_"))
            about = {"dataItemId": self.id(one.metric), "name": one.metric, "sequence": str(one.sequence)}
            about |= {"timestamp": one.timestamp} | ({"subType": item.sub_type} if item.sub_type else {})
            ET.SubElement(groups[*at, kind], tag, about).text = one.text
        return _written(root)

    def error(self, code: str, text: str) -> bytes:
        """A refusal."""
        root = self._root("MTConnectError")
        ET.SubElement(ET.SubElement(root, "Errors"), "Error", errorCode=code).text = text
        return _written(root)

    @property
    def _uuid(self) -> str:
        return f"aid4.sim.{self._device.name}"

    def _component(self, item: Item) -> str:
        return f"{self._device.name}-{item.title.lower()}-c"

    def _root(self, name: str, **more: str) -> ET.Element:
        now = datetime.fromtimestamp(_CLOCK.wall_us() / 1e6, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        root = ET.Element(name, xmlns=f"urn:mtconnect.org:{name}:{VERSION}")
        about = {
            "creationTime": now, "sender": "aid4-sim", "instanceId": self._instance, "version": VERSION,
            "deviceModelChangeTime": now, "bufferSize": str(self._buffer),
        }  # fmt: skip
        ET.SubElement(root, "Header", about | more)
        return root


def _written(root: ET.Element) -> bytes:
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text
