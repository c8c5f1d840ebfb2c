"""The vocabulary of points: what a quantity is, which units it may have, and how it accumulates.

A closed list after the device classes of Home Assistant and the point classes of Brick; a point whose class
is not known is still stored, and listed by `aid4 edge check`.
"""

from typing import Literal, NamedTuple

from wire.errors import UserError
from wire.units import UNITS, canonical

__all__ = ["POINT_CLASSES", "PointClass", "check_unit"]

Accumulation = Literal["measurement", "total", "total_increasing", "state"]


class PointClass(NamedTuple):
    """One class: the dimension of its units, how it accumulates, and its Brick class (of 1.4 and 1.5; where Brick has
    no word for it, the nearest wider one)."""

    dimension: str
    accumulation: Accumulation
    brick: str
    units: tuple[str, ...] = ()  # when not every unit of the dimension makes sense


POINT_CLASSES: dict[str, PointClass] = {
    "temperature": PointClass("temperature", "measurement", "Temperature_Sensor"),
    "temperature_setpoint": PointClass("temperature", "measurement", "Temperature_Setpoint"),
    "humidity": PointClass("number", "measurement", "Humidity_Sensor", ("%",)),
    "co2": PointClass("number", "measurement", "CO2_Level_Sensor", ("[ppm]",)),
    "voc": PointClass("number", "measurement", "TVOC_Level_Sensor", ("[ppb]", "[ppm]")),
    "pm25": PointClass("density", "measurement", "PM2.5_Level_Sensor"),
    "pm10": PointClass("density", "measurement", "PM10_Level_Sensor"),
    "illuminance": PointClass("illuminance", "measurement", "Illuminance_Sensor"),
    "irradiance": PointClass("irradiance", "measurement", "Solar_Irradiance_Sensor"),
    "sound_pressure": PointClass("sound pressure level", "measurement", "Sensor"),
    "occupancy": PointClass("number", "measurement", "Occupancy_Count_Sensor"),
    "presence": PointClass("number", "state", "Occupancy_Sensor"),
    "pressure": PointClass("pressure", "measurement", "Pressure_Sensor"),
    "pressure_setpoint": PointClass("pressure", "measurement", "Pressure_Setpoint"),
    "flow": PointClass("flow", "measurement", "Flow_Sensor"),
    "mass_flow": PointClass("mass flow", "measurement", "Flow_Sensor"),
    "volume": PointClass("volume", "total_increasing", "Usage_Sensor"),
    "valve": PointClass("number", "measurement", "Valve_Position_Sensor", ("%", "1", "")),
    "valve_command": PointClass("number", "measurement", "Valve_Position_Command", ("%", "1", "")),
    "damper": PointClass("number", "measurement", "Damper_Position_Sensor", ("%", "1", "")),
    "damper_command": PointClass("number", "measurement", "Damper_Position_Command", ("%", "1", "")),
    "speed_command": PointClass("number", "measurement", "Speed_Setpoint", ("%", "1", "")),
    "rotation": PointClass("frequency", "measurement", "Speed_Sensor"),
    "frequency": PointClass("frequency", "measurement", "Frequency_Sensor"),
    "voltage": PointClass("voltage", "measurement", "Voltage_Sensor"),
    "current": PointClass("current", "measurement", "Current_Sensor"),
    "power": PointClass("power", "measurement", "Electric_Power_Sensor"),
    "apparent_power": PointClass("apparent power", "measurement", "Electric_Power_Sensor"),
    "reactive_power": PointClass("reactive power", "measurement", "Reactive_Power_Sensor"),
    "power_factor": PointClass("number", "measurement", "Power_Factor_Sensor", ("", "1", "%")),
    "energy": PointClass("energy", "total_increasing", "Energy_Sensor"),
    "reactive_energy": PointClass("reactive energy", "total_increasing", "Reactive_Energy_Sensor"),
    "thermal_power": PointClass("power", "measurement", "Thermal_Power_Sensor"),
    "thermal_energy": PointClass("energy", "total_increasing", "Thermal_Energy_Usage_Sensor"),
    "battery_charge": PointClass("number", "measurement", "Sensor", ("%",)),
    "carbon": PointClass("carbon", "total", "Sensor"),
    "wind_speed": PointClass("speed", "measurement", "Wind_Speed_Sensor"),
    "wind_direction": PointClass("angle", "measurement", "Wind_Direction_Sensor"),
    "rain": PointClass("length", "total_increasing", "Rain_Level_Sensor"),
    "rain_rate": PointClass("speed", "measurement", "Rain_Level_Sensor"),
    "soil_moisture": PointClass("number", "measurement", "Sensor", ("%",)),
    "conductivity": PointClass("conductivity", "measurement", "Conductivity_Sensor"),
    "acidity": PointClass("acidity", "measurement", "Sensor"),
    "speed": PointClass("speed", "measurement", "Speed_Sensor"),
    "feed": PointClass("speed", "measurement", "Speed_Sensor"),
    "acceleration": PointClass("acceleration", "measurement", "Sensor"),
    "vibration": PointClass("speed", "measurement", "Sensor"),
    "position": PointClass("length", "measurement", "Position_Sensor"),
    "angle": PointClass("angle", "measurement", "Angle_Sensor"),
    "torque": PointClass("torque", "measurement", "Torque_Sensor"),
    "force": PointClass("force", "measurement", "Sensor"),
    "load": PointClass("number", "measurement", "Sensor", ("%", "1", "")),
    "mass": PointClass("mass", "measurement", "Sensor"),
    "distance": PointClass("length", "measurement", "Position_Sensor"),
    "duration": PointClass("time", "total_increasing", "Run_Time_Sensor"),
    "count": PointClass("number", "total_increasing", "Sensor"),
    "signal_strength": PointClass("signal level", "measurement", "Sensor"),
    "data_size": PointClass("data", "measurement", "Sensor"),
    "ratio": PointClass("number", "measurement", "Sensor"),
    "status": PointClass("number", "state", "Status"),
    "on_off": PointClass("number", "state", "On_Off_Status"),
    "mode": PointClass("number", "state", "Mode_Status"),
    "alarm": PointClass("number", "state", "Alarm"),
    "fault": PointClass("number", "state", "Fault_Status"),
}


def check_unit(point_class: str, unit: str) -> str:
    """The UCUM code of `unit` if a point of this class may have it; UserError with the allowed units if not."""
    if point_class not in POINT_CLASSES:
        raise UserError(
            f"point class {point_class!r} is not known", field="point_class", fix="see wire/point_classes.py"
        )
    rule, code = POINT_CLASSES[point_class], canonical(unit)
    allowed = rule.units or tuple(name for name, known in UNITS.items() if known.dimension == rule.dimension)
    if code not in allowed:
        fix = f"use one of {', '.join(name or 'no unit' for name in allowed)}"
        raise UserError(f"a {point_class} is not measured in {unit!r}", field="unit", fix=fix)
    return code
