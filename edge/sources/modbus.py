"""Modbus TCP and RTU: polls register blocks and turns them into readings. SunSpec devices describe themselves.

[[source]]                      # tested: the sample is the config of the first test
kind = "modbus"
name = "meters"
url = "tcp://127.0.0.1:502"     # rtu:///dev/ttyUSB0?baudrate=9600&parity=E, or rtu+tcp://gateway:4001
period_s = 1.0
devices = [
    { name = "main", unit = 1, map = "profiles/modbus/sdm630.toml" },
    { name = "roof", unit = 2, map = "sunspec" },
]

Devices on one connection are polled in turn. A poll that comes due while the last one still runs is left out and
counted. A request that a device refuses makes its points bad, one that it does not answer makes them stale; when the
link is lost every point is repeated once with its last value, flagged as stale.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import numpy as np
from numpy.typing import NDArray
from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from edge.sources import Batch, SourceConfig, SourceContext, SourceError, SourceKind
from edge.sources.columns import PointSpec, check_value
from edge.sources.modbus_map import Block, Decoder, ModbusProfile, Register, encode_value, plan_reads
from edge.sources.modbus_poll import Poll
from edge.sources.modbus_sunspec import discover
from edge.sources.profiles import load_profile
from edge.sources.running import Backoff, FieldSource, Pace
from wire.catalogue import Point
from wire.errors import ConfigError
from wire.quality import BAD, STALE

__all__ = ["SOURCE", "Modbus", "ModbusConfig", "new_client"]

RETRY_S_MIN, RETRY_S_MAX = 0.2, 5.0  # between attempts to connect, with jitter
LATE = 1.5  # of the timeout: a clock that rings so late was not let run
ILLEGAL_ADDRESS = 2
SUNSPEC = "sunspec"

Client = AsyncModbusTcpClient | AsyncModbusSerialClient


class ModbusDevice(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One device on the connection. `points` say more about the map's metrics: class, limits, where it is."""

    name: str
    map: str
    unit: Annotated[int, msgspec.Meta(ge=0, le=255)] = 1
    points: tuple[PointSpec, ...] = ()


class ModbusConfig(SourceConfig, tag="modbus"):
    """Config of one connection; `map`, `unit` and `points` are short for a single entry of `devices`."""

    url: str
    period_s: Annotated[float, msgspec.Meta(ge=0.01, le=86_400)] = 1.0
    timeout_s: Annotated[float, msgspec.Meta(ge=0.01, le=60)] = 1.0
    unit: Annotated[int, msgspec.Meta(ge=0, le=255)] = 1
    map: str = ""
    points: tuple[PointSpec, ...] = ()
    devices: tuple[ModbusDevice, ...] = ()


