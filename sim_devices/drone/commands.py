"""What a ground station may ask of the simulated vehicle: MAV_CMD → what is done, and the result that it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sim_devices.drone.autopilot import (
    AUTO,
    BRAKE,
    DENIED,
    LAND_MODE,
    OK,
    RTL,
    UNSUPPORTED,
    Autopilot,
)

__all__ = ["INTERVAL", "REQUEST_MESSAGE", "carry_out"]

INTERVAL, REQUEST_MESSAGE = 511, 512  # of the link, not of the vehicle
_FORCE = 21_196  # MAVLink's magic number for disarming in the air


def carry_out(pilot: Autopilot, row: Mapping[str, Any]) -> int:
    """Carry out a COMMAND_LONG or COMMAND_INT; MAV_RESULT."""
    known = _COMMANDS.get(int(row["command"]))
    return known(pilot, row) if known is not None else UNSUPPORTED


def _arm(pilot: Autopilot, row: Mapping[str, Any]) -> int:
    if row["param1"] not in (0, 1):
        return DENIED
    return pilot.arm() if row["param1"] == 1 else pilot.disarm(forced=row["param2"] == _FORCE)


def _pause(pilot: Autopilot, row: Mapping[str, Any]) -> int:
    if not pilot.airborne or pilot.mode in (RTL, LAND_MODE):
        return DENIED
    return pilot.set_mode(AUTO if row["param1"] == 1 else BRAKE)


def _in_air(mode: int) -> Callable[[Autopilot, Mapping[str, Any]], int]:
    return lambda pilot, row: pilot.set_mode(mode) if pilot.airborne else DENIED


def _take_off(pilot: Autopilot, row: Mapping[str, Any]) -> int:
    return pilot.take_off(float(row.get("param7", row.get("z", 0.0))))


def _mode(pilot: Autopilot, row: Mapping[str, Any]) -> int:
    wanted = float(row["param2"])
    return pilot.set_mode(int(wanted)) if wanted == int(wanted) else DENIED


_COMMANDS: Final[dict[int, Callable[[Autopilot, Mapping[str, Any]], int]]] = {
    20: _in_air(RTL),
    21: _in_air(LAND_MODE),
    22: _take_off,
    176: _mode,
    193: _pause,
    300: lambda pilot, row: pilot.start_mission(),
    400: _arm,
    519: lambda pilot, row: OK,  # MAV_CMD_REQUEST_PROTOCOL_VERSION: asked by every ground station
}
