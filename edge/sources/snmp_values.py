"""What SNMP answers, as numbers and words, and back: the config of a point. No I/O.

Types by RFC 2578; Net-SNMP's floats inside `Opaque` by its NET-SNMP-TC. Devices that have no such floats send
numbers as text (`"23.5"`), which is read as a number where the point is one.
"""

import math
import struct
from typing import Annotated, Any, Literal

import msgspec
from pysnmp.proto import rfc1902, rfc1905

from edge.sources import SourceError
from edge.sources.columns import PointSpec

__all__ = ["SnmpPoint", "number", "to_send", "word"]

Sent = Literal["integer", "unsigned", "text"]

NUMBER_CHARS_MAX = 40
TEXT_BYTES_MAX = 1_024
_FLOATS = {b"\x9f\x78\x04": ">f", b"\x9f\x79\x08": ">d"}
_WHOLE = (
    rfc1902.Integer32, rfc1902.Unsigned32, rfc1902.Gauge32, rfc1902.Counter32, rfc1902.Counter64, rfc1902.TimeTicks,
)  # fmt: skip
_ABSENT = (rfc1905.NoSuchObject, rfc1905.NoSuchInstance, rfc1905.EndOfMibView)


class SnmpPoint(PointSpec, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One quantity. `oid` is that of the instance (it ends with .0, mostly), or of a whole column with `column`, where
    each row becomes a point of its own: `metric`_`index`."""

    oid: Annotated[str, msgspec.Meta(pattern=r"^\.?[0-2](\.\d{1,10}){1,120}$")]
    column: bool = False
    scale: float = 1.0
    text: bool = False
    states: dict[str, str] = msgspec.field(default_factory=dict)  # number -> word: an enumeration
    writable: bool = False
    sent_as: Sent = "integer"  # the type that a SET carries

    @property
    def is_state(self) -> bool:
        """Whether it says words instead of numbers."""
        return self.text or bool(self.states)


def number(spec: SnmpPoint, value: Any) -> float | None:
    """A value of the device in the unit of the point; None when there is none or it is no number."""
    if isinstance(value, _WHOLE):
        return int(value) * spec.scale
    if isinstance(value, rfc1902.IpAddress) or not isinstance(value, rfc1902.OctetString | rfc1902.Opaque):
        return None
    raw = bytes(value)
    if layout := _FLOATS.get(raw[:3]):
        return struct.unpack(layout, raw[3:])[0] * spec.scale if len(raw) == 3 + struct.calcsize(layout) else None
    try:
        found = float(raw[:NUMBER_CHARS_MAX].decode("ascii"))
    except ValueError:
        return None
    return found * spec.scale if math.isfinite(found) else None


def word(spec: SnmpPoint, value: Any) -> str | None:
    """A value as a word; of an enumeration that does not name it, its number. None when there is none."""
    if isinstance(value, _ABSENT):
        return None
    if isinstance(value, _WHOLE):
        return spec.states.get(str(int(value)), str(int(value)))
    if isinstance(value, rfc1902.OctetString) and not isinstance(value, rfc1902.IpAddress):
        return bytes(value)[:TEXT_BYTES_MAX].decode("utf-8", "replace").replace("\0", "")
    return (
        value.prettyPrint()[:TEXT_BYTES_MAX]
        if isinstance(value, rfc1902.ObjectIdentifier | rfc1902.IpAddress)
        else None
    )


def to_send(spec: SnmpPoint, value: float | str | bool) -> Any:
    """The value of a SET; SourceError("write") when the point's type does not hold it."""
    if spec.states:
        value = next((float(key) for key, name in spec.states.items() if name == str(value)), math.nan)
        if math.isnan(value):
            raise SourceError("write", f"{spec.metric} takes one of {', '.join(spec.states.values())}")
    elif not spec.text:
        value = round(float(value) / spec.scale)
    if spec.sent_as == "text" or spec.text:
        return rfc1902.OctetString(str(value))
    whole = int(value)
    low, high = (-(1 << 31), (1 << 31) - 1) if spec.sent_as == "integer" else (0, (1 << 32) - 1)
    if not low <= whole <= high:
        raise SourceError("write", f"{spec.metric}: {whole} does not fit the device's type ({low} to {high})")
    return rfc1902.Integer32(whole) if spec.sent_as == "integer" else rfc1902.Gauge32(whole)
