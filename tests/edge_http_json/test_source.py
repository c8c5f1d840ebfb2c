"""JSON over HTTP against a simulated device and real requests: answers, webhooks, bad senders, silence, commands."""

import asyncio
import random
from typing import Any

import httpx
import pytest
from source_reader import Serving, collect, until

from edge.sources import SourceError
from sim_devices.servers.http_json import HttpJsonServer
from sim_devices.site import Device, Metric
from wire.errors import ConfigError, InputError
from wire.quality import STALE

METRICS = (
    Metric("power", unit="kW", point_class="power", low=0.0, high=40.0),
    Metric("limit", unit="kW", low=0.0, high=40.0, writable=True),
    Metric("mode", kind="state", declared="text"),
)


class Logger(Serving):
    """A simulated device that holds what the test says."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {"power": 12.345, "limit": 30.0, "mode": "MPPT"}
        device = Device(name="logger-1", kind="pv-logger", protocol="mqtt", space="roof")
        self.server = HttpJsonServer(device, METRICS, self._take, period_s=0.05)

    def _take(self, metric: str, value: float) -> None:
        if metric != "limit" or value > 35.0:
            raise InputError("cannot be set")
        self.values["limit"] = value


async def test_a_device_is_asked_goes_stale_and_comes_back(tools: Any, tmp_path: Any) -> None:
    taken = tools.Taken()
    async with Logger() as logger, tools.make(logger.server.source(), tmp_path) as source:
        reading = asyncio.create_task(collect(source, taken))
        await until(lambda: bool(taken.values("logger-1/mode")), taken, source)
        assert taken.values("logger-1/power")[0] == 12.345
        await logger.server.cut()
        await until(lambda: any(row[3] == STALE for row in taken.rows), taken, source)
        count = len(taken.rows)
        await until(lambda: source.health.errors["read"] > 3, taken, source)
        assert len(taken.rows) <= count + 2  # told once
        logger.values["power"] = 7.0
        await logger.server.start(logger._tasks)
        await until(lambda: taken.values("logger-1/power")[-1] == 7.0, taken, source)
        assert taken.rows[-1][3] == 0
        reading.cancel()


async def test_a_command_is_posted_and_its_answer_believed(tools: Any, tmp_path: Any) -> None:
    taken = tools.Taken()
    async with Logger() as logger, tools.make(logger.server.source(), tmp_path) as source:
        reading = asyncio.create_task(collect(source, taken))
        await until(lambda: bool(taken.values("logger-1/limit")), taken, source)
        points = {point.metric: point for point in source.points()}
        await source.write(points["limit"], 22.5)
        await until(lambda: taken.values("logger-1/limit")[-1] == 22.5, taken, source)
        for metric, value in (("limit", 99.0), ("limit", "much"), ("limit", 36.0), ("power", 1.0)):
            with pytest.raises(SourceError):
                await source.write(points[metric], value)
        await logger.server.cut()
        with pytest.raises(SourceError):
            await source.write(points["limit"], 20.0)
        reading.cancel()


async def test_sample_config_receives_webhooks_of_those_who_know_the_token(tools: Any, tmp_path: Any) -> None:
    (sample,) = tools.sample("edge.sources.http_json")
    taken = tools.Taken()
    async with tools.make(sample | {"poll": []}, tmp_path) as source, httpx.AsyncClient(trust_env=False) as client:
        reading = asyncio.create_task(collect(source, taken))
        base, key = f"http://127.0.0.1:{source.port}", {"authorization": "Bearer change me"}
        body = {"ts": 1_750_000_000, "ac": {"p": 940.5}}
        assert (await client.post(f"{base}/inverter/status", json=body, headers=key)).status_code == 204
        assert (await client.post(f"{base}/gate/1", json={"cars": 3}, headers={"x-token": "change me"})).is_success
        await until(lambda: bool(taken.values("gate/1_cars")), taken, source)
        assert taken.rows[0][:3] == ("inverter/power", 1_750_000_000_000_000, 940.5)
        assert (await client.post(f"{base}/gate/1", json={"cars": 3})).status_code == 401
        assert (await client.get(f"{base}/gate/1", headers=key)).status_code == 405
        assert (await client.post(f"{base}/", json={}, headers=key)).status_code == 404
        assert (await client.post(f"{base}/gate/%2e%2e/x", json={}, headers=key)).status_code == 404
        assert (await client.post(f"{base}/gate/1", content=b"x" * 70_000, headers=key)).status_code == 413
        chunks = (await client.post(f"{base}/gate/1", content=stream(), headers=key)).status_code
        assert chunks == 411
        assert taken.values("gate/1_cars") == [3.0]
        reading.cancel()


async def stream() -> Any:
    yield b'{"cars": 4}'


async def test_no_request_stops_the_receiver(tools: Any, tmp_path: Any) -> None:
    chance, taken = random.Random(3), tools.Taken()
    table = {"kind": "http-json", "name": "h", "listen": "127.0.0.1:0"}
    good = b'POST /gate/1 HTTP/1.1\r\nhost: a\r\ncontent-length: 11\r\n\r\n{"cars": 42}'
    async with tools.make(table, tmp_path) as source:
        reading = asyncio.create_task(collect(source, taken))
        for _ in range(300):
            raw = bytearray(good)
            for _ in range(chance.randrange(1, 5)):
                raw[chance.randrange(len(raw))] = chance.randrange(256)
            stream, writer = await asyncio.open_connection("127.0.0.1", source.port)
            writer.write(bytes(raw[: chance.randrange(1, len(raw) + 1)]))
            writer.write_eof()
            await stream.read()
            writer.close()
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(f"http://127.0.0.1:{source.port}/last/one", json={"x": 1})
        assert answer.status_code == 204
        await until(lambda: bool(taken.values("last/one_x")), taken, source)
        assert source.health.errors["receive"] > 20
        reading.cancel()


def test_a_receiver_open_to_others_needs_a_token(tools: Any, tmp_path: Any) -> None:
    with pytest.raises(ConfigError, match="anybody"):
        tools.make({"kind": "http-json", "name": "h", "listen": "0.0.0.0:8088"}, tmp_path)
    with pytest.raises(ConfigError, match="neither"):
        tools.make({"kind": "http-json", "name": "h"}, tmp_path)
