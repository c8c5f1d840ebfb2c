"""The site that a scenario's run is played on: a copy in which everything is as slow as the run is fast.

Devices are read twice a real second, every half simulated minute at sixty times real time; what should speak and is
silent rings after as many real seconds as a busy machine may take, and detectors wait as long for what is on its way.
"""

import re
import shutil
from pathlib import Path
from typing import Final

from inference.runtime.worth import SCORE_CLASS
from sim_devices.servers.mqtt import DIALECTS, FULL_EVERY_S
from sim_devices.site import Device, load_site

__all__ = ["copy_site"]

PERIOD_S: Final = 0.5  # real
STALE_S: Final = 15.0  # real
STALE_TELLS: Final = 3.0  # of those that tell what changes, and now and then everything
PUSHED: Final = ("mqtt",)  # protocols whose devices speak regularly and state no period
LATE_S: Final = 3.0  # real
BY_EXCEPTION: Final = ("*/online", "*/drone-*/*")  # whose silence says nothing
_PERIOD = re.compile(r"(?m)^\s*period_s\s*=.*\n")
_KIND = re.compile(r"(?m)^\[kind\.[\w-]+\][^\n]*$")
_DETECTORS = re.compile(r"(?m)^\[detectors\][ \t]*$")


def copy_site(site: Path, target: Path, speed: float) -> Path:
    """Copy the folder of a site for a run at `speed`."""
    shutil.copytree(site, target)
    devices = target / "devices.toml"
    table = _PERIOD.sub("", devices.read_text(encoding="utf-8"))
    devices.write_text(_KIND.sub(rf"\g<0>\nperiod_s = {PERIOD_S}", table), encoding="utf-8")
    alarms = target / "alarms.toml"
    text = alarms.read_text(encoding="utf-8") if alarms.is_file() else ""
    late = f"late_s = {LATE_S * speed:g}"
    if _DETECTORS.search(text):
        text = _DETECTORS.sub(f"[detectors]\n{late}", text)
    else:
        text += f"\n[detectors]\n{late}\n"
    silent = f'\n[[alarm]]\npoint_class = "{SCORE_CLASS}"\noff = ["stale"]\n'
    silent += "".join(f'\n[[alarm]]\npoints = "{glob}"\noff = ["stale"]\n' for glob in BY_EXCEPTION)
    for device in load_site(target).devices:
        if device.protocol in PUSHED:
            silent += f'\n[[alarm]]\npoints = "*/{device.name}/*"\nstale_s = {_patience_s(device) * speed:g}\n'
    silent += f'\n[[alarm]]\npoints = "*"\nstale_periods = {STALE_S / PERIOD_S:g}\n'
    alarms.write_text(text + silent, encoding="utf-8")
    return target


def _patience_s(device: Device) -> float:
    """How long a device that speaks by itself may say nothing, in real seconds."""
    dialect = DIALECTS.get(device.kind)
    return STALE_TELLS * FULL_EVERY_S if dialect is not None and dialect.only_changes else STALE_S
