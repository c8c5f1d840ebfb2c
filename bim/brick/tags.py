"""The tags of a Brick class. Brick writes most of a class's tags into its name; the rest is a table."""

__all__ = ["tags_of"]

_POINTS = ("Sensor", "Setpoint", "Command", "Status", "Alarm", "Parameter", "Limit")
_LOCATIONS = ("Building", "Floor", "Outdoor_Area", "Room", "Site", "Space", "Zone")
_WORDS = {"Cooling": "Cool", "Heating": "Heat", "Shading": "Shade"}
_MORE: dict[str, tuple[str, ...]] = {
    "Audio_Visual_Equipment": ("ICT",),
    "Battery": ("Energy", "Storage"),
    "Controller": ("ICT",),
    "Disconnect_Switch": ("Isolation",),
    "Fire_Alarm_Control_Panel": ("Safety",),
    "Floor": ("Storey",),
    "Gateway": ("ICT",),
    "Heat_Exchanger": ("HX",),
    "Manual_Fire_Alarm_Activation_Equipment": ("Safety",),
    "PM10_Level_Sensor": ("Matter", "Particulate"),
    "PM2.5_Level_Sensor": ("Matter", "Particulate"),
    "PV_Panel": ("Solar",),
    "Reactive_Energy_Sensor": ("Electric",),
    "Reactive_Power_Sensor": ("Electric",),
    "Sensor_Equipment": ("ICT",),
    "Smoke_Detector": ("Fire", "Safety"),
    "Switch": ("Interface",),
    "System": ("Collection",),
    "TVOC_Level_Sensor": ("Matter", "Particulate"),
}


def tags_of(brick_class: str) -> list[str]:
    """Words of the name, and `Point`, `Location` or `Equipment` for what it is; none for no class."""
    if not brick_class:
        return []
    words = [_WORDS.get(word, word) for word in brick_class.split("_")]
    kind = "Point" if words[-1] in _POINTS else "Location" if brick_class in _LOCATIONS else "Equipment"
    kinds = () if brick_class in ("System", "Location") else (kind,)
    return list(dict.fromkeys([*words, *_MORE.get(brick_class, ()), *kinds]))
