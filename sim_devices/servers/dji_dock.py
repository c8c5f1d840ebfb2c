"""A simulated DJI dock with its aircraft: the topics of the Cloud API over MQTT, from the same autopilot as any drone.

As a real one it stays silent until its `update_topo` is answered, sends its status in several messages with a part of
the fields each, asks for answers to its events, and obeys `services` with a result.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from typing import Any, Final

import aiomqtt

from sim_devices.drone.autopilot import AUTO, BRAKE, LAND_MODE, RTL, Autopilot
from sim_devices.servers.mqtt import Broker
from wire.clock import SystemClock

__all__ = ["DjiDockServer"]

_CLOCK = SystemClock()
OSD_S: Final = 2.0
TOPOLOGY_S: Final = 1.0  # until it was answered
GEOID_M: Final = 43.5  # DJI's heights are above the ellipsoid
_FAILED: Final = 314_000  # a result other than 0
_IDLE, _TAKEOFF, _WAYLINE, _RETURN, _LANDING, _MANUAL = 0, 4, 5, 9, 10, 3


class DjiDockServer:
    """One dock. `online` says whether the platform has answered."""

    def __init__(
        self, pilot: Autopilot, broker: Broker, *, dock_sn: str, aircraft_sn: str, period_s: float = OSD_S
    ) -> None:
        self.pilot, self.online = pilot, False
        self._broker, self._dock, self._aircraft, self._period_s = broker, dock_sn, aircraft_sn, period_s
        self._task: asyncio.Task[None] | None = None
        self._leaving = False
        self._said: list[tuple[int, str]] = []
        self.answered: set[str] = set()  # events that the platform acknowledged
        pilot.say = lambda severity, text: self._said.append((severity, text))

    async def start(self, tasks: asyncio.TaskGroup) -> None:
        """Connect and speak."""
        self._leaving = False
        self._task = tasks.create_task(self._talk(), name=f"dji {self._dock}")

    async def cut(self) -> None:
        """Lose the connection."""
        self._leaving = (
            True  # a publish that ends in the moment of its cancellation swallows that, and its loop goes on
        )
        if self._task is not None:
            while not self._task.done():
                self._task.cancel()
                await asyncio.wait([self._task], timeout=1.0)
        self.online = False

    async def _talk(self) -> None:
        broker = self._broker
        async with aiomqtt.Client(
            broker.host, broker.port, username=broker.username, password=broker.password, identifier=self._dock
        ) as client:
            for topic in (f"sys/product/{self._dock}/status_reply", f"thing/product/{self._dock}/services",
                          f"thing/product/{self._dock}/events_reply"):  # fmt: skip
                await client.subscribe(topic, qos=1)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._listen(client))
                both.create_task(self._speak(client))

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                body = json.loads(message.payload if isinstance(message.payload, bytes | str) else b"")
                last = str(message.topic).rpartition("/")[2]
                if last == "status_reply" and body["data"]["result"] == 0:
                    self.online = True
                elif last == "events_reply":
                    self.answered.add(body["method"])
                elif last == "services":
                    result = self._serve(body["method"])
                    await self._send(client, f"thing/product/{self._dock}/services_reply",
                                     {**body, "data": {"result": result}})  # fmt: skip

    async def _speak(self, client: aiomqtt.Client) -> None:
        while not self._leaving:
            if not self.online:
                below = [{"sn": self._aircraft, "type": 91, "sub_type": 0, "index": "A"}]
                topology = {"method": "update_topo", "data": {"type": 3, "sub_type": 0, "sub_devices": below}}
                await self._send(client, f"sys/product/{self._dock}/status", topology)
                await asyncio.sleep(TOPOLOGY_S)
                continue
            for sn, data in self._status():
                await self._send(client, f"thing/product/{sn}/osd", {"data": data})
            said, self._said = self._said, []
            for severity, text in said:
                await self._send(client, f"thing/product/{self._dock}/events", self._event(severity, text))
            await asyncio.sleep(self._period_s)

    async def _send(self, client: aiomqtt.Client, topic: str, body: dict[str, Any]) -> None:
        same = {"tid": secrets.token_hex(8), "bid": secrets.token_hex(8), "gateway": self._dock}
        stamped = {**same, **body, "timestamp": _CLOCK.wall_us() // 1_000}
        await client.publish(topic, json.dumps(stamped), qos=1)

    def _serve(self, method: str) -> int:
        pilot = self.pilot
        wanted = {"return_home": RTL, "flighttask_pause": BRAKE, "flighttask_recovery": AUTO}.get(method)
        if wanted is None or not pilot.airborne or (pilot.mode in (RTL, LAND_MODE) and wanted != RTL):
            return _FAILED
        return 0 if pilot.set_mode(wanted) == 0 else _FAILED

    def _event(self, severity: int, text: str) -> dict[str, Any]:
        if severity <= 3:
            one = {"code": text[:60], "level": 2, "module": 3, "in_the_sky": int(self.pilot.airborne), "imminent": 1}
            return {"method": "hms", "need_reply": 0, "data": {"list": [one]}}
        share = 100 * self.pilot.current // max(len(self.pilot.mission.items), 1)
        status = "ok" if text == "Mission complete" else "in_progress"
        output = {"status": status, "progress": {"percent": share, "current_step": 25}}
        return {"method": "flighttask_progress", "need_reply": 1, "data": {"result": 0, "output": output}}

    def _status(self) -> list[tuple[str, dict[str, Any]]]:
        pilot = self.pilot
        lat, lon, height = pilot.frame.to_earth(pilot.place)
        home_lat, home_lon, home_height = pilot.frame.to_earth(pilot.home)
        charge = round(pilot.air.charge * 100)
        aircraft = {
            "mode_code": self._mode(), "latitude": lat, "longitude": lon, "height": height + GEOID_M,
            "elevation": pilot.place.up - pilot.home.up, "attitude_head": (pilot.air.yaw_deg + 180) % 360 - 180,
            "attitude_pitch": pilot.air.pitch_deg, "attitude_roll": pilot.air.roll_deg, "gear": 1,
            "horizontal_speed": pilot.air.speed_m_s, "vertical_speed": pilot.air.velocity.up,
            "home_distance": pilot.home_m, "is_near_area_limit": int(pilot.breach > 0), "is_near_height_limit": 0,
            "battery": {
                "capacity_percent": charge, "landing_power": 10, "return_home_power": 25,
                "remain_flight_time": round(pilot.air.left_wh * 3600 / max(pilot.air.power_w, 200.0)),
                "batteries": [{"index": 0, "voltage": round(pilot.air.voltage_v * 1e3), "loop_times": 31,
                               "temperature": pilot.air.cell_c, "capacity_percent": charge}],
            },
            "position_state": {"gps_number": 17, "rtk_number": 24, "is_fixed": 2, "quality": 5},
            "total_flight_sorties": pilot.flights,
        }  # fmt: skip
        outside = {"environment_temperature": 12.5, "wind_speed": 3.1, "rainfall": 0, "humidity": 40,
                   "temperature": 21.0, "latitude": home_lat, "longitude": home_lon, "height": home_height + GEOID_M,
                   "mode_code": 4 if pilot.armed else 0, "cover_state": int(pilot.airborne),
                   "drone_in_dock": int(not pilot.airborne), "putter_state": 0}  # fmt: skip
        inside = {"electric_supply_voltage": 231, "working_voltage": 24_100, "working_current": 1_400, "job_number": 7,
                  "drone_charge_state": {"state": int(not pilot.armed), "capacity_percent": charge},
                  "network_state": {"type": 2, "quality": 5, "rate": 12.5}}  # fmt: skip
        return [(self._dock, outside), (self._dock, inside), (self._aircraft, aircraft)]

    def _mode(self) -> int:
        pilot = self.pilot
        if not pilot.airborne:
            return _TAKEOFF if pilot.armed else _IDLE
        return {AUTO: _WAYLINE, RTL: _RETURN, LAND_MODE: _LANDING}.get(pilot.mode, _MANUAL)
