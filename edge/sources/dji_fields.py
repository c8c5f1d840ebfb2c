"""What DJI's Cloud API says of aircraft and docks, as tables: paths in the JSON, and the points that they become.

After the field list of DJI's own open demo (MIT). A dock sends its status in several messages with a part of the fields
each, so an absent one means "as before". Heights: `height` is above the ellipsoid, `elevation` above the take-off.
"""

from typing import Any, Final, Literal, NamedTuple

__all__ = [
    "AIRCRAFT", "DOCK", "EVENTS", "MODES", "STATES", "Field", "Happened", "kind_of", "on_its_way", "value_at",
]  # fmt: skip

Kind = Literal["aircraft", "dock", "remote"]


class Field(NamedTuple):
    """One number: where it stands, what it is; `unknown` is the value with which DJI says that it does not know."""

    path: tuple[str | int, ...]
    metric: str
    unit: str = "1"
    point_class: str = ""
    low: float | None = None
    high: float | None = None
    scale: float = 1.0
    unknown: float | None = None


AIRCRAFT: Final = (
    Field(("battery", "capacity_percent"), "battery_charge", "%", "battery_charge", 0, 100),
    Field(("battery", "remain_flight_time"), "battery_time_left", "s", "duration", 0, 20_000),
    Field(("battery", "return_home_power"), "battery_return_home", "%", "", 0, 100),
    Field(("battery", "landing_power"), "battery_landing", "%", "", 0, 100),
    Field(("battery", "batteries", 0, "voltage"), "battery_voltage", "V", "voltage", 0, 100, 1e-3),
    Field(("battery", "batteries", 0, "temperature"), "battery_temperature", "Cel", "temperature", -40, 100),
    Field(("battery", "batteries", 0, "loop_times"), "battery_cycles", "1", "count", 0, 10_000),
    Field(("elevation",), "height_above_takeoff", "m", "distance", -1_000, 10_000),
    Field(("horizontal_speed",), "ground_speed", "m/s", "speed", 0, 100),
    Field(("vertical_speed",), "climb_rate", "m/s", "speed", -100, 100),
    Field(("home_distance",), "home_distance", "m", "distance", 0, 200_000),
    Field(("position_state", "gps_number"), "gps_satellites", "1", "count", 0, 100),
    Field(("position_state", "rtk_number"), "rtk_satellites", "1", "count", 0, 100),
    Field(("position_state", "quality"), "gps_quality", "1", "", 0, 10),
    Field(("total_flight_time",), "flight_time_total", "s", "duration", 0),
    Field(("total_flight_distance",), "flight_distance_total", "m", "distance", 0),
    Field(("total_flight_sorties",), "flights_total", "1", "count", 0),
    Field(("wireless_link", "sdr_quality"), "radio_quality", "1", "", 0, 5),
    Field(("wireless_link", "4g_quality"), "mobile_quality", "1", "", 0, 5),
)
DOCK: Final = (
    Field(("environment_temperature",), "environment_temperature", "Cel", "temperature", -60, 80),
    Field(("temperature",), "cabinet_temperature", "Cel", "temperature", -60, 100),
    Field(("humidity",), "cabinet_humidity", "%", "humidity", 0, 100),
    Field(("wind_speed",), "wind_speed", "m/s", "wind_speed", 0, 100),
    Field(("electric_supply_voltage",), "supply_voltage", "V", "voltage", 0, 500),
    Field(("working_voltage",), "working_voltage", "V", "voltage", 0, 500, 1e-3),
    Field(("working_current",), "working_current", "A", "current", 0, 100, 1e-3),
    Field(("backup_battery", "voltage"), "backup_voltage", "V", "voltage", 0, 100, 1e-3),
    Field(("drone_charge_state", "capacity_percent"), "drone_charge", "%", "battery_charge", 0, 100),
    Field(("network_state", "rate"), "network_rate", "kB/s", "", 0),
    Field(("job_number",), "jobs_total", "1", "count", 0),
    Field(("wireless_link", "sdr_quality"), "radio_quality", "1", "", 0, 5),
    Field(("wireless_link", "4g_quality"), "mobile_quality", "1", "", 0, 5),
)
MODES: Final = (
    "IDLE", "TAKEOFF_PREPARE", "TAKEOFF_FINISHED", "MANUAL", "TAKEOFF_AUTO", "WAYLINE", "PANORAMIC_SHOT",
    "ACTIVE_TRACK", "ADS_B_AVOIDANCE", "RETURN_AUTO", "LANDING_AUTO", "LANDING_FORCED", "LANDING_THREE_PROPELLER",
    "UPGRADING", "DISCONNECTED", "APAS", "VIRTUAL_JOYSTICK", "LIVE_FLIGHT_CONTROLS", "AERIAL_RTK_FIXED",
    "DOCK_SITE_EVALUATION", "POI",
)  # fmt: skip
_DOCK_MODES: Final = ("IDLE", "DEBUG_ON_SITE", "DEBUG_REMOTE", "UPGRADING", "WORKING")
STATES: Final[dict[Kind, tuple[tuple[tuple[str | int, ...], str, tuple[str, ...]], ...]]] = {
    "aircraft": ((("mode_code",), "mode", MODES),),
    "dock": (
        (("mode_code",), "mode", _DOCK_MODES),
        (("cover_state",), "cover", ("closed", "open", "half_open", "abnormal")),
        (("putter_state",), "putter", ("closed", "open", "half_open", "abnormal")),
        (("drone_in_dock",), "drone_in_dock", ("no", "yes")),
        (("drone_charge_state", "state"), "charging", ("no", "yes")),
        (("rainfall",), "rain", ("none", "light", "moderate", "heavy")),
        (("emergency_stop_state",), "emergency_stop", ("off", "on")),
        (("alarm_state",), "alarm", ("off", "on")),
        (("supplement_light_state",), "light", ("off", "on")),
    ),
    "remote": (),
}
_GROUND_MODES: Final = frozenset({"IDLE", "TAKEOFF_PREPARE", "UPGRADING", "DISCONNECTED", "DOCK_SITE_EVALUATION"})
_AIRCRAFT_KEYS: Final = frozenset({"attitude_head", "horizontal_speed", "elevation", "home_distance", "gear"})
_DOCK_KEYS: Final = frozenset({
    "cover_state", "drone_in_dock", "putter_state", "network_state", "job_number", "electric_supply_voltage",
    "working_voltage", "backup_battery", "wireless_link", "media_file_detail", "flighttask_step_code", "sub_device",
    "environment_temperature", "rainfall", "drone_charge_state",
})  # fmt: skip