class RefusedError(Exception):
    """The device answered with an exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


class _Polled:
    """A device as it is polled: its blocks, and the point of each register."""

    def __init__(self, device: ModbusDevice, registers: list[Register], profile: ModbusProfile | None) -> None:
        self.device = device
        self.ids: dict[str, int] = {}
        limits = (profile.words_max, profile.gap_words_max) if profile else ()
        self.decoders = [Decoder(block) for block in plan_reads(registers, *limits)]

    def points_of(self, decoder: Decoder) -> list[int]:
        """The points that a block holds, numbers first."""
        return [self.ids[register.metric] for register in (*decoder.numbers, *decoder.states)]

    def split(self, decoder: Decoder) -> list[Decoder]:
        """Replace a refused block by blocks without its gaps, or by single registers where it has none."""
        at = self.decoders.index(decoder)
        parts = plan_reads(decoder.block.registers, gap_words_max=0)
        if len(parts) == 1 and len(decoder.block.registers) > 1:
            parts = [Block(r.table, r.span[0], r.span[1] - r.span[0], (r,)) for r in decoder.block.registers]
        self.decoders[at : at + 1] = split = [Decoder(part) for part in parts]
        return split


class Modbus(FieldSource):
    """One Modbus connection as a source."""

    def __init__(self, config: ModbusConfig, context: SourceContext) -> None:
        super().__init__(config)
        self._config, self._clock, self._folder = config, context.clock, context.folder
        self._devices = config.devices
        if config.map:
            name = config.device or config.name
            self._devices += (ModbusDevice(name=name, map=config.map, unit=config.unit, points=config.points),)
        if not self._devices:
            raise ConfigError("no devices", field="map", fix="give a map, or a list of devices with a map each")
        self._new_client = new_client(config)
        self._client: Client
        self._busy = asyncio.Lock()
        self._writable: dict[int, tuple[ModbusDevice, Register]] = {}
        self._polled: list[_Polled] = []
        self._waiting: list[ModbusDevice] = []
        self._told_stale = False
        for device in self._devices:
            if device.map == SUNSPEC:
                self._waiting.append(device)
            else:
                profile = load_profile(device.map, self._folder, ModbusProfile)
                self._add(device, profile.resolved(), profile)

    async def _open(self) -> None:
        self._client = self._new_client()
        self._held.callback(self._client.close)

    async def batches(self) -> AsyncIterator[Batch]:
        """One batch of readings and one of states a poll."""
        pace = Pace(self._clock, self._config.period_s, self.health, self._config.name)
        backoff = Backoff(RETRY_S_MIN, RETRY_S_MAX)
        while True:
            if not self._client.connected:
                connected = await self._connect()
                if not connected:
                    await backoff.wait()
                pace.restart()
                if not connected:
                    continue
            backoff.reset()
            for batch in await self._poll():
                yield batch
            await pace.rest()

    async def write(self, point: Point, value: float | str | bool) -> None:
        """Write one register, or two where the type takes them, and wait for the device's answer."""
        check_value(point, value)
        device, register = self._writable[point.id]
        if register.states:
            raw = next((int(key) for key, word in register.states.items() if word == str(value)), None)
            if raw is None:
                raise SourceError("write", f"{point.key} takes one of {', '.join(register.states.values())}")
            value = float(raw)
        try:
            power = await self._power(device, register)
            words = encode_value(register, float(value), power=power)
            async with self._busy:
                if register.table == "coil":
                    answer = await self._client.write_coil(register.address, bool(value), device_id=device.unit)
                elif len(words) == 1:
                    answer = await self._client.write_register(register.address, words[0], device_id=device.unit)
                else:
                    answer = await self._client.write_registers(register.address, words, device_id=device.unit)
            if answer.isError():
                raise RefusedError(answer.exception_code)
        except (ModbusException, RefusedError, ValueError, TimeoutError) as error:
            self.health.error("write", f"{point.key}: {error}")
            raise SourceError("write", f"{point.key}: {error}") from error

    async def _power(self, device: ModbusDevice, register: Register) -> int:
        if register.scale_at is None:
            return 0
        words = await self._read("holding", register.scale_at, 1, device.unit)
        return int(words.view("i2")[0])

    # -- the connection

    async def _connect(self) -> bool:
        try:
            async with asyncio.timeout(self._config.timeout_s):
                connected = bool(await self._client.connect())
        except (OSError, ModbusException, TimeoutError) as error:
            self.health.why = str(error) or "no connection in time"
            connected = False
        if not connected:
            self.health.state = "waiting"
            self.health.why = self.health.why or f"no connection to {self._config.url}"
            return False
        for device in list(self._waiting):
            await self._discover(device)
        return True

    async def _discover(self, device: ModbusDevice) -> None:
        async def read(address: int, count: int) -> list[int] | None:
            with suppress(RefusedError):
                return list((await self._read("holding", address, count, device.unit)).tolist())
            return None

        try:
            registers = await discover(read)
        except (ModbusException, TimeoutError) as error:
            self.health.error("discover", f"{device.name}: {error}")
            return
        if registers:
            self._waiting.remove(device)
            self._add(device, registers, None)
        else:
            self.health.error("discover", f"{device.name}: unit {device.unit} does not speak SunSpec")

    async def _read(self, table: str, address: int, count: int, unit: int) -> NDArray[np.uint16]:
        reads = {
            "holding": self._client.read_holding_registers,
            "input": self._client.read_input_registers,
            "coil": self._client.read_coils,
            "discrete": self._client.read_discrete_inputs,
        }
        async with self._busy:
            answer: Any = await reads[table](address, count=count, device_id=unit)
        if answer.isError():
            raise RefusedError(answer.exception_code)
        words = answer.registers if table in {"holding", "input"} else answer.bits[:count]
        if len(words) != count:
            raise ModbusException(f"{len(words)} words instead of {count} at {address}")
        return np.array(words, dtype=np.uint16)

    async def _read_again_if_late(self, block: Block, unit: int) -> NDArray[np.uint16]:
        """One more question where the time ran out while this process itself was not let run: the answer may have lain
        there, so nothing is known of the device."""
        began_s = self._clock.monotonic_s()
        try:
            return await self._read(block.table, block.address, block.count, unit)
        except (ModbusException, TimeoutError):
            took_s = self._clock.monotonic_s() - began_s
            if took_s < LATE * self._config.timeout_s:
                raise
        self.health.error(
            "late", f"this gateway was {took_s - self._config.timeout_s:.1f} s late to look for an answer"
        )
        self._client.close()
        if not await self._connect():
            raise ModbusException("the connection was lost")
        return await self._read(block.table, block.address, block.count, unit)

    # -- one poll

    def _add(self, device: ModbusDevice, registers: list[Register], profile: ModbusProfile | None) -> None:
        told = {spec.metric: spec for spec in device.points}
        polled = _Polled(device, registers, profile)
        for register in registers:
            about = register.about()
            if spec := told.get(register.metric):
                about |= {name: value for name, value in spec.about().items() if value not in (None, "")}
            about |= {"writable": register.writable, "period_s": self._config.period_s}
            about["declared"] = "enum" if register.states else _declared(register)
            kind = "state" if register.is_state else "value"
            point = self._points.add(device.name, register.metric, kind=kind, **about)  # type: ignore[arg-type]
            polled.ids[register.metric] = point
            if register.writable:
                self._writable[point] = (device, register)
        self._polled.append(polled)

    async def _poll(self) -> list[Batch]:
        """All blocks of all devices; the rows of one block carry the time of its answer."""
        poll = Poll(self._points)
        answered = 0
        up = True
        for polled in self._polled:
            for decoder in list(polled.decoders):
                up = up and (self._client.connected or await self._connect())
                if up:
                    answered += await self._poll_block(polled, decoder, poll)
                else:
                    poll.repeat(self._last, polled.points_of(decoder), STALE, self._clock.wall_us())
        if self._polled and not answered:
            self._client.close()
            self.health.state = "waiting"
            return self._stale()
        self._told_stale = False
        self.health.state = "running"
        return poll.batches(self._last, self.health)

    async def _poll_block(self, polled: _Polled, decoder: Decoder, poll: Poll) -> bool:
        block, unit = decoder.block, polled.device.unit
        points, count = polled.points_of(decoder), len(decoder.numbers)
        try:
            words = await self._read_again_if_late(block, unit)
        except RefusedError as error:
            self.health.error("read", f"{polled.device.name}: {block.table} {block.address}: {error}")
            if error.code == ILLEGAL_ADDRESS and len(block.registers) > 1:
                return all([await self._poll_block(polled, part, poll) for part in polled.split(decoder)])
            poll.repeat(self._last, points, BAD, self._clock.wall_us())
            return True
        except (ModbusException, TimeoutError, OSError) as error:
            self.health.error("read", f"{polled.device.name}: {block.table} {block.address}: {error}")
            self._client.close()
            poll.repeat(self._last, points, STALE, self._clock.wall_us())
            return False
        at_us = self._clock.wall_us()
        poll.take(points[:count], decoder.values(words), at_us)
        poll.take_texts(points[count:], decoder.texts(words), at_us)
        self.health.last_us = at_us
        return True

    def _stale(self) -> list[Batch]:
        """Every point's last value as stale, once an outage."""
        if self._told_stale:
            return []
        self._told_stale = True
        return self._last.stale(range(len(self._points.points)), self._clock.wall_us(), self.health)


