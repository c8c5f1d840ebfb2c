"""Figures of a machine out of /proc, /sys and the texts of its programs. No state but the counters of `Rates`.

Formats: proc(5); sysfs `thermal`; the Pi's firmware node `get_throttled` (bits as in its documentation of `vcgencmd`);
the eMMC's `life_time` (JEDEC 5.1: tenths of its life, for two kinds of memory); `tegrastats` of JetPack 5 and 6;
ModemManager's `mmcli --signal-get -J`.
"""

import json
import math
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from wire.names import slug

__all__ = ["Figure", "Rates", "machine", "modem_signal", "tegra"]

ZONES_MAX, LINKS_MAX = 32, 16
WEAR_STEP = 10.0  # % of a life: what one step of `life_time` stands for
_THROTTLED = {0: "under_voltage", 1: "frequency_capped", 2: "throttled", 3: "soft_temperature_limit"}
_HIDDEN = re.compile(r"lo|docker.*|veth.*|br-.*|virbr.*|tun.*|tap.*")
_TEGRA_TEMPERATURE = re.compile(r"\b([A-Za-z][\w-]*)@(-?\d+(?:\.\d+)?)C\b")
_TEGRA_POWER = re.compile(r"\b((?:VDD|POM|VIN)_\w+)\s+(\d+)(?:mW)?/\d+(?:mW)?")


class Figure(NamedTuple):
    """One number of the machine."""

    metric: str
    value: float
    unit: str
    point_class: str = ""


