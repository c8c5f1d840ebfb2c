"""Flight modes by name: ArduPilot's by number and family, PX4's from its two bytes. Needs no pymavlink."""

import functools

import numpy as np
from numpy.typing import NDArray

__all__ = ["mode_name", "mode_names"]

_ARDUPILOT, _PX4 = 3, 12
_FAMILY_OF = {  # MAV_TYPE → family of ArduPilot's modes
    1: "plane", 2: "copter", 3: "copter", 4: "copter", 10: "rover", 11: "rover", 12: "sub", 13: "copter", 14: "copter",
    15: "copter", 19: "plane", 20: "plane", 21: "plane", 22: "plane", 23: "plane", 24: "plane", 25: "plane",
    29: "copter",
}  # fmt: skip
_MODES = {  # "-" is a number without a mode
    "plane": "MANUAL CIRCLE STABILIZE TRAINING ACRO FLY_BY_WIRE_A FLY_BY_WIRE_B CRUISE AUTOTUNE - AUTO RTL LOITER "
    "TAKEOFF AVOID_ADSB GUIDED INITIALIZING QSTABILIZE QHOVER QLOITER QLAND QRTL QAUTOTUNE QACRO THERMAL "
    "LOITER_ALT_QLAND AUTOLAND",
    "copter": "STABILIZE ACRO ALT_HOLD AUTO GUIDED LOITER RTL CIRCLE - LAND - DRIFT - SPORT FLIP AUTOTUNE POSHOLD "
    "BRAKE THROW AVOID_ADSB GUIDED_NOGPS SMART_RTL FLOWHOLD FOLLOW ZIGZAG SYSTEMID AUTOROTATE AUTO_RTL TURTLE",
    "rover": "MANUAL ACRO - STEERING HOLD LOITER FOLLOW SIMPLE DOCK CIRCLE AUTO RTL SMART_RTL - - GUIDED INITIALIZING",
    "sub": "STABILIZE ACRO ALT_HOLD AUTO GUIDED - - CIRCLE - SURFACE - - - - - - POSHOLD - - MANUAL MOTORDETECT "
    "SURFTRAK",
}
_NAMES = {
    family: {at: word for at, word in enumerate(words.split()) if word != "-"} for family, words in _MODES.items()
}
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
    if autopilot == _ARDUPILOT and kind in _FAMILY_OF:
        return _NAMES[_FAMILY_OF[kind]].get(mode, str(mode))
    return str(mode)
