"""XMP packets as flat names: `drone-dji:GimbalPitchDegree`, whether written as attribute or as element."""

from drone_ingest.damage import Notes
from drone_ingest.limits import DroneLimits
from drone_ingest.xml_tree import parse_xml
from wire.errors import InputError

__all__ = ["number", "read_xmp"]

_NAMES_MAX = 500
_TEXT_CHARS = 500


def read_xmp(packet: bytes, limits: DroneLimits, notes: Notes) -> dict[str, str]:
    """Names without their prefix, as `GimbalPitchDegree`; a broken packet gives what came before the break."""
    packet = packet.strip(b"\0 \r\n\t")
    try:
        root, broken = parse_xml(packet, limits, "")
    except InputError as error:
        notes.damage(0, "byte", f"its XMP cannot be read: {error.problem}")
        return {}
    if broken is not None:
        notes.damage(broken.byte, "byte", f"its XMP breaks off ({broken.problem}), counted from the packet")
    names: dict[str, str] = {}
    for one in root.walk("Description"):
        for name, value in one.attributes.items():
            names.setdefault(name.rpartition(":")[2], value[:_TEXT_CHARS])
        for child in one.children:
            if child.value and len(names) < _NAMES_MAX:
                names.setdefault(child.tag, child.value[:_TEXT_CHARS])
    return names


def number(names: dict[str, str], *keys: str) -> float | None:
    """The first of `keys` that is a number; DJI writes `+39.80`."""
    for key in keys:
        try:
            value = float(names[key])
        except (KeyError, ValueError):
            continue
        if abs(value) < 1e12:
            return value
    return None
