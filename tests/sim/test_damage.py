"""What breaks in the park shows where a technician would look, and a mended park is as it was."""

from statistics import fmean

import pytest

from sim_devices.campus import Campus
from sim_devices.damage import KINDS
from sim_devices.faults import DEVICE_FAULTS, LINK_FAULTS, SENSOR_FAULTS, Fault, Faults, Scenario
from sim_devices.readouts import Value
from sim_devices.site import Site

MORNING = 1_780_984_800_000_000  # 2026-06-09 06:00 UTC, a Tuesday
WINTER_DAYS = -147  # from there to 2026-01-13, a Tuesday too
MINUTES = 90
# what, device, metric, direction in which it moves, days from that morning and hours at which the park needs what broke
SIGNS = [
    ("fouled-filter", "ahu-1", "filter_pressure", +1, 0, 6),
    ("fouled-filter", "ahu-1", "supply_air_flow", -1, 0, 6),
    ("belt-slip", "ahu-1", "supply_air_flow", -1, 0, 6),
    ("blocked-coil", "ahu-1", "heating_valve", +1, WINTER_DAYS, 2),
    ("stuck-valve", "ahu-1", "cooling_valve", +1, 0, 6),
    ("refrigerant-leak", "heat-pump", "cop", -1, WINTER_DAYS, 2),
    ("open-window", "room-open-office", "co2", -1, WINTER_DAYS, 8),
    ("stuck-radiator", "room-office", "temperature", +1, 0, 6),
    ("soiling", "pv-inverter", "dc_power", -1, 0, 9),
    ("string-loss", "pv-inverter", "ac_power", -1, 0, 9),
    ("inverter-trip", "pv-inverter", "ac_power", -1, 0, 9),
    ("hot-cell", "battery-1", "cell_temperature", +1, 0, 6),
    ("bearing-wear", "mill-1", "vibration", +1, 0, 6),
    ("bearing-wear", "lathe-1", "spindle_temperature", +1, 0, 6),
    ("tool-wear", "mill-1", "spindle_load", +1, 0, 6),
    ("coolant-loss", "mill-1", "spindle_temperature", +1, 0, 6),
    ("leak", "lab-water", "flow", +1, 0, 0),
    ("leak", "lab-compressor", "running", +1, 0, 6),
    ("oil-cooling", "transformer", "oil_temperature", +1, 0, 6),
    ("clogged-line", "valve-1", "flow", -1, 0, 6),
]


def _mean(site: Site, faults: tuple[Fault, ...], key: str, start_us: int, minutes: int = MINUTES) -> float:
    campus, broken = Campus(site, 7, start_us), Faults(Scenario("t", faults), start_us)
    seen: list[float] = []
    for _ in range(minutes):
        broken.afflict(campus)
        campus.leap(60.0)
        value = campus.values()[key]
        assert isinstance(value, int | float)
        seen.append(float(value))
    return fmean(value for value in seen if value or not key.endswith("/cop"))  # a ratio of what runs


def _device(site: Site, name: str) -> str:
    """The device of that name, else the first that a fault's kind can have it in this site."""
    return (
        name
        if any(one.name == name for one in site.devices)
        else next(one.name for one in site.devices if one.name.startswith(name.rstrip("-0123456789")))
    )


@pytest.mark.parametrize(("what", "device", "metric", "sign", "days", "hour"), SIGNS)
def test_damage_shows_where_a_technician_would_look(
    site: Site, what: str, device: str, metric: str, sign: int, days: int, hour: int
) -> None:
    device = _device(site, device)
    start_us = MORNING + days * 86_400_000_000 + (hour - 6) * 3_600_000_000
    if what == "clogged-line":  # a line shows it when water is asked for
        site_key = f"{device}/opening"
        opened = Campus(site, 7, start_us)
        opened.write(device, "opening", 80.0)
        broken = Campus(site, 7, start_us)
        broken.write(device, "opening", 80.0)
        KINDS[what].apply(broken, device, 1.0)
        for campus in (opened, broken):
            for _ in range(5):
                campus.leap(60.0)
        assert opened.values()[site_key] == broken.values()[site_key]
        assert broken.values()[f"{device}/{metric}"] < 0.5 * opened.values()[f"{device}/{metric}"]  # type: ignore[operator]
        return
    sound = _mean(site, (), f"{device}/{metric}", start_us)
    damaged = _mean(site, (Fault(what, device, 0.0, 1e6),), f"{device}/{metric}", start_us)
    assert sign * (damaged - sound) > 0.05 * max(abs(sound), 0.5), (sound, damaged)


