"""The live park: the campus's physics, with a protocol server on loopback for each device.

```
async with Park(site_dir, seed=7, speed=1.0, broker=Broker(port=1883)) as park:
    park.edge_config()        # {"source": [...]}: what an agent needs to read it all
```
`python -m sim_devices.park --site DIR --seed 7 --ports-file F` runs it as a process of its own; F then holds the
same sources as JSON, written when every server listens.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import json
import math
import os
import socket
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sim_devices.campus import TICK_S, Campus
from sim_devices.drone.autopilot import Autopilot
from sim_devices.drone.dock import Dock
from sim_devices.drone.surveyor import Surveyor
from sim_devices.drone.table import Place3
from sim_devices.drone.telemetry import POINTS
from sim_devices.faults import Faults, Scenario
from sim_devices.readouts import Value
from sim_devices.servers import LOOPBACK, DeviceServer, Written
from sim_devices.servers.dsmr import P1Port
from sim_devices.servers.http_json import HttpJsonServer
from sim_devices.servers.lorawan import LoRaWanStation
from sim_devices.servers.mavlink import DroneServer
from sim_devices.servers.mbus import MbusMeter
from sim_devices.servers.modbus import ModbusServer
from sim_devices.servers.mqtt import Broker, MqttDevice
from sim_devices.servers.mtconnect import MtConnectAgent
from sim_devices.servers.opcua import OpcUaServer
from sim_devices.servers.registers import load_register_map
from sim_devices.servers.remote_id import RemoteIdStation
from sim_devices.servers.secsgem import SecsGemServer
from sim_devices.servers.shdr import ShdrAdapter
from sim_devices.servers.sparkplug import SparkplugNode
from sim_devices.site import Device, Metric, load_site
from wire.clock import SystemClock
from wire.errors import InputError

__all__ = ["Broker", "Park", "read_ports", "write_gateways", "write_ports"]

SPEED_MAX = 600.0  # 0.3 s of computing a second on a small gateway
CATCH_UP_S = 60.0  # simulated seconds computed at once; a process that was frozen longer does not race
PACE_S = 0.1
PATIENCE_S = {
    "modbus": 10.0,
    "opcua": 10.0,
    "mtconnect": 10.0,
    "secsgem": 10.0,
    "mbus": 10.0,
    "bacnet": 6.0,
    "snmp": 6.0,
}
# a simulated device answers when its process is let run: beside a busy machine that is seconds, and no fault of it
_ON_BROKER: dict[str, type[MqttDevice]] = {"mqtt": MqttDevice, "lorawan": LoRaWanStation, "sparkplug": SparkplugNode}
PART_TICKS = 20  # computed at once: some ten milliseconds
RUN_TICKS = 100  # likewise on the clock of a run, in one coarse step


class Park:
    """The devices of a site (or `only` some of them by name), served from `__aenter__` on.

    `ports` asks for a device's port, so that a park that is started again is found where it was.
    `on_gateway` hears each time that all devices of one more gateway (`gateways_up`) listen.
    `dock_file` tells the docks of drones where the twin is (see `drone/surveyor.py`); without it they bring no scans.
    Without a broker the MQTT devices stay silent. The physics is always that of the whole site.
    """

    def __init__(
        self,
        site_dir: Path,
        seed: int,
        speed: float = 1.0,
        broker: Broker | None = None,
        *,
        start_us: int | None = None,
        scenario: Scenario | None = None,
        only: Collection[str] = (),
        ports: Mapping[str, int] | None = None,
        dock_file: Path | None = None,
        on_gateway: Callable[[Park], None] | None = None,
    ) -> None:
        if not 0.0 < speed <= SPEED_MAX:
            raise InputError(f"{speed:g} is no speed", field="speed", fix=f"0 < speed <= {SPEED_MAX:g}")
        self._clock = SystemClock()
        self.start_us = self._clock.wall_us() if start_us is None else start_us
        self.site = load_site(site_dir)
        self.campus = Campus(self.site, seed, self.start_us, fine=True)
        self.faults = Faults(scenario or Scenario(""), self.start_us)
        self._speed, self._broker, self._only = speed, broker, frozenset(only)
        self._hurry = 1.0 if self._clock.is_of_a_run else max(speed, 1.0)  # of devices that report by themselves
        self._ports = ports or {}
        wanted = [spec for spec in self.site.drones if not self._only or spec.name in self._only]
        self.drones = [Autopilot(spec, self.site.place.frame, seed) for spec in wanted]
        self.docks = [Dock(pilot, functools.partial(self._landed, pilot)) for pilot in self.drones]
        self.surveyor = Surveyor(dock_file, self.site.time_zone, seed)
        everybody = {device.name for device in self.site.devices} | {spec.name for spec in self.site.drones}
        if unknown := self._only - everybody:
            raise InputError(f"there is no device {min(unknown)}", field="device", fix="see aid4 sim list")
        self.servers: list[DeviceServer] = []
        self.gateways_up: list[str] = []
        self._on_gateway = on_gateway
        self.listening: dict[str, int] = {}  # where devices expect their agent: chargers that of a gateway
        self._cut: set[str] = set()
        self._tasks = asyncio.TaskGroup()
        self._pace: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start the servers, gateway by gateway, then the clock."""
        await self._tasks.__aenter__()
        collects = gc.isenabled()
        gc.disable()  # half of a start: two OPC UA address spaces are 200,000 objects, none of them rubbish
        try:
            for gateway in self.site.gateways:
                await self._start(gateway.name)
        except BaseException:
            await self._close()
            raise
        finally:
            if collects:
                gc.enable()
        self._pace = self._tasks.create_task(self._run(), name="park clock")
        return self

    async def _start(self, gateway: str) -> None:
        """Let all devices of one gateway listen, with their first values."""
        mine = [device for device in self.site.devices if self.site.gateway_of(device) == gateway]
        servers = [server for device in mine if (server := self._server(device)) is not None]
        drones = [self._drone_server(pilot) for pilot in self.drones]
        for server in [*servers, *(one for one in drones if self.site.gateway_of(one.device) == gateway)]:
            self.servers.append(server)
            await server.start(self._tasks)
        await self._publish()
        self.gateways_up.append(gateway)
        if self._on_gateway is not None:
            self._on_gateway(self)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the clock, then every server."""
        if self._pace is not None:
            self._pace.cancel()
        await self._close()

    def edge_config(self, gateway: str | None = None) -> dict[str, Any]:
        """The `[[source]]` tables of one gateway's agent, or of all in one, with real ports and register maps inline,
        and the `[[derived]]` tables that the profiles of its devices have.

        The MQTT devices of a gateway share one table, since one connection to their broker hears them all.
        """
        mine = [one for one in self.servers if gateway in (None, self.site.gateway_of(one.device))]
        tables = [server.source() for server in mine]
        heard = [table for table in tables if table["kind"] == "mqtt"]
        if heard:
            rules = [rule for table in heard for rule in table["topic"]]
            tables = [table for table in tables if table["kind"] != "mqtt"]
            tables.append({**heard[0], "name": "mqtt-devices", "topic": rules})
        if controllers := [table for table in tables if table["kind"] == "bacnet"]:  # one socket asks them all
            tables = [table for table in tables if table["kind"] != "bacnet"]
            devices = [one for table in controllers for one in table["devices"]]
            tables.append({**controllers[0], "name": "bacnet-devices", "devices": devices})
        for kind, name in (("lorawan", "lorawan-devices"), ("sparkplug", "sparkplug-nodes")):  # one broker tells all
            if told := [table for table in tables if table["kind"] == kind]:
                tables = [table for table in tables if table["kind"] != kind]
                tables.append({**_joined(told), "name": name})
        charging = [table for table in tables if table["kind"] == "ocpp"]
        for url in {table["url"] for table in charging}:  # chargers of one central system share it
            shared = [table for table in charging if table["url"] == url]
            tables = [table for table in tables if table not in shared]
            tables.append({**shared[0], "chargers": [one for table in shared for one in table["chargers"]]})
        if self._hurry == 1.0 and not self._clock.is_of_a_run:
            tables = [{"timeout_s": s, **one} if (s := PATIENCE_S.get(one["kind"])) else one for one in tables]
        return {"source": tables, "derived": [row for one in mine for row in self._derived(one.device)]}

    def _derived(self, device: Device) -> list[dict[str, Any]]:
        metrics = POINTS if device.kind == "drone" else [metric.name for metric in self.site.metrics(device)]
        return self.site.derived(device, metrics)

    def shown(self) -> Mapping[str, Value | None]:
        """What the devices show now by `device/metric`: the physics with the faults of the moment."""
        return self.faults.shown(self.campus.values(), self.campus.now_us)

    def _landed(self, pilot: Autopilot, track: list[Place3]) -> None:
        places = [(*pilot.frame.to_grid(place), place.up) for place in track]
        self.surveyor.landed(pilot.spec, places, self._tasks)

    async def _close(self) -> None:
        await self.surveyor.close()
        await asyncio.gather(*(server.close() for server in self.servers))
        await self._tasks.__aexit__(None, None, None)

    def _server(self, device: Device) -> DeviceServer | None:
        if self._only and device.name not in self._only:
            return None
        period_s = self.site.kinds[device.kind].period_s
        metrics, port = self.site.metrics(device), self._ports.get(device.name, 0)

        def written(metric: str, value: float) -> None:
            self.campus.write(device.name, metric, value)

        match device.protocol:
            case "modbus" | "sunspec":
                return ModbusServer(
                    device, metrics, load_register_map(device.kind), written, period_s=period_s, port=port
                )
            case "opcua":
                return OpcUaServer(device, metrics, period_s=period_s, port=port)
            case "http-json":
                return HttpJsonServer(device, metrics, written, period_s=period_s, port=port)
            case "mtconnect":
                return MtConnectAgent(device, metrics, period_s=period_s, port=port)
            case "bacnet":
                return self._bacnet(device, metrics, written, period_s, port)
            case "mbus":
                return MbusMeter(device, metrics, period_s=period_s, port=port)
            case "dsmr":
                return P1Port(device, metrics, period_s=period_s, port=port)
            case "ocpp":
                return self._charger(device, metrics, written, period_s)
            case "snmp":
                return self._snmp(device, metrics, written, period_s, port)
            case "remote-id":
                told = f"remote-id {device.name}"
                self.listening[told] = self._ports.get(told) or free_port(socket.SOCK_DGRAM)
                return RemoteIdStation(device, self.drones, self.listening[told], speed=self._speed)
            case "secsgem":
                return SecsGemServer(device, metrics, written, period_s=period_s, port=port or free_port())
            case "shdr":
                return ShdrAdapter(device, metrics, port=port)
            case "mqtt" | "lorawan" | "sparkplug" as protocol if self._broker is not None:
                return _ON_BROKER[protocol](device, metrics, self._broker, period_s / self._hurry, written)
            case _:
                return None

    def _bacnet(
        self, device: Device, metrics: tuple[Metric, ...], written: Written, period_s: float, port: int
    ) -> DeviceServer:
        from sim_devices.servers.bacnet import FIRST_INSTANCE, BacnetServer  # half a second to import

        number = [one.name for one in self.site.devices if one.protocol == "bacnet"].index(device.name)
        instance = FIRST_INSTANCE + 1 + number
        return BacnetServer(device, metrics, written, instance=instance, period_s=period_s, port=port)

    def _snmp(
        self, device: Device, metrics: tuple[Metric, ...], written: Written, period_s: float, port: int
    ) -> DeviceServer:
        from sim_devices.servers.snmp import SnmpDevice  # an engine with all its tables

        return SnmpDevice(device, metrics, written, period_s=period_s, port=port)

    def _charger(self, device: Device, metrics: tuple[Metric, ...], written: Written, period_s: float) -> DeviceServer:
        from sim_devices.servers.ocpp import Central, OcppCharger  # its schemas and dataclasses are many

        told = f"ocpp {self.site.gateway_of(device)}"
        if told not in self.listening:
            self.listening[told] = self._ports.get(told) or free_port()
        commanded = functools.partial(self.campus.charge, device.name)
        version = device.dialect or "1.6"
        central = Central(self.listening[told])
        return OcppCharger(device, metrics, central, version, period_s / self._hurry, written, commanded)

    def _drone_server(self, pilot: Autopilot) -> DroneServer:
        name, space, label = pilot.spec.name, pilot.spec.space, pilot.spec.label
        device = Device(name=name, kind="drone", protocol="mavlink", space=space, label=label)
        return DroneServer(device, pilot, speed=self._speed, port=self._ports.get(name, 0))

    def _fly(self, ticks: int) -> None:
        """Let the drones live through so many ticks, in the wind of the weather station."""
        values = self.campus.values()
        speed, blows_from = (_number(values, f"wind_{one}") for one in ("speed", "direction"))
        turn = math.radians(blows_from + 180.0)
        wind = Place3(speed * math.sin(turn), speed * math.cos(turn), 0.0)
        for pilot, dock in zip(self.drones, self.docks, strict=True):
            pilot.faulty = self.faults.of_drone(pilot.spec.name, self.campus.now_us)
            for _ in range(ticks):
                pilot.step(TICK_S, wind)
                dock.step(TICK_S)

    async def _run(self) -> None:
        """Keep simulated time at `speed` times the monotonic clock, or at the clock of a run, in whole ticks."""
        last_s, owed_s = time.monotonic(), 0.0
        while True:
            await asyncio.sleep(PACE_S)
            now_s = time.monotonic()
            if self._clock.is_of_a_run:
                owed_s = max(0.0, (self._clock.wall_us() - self.campus.now_us) / 1e6)
            else:
                owed_s += (now_s - last_s) * self._speed
            owed_s = min(owed_s, CATCH_UP_S)
            last_s = now_s
            ticks = int(owed_s / TICK_S)
            if ticks:
                owed_s -= ticks * TICK_S
                await self._live(ticks)
            await self._publish()

    async def _live(self, ticks: int) -> None:
        """Go on by so many ticks; whoever asks a server meanwhile is answered between two parts."""
        coarse = self._clock.is_of_a_run  # read twice a simulated minute, beside a whole park on two cores
        while ticks > 0:
            part = min(ticks, RUN_TICKS if coarse else PART_TICKS)
            self.faults.afflict(self.campus)
            (self.campus.leap if coarse else self.campus.step)(part * TICK_S)
            self._fly(part)
            ticks -= part
            await asyncio.sleep(0)

    async def _publish(self) -> None:
        shown = self.shown()
        await self._follow_cuts()
        ahead_s = self.faults.ahead_s(self.campus.now_us)
        for server in self.servers:
            if isinstance(server, OpcUaServer):
                server.ahead_s = ahead_s.get(server.device.name, 0.0)
            prefix = server.device.name + "/"
            metrics = self.site.metrics(server.device) if server.device.kind in self.site.kinds else ()
            await server.publish({metric.name: shown[prefix + metric.name] for metric in metrics})

    async def _follow_cuts(self) -> None:
        """Pull the cables that the scenario cuts now, and put back the others."""
        cut = self.faults.cut(self.campus.now_us)
        for server in self.servers:
            name = server.device.name
            if name in cut and name not in self._cut:
                await server.cut()
            elif name in self._cut and name not in cut:
                await server.start(self._tasks)
        self._cut = cut


def _joined(tables: list[dict[str, Any]]) -> dict[str, Any]:
    """One table of several that differ in their devices and metrics."""
    whole = dict(tables[0])
    for table in tables[1:]:
        for field in ("devices", "metrics"):
            if isinstance(whole.get(field), dict):
                whole[field] = whole[field] | table[field]
            elif field in whole:
                whole[field] = [*whole[field], *table[field]]
    return whole


def _number(values: Mapping[str, Value], metric: str) -> float:
    """A value of the site's weather station; 0 where there is none."""
    found = next((value for key, value in values.items() if key.endswith(f"/{metric}")), 0.0)
    return float(found) if isinstance(found, int | float) else 0.0


