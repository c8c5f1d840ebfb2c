"""MTConnect's three documents, read without its schemas: Devices (what there is), Streams (what was observed), Error.

Any version from 1.1 on: names of elements count without their namespace. What a data item is called, what it measures
and in which unit comes from the Devices document; an observation names it by `dataItemId`.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple
from xml.etree import ElementTree as ET

from edge.sources import SourceError

__all__ = ["UNAVAILABLE", "DataItem", "Header", "Observation", "OutOfRangeError", "read_devices", "read_streams"]

DOCUMENT_BYTES_MAX = 32 << 20  # a thousand observations are a third of a megabyte
ITEMS_MAX = 20_000
UNAVAILABLE = "UNAVAILABLE"
_WORDS_MAX = 500
_COUNTS = {"PART_COUNT", "LINE_NUMBER", "TOOL_NUMBER", "TOOL_OFFSET", "BLOCK_COUNT", "LOAD_COUNT", "UNLOAD_COUNT"}
_OVERRIDES = {"PATH_FEEDRATE_OVERRIDE", "AXIS_FEEDRATE_OVERRIDE", "ROTARY_VELOCITY_OVERRIDE"}
_UCUM = {
    "MILLIMETER": "mm", "MILLIMETER/SECOND": "mm/s", "MILLIMETER/SECOND^2": "mm/s2", "PERCENT": "%", "DEGREE": "deg",
    "REVOLUTION/MINUTE": "/min", "REVOLUTION/SECOND": "/s", "DEGREE/SECOND": "deg/s", "CELSIUS": "Cel", "SECOND": "s",
    "AMPERE": "A", "VOLT": "V", "WATT": "W", "KILOWATT": "kW", "HERTZ": "Hz", "NEWTON": "N", "NEWTON_METER": "N.m",
    "PASCAL": "Pa", "KILOGRAM": "kg", "LITER": "L", "LITER/SECOND": "L/s", "COUNT": "1", "WATT_SECOND": "W.s",
    "KILOWATT_HOUR": "kW.h", "JOULE": "J", "DECIBEL": "dB", "MILLIMETER/REVOLUTION": "mm", "MICROMETER": "um",
    "COUNT/MINUTE": "/min", "COUNT/SECOND": "/s", "VOLT_AMPERE": "V.A", "VOLT_AMPERE_REACTIVE": "var",
}  # fmt: skip


class OutOfRangeError(SourceError):
    """The agent no longer has what was asked for: its buffer has gone on."""


class DataItem(NamedTuple):
    """What the Devices document says of one data item."""

    id: str
    name: str
    device: str
    label: str
    unit: str
    kind: Literal["value", "state"]
    condition: bool


class Header(NamedTuple):
    """Where a document stands in the agent's buffer; another `instance` is an agent that was started anew."""

    instance: str
    first: int
    next: int


class Observation(NamedTuple):
    """One report: its data item, its time as written, its sequence number, and what it says."""

    item: str
    timestamp: str
    sequence: int
    text: str


def read_devices(document: bytes) -> tuple[str, list[DataItem]]:
    """The agent's instance and its data items in their order. SourceError for anything but a Devices document."""
    root = _parse(document, "MTConnectDevices")
    items: list[DataItem] = []
    for device in (one for one in root.iter() if _local(one) == "Device"):
        name = device.get("name") or device.get("id") or "device"
        for element in (one for one in device.iter() if _local(one) == "DataItem"):
            if len(items) >= ITEMS_MAX:
                raise SourceError("browse", f"more than {ITEMS_MAX} data items")
            if identity := element.get("id"):
                items.append(_data_item(element, identity, name))
    return _attributes(root).get("instanceId", ""), items


def read_streams(document: bytes) -> tuple[Header, list[Observation]]:
    """Where the document stands, and its observations by sequence. OutOfRangeError or SourceError when it is none."""
    root = _parse(document, "MTConnectStreams")
    header = _attributes(root)
    try:
        place = Header(header["instanceId"], int(header["firstSequence"]), int(header["nextSequence"]))
    except (KeyError, ValueError) as error:
        raise SourceError("decode", f"its header lacks {error}") from error
    return place, sorted(_observations(root), key=lambda one: one.sequence)


def _data_item(element: ET.Element, identity: str, device: str) -> DataItem:
    category, kind = element.get("category", ""), element.get("type", "")
    units = element.get("units") or ""
    plain = element.get("representation", "VALUE") == "VALUE" and not units.endswith("_3D")
    numeric = plain and (category == "SAMPLE" or bool(units) or kind in _COUNTS or kind in _OVERRIDES)
    label = " ".join(filter(None, [kind.replace("_", " ").lower(), element.get("subType", "").lower()]))
    return DataItem(
        identity,
        element.get("name") or identity,
        device,
        label,
        _UCUM.get(units, "1" if units == "" and numeric else ""),
        "value" if numeric and category != "CONDITION" else "state",
        category == "CONDITION",
    )


def _observations(root: ET.Element) -> Iterator[Observation]:
    for group in root.iter():
        if _local(group) not in ("Samples", "Events", "Condition"):
            continue
        is_condition = _local(group) == "Condition"
        for element in group:
            item, sequence = element.get("dataItemId"), element.get("sequence", "")
            if item and sequence.isdigit():
                text = _condition(element) if is_condition else _said(element)
                yield Observation(item, element.get("timestamp", ""), int(sequence), text)


def _said(element: ET.Element) -> str:
    """The text; of a data set or table its entries."""
    entries = [one for one in element if _local(one) == "Entry"]
    if entries:
        return " ".join(f"{one.get('key', '')}={(one.text or '').strip()}" for one in entries)[:_WORDS_MAX]
    return (element.text or "").strip()


def _condition(element: ET.Element) -> str:
    """The level, and what the machine says of it: `FAULT 1010: Spindle overload`."""
    level = _local(element).upper()
    more = " ".join(filter(None, [element.get("nativeCode", ""), element.get("nativeSeverity", "")]))
    words = (element.text or "").strip()
    return (level + (f" {more}" if more else "") + (f": {words}" if words else ""))[:_WORDS_MAX]


def _parse(document: bytes, wanted: str) -> ET.Element:
    if len(document) > DOCUMENT_BYTES_MAX:
        raise SourceError("decode", f"a document of more than {DOCUMENT_BYTES_MAX >> 20} MiB")
    if b"<!DOCTYPE" in document or b"<!ENTITY" in document:  # no entity is expanded, so none can explode
        raise SourceError("decode", "a document that declares entities")
    try:
        root = ET.fromstring(document)  # noqa: S314  the lines above refuse what makes it unsafe
    except (ET.ParseError, LookupError, ValueError) as error:  # an encoding that nobody knows, too
        raise SourceError("decode", f"not XML: {error}") from error
    if _local(root) == "MTConnectError":
        errors = [one for one in root.iter() if one.get("errorCode")]
        text = "; ".join(f"{one.get('errorCode')} {(one.text or '').strip()}" for one in errors)[:_WORDS_MAX]
        if any(one.get("errorCode") == "OUT_OF_RANGE" for one in errors):
            raise OutOfRangeError("read", text)
        raise SourceError("read", text or "the agent refused")
    if _local(root) != wanted:
        raise SourceError("decode", f"a document {_local(root)!r} instead of {wanted}")
    return root


def _attributes(root: ET.Element) -> dict[str, str]:
    return next((dict(one.attrib) for one in root if _local(one) == "Header"), {})


def _local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
