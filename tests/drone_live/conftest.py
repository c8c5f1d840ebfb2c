"""A simulated drone on loopback that lives faster than the clock, and a foreign ground station: pymavlink."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

os.environ["MAVLINK20"] = "1"
from pymavlink import mavutil
from pymavlink.dialects.v20 import ardupilotmega as dialect

from edge.sources import Batch, Source, SourceContext, load_kind
from sim_devices.drone.autopilot import Autopilot
from sim_devices.drone.table import DroneSpec, Frame, Place3
from sim_devices.servers.mavlink import DroneServer
from sim_devices.site import Device
from wire.clock import Clock, SystemClock
from wire.schemas import EVENTS, POSES, READINGS

WAIT_S = 90.0
FRAME = Frame(48.963, 18.168, 233.0, 16.992)
SPEC = DroneSpec(
    name="drone-1", space="Yard", dock_m=(0.0, 0.0), mission_m=((30.0, 0.0, 15.0), (30.0, 30.0, 15.0)),
    fence_m=(-100.0, -100.0, 100.0, 100.0), speed_m_s=8.0,
)  # fmt: skip


class Flying:
    """A drone whose time runs `pace` times as fast."""

    def __init__(self, spec: DroneSpec = SPEC, *, pace: float = 30.0, key: bytes = b"", seed: int = 1) -> None:
        self.pilot = Autopilot(spec, FRAME, seed)
        device = Device(name=spec.name, kind="drone", protocol="mavlink", space=spec.space)
        self.server = DroneServer(device, self.pilot, speed=pace, key=key)
        self.pace, self.wind = pace, Place3(1.5, -1.0, 0.0)
        self.tasks = asyncio.TaskGroup()

    async def live(self) -> None:
        last_s, owed_s = time.monotonic(), 0.0
        while True:
            await asyncio.sleep(0.02)
            now_s = time.monotonic()
            owed_s = min(owed_s + (now_s - last_s) * self.pace, 5.0)
            last_s = now_s
            while owed_s >= 0.1:
                owed_s -= 0.1
                self.pilot.step(0.1, self.wind)


@asynccontextmanager
async def flying(spec: DroneSpec = SPEC, **more: Any) -> AsyncIterator[Flying]:
    drone = Flying(spec, **more)
    async with drone.tasks as tasks:
        await drone.server.start(tasks)
        clock = tasks.create_task(drone.live())
        try:
            yield drone
        finally:
            clock.cancel()
            await drone.server.close()


class Heard:
    """What a source told: rows by point, poses, events."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.rows: list[tuple[str, int, Any, int]] = []
        self.poses: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []

    def values(self, key: str) -> list[Any]:
        return [value for name, _, value, _ in self.rows if name == key]

    def kinds(self, device: str = "drone-1") -> list[str]:
        return [one["kind"] for one in self.events if one["device"] == device]

    def take(self, batch: Batch) -> None:
        batch.rows.validate(full=True)
        points = self.source.points()
        if batch.schema_id == EVENTS:
            self.events += batch.rows.to_pylist()
        elif batch.schema_id == POSES:
            rows = batch.rows.to_pylist()
            assert {points[row["point"]].kind for row in rows} == {"pose"}
            self.poses += rows
        else:
            ids, times = batch.rows["point"].to_pylist(), batch.rows["ts"].cast("int64").to_pylist()
            kind = "value" if batch.schema_id == READINGS else "state"
            assert {points[at].kind for at in ids} == {kind}
            values, flags = batch.rows["value"].to_pylist(), batch.rows["quality"].to_pylist()
            self.rows += zip([points[at].key for at in ids], times, values, flags, strict=True)
        if batch.accepted is not None:
            batch.accepted(0)

    async def until(self, enough: Callable[["Heard"], Any]) -> None:
        """Read on until it is enough; what the source counts may change without a batch."""

        async def read() -> None:
            async with aclosing(self.source.batches()) as stream:  # type: ignore[type-var]
                async for batch in stream:
                    self.take(batch)

        reading = asyncio.create_task(read())
        try:
            async with asyncio.timeout(WAIT_S):
                while not enough(self) and not reading.done():
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pytest.fail(f"not enough in {WAIT_S} s: {self.rows[-3:]}, {self.events[-5:]}, {self.source.health}")
        finally:
            reading.cancel()
            await asyncio.wait([reading])
        if not reading.cancelled():
            reading.result()


def make_source(table: dict[str, Any], folder: Path, clock: Clock | None = None) -> Source:
    row = load_kind(table["kind"])
    return row.create(msgspec.convert(table, row.config), SourceContext(clock or SystemClock(), folder))


class GroundStation:
    """pymavlink over UDP, run in threads so that the loop goes on."""

    def __init__(self, port: int, system: int = 255, key: bytes = b"") -> None:
        self.link = mavutil.mavlink_connection(
            f"udpout:127.0.0.1:{port}", source_system=system, source_component=190, dialect="ardupilotmega"
        )
        if key:
            self.link.setup_signing(key, sign_outgoing=True)
        self.texts: list[str] = []

    def beat(self) -> None:
        self.link.mav.heartbeat_send(6, 8, 0, 0, 4)

    def wait(self, kind: str | list[str], until: Callable[[Any], bool] = lambda message: True) -> Any:
        end_s = time.monotonic() + WAIT_S
        beat_s = 0.0
        while time.monotonic() < end_s:
            if time.monotonic() - beat_s > 0.5:
                self.beat()
                beat_s = time.monotonic()
            message = self.link.recv_match(blocking=True, timeout=0.2)
            if message is None:
                continue
            if message.get_type() == "STATUSTEXT":
                self.texts.append(message.text)
            if message.get_type() in ([kind] if isinstance(kind, str) else kind) and until(message):
                return message
        raise AssertionError(f"no {kind} in {WAIT_S} s; it said {self.texts}")

    def upload(self, items: list[tuple[int, int, float, float, float, float]]) -> int:
        """(frame, command, param2, lat, lon, height); the result of the acknowledgement."""
        self.link.mav.mission_count_send(1, 1, len(items), 0)
        while True:
            asked = self.wait(["MISSION_REQUEST_INT", "MISSION_ACK"])
            if asked.get_type() == "MISSION_ACK":
                return int(asked.type)
            frame, command, two, lat, lon, height = items[asked.seq]
            self.link.mav.mission_item_int_send(
                1, 1, asked.seq, frame, command, 0, 1, 0, two, 0, 0, round(lat * 1e7), round(lon * 1e7), height, 0
            )

    def download(self) -> list[Any]:
        self.link.mav.mission_request_list_send(1, 1, 0)
        count = self.wait("MISSION_COUNT").count
        found = []
        for seq in range(count):
            self.link.mav.mission_request_int_send(1, 1, seq, 0)
            found.append(self.wait("MISSION_ITEM_INT", lambda one, seq=seq: one.seq == seq))
        return found

    def command(self, number: int, *params: float) -> int:
        values = [*params, *[0.0] * (7 - len(params))]
        self.link.mav.command_long_send(1, 1, number, 0, *values)
        return int(self.wait("COMMAND_ACK", lambda one: one.command == number).result)

    def close(self) -> None:
        self.link.close()


@pytest.fixture
def tools() -> Any:
    """The names of this file, for tests that cannot import it."""
    from types import SimpleNamespace

    return SimpleNamespace(
        flying=flying, Heard=Heard, make_source=make_source, GroundStation=GroundStation, SPEC=SPEC, FRAME=FRAME,
        dialect=dialect, WAIT_S=WAIT_S,
    )  # fmt: skip
