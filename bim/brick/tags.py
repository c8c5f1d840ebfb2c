"""The tags of a Brick class. Brick writes a class's tags into its name, so the name gives them back."""

__all__ = ["tags_of"]

_POINTS = ("Sensor", "Setpoint", "Command", "Status", "Alarm", "Parameter")
_PLACES = frozenset({"Building", "Floor", "Room", "Site", "Space", "Zone", "Outdoor_Area", "System"})


def tags_of(brick_class: str) -> list[str]:
    """Words of the name, and `Point` or `Equipment` for what it is; none for no class."""
    if not brick_class:
        return []
    words = brick_class.split("_")
    if brick_class in ("Point", "Equipment", "Location") or brick_class in _PLACES:
        return words
    kind = "Point" if words[-1] in _POINTS or brick_class.endswith("Limit") else "Equipment"
    return list(dict.fromkeys([*words, kind]))
