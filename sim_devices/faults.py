"""Faults of sensors and links, each with its label. A fault changes what is shown, never what happens in the park.

A scenario is a TOML file:

```
title = "A frozen sensor and a pulled cable"
[[fault]]
what = "stuck"               # stuck | drift | spike | gap | link-cut
device = "room-lab"
metric = "temperature"       # not with link-cut, which takes the whole device
from_s = 600                 # simulated seconds after the start
to_s = 1200
```
`drift` takes `rate_h` (units an hour), `spike` takes `amount`, `every_s` and `width_s`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from sim_devices.readouts import Value
from sim_devices.site import Site
from wire.errors import ConfigError

__all__ = ["Fault", "Faults", "Scenario", "load_scenario"]


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What goes wrong, where, from when to when (the end is not part of it)."""

    what: Literal["stuck", "drift", "spike", "gap", "link-cut"]
    device: str
    from_s: float
    to_s: float
    metric: str = ""
    rate_h: float = 0.0
    amount: float = 0.0
    every_s: float = 60.0
    width_s: float = 3.0

    @property
    def key(self) -> str:
        """`device/metric`."""
        return f"{self.device}/{self.metric}"

    def active(self, since_s: float) -> bool:
        """Whether it is there `since_s` after the start."""
        return self.from_s <= since_s < self.to_s


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of faults."""

    title: str
    faults: tuple[Fault, ...] = msgspec.field(name="fault", default=())


class Faults:
    """A scenario over a park that started at `start_us`."""

    def __init__(self, scenario: Scenario, start_us: int) -> None:
        self._scenario, self._start_us = scenario, start_us
        self._held: dict[int, Value] = {}

    def shown(self, values: Mapping[str, Value], now_us: int) -> dict[str, Value | None]:
        """A copy of the physics' values with the faults of this moment; None where a sensor says nothing."""
        since_s = (now_us - self._start_us) / 1e6
        shown: dict[str, Value | None] = dict(values)
        for number, fault in enumerate(self._scenario.faults):
            if fault.active(since_s) and fault.key in values:
                shown[fault.key] = self._distort(number, fault, values[fault.key], since_s - fault.from_s)
        return shown

    def cut(self, now_us: int) -> set[str]:
        """The devices whose link is cut now."""
        since_s = (now_us - self._start_us) / 1e6
        return {fault.device for fault in self._scenario.faults if fault.what == "link-cut" and fault.active(since_s)}

    def labels(self) -> list[dict[str, Any]]:
        """What a detector should find: one row a fault, with times in UTC."""
        return [
            {
                "what": fault.what,
                "device": fault.device,
                "metric": fault.metric or None,
                "from": _iso(self._start_us, fault.from_s),
                "to": _iso(self._start_us, fault.to_s),
            }
            for fault in self._scenario.faults
        ]

    def write_labels(self, path: Path, seed: int) -> None:
        """Write the labels file beside whatever was recorded."""
        document = {"title": self._scenario.title, "seed": seed, "labels": self.labels()}
        path.write_text(json.dumps(document, indent=1) + "\n")

    def _distort(self, number: int, fault: Fault, value: Value, into_s: float) -> Value | None:
        match fault.what:
            case "stuck":
                return self._held.setdefault(number, value)
            case "gap":
                return None
            case "drift":
                return value + fault.rate_h * into_s / 3600.0 if isinstance(value, int | float) else value
            case "spike":
                up = into_s % fault.every_s < fault.width_s
                return value + fault.amount if up and isinstance(value, int | float) else value
            case _:
                return value


def load_scenario(path: Path, site: Site) -> Scenario:
    """Read a scenario and check it against the site. Raises ConfigError with the field."""
    try:
        scenario = msgspec.toml.decode(path.read_bytes(), type=Scenario)
    except FileNotFoundError as error:
        raise ConfigError("there is no such scenario", file=str(path), fix="aid4 sim scenario --list") from error
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        text, _, field = str(error).partition(" - at `$.")
        raise ConfigError(text, file=str(path), field=field.rstrip("`"), fix="see sim_devices/faults.py") from error
    points = {f"{device.name}/{metric.name}" for device, metric in site.points()}
    devices = {device.name for device in site.devices}
    for place, fault in enumerate(scenario.faults):
        at = f"fault[{place}]"
        if fault.to_s <= fault.from_s:
            raise ConfigError("a fault ends after it begins", file=str(path), field=f"{at}.to_s", fix="raise it")
        if fault.what == "link-cut":
            known, field = fault.device in devices and not fault.metric, f"{at}.device"
        else:
            known, field = fault.key in points, f"{at}.metric"
        if not known:
            raise ConfigError(f"{fault.key} is not there", file=str(path), field=field, fix="see aid4 sim list")
    return scenario


def _iso(start_us: int, after_s: float) -> str:
    moment = datetime.fromtimestamp(start_us / 1e6 + after_s, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