def write_ports(park: Park, path: Path) -> None:
    """Tell another process where the devices are: whole or not at all."""
    ports = {server.device.name: server.port for server in park.servers}
    document = {"pid": os.getpid(), "start_us": park.start_us, "ports": ports, **park.edge_config()}
    document["listening"] = park.listening
    _write(path, document)


def write_gateways(park: Park, path: Path) -> None:
    """Beside `path`, one file a gateway whose devices all listen: `devices.json.gw-1`, what its agent needs."""
    for gateway in park.gateways_up:
        file = path.with_name(f"{path.name}.{gateway}")
        if gateway == park.gateways_up[-1] or not file.exists():
            _write(file, park.edge_config(gateway))


def _write(path: Path, document: dict[str, Any]) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.touch(mode=0o600)  # a table may hold the broker's password
    fresh.write_text(json.dumps(document, indent=1) + "\n")
    fresh.replace(path)


def read_ports(path: Path) -> dict[str, int]:
    """The ports, still free, of the park that wrote this file before, and those where its devices expect agents, which
    may hold them still; empty when it is no such file."""
    try:
        document = json.loads(path.read_text())
        ports, listening = document.get("ports", {}), document.get("listening", {})
        expected = {name: port for name, port in listening.items() if isinstance(port, int)}
        return {name: port for name, port in ports.items() if isinstance(port, int) and _is_free(port)} | expected
    except (OSError, ValueError, AttributeError):
        return {}


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """A port of loopback that nobody has."""
    with socket.socket(type=kind) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except (OSError, OverflowError):
            return False
    return True


if __name__ == "__main__":
    from sim_devices.cli import main

    main()