class Rates:
    """Shares and rates out of counters that only grow."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[float, float]] = {}

    def of(self, name: str, count: float, against: float) -> float | None:
        """Growth of `count` for each unit of `against` since the last look; None at first and after a restart."""
        before = self._before.get(name)
        self._before[name] = (count, against)
        if before is None or against <= before[1] or count < before[0]:
            return None
        return (count - before[0]) / (against - before[1])


def machine(root: Path, disks: Sequence[str], rates: Rates, now_s: float) -> list[Figure]:
    """What /proc and /sys below `root` tell at `now_s` of a clock that only grows; what is not there is left out."""
    return [*_load(root, rates), *_memory(root), *_disks(disks), *_temperatures(root), *_pi(root), *_wear(root),
            *_links(root, rates, now_s)]  # fmt: skip


def _load(root: Path, rates: Rates) -> Iterable[Figure]:
    fields = _text(root / "proc/stat").partition("\n")[0].split()[1:]
    if len(fields) >= 5:
        jiffies = [int(field) for field in fields[:8]]
        busy = rates.of("cpu", sum(jiffies) - jiffies[3] - jiffies[4], sum(jiffies))
        if busy is not None:
            yield Figure("cpu_used", 100 * busy, "%")
    if load := _text(root / "proc/loadavg").split():
        yield Figure("load_1min", float(load[0]), "1")
    if uptime := _text(root / "proc/uptime").split():
        yield Figure("uptime", float(uptime[0]), "s")


def _memory(root: Path) -> Iterable[Figure]:
    kib = {name: int(rest.split()[0]) for line in _text(root / "proc/meminfo").splitlines()
           if (name := line.partition(":")[0]) and (rest := line.partition(":")[2]).split()}  # fmt: skip
    if kib.get("MemTotal"):
        yield Figure("memory_used", 100 * (1 - kib.get("MemAvailable", 0) / kib["MemTotal"]), "%")
    if kib.get("SwapTotal"):
        yield Figure("swap_used", 100 * (1 - kib.get("SwapFree", 0) / kib["SwapTotal"]), "%")


def _disks(disks: Sequence[str]) -> Iterable[Figure]:
    for path in disks:
        try:
            state = os.statvfs(path)
        except OSError:
            continue
        name = slug(path.strip("/").replace("/", "-")) if path.strip("/") else "root"
        if state.f_blocks:
            yield Figure(f"disk_{name}_used"[:64], 100 * (1 - state.f_bavail / state.f_blocks), "%")


def _temperatures(root: Path) -> Iterable[Figure]:
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*"))[:ZONES_MAX]:
        kind, value = _text(zone / "type").strip(), _number(zone / "temp")
        if value is not None and -50_000 < value < 250_000:  # some drivers say 0x80000000 for nothing
            yield Figure(f"temperature_{slug(kind or zone.name)}"[:64], value / 1_000, "Cel", "temperature")


def _pi(root: Path) -> Iterable[Figure]:
    text = _text(root / "sys/devices/platform/soc/soc:firmware/get_throttled").strip()
    try:
        bits = int(text, 16)
    except ValueError:
        return
    for bit, name in _THROTTLED.items():
        yield Figure(name, float(bits >> bit & 1), "1", "alarm")
        yield Figure(f"{name}_since_start", float(bits >> (bit + 16) & 1), "1")


def _wear(root: Path) -> Iterable[Figure]:
    for file in sorted((root / "sys/block").glob("*/device/life_time")):
        try:
            worst = max(int(word, 16) for word in _text(file).split())
        except ValueError:
            continue
        if 0 < worst <= 11:  # 0: not defined
            yield Figure(f"storage_wear_{slug(file.parents[1].name)}", min(100.0, worst * WEAR_STEP), "%")


def _links(root: Path, rates: Rates, now_s: float) -> Iterable[Figure]:
    links = [one for one in sorted((root / "sys/class/net").glob("*")) if not _HIDDEN.fullmatch(one.name)]
    for link in links[:LINKS_MAX]:
        for way in ("rx", "tx"):
            count = _number(link / "statistics" / f"{way}_bytes")
            rate = None if count is None else rates.of(f"{link.name} {way}", count, now_s)
            if count is not None:
                yield Figure(f"{slug(link.name)}_{way}"[:64], count, "By")
            if rate is not None:
                yield Figure(f"{slug(link.name)}_{way}_rate"[:64], 8 * rate, "bit/s")


def tegra(line: str) -> list[Figure]:
    """One line of tegrastats. ValueError when nothing in it is known."""
    found = []
    if used := re.search(r"\bRAM (\d+)/(\d+)MB", line):
        found.append(Figure("memory_used", 100 * int(used[1]) / max(int(used[2]), 1), "%"))
    if gpu := re.search(r"\bGR3D_FREQ (\d+)%", line):
        found.append(Figure("gpu_used", float(gpu[1]), "%"))
    temperatures = {name.lower(): float(value) for name, value in _TEGRA_TEMPERATURE.findall(line)}
    found += [
        Figure(f"temperature_{slug(name)}", value, "Cel", "temperature")
        for name, value in temperatures.items()
        if value > -200  # a sensor that is switched off says -256
    ]
    powers = {name.lower(): float(value) / 1_000 for name, value in _TEGRA_POWER.findall(line)}
    found += [Figure(f"power_{slug(name)}", value, "W", "power") for name, value in powers.items()]
    if not found:
        raise ValueError("no figure of tegrastats that is known")
    return found


def modem_signal(text: str) -> list[Figure]:
    """What ModemManager says of the signal, of the newest radio that has any. ValueError for anything else."""
    try:
        radios: Any = json.loads(text)["modem"]["signal"]
        for radio in ("5g", "lte", "umts"):
            figures = list(_signal(radios.get(radio, {})))
            if figures:
                return figures
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError("no answer of mmcli --signal-get -J") from error
    return []


def _signal(radio: dict[str, str]) -> Iterable[Figure]:
    for name, unit in (("rsrp", "dB[mW]"), ("rsrq", "dB"), ("snr", "dB"), ("rssi", "dB[mW]")):
        try:
            value = float(radio.get(name, "--"))
        except ValueError:
            continue
        if math.isfinite(value):
            yield Figure(f"modem_{name}", value, unit)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _number(path: Path) -> float | None:
    try:
        return float(_text(path))
    except ValueError:
        return None
