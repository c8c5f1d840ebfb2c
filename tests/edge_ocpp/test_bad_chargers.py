"""What chargers of the field, strangers and broken ones send: isolated, counted, never the end of the source."""

import asyncio
import json
import random

import pytest
from websockets.exceptions import InvalidStatus, WebSocketException

from edge.sources.ocpp_values import samples


def meter(*values: object, connector: object = 1, at: object = "2026-11-23T10:00:00Z") -> dict[str, object]:
    return {"connectorId": connector, "meterValue": [{"timestamp": at, "sampledValue": list(values)}]}


async def test_meter_values_that_no_schema_allows_are_read_where_they_can_be(open_yard, asking):
    """Numbers where texts belong, Celcius, no unit, an empty value; `refuse` answers the same with an error."""
    told = meter(
        {"value": 12500, "unit": "Wh"}, {"value": "7.4", "measurand": "Power.Active.Import", "unit": "kW"},
        {"value": "", "measurand": "Voltage"}, {"value": "41", "measurand": "Temperature", "unit": "Celcius"},
        {"value": "5", "measurand": "Voltage", "unit": "A"}, {"value": "NaN", "measurand": "Voltage"},
        {"value": "16", "measurand": "Current.Import", "phase": "L2", "unit": "A", "extra": True},
    )  # fmt: skip
    async with open_yard() as yard, yard.bare("cp-1") as link:
        assert (await asking(link, "MeterValues", told))[0] == 3
        reader = yard.reader
        assert {key.removeprefix("cp-1/"): reader.value(key) for key, *_ in reader.rows} == {
            "energy_total": 12.5, "session_energy": 0.0, "power": 7.4, "temperature": 41.0, "current_l2": 16.0,
        }  # fmt: skip
        health = reader.source.health
        assert health.errors["schema"] == 1
        assert health.discarded == 3
    async with open_yard(validate="refuse") as yard, yard.bare("cp-1") as link:
        refused = await asking(link, "MeterValues", told)
        assert refused[0] == 4
        assert refused[2] == "FormationViolation"
        assert not yard.reader.rows


async def test_the_version_of_each_connection_is_its_own(open_yard, asking):
    """A message is checked against the version that its connection negotiated, not another's."""
    boot_2 = {"chargingStation": {"model": "m", "vendorName": "v"}, "reason": "PowerUp"}
    boot_16 = {"chargePointModel": "m", "chargePointVendor": "v"}
    async with open_yard(validate="refuse") as yard:
        async with yard.bare("a", "ocpp1.6") as old, yard.bare("b", "ocpp2.0.1", "ocpp1.6") as new:
            assert (old.subprotocol, new.subprotocol) == ("ocpp1.6", "ocpp2.0.1")
            assert (await asking(old, "BootNotification", boot_16))[0] == 3
            assert (await asking(new, "BootNotification", boot_2))[0] == 3
            assert (await asking(old, "BootNotification", boot_2))[0] == 4
            assert (await asking(new, "StartTransaction", {}))[2] == "NotImplemented"
        with pytest.raises((InvalidStatus, WebSocketException)):
            async with yard.bare("c", "mqtt") as link:
                await link.recv()


async def test_strangers_and_wrong_passwords_stay_outside(open_yard, asking):
    chargers = [{"identity": "CP 1", "device": "charger-1", "password": "s3cret"}]
    async with open_yard(chargers=chargers) as yard:
        for identity in ("CP%202", "CP%201", "../x"):
            with pytest.raises(InvalidStatus):
                async with yard.bare(identity):
                    pass
        async with _with_password(yard) as link:
            assert (await asking(link, "Heartbeat", {}))[0] == 3
        assert yard.source.health.errors["refused"] >= 3


def _with_password(yard):
    from websockets.asyncio.client import connect

    url = f"ws://CP%201:s3cret@127.0.0.1:{yard.source.port}/ocpp/CP%201"
    return connect(url, subprotocols=["ocpp1.6"], proxy=None)


async def test_of_two_chargers_with_one_identity_the_living_one_stays(open_yard, asking):
    async with open_yard() as yard, yard.bare("cp-1") as first:
        assert (await asking(first, "Heartbeat", {}))[0] == 3
        async with yard.bare("cp-1") as second:
            with pytest.raises(WebSocketException):
                await asking(second, "Heartbeat", {})
        assert yard.source.health.errors["duplicate"] == 1
        assert (await asking(first, "Heartbeat", {}, "2"))[0] == 3


