"""The source against a simulated ChirpStack and The Things Stack's messages, over a real broker."""

import asyncio
import base64
import json
import random
from typing import Any

import pytest
from source_reader import Serving, collect, until

from edge.sources import SourceError
from sim_devices.servers.lorawan import LoRaWanStation, eui_of
from sim_devices.servers.mqtt import Broker
from sim_devices.site import Device, Metric
from wire.errors import InputError
from wire.quality import STALE

GENEROUS_S = 60.0
SOIL = {
    "battery_voltage": 3.61, "probe_temperature": -4.2, "soil_moisture": 31.25, "soil_temperature": 9.87,
    "soil_conductivity": 812.0,
}  # fmt: skip
VALVE = {"battery": 91, "valve_1": "closed", "valve_1_pulses": 1234, "pipe_pressure": 320}
LSE01 = "zikA8QelCZtuKJA="  # the published vector


class Station(Serving):
    """A simulated station whose values the test sets; `written` are the commands it took."""

    def __init__(self, kind: str, values: dict[str, Any], port: int) -> None:
        metrics = tuple(Metric(name) for name in values)
        device = Device(name=f"{kind}-1", kind=kind, protocol="mqtt", space="field")
        self.values, self.written = dict(values), []
        self.server = LoRaWanStation(device, metrics, Broker(port=port), 0.05, self._take)

    def _take(self, metric: str, value: float) -> None:
        if metric != "valve_1":
            raise InputError("not writable")
        self.written.append((metric, value))
        self.values[metric] = "open" if value else "closed"
        self.server._values = self.values


async def test_a_soil_stations_bytes_become_its_values(tools: Any, broker: Any, tmp_path: Any) -> None:
    taken = tools.Taken()
    async with (
        Station("lora-soil-station", SOIL, broker.port) as station,
        tools.make(station.server.source() | {"url": broker.url}, tmp_path) as source,
    ):
        reading = asyncio.create_task(collect(source, taken))
        await source._link.up()
        for _ in range(3):
            await station.server.publish(station.values)
            before = len(taken.values("lora-soil-station-1/soil_moisture"))
            await until(lambda n=before: len(taken.values("lora-soil-station-1/soil_moisture")) > n, taken, source)
        name = "lora-soil-station-1"
        assert {key: taken.values(f"{name}/{key}")[-1] for key in SOIL} == pytest.approx(SOIL)
        assert -118 <= taken.values(f"{name}/rssi")[-1] <= -70
        assert taken.values(f"{name}/online") == ["true"]
        assert {point.metric for point in source.points()} >= set(SOIL)
        broker.kill()
        await until(lambda: taken.values(f"{name}/online")[-1] == "false", taken, source)
        assert {key for key, _, _, quality in taken.rows if quality == STALE} >= {f"{name}/{key}" for key in SOIL}
        reading.cancel()


async def test_a_valve_is_opened_by_a_downlink_that_it_acknowledges(tools: Any, broker: Any, tmp_path: Any) -> None:
    taken = tools.Taken()
    async with Station("lora-valve", VALVE, broker.port) as station:
        table = station.server.source() | {"url": broker.url, "ack_s": 60}
        async with tools.make(table, tmp_path) as source:
            reading = asyncio.create_task(collect(source, taken))
            await source._link.up()
            point = next(point for point in source.points() if point.metric == "valve_1")
            with pytest.raises(SourceError, match="never heard"):
                await source.write(point, "open")
            await station.server.publish(station.values)
            await until(lambda: taken.values("lora-valve-1/valve_1") == ["closed"], taken, source)
            await source.write(point, "open")
            assert station.written == [("valve_1", 1.0)]
            await until(lambda: taken.values("lora-valve-1/valve_1")[-1] == "open", taken, source)
            for wrong in ("half", 1.0):
                with pytest.raises(SourceError):
                    await source.write(point, wrong)
            other = next(point for point in source.points() if point.metric == "valve_2")
            with pytest.raises(SourceError, match="refused"):
                await source.write(other, "open")  # is not fitted
            reading.cancel()


def up(eui: str, frame: int, data: str = LSE01, key: str = "", port: int = 2) -> tuple[str, dict[str, Any]]:
    body = {
        "deduplicationId": key or f"k{frame}", "time": "2026-03-01T10:00:00.123456789+00:00",
        "deviceInfo": {"devEui": eui, "deviceName": "x"}, "fCnt": frame, "fPort": port, "data": data,
        "rxInfo": [{"rssi": -101, "snr": 1.0}, {"rssi": -80, "snr": 9.5}],
    }  # fmt: skip
    return f"application/a/device/{eui}/event/up", body


EUI = eui_of("soil")
TABLE = {
    "kind": "lorawan", "name": "f", "keepalive_s": 1.0,
    "devices": [{"eui": EUI, "name": "soil", "profile": "profiles/lorawan/dragino-lse01.toml"}],
}  # fmt: skip