def test_every_kind_of_damage_is_told_with_cause_and_symptoms(site: Site) -> None:
    for what, kind in KINDS.items():
        assert kind.cause, what
        carriers = [device for device in site.devices if device.kind in kind.devices]
        assert carriers, f"no device of the campus can have {what}"
        metrics = {metric.name for device in carriers for metric in site.metrics(device)}
        assert set(kind.shows_in) & metrics, what
    assert len(KINDS) + len(SENSOR_FAULTS) + len(DEVICE_FAULTS) + len(LINK_FAULTS) >= 25


def test_a_mended_park_goes_on_like_a_sound_one(site: Site) -> None:
    """Everything is damaged for a moment of no length in the physics: what is set is taken away again."""
    sound, mended = Campus(site, 7, MORNING), Campus(site, 7, MORNING)
    for what, kind in KINDS.items():
        for device in site.devices:
            if device.kind in kind.devices:
                kind.apply(mended, device.name, 1.0)
                kind.apply(mended, device.name, 0.0)
        assert what
    for campus in (sound, mended):
        for _ in range(20):
            campus.step(1.0)
    assert sound.values() == mended.values()


def test_damage_grows_over_its_ramp_and_ends_with_its_interval(site: Site) -> None:
    fault = Fault("hot-cell", _device(site, "battery"), 60.0, 660.0, level=0.5, ramp_s=600.0)
    campus, faults, levels = Campus(site, 7, MORNING), Faults(Scenario("t", (fault,)), MORNING), []
    for _ in range(15):
        faults.afflict(campus)
        levels.append(campus.battery.heat_k)
        campus.leap(60.0)
    assert levels[:2] == [0.0, 0.0]
    assert levels[2:11] == sorted(levels[2:11])
    assert levels[10] == pytest.approx(0.5 * 38.0 * 540 / 600)
    assert levels[11:] == [0.0] * 4


def _shown(site: Site, fault: Fault, keys: tuple[str, ...], seconds: int) -> list[tuple[Value | None, ...]]:
    campus, faults, rows = Campus(site, 7, MORNING), Faults(Scenario("t", (fault,)), MORNING), []
    for _ in range(seconds):
        campus.step(1.0)
        shown = faults.shown(campus.values(), campus.now_us)
        rows.append(tuple(shown[key] for key in keys))
    return rows


def test_a_frozen_device_repeats_its_last_word_and_a_replayed_one_its_last_window(site: Site) -> None:
    keys = ("main-meter/voltage_l1", "main-meter/active_power")
    true = _shown(site, Fault("gap", "room-lab", 0, 1, "co2"), keys, 60)
    frozen = _shown(site, Fault("frozen", "main-meter", 20, 50), keys, 60)
    assert frozen[19:49] == [true[18]] * 30
    assert frozen[50:] == true[50:]
    replayed = _shown(site, Fault("replay", "main-meter", 20, 50, window_s=10.0), keys, 60)
    assert replayed[19:29] == true[9:19]
    assert replayed[29:39] == true[9:19]


@pytest.mark.parametrize(
    ("what", "more", "expected"),
    [
        ("bias", {"amount": 3.0}, lambda value, _: value + 3.0),
        ("scale", {"factor": 1000.0}, lambda value, _: value * 1000.0),
        ("counter-reset", {}, lambda value, first: value - first),
    ],
)
def test_a_sensor_lies_as_its_fault_says(site: Site, what: str, more: dict[str, float], expected) -> None:  # type: ignore[no-untyped-def]
    key = "main-meter/energy_import"
    true = _shown(site, Fault("gap", "room-lab", 0, 1, "co2"), (key,), 30)
    shown = _shown(site, Fault(what, "main-meter", 10, 20, "energy_import", **more), (key,), 30)  # type: ignore[arg-type]
    first = true[9][0]
    assert [row[0] for row in shown[9:19]] == [pytest.approx(expected(row[0], first)) for row in true[9:19]]
    assert shown[19:] == true[19:]


def test_noise_is_the_same_for_the_same_fault_and_has_its_deviation(site: Site) -> None:
    fault = Fault("noise", "room-lab", 0, 200, "temperature", amount=2.0)
    once, twice = (_shown(site, fault, ("room-lab/temperature",), 120) for _ in range(2))
    true = _shown(site, Fault("gap", "room-lab", 500, 501, "co2"), ("room-lab/temperature",), 120)
    assert once == twice
    off = [float(a[0]) - float(b[0]) for a, b in zip(once, true, strict=True)]  # type: ignore[arg-type]
    assert 1.4 < (sum(value * value for value in off) / len(off)) ** 0.5 < 2.6