async def test_one_that_floods_waits_for_the_disk_and_others_are_heard(open_yard, asking, monkeypatch):
    """While the disk is slow no more than the bound of rows is held; all of them arrive in the end, once."""
    monkeypatch.setattr("edge.sources.ocpp.ROWS_MAX", 50)
    async with open_yard() as yard, yard.bare("cp-1") as flood, yard.bare("cp-2") as other:
        reader, count = yard.reader, 40
        reader.hold = True

        async def pour() -> None:
            for number in range(count):
                at = f"2026-11-23T10:{number // 60:02}:{number % 60:02}Z"
                told = meter({"value": str(number), "measurand": "Voltage"}, at=at)
                await flood.send(json.dumps([2, f"n{number}", "MeterValues", told]))

        pouring = asyncio.create_task(pour())
        assert (await asking(other, "Heartbeat", {}))[0] == 3
        assert len(yard.source._rows) <= 60
        reader.hold = False
        drain = asyncio.create_task(_drain(flood))
        await pouring
        await reader.until(lambda: len(reader.values("cp-1/voltage")) >= count)
        assert reader.values("cp-1/voltage") == [float(number) for number in range(count)]
        drain.cancel()


async def _drain(link) -> None:
    async for _ in link:
        pass


async def test_no_frame_ends_the_source(open_yard, asking):
    """Seeded fuzz: broken JSON, wrong types at every place of real calls, deep nesting, wild numbers."""
    rng = random.Random(20261123)
    seeds = [
        ["BootNotification", {"chargePointModel": "m", "chargePointVendor": "v"}],
        ["StatusNotification", {"connectorId": 1, "status": "Charging", "errorCode": "NoError"}],
        ["StartTransaction", {"connectorId": 1, "idTag": "x", "meterStart": 1, "timestamp": "2026-11-23T10:00:00Z"}],
        ["MeterValues", meter({"value": "1"})],
        ["StopTransaction", {"transactionId": 1, "meterStop": 5, "timestamp": "2026-11-23T11:00:00Z"}],
        ["TransactionEvent", {"eventType": "Started", "timestamp": "2026-11-23T10:00:00Z", "seqNo": 0,
                              "transactionInfo": {"transactionId": "t"},
                              "meterValue": [{"sampledValue": [{"value": 1}]}]}],
        ["SecurityEventNotification", {"kind": "x", "self": 1, "severity": 2, "at_us": 3}],
        ["NotifyEvent",
         {"eventData": [{"variable": {"name": "x"}, "component": {"name": "y"}, "trigger": "Alerting"}]}],
    ]  # fmt: skip
    wild = [None, True, -1, 1e308, 10**40, "", "x" * 300, [], {}, [[]], {"a": {}}, "2026-99-99T00:00:00Z", 0.5]

    def spoil(value: object) -> object:
        if rng.random() < 0.25:
            return rng.choice(wild)
        if isinstance(value, dict):
            return {key: spoil(one) for key, one in value.items() if rng.random() < 0.93}
        return [spoil(one) for one in value] if isinstance(value, list) else value

    async with open_yard() as yard:
        for version in ("ocpp1.6", "ocpp2.0.1", "ocpp2.1"):
            async with yard.bare("cp-1", version) as link:
                drain = asyncio.create_task(_drain(link))
                for number in range(120):
                    action, payload = rng.choice(seeds)
                    frame = [2, f"{version}-{number}", action, spoil(payload)]
                    text = json.dumps(spoil(frame) if rng.random() < 0.3 else frame)
                    await link.send(text[: rng.randrange(len(text) + 1)] if rng.random() < 0.1 else text)
                for odd in ("[" * 5_000, '[3,"x",{}]', "[4]", "[2]", "{}", "null", b"\xff\xfe", '[9,"1"]'):
                    await link.send(odd)
                drain.cancel()
                await asyncio.gather(drain, return_exceptions=True)
                assert (await asking(link, "Heartbeat", {}, "still"))[0] == 3
            await yard.reader.until(lambda: "charger_lost" in yard.reader.kinds())
            yard.reader.events.clear()
        assert len(yard.source.points()) < 400
        assert yard.source.health.errors["decode"] >= 3


def test_values_are_scaled_by_their_unit_and_bounded_in_number():
    """2.x multipliers and 1.6 units against values worked out by hand."""
    told = [{"timestamp": "2026-11-23T10:00:00+01:00", "sampledValue": [
        {"value": 12.5, "measurand": "Energy.Active.Import.Register", "unitOfMeasure": {"unit": "Wh", "multiplier": 3}},
        {"value": 68, "measurand": "Temperature", "unit": "Fahrenheit", "location": "Cable"},
        {"value": 300, "measurand": "Temperature", "unit": "K"},
        {"value": 55, "measurand": "SoC", "location": "EV"},
    ]}]  # fmt: skip
    found, unused = samples(told)
    assert [(one.metric, round(one.value, 6), one.unit) for one in found] == [
        ("energy_total", 12.5, "kW.h"), ("cable_temperature", 20.0, "Cel"), ("temperature", 26.85, "Cel"),
        ("vehicle_soc", 55.0, "%"),
    ]  # fmt: skip
    assert unused == 0
    assert found[0].at_us == 1_795_424_400_000_000
    many, left = samples([{"sampledValue": [{"value": "1"}] * 100_000}])
    assert len(many) + left == 512