class Happened(NamedTuple):
    """An event of the Cloud API in our words; severity 0 info to 3 critical."""

    kind: str
    severity: int
    text: str


def kind_of(data: dict[str, Any]) -> Kind | None:
    """Whose status a message is, by the fields that only one of them has; None when it could be any."""
    if _AIRCRAFT_KEYS & data.keys():
        return "aircraft"
    return "dock" if _DOCK_KEYS & data.keys() else None


def value_at(data: Any, path: tuple[str | int, ...]) -> Any:
    """The value at a path, None where there is none."""
    for step in path:
        if isinstance(step, int):
            data = data[step] if isinstance(data, list) and step < len(data) else None
        else:
            data = data.get(step) if isinstance(data, dict) else None
    return data


def on_its_way(mode: str) -> bool:
    """Whether motors turn in a mode."""
    return mode not in _GROUND_MODES


def _health(data: Any) -> list[Happened]:
    """hms: a list of messages, level 0 notice, 1 caution, 2 warning."""
    found = []
    rows = value_at(data, ("list",))
    for one in rows if isinstance(rows, list) else ():
        level, code = value_at(one, ("level",)), value_at(one, ("code",))
        if isinstance(level, int) and isinstance(code, str):
            where = "in the air" if value_at(one, ("in_the_sky",)) else "on the ground"
            found.append(Happened("health", {0: 1, 1: 2}.get(level, 3), f"{code[:64]} ({where})"))
    return found


def _progress(kind: str) -> Any:
    def told(data: Any) -> list[Happened]:
        status = value_at(data, ("output", "status")) or value_at(data, ("status",))
        if not isinstance(status, str):
            return []
        bad = status in ("failed", "timeout", "rejected", "wayline_failed", "canceled")
        return [Happened(kind, 2 if bad else 0, f"{kind.replace('_', ' ')}: {status[:64]}")]

    return told


def _airsense(data: Any) -> list[Happened]:
    rows = data if isinstance(data, list) else value_at(data, ("list",))
    found = [value_at(one, ("warning_level",)) for one in (rows if isinstance(rows, list) else [data])]
    levels = [level for level in found if isinstance(level, int)]
    if not levels or max(levels) < 1:
        return []
    return [Happened("aircraft_near", 3 if max(levels) >= 3 else 2, f"other aircraft near, level {max(levels)}")]


def _homing(data: Any) -> list[Happened]:
    action = value_at(data, ("action",))
    return [Happened("return_home", 1, "it left its way home" if action == 0 else "it goes on its way home again")]


EVENTS: Final[dict[str, Any]] = {
    "flighttask_progress": _progress("mission"),
    "takeoff_to_point_progress": _progress("takeoff_to_point"),
    "fly_to_point_progress": _progress("fly_to_point"),
    "flight_areas_sync_progress": _progress("flight_areas"),
    "ota_progress": _progress("upgrade"),
    "hms": _health,
    "airsense_warning": _airsense,
    "device_exit_homing_notify": _homing,
    "return_home_info": lambda data: [Happened("return_home", 1, "the way home is planned")],
    "drc_status_notify": lambda data: [Happened("remote_control", 0, "remote control changed")],
    "file_upload_callback": lambda data: [Happened("media", 0, "a media file was uploaded")],
    "highest_priority_upload_flighttask_media": lambda data: [],
}
