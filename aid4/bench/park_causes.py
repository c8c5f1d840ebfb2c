"""Which causes a technician would accept for a planted fault: what an alarm may name first.

Causes of `inference/diagnosis/rules.toml`; kinds of a rule (`silent`, `stale`, `high`, ...) where a limit or silence
of the twin is the alarm and says itself what is wrong.
"""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["ACCEPTED"]

_LIMITS = ("low_low", "low", "high", "high_high", "limit", "rate")
ACCEPTED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "stuck": ("sensor_stuck",),
        "drift": ("sensor_drifting", *_LIMITS),
        "bias": ("sensor_drifting", *_LIMITS),
        "noise": ("sensor_disturbed",),
        "scale": ("sensor_drifting", *_LIMITS),
        "spike": ("sensor_disturbed",),
        "gap": ("sensor_silent", "stale", "silent"),
        "counter-reset": ("counter_reset",),
        "frozen": ("device_frozen",),
        "replay": ("device_replayed",),
        "link-cut": ("device_silent", "silent", "stale"),
        "flapping": ("device_silent", "silent", "stale"),
        "clock-skew": ("device_clock_wrong",),
        "fouled-filter": ("filter_fouled",),
        "belt-slip": ("fan_failed",),
        "blocked-coil": ("heating_coil_blocked",),
        "stuck-valve": ("heating_valve_leaking", "coil_valve_stuck"),
        "refrigerant-leak": ("refrigerant_low",),
        "short-cycling": ("short_cycling",),
        "open-window": ("window_open",),
        "stuck-radiator": ("room_overheated", "radiator_stuck_open"),
        "soiling": ("panels_soiled",),
        "string-loss": ("string_lost",),
        "inverter-trip": ("inverter_tripped",),
        "hot-cell": ("battery_cooling_failed", *_LIMITS),
        "capacity-fade": ("battery_aged",),
        "open-contactor": ("charger_stopped",),
        "bearing-wear": ("spindle_bearing_worn",),
        "tool-wear": ("tool_worn",),
        "coolant-loss": ("coolant_lacking",),
        "leak": ("water_leak", "compressed_air_leak"),
        "oil-cooling": ("transformer_cooling_weak", *_LIMITS),
        "stuck-vent": ("vent_stuck",),
        "clogged-line": ("inlet_blocked", "valve_stuck_closed", "irrigation_missing"),
    }
)
