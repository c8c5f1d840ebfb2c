"""Alarms that devices bring with their profile: each is a class with its meaning, and a rule after the site's own.

Which device is of which profile is told by `devices.toml` of the site's folder (its kinds name profiles) and by
`[[equipment]]` tables of its alarms.toml. A class that the site defines itself under the name `<profile>-<alarm>` keeps
its own meaning.
"""

import functools
from pathlib import Path

import msgspec

from twin.alarms.class_words import ClassWords
from twin.alarms.classes import AlarmClass
from twin.alarms.rules import AlarmRule, Equipment, Rules
from wire.device_tables import read_devices
from wire.profiles import Profile, ProfileAlarm, load_profile

__all__ = ["class_name", "equipment_of", "with_equipment"]


def class_name(profile: str, alarm: str) -> str:
    """The class of a profile's alarm."""
    return f"{profile}-{alarm}"


def equipment_of(folder: Path) -> list[Equipment]:
    """The devices of each profile after a site's devices.toml; none where there is no such table. ConfigError."""
    file, layout = folder / "devices.toml", folder / "layout.toml"
    if not file.is_file():
        return []
    changed = tuple(one.stat().st_mtime_ns for one in (file, layout) if one.is_file())
    return list(_read(folder, changed))


@functools.lru_cache(maxsize=4)  # the rules are read anew with each change of anything
def _read(folder: Path, _changed: tuple[int, ...]) -> tuple[Equipment, ...]:
    table = read_devices(folder)
    profiles = {name: kind.get("profile", "") for name, kind in table["kind"].items()}
    devices: dict[str, list[str]] = {}
    for row in table["device"]:
        if profile := profiles.get(row.get("kind", ""), ""):
            devices.setdefault(profile, []).append(str(row.get("name", "")))
    if drones := [str(row.get("name", "")) for row in table.get("drone", [])]:
        devices["drone"] = drones
    return tuple(Equipment(profile, names) for profile, names in devices.items())


def with_equipment(rules: Rules, folder: Path) -> Rules:
    """The rules with the alarms of the site's equipment behind them. ConfigError for a profile that is not there."""
    classes, added = list(rules.classes), list[AlarmRule]()
    equipment = [*rules.equipment, *equipment_of(folder)]
    for one in equipment:
        profile = load_profile(one.profile, folder)
        known = {known.name for known in classes}
        classes += [found for alarm in profile.alarms if (found := _class(profile, alarm)).name not in known]
        added += [_rule(profile, alarm, one.devices) for alarm in profile.alarms]
    return msgspec.structs.replace(rules, classes=classes, rules=[*rules.rules, *added], equipment=equipment)


def _class(profile: Profile, alarm: ProfileAlarm) -> AlarmClass:
    return AlarmClass(
        class_name(profile.name, alarm.name),
        alarm.priority,
        alarm.consequence,
        alarm.action,
        alarm.respond_min,
        ClassWords(alarm.sk.consequence, alarm.sk.action),
        ClassWords(alarm.zh_tw.consequence, alarm.zh_tw.action),
    )


def _rule(profile: Profile, alarm: ProfileAlarm, devices: list[str]) -> AlarmRule:
    return AlarmRule(
        devices=devices,
        metrics=alarm.points,
        low_low=alarm.low_low,
        low=alarm.low,
        high=alarm.high,
        high_high=alarm.high_high,
        states=alarm.states,
        deadband=alarm.deadband,
        on_delay_s=alarm.on_delay_s,
        off_delay_s=alarm.off_delay_s,
        class_=class_name(profile.name, alarm.name),
    )
