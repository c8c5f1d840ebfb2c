"""Flight modes by name: ArduPilot's from the enumerations of the dialect, PX4's from its two bytes."""

import functools
import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drone_ingest.mavlink.dialect import DEFAULT

__all__ = ["mode_name", "mode_names"]

_ARDUPILOT, _PX4 = 3, 12
_FAMILIES = {  # MAV_TYPE → enumeration of ArduPilot's modes
    1: "PLANE_MODE", 2: "COPTER_MODE", 3: "COPTER_MODE", 4: "COPTER_MODE", 10: "ROVER_MODE", 11: "ROVER_MODE",
    12: "SUB_MODE", 13: "COPTER_MODE", 14: "COPTER_MODE", 15: "COPTER_MODE", 19: "PLANE_MODE", 20: "PLANE_MODE",
    21: "PLANE_MODE", 22: "PLANE_MODE", 23: "PLANE_MODE", 24: "PLANE_MODE", 25: "PLANE_MODE", 29: "COPTER_MODE",
}  # fmt: skip
_PX4_MAIN = {
    1: "MANUAL", 2: "ALTCTL", 3: "POSCTL", 4: "AUTO", 5: "ACRO", 6: "OFFBOARD", 7: "STABILIZED", 8: "RATTITUDE",
}  # fmt: skip
_PX4_AUTO = {1: "READY", 2: "TAKEOFF", 3: "LOITER", 4: "MISSION", 5: "RTL", 6: "LAND", 8: "FOLLOW", 9: "PRECLAND"}


def mode_names(kinds: NDArray[np.uint8], autopilots: NDArray[np.uint8], modes: NDArray[np.uint32]) -> NDArray[np.str_]:
    """Names of (MAV_TYPE, MAV_AUTOPILOT, custom_mode), each (n,)."""
    rows = zip(kinds.tolist(), autopilots.tolist(), modes.tolist(), strict=True)
    return np.array([mode_name(*row) for row in rows], np.str_)


@functools.lru_cache(1_024)
def mode_name(kind: int, autopilot: int, mode: int) -> str:
    """One name; the number when nobody has a name for it."""
    if autopilot == _PX4:
        main, sub = mode >> 16 & 0xFF, mode >> 24
        name = _PX4_MAIN.get(main, str(mode))
        return f"{name}_{_PX4_AUTO[sub]}" if main == 4 and sub in _PX4_AUTO else name
    if autopilot == _ARDUPILOT and kind in _FAMILIES:
        family = _FAMILIES[kind]
        entry = _enums().get(family, {}).get(mode)
        return str(entry.name).removeprefix(f"{family}_") if entry is not None else str(mode)
    return str(mode)


@functools.cache
def _enums() -> dict[str, dict[int, Any]]:
    return importlib.import_module(f"pymavlink.dialects.v20.{DEFAULT}").enums  # type: ignore[no-any-return]