def _declared(register: Register) -> str:
    """The type of the point's values, which a scale takes away from the register's own whole numbers."""
    scaled = register.scale != 1 or register.offset != 0 or register.scale_at is not None
    return "f64" if scaled or register.type in {"u64", "i64"} else register.type


def new_client(config: ModbusConfig) -> Callable[[], Client]:
    """Makes the client of a URL, inside a running loop; reconnecting is ours, so that it is counted and told."""
    url = urlsplit(config.url)
    common: dict[str, Any] = {"timeout": config.timeout_s, "retries": 0, "reconnect_delay": 0, "name": config.name}
    try:
        if url.scheme in {"tcp", "rtu+tcp"} and url.hostname:
            framer = FramerType.SOCKET if url.scheme == "tcp" else FramerType.RTU
            return partial(AsyncModbusTcpClient, url.hostname, port=url.port or 502, framer=framer, **common)
        if url.scheme == "rtu" and url.path:
            query = dict(parse_qsl(url.query, strict_parsing=bool(url.query)))
            parity, baudrate, stopbits = (
                query.pop("parity", "N"),
                query.pop("baudrate", "9600"),
                query.pop("stopbits", "1"),
            )
            if not query and parity in {"N", "E", "O"}:
                line: dict[str, Any] = {"parity": parity, "baudrate": int(baudrate), "stopbits": int(stopbits)}
                return partial(AsyncModbusSerialClient, url.path, **line, **common)
    except ValueError:
        pass
    fix = "write tcp://host:502, rtu+tcp://host:port or rtu:///dev/ttyUSB0?baudrate=9600&parity=E"
    raise ConfigError(f"{config.url!r} is no Modbus address", field="url", fix=fix)


SOURCE = SourceKind(ModbusConfig, Modbus)
