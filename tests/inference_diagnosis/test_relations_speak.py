"""Relations say more than how their points stand against the hour of the day; not every point can be a wrong sensor."""

import pytest

from inference.diagnosis import Symptom, diagnose

# machine, findings as (metric, class, direction, score in decades, sudden, points of a relation), the cause that leads
CASES = {
    "a fan that delivers less, as the filter's pressure falls": (
        "ahu-9", "fan_failed",
        [("fan_delivery", "", "low", 3.2, True, "supply_air_flow supply_fan_speed"),
         ("filter_resistance", "", "low", 3.2, True, "filter_pressure supply_air_flow"),
         ("filter_pressure", "pressure", "high", 0.9, False, ""), ("supply_air_flow", "flow", "high", 0.9, False, "")],
    ),
    "a valve that works more than the weather asks for, at an hour at which it is closed": (
        "ahu-9", "heating_coil_blocked",
        [("heating_effort", "", "high", 3.2, False, "heating_valve"),
         ("heating_valve", "valve_command", "low", 3.2, False, "")],
    ),
    "air that is too warm for a closed loop": (
        "ahu-9", "heating_valve_leaking",
        [("supply_tracking", "", "high", 3.2, True, "supply_air_temperature heating_valve"),
         ("heating_effort", "", "low", 2.0, False, "heating_valve"),
         ("supply_air_temperature", "temperature", "low", 2.0, True, "")],
    ),
    "a vent that rests where its position should follow the light": (
        "climate-9", "vent_stuck",
        [("vent_opening", "damper", "stuck", 6.0, False, ""), ("vent_position", "", "low", 1.1, False, "vent_opening")],
    ),
    "a car that stays as full as it came": (
        "charger-9", "charger_stopped",
        [("vehicle_soc", "battery_charge", "high", 3.3, False, ""), ("session_energy", "energy", "low", 1.5, False, ""),
         ("power", "power", "low", 0.8, False, "")],
    ),
    "a thermometer that would have wetted the air": (
        "room-9", "sensor_drifting",
        [("room_among_peers", "", "high", 3.2, False, "temperature"),
         ("temperature", "temperature", "high", 2.8, False, ""),
         ("vapour_among_peers", "", "high", 3.2, False, "humidity temperature")],
    ),
    "a room that is warmer, with as much water in its air": (
        "room-9", "radiator_stuck_open",
        [("room_among_peers", "", "high", 3.2, False, "temperature"),
         ("temperature", "temperature", "high", 2.8, False, ""),
         ("humidity", "humidity", "low", 1.2, False, "")],
    ),
    "a string that went from one moment to the next": (
        "pv-inverter-9", "string_lost",
        [("pv_yield", "", "low", 3.1, True, "dc_power"), ("pv_peers", "", "low", 3.1, True, "ac_power"),
         ("ac_power", "power", "low", 0.7, False, "")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_first_cause_is_what_a_technician_would_name(case: str) -> None:
    device, cause, found = CASES[case]
    whole = sum(score**2 for _, _, _, score, _, _ in found)
    symptoms = [
        Symptom(
            point=f"gw/{device}/{metric}", point_class=own, direction=way, share=score**2 / whole, sudden=sudden,
            of=tuple(f"gw/{device}/{one}" for one in of.split()),
        )
        for metric, own, way, score, sudden, of in found
    ]  # fmt: skip
    assert diagnose(symptoms)[0].cause == cause


def test_a_relation_that_holds_speaks_against_the_cause_that_would_have_broken_it() -> None:
    key = "gw/ahu-2/fan_delivery"
    seen = Symptom(point=key, direction="low", of=("gw/ahu-2/supply_air_flow", "gw/ahu-2/supply_fan_speed"))
    calm = Symptom(
        point="gw/ahu-2/filter_resistance", direction="calm", share=0.0,
        of=("gw/ahu-2/filter_pressure", "gw/ahu-2/supply_air_flow"),
    )  # fmt: skip
    before, after = ({one.cause: one.p for one in diagnose(given)} for given in ([seen], [seen, calm]))
    assert after["fan_failed"] > before["fan_failed"]
    assert after.get("filter_fouled", 0.0) < before["filter_fouled"]
    assert diagnose([calm]) == []