async def test_lost_repeated_and_unknown_uplinks_are_counted(tools: Any, broker: Any, tmp_path: Any) -> None:
    taken = tools.Taken()
    async with tools.make(TABLE | {"url": broker.url}, tmp_path) as source, broker.client() as network:
        reading = asyncio.create_task(collect(source, taken))
        await source._link.up()
        told = [up(EUI, 5), up(EUI, 5), up(EUI, 9), up("00" * 8, 1), up(EUI, 10, data="AAA="), up(EUI, 11, port=3)]
        told += [up(EUI, 0, key="new session"), up(EUI, 1)]
        for topic, body in told:
            network.publish(topic, json.dumps(body).encode())
        for body in (b"{", b"[]", b'{"deviceInfo":{}}', b"\xff", json.dumps({"deviceInfo": {"devEui": 7}}).encode()):
            network.publish(told[0][0], body)
        await until(lambda: len(taken.values("soil/soil_moisture")) == 4, taken, source)
        await until(lambda: source.health.errors.get("decode") == 7, taken, source)
        assert taken.values("soil/soil_moisture") == [19.57] * 4
        assert taken.values("soil/frames_lost") == [0.0, 3.0, 3.0, 3.0, 3.0, 3.0]
        assert (taken.values("soil/rssi")[0], taken.values("soil/snr")[0]) == (-80.0, 9.5)
        errors = source.health.errors
        assert (errors["gap"], errors["repeated"], errors["unknown"]) == (3, 1, 1)
        reading.cancel()


async def test_the_things_stack_is_understood_too(tools: Any, broker: Any, tmp_path: Any) -> None:
    taken = tools.Taken()
    valve = {"eui": EUI, "name": "valve", "profile": "profiles/lorawan/milesight-uc511.toml"}
    table = TABLE | {"url": broker.url, "network": "ttn", "devices": [valve], "ack_s": 60}
    heard: list[Any] = []
    async with tools.make(table, tmp_path) as source, broker.client() as network:
        network.on_messages = lambda found: heard.extend(json.loads(one.payload) for one in found)
        await network.subscribe([("v3/farm@ttn/devices/valve-7/down/push", 0)])
        reading = asyncio.create_task(collect(source, taken))
        await source._link.up()
        ids = {"device_id": "valve-7", "dev_eui": EUI.upper()}
        data = base64.b64encode(bytes.fromhex("01755C03010104C805000000")).decode()
        uplink = {"f_port": 85, "f_cnt": 3, "frm_payload": data, "rx_metadata": [{"rssi": -90, "snr": 6}]}
        body = {"end_device_ids": ids, "received_at": "2026-03-01T10:00:00Z", "uplink_message": uplink}
        network.publish("v3/farm@ttn/devices/valve-7/up", json.dumps(body).encode())
        await until(lambda: taken.values("valve/valve_1") == ["open"], taken, source)
        point = next(point for point in source.points() if point.metric == "valve_1")
        writing = asyncio.create_task(source.write(point, "closed"))
        await until(lambda: bool(heard), taken, source)
        (asked,) = heard[0]["downlinks"]
        assert base64.b64decode(asked["frm_payload"]).hex() == "ff1d0000"
        answer = {"end_device_ids": ids, "correlation_ids": asked["correlation_ids"]}
        network.publish("v3/farm@ttn/devices/valve-7/down/ack", json.dumps(answer).encode())
        async with asyncio.timeout(GENEROUS_S):
            await writing
        reading.cancel()


async def test_a_device_that_is_silent_goes_stale_and_a_sleeping_one_takes_no_commands(
    tools: Any, broker: Any, tmp_path: Any
) -> None:
    taken = tools.Taken()
    (sample,) = tools.sample("edge.sources.lorawan")
    soil = sample["devices"][0] | {"silent_s": 0.5}
    async with (
        tools.make(sample | {"url": broker.url, "devices": [soil]}, tmp_path) as source,
        broker.client() as network,
    ):
        reading = asyncio.create_task(collect(source, taken))
        await source._link.up()
        topic, body = up(soil["eui"], 1)
        network.publish(topic, json.dumps(body).encode())
        await until(lambda: taken.values("soil-1/online") == ["true", "false"], taken, source)
        assert [q for key, _, _, q in taken.rows if key == "soil-1/soil_moisture"] == [0, STALE]
        network.publish(topic, json.dumps(body | {"deduplicationId": "again", "fCnt": 2}).encode())
        await until(lambda: len(taken.values("soil-1/online")) >= 3, taken, source)
        reading.cancel()


async def test_no_message_stops_the_source(tools: Any, broker: Any, tmp_path: Any) -> None:
    chance, taken = random.Random(11), tools.Taken()
    topic, body = up(EUI, 1)
    good = json.dumps(body)
    async with tools.make(TABLE | {"url": broker.url}, tmp_path) as source, broker.client() as network:
        reading = asyncio.create_task(collect(source, taken))
        await source._link.up()
        for _ in range(600):
            raw = bytearray(good.encode())
            for _ in range(chance.randrange(1, 6)):
                raw[chance.randrange(len(raw))] = chance.randrange(256)
            network.publish(topic, bytes(raw[: chance.randrange(len(raw) + 1)]))
        topic, body = up(EUI, 77, key="last")
        network.publish(topic, json.dumps(body).encode())
        await until(lambda: "last" in source._keys, taken, source)
        assert source.health.discarded >= 400
        assert not reading.done()
        reading.cancel()
