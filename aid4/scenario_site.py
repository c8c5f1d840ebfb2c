"""The site that a scenario's run is played on: a copy in which everything is as slow as the run is fast.

Devices are read once a real second, which is a simulated minute at sixty times real time; what is silent rings after as
many real seconds as a busy machine may take, and detectors wait as long for what is on its way.
"""

import re
import shutil
from pathlib import Path
from typing import Final

__all__ = ["copy_site"]

PERIOD_S: Final = 1.0  # real
STALE_S: Final = 15.0  # real
LATE_S: Final = 3.0  # real
_PERIOD = re.compile(r"(?m)^(\s*period_s\s*=\s*)[0-9.]+")
_DETECTORS = re.compile(r"(?m)^\[detectors\][ \t]*$")


def copy_site(site: Path, target: Path, speed: float) -> Path:
    """Copy the folder of a site for a run at `speed`."""
    shutil.copytree(site, target)
    devices = target / "devices.toml"
    devices.write_text(_PERIOD.sub(rf"\g<1>{PERIOD_S}", devices.read_text(encoding="utf-8")), encoding="utf-8")
    alarms = target / "alarms.toml"
    text = alarms.read_text(encoding="utf-8") if alarms.is_file() else ""
    late = f"late_s = {LATE_S * speed:g}"
    if _DETECTORS.search(text):
        text = _DETECTORS.sub(f"[detectors]\n{late}", text)
    else:
        text += f"\n[detectors]\n{late}\n"
    alarms.write_text(f'{text}\n[[alarm]]\npoints = "*"\nstale_s = {STALE_S * speed:g}\n', encoding="utf-8")
    return target
