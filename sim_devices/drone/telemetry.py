"""What the simulated vehicle says: a table of messages, each with how often and a function of the autopilot."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from drone_ingest.mavlink.live_dialect import definitions
from drone_ingest.mavlink.telemetry import METRICS
from sim_devices.drone.autopilot import CRITICAL_SHARE, LOW_SHARE, Autopilot

__all__ = ["MESSAGES", "NUMBERS", "POINTS", "RATES_HZ"]

_QUADROTOR, _ARDUPILOT = 2, 3
_AUTO_FLAGS, _ARMED = 1 | 4 | 8 | 16, 128  # custom mode, guided, stabilised
_STANDBY, _ACTIVE, _CRITICAL, _EMERGENCY = 3, 4, 5, 6
_UNKNOWN16 = 65_535

Fields = dict[str, Any]


def _heartbeat(pilot: Autopilot) -> Fields:
    state = _ACTIVE if pilot.armed else _STANDBY
    if pilot.airborne and pilot.failsafe:
        state = _EMERGENCY if pilot.failsafe == "motor" else _CRITICAL
    return {
        "type": _QUADROTOR, "autopilot": _ARDUPILOT, "base_mode": _AUTO_FLAGS | 64 | (_ARMED if pilot.armed else 0),
        "custom_mode": pilot.mode, "system_status": state, "mavlink_version": 3,
    }  # fmt: skip


def _position(pilot: Autopilot) -> Fields:
    lat, lon, height_m = pilot.frame.to_earth(pilot.place)
    speed = pilot.air.velocity
    return {
        "time_boot_ms": _boot_ms(pilot), "lat": round(lat * 1e7), "lon": round(lon * 1e7), "alt": round(height_m * 1e3),
        "relative_alt": round((pilot.place.up - pilot.home.up) * 1e3), "vx": round(speed.north * 100),
        "vy": round(speed.east * 100), "vz": round(-speed.up * 100), "hdg": round(pilot.air.yaw_deg * 100) % 36_000,
    }  # fmt: skip


def _attitude(pilot: Autopilot) -> Fields:
    air = pilot.air
    yaw = math.radians((air.yaw_deg + 180.0) % 360.0 - 180.0)
    return {
        "time_boot_ms": _boot_ms(pilot), "roll": math.radians(air.roll_deg), "pitch": math.radians(air.pitch_deg),
        "yaw": yaw,
    }  # fmt: skip


def _status(pilot: Autopilot) -> Fields:
    air = pilot.air
    sensors = 0x1 | 0x2 | 0x4 | 0x8 | 0x20 | (0 if pilot.faulty.motor_lost else 0x8000)
    return {
        "onboard_control_sensors_present": sensors | 0x8000, "onboard_control_sensors_enabled": sensors | 0x8000,
        "onboard_control_sensors_health": sensors, "load": 312 if pilot.armed else 221,
        "voltage_battery": round(air.voltage_v * 1e3), "current_battery": round(air.power_w / air.voltage_v * 100),
        "battery_remaining": round(air.charge * 100),
    }  # fmt: skip


def _battery(pilot: Autopilot) -> Fields:
    air = pilot.air
    used_ah = (air.capacity_wh - air.left_wh) / 22.2
    charge = 3 if air.charge <= CRITICAL_SHARE else 2 if air.charge <= LOW_SHARE else 1
    return {
        "temperature": round(air.cell_c * 100), "voltages": [round(air.voltage_v / 6 * 1e3)] * 6 + [_UNKNOWN16] * 4,
        "current_battery": round(air.power_w / air.voltage_v * 100), "current_consumed": round(used_ah * 1e3),
        "energy_consumed": round((air.capacity_wh - air.left_wh) * 36.0), "battery_remaining": round(air.charge * 100),
        "charge_state": charge, "type": 1, "time_remaining": round(air.left_wh * 3600 / max(air.power_w, 20.0)),
    }  # fmt: skip


def _receiver(pilot: Autopilot) -> Fields:
    lat, lon, height_m = pilot.frame.to_earth(pilot.place)
    off_m = abs(pilot.faulty.gps_off_m)
    return {
        "time_usec": round(pilot.time_s * 1e6), "fix_type": 3 if off_m < 5 else 2, "lat": round(lat * 1e7),
        "lon": round(lon * 1e7), "alt": round(height_m * 1e3), "eph": 70 + min(round(off_m * 4), 900), "epv": 110,
        "vel": round(pilot.air.speed_m_s * 100), "cog": _UNKNOWN16,
        "satellites_visible": max(5, 17 - int(off_m / 4)),
    }  # fmt: skip


def _home(pilot: Autopilot) -> Fields:
    lat, lon, height_m = pilot.frame.to_earth(pilot.home)
    place = {"latitude": round(lat * 1e7), "longitude": round(lon * 1e7), "altitude": round(height_m * 1e3)}
    return {**place, "q": [1.0, 0.0, 0.0, 0.0]}


def _hud(pilot: Autopilot) -> Fields:
    air, wind = pilot.air, pilot.wind
    return {
        "airspeed": air.air_speed_m_s(wind) if pilot.airborne else 0.0, "groundspeed": air.speed_m_s,
        "heading": round(air.yaw_deg) % 360, "throttle": min(100, round(air.power_w / 6.0)),
        "alt": pilot.frame.height_m + pilot.place.up, "climb": air.velocity.up,
    }  # fmt: skip


def _vibration(pilot: Autopilot) -> Fields:
    shake = 0.4 if not pilot.armed else 6.0 + 0.9 * pilot.air.speed_m_s + (40.0 if pilot.faulty.motor_lost else 0.0)
    return {"vibration_x": shake, "vibration_y": 1.1 * shake, "vibration_z": 1.4 * shake}


def _wind(pilot: Autopilot) -> Fields:
    blows_from = (math.degrees(math.atan2(pilot.wind.east, pilot.wind.north)) + 180.0) % 360.0
    return {"direction": blows_from, "speed": math.hypot(pilot.wind.east, pilot.wind.north)}


def _mission(pilot: Autopilot) -> Fields:
    count = len(pilot.mission.items)
    return {"seq": min(pilot.current, max(count - 1, 0)), "total": count or _UNKNOWN16}


def _landed(pilot: Autopilot) -> Fields:
    climbing = pilot.airborne and pilot.current == 0 and pilot.air.velocity.up > 0.3
    sinking = pilot.airborne and pilot.air.velocity.up < -0.3 and pilot.home_m < 3.0
    return {"landed_state": 1 if not pilot.airborne else 3 if climbing else 4 if sinking else 2}


def _fence(pilot: Autopilot) -> Fields:
    breach = {"breach_status": int(pilot.breach > 0), "breach_type": pilot.breach}
    return {**breach, "breach_count": pilot.breaches, "breach_mitigation": 1}


def _boot_ms(pilot: Autopilot) -> int:
    return round(pilot.time_s * 1e3) & 0xFFFFFFFF


MESSAGES: Final[dict[str, Callable[[Autopilot], Fields]]] = {
    "HEARTBEAT": _heartbeat, "GLOBAL_POSITION_INT": _position, "ATTITUDE": _attitude, "SYS_STATUS": _status,
    "BATTERY_STATUS": _battery, "GPS_RAW_INT": _receiver, "HOME_POSITION": _home, "VFR_HUD": _hud,
    "VIBRATION": _vibration, "WIND": _wind, "MISSION_CURRENT": _mission, "EXTENDED_SYS_STATE": _landed,
    "FENCE_STATUS": _fence, "SYSTEM_TIME": lambda pilot: {"time_boot_ms": _boot_ms(pilot)},
}  # fmt: skip
RATES_HZ: Final = {
    "HEARTBEAT": 1.0, "GLOBAL_POSITION_INT": 5.0, "ATTITUDE": 5.0, "SYS_STATUS": 1.0, "BATTERY_STATUS": 0.5,
    "GPS_RAW_INT": 1.0, "HOME_POSITION": 0.1, "VFR_HUD": 2.0, "VIBRATION": 0.5, "WIND": 0.5, "MISSION_CURRENT": 1.0,
    "EXTENDED_SYS_STATE": 1.0, "FENCE_STATUS": 1.0, "SYSTEM_TIME": 0.5,
}  # fmt: skip
POINTS: Final = (  # what an agent makes of it
    *(metric.key for metric in METRICS if metric.message in MESSAGES),
    "pose", "mode", "armed", "flight_state", "command",
)  # fmt: skip
NUMBERS: Final = {one.id: one.name for one in definitions()}
