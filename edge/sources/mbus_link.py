"""Talking with M-Bus meters: select, ask, check that the one that was asked answers, telegram by telegram."""

import asyncio
from typing import Annotated, Final

import msgspec

from edge.sources import SourceError, SourceHealth
from edge.sources.byte_line import ByteLine
from edge.sources.columns import PointSpec
from edge.sources.mbus_frame import (
    ACK,
    BROADCAST_SELECTED,
    FRAME_BYTES_MAX,
    REQUEST_DATA,
    RESET,
    Header,
    MbusError,
    decode_frame,
    select,
    short,
)
from edge.sources.mbus_records import Answer, decode_answer

__all__ = ["MbusLink", "Meter", "MeterPoint", "secondary_address"]

TELEGRAMS_MAX: Final = 32  # of one meter; one that always has another is lying
QUIET_S: Final = 0.05  # silence that ends a broken answer
LATE_S: Final = 0.005  # looks for what came after its time, so that it is not taken for the next answer
FRAME_COUNT_BIT: Final = 0x20
_ANY_ID, _ANY = "FFFFFFFF", 0xFF


class MeterPoint(PointSpec, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """What a config says of a record (`energy`, `max_power`, `volume_s1`, `voltage_2`: the second of that name)."""

    record: str = ""  # `metric` itself where it is not renamed


class Meter(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One meter by its address, or by its id and what else of its secondary address is given."""

    name: str
    address: Annotated[int, msgspec.Meta(ge=1, le=250)] | None = None
    id: Annotated[str, msgspec.Meta(pattern="^[0-9]{8}$")] | None = None
    manufacturer: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")] | None = None
    version: Annotated[int, msgspec.Meta(ge=0, le=255)] | None = None
    medium: Annotated[int, msgspec.Meta(ge=0, le=255)] | None = None
    storages: bool = False
    points: tuple[MeterPoint, ...] = ()


def secondary_address(meter: Meter) -> bytes:
    """Eight bytes; what the table leaves open stands for any."""
    code = 0xFFFF
    if meter.manufacturer:
        code = 0
        for letter in meter.manufacturer:
            code = code << 5 | ord(letter) - 64
    return (
        bytes.fromhex(meter.id or _ANY_ID)[::-1]
        + code.to_bytes(2, "little")
        + bytes((_ANY if meter.version is None else meter.version, _ANY if meter.medium is None else meter.medium))
    )


class MbusLink:
    """Questions over one line. SourceError stages: read (no answer), decode (a broken or a wrong one)."""

    def __init__(self, line: ByteLine, timeout_s: float, health: SourceHealth) -> None:
        self._line, self._timeout_s, self._health = line, timeout_s, health

    async def read_out(self, meter: Meter) -> list[Answer]:
        """All telegrams of one meter."""
        address = BROADCAST_SELECTED if meter.address is None else meter.address
        await self._line.drain(LATE_S)
        await self._begin(meter, address)
        answers: list[Answer] = []
        toggled = FRAME_COUNT_BIT
        while len(answers) < TELEGRAMS_MAX:
            await self._line.write(short(REQUEST_DATA | toggled, address))
            answer = await self._answer(meter)
            answers.append(answer)
            if not answer.has_more:
                return answers
            toggled ^= FRAME_COUNT_BIT
        raise SourceError("decode", f"more than {TELEGRAMS_MAX} telegrams")

    async def _begin(self, meter: Meter, address: int) -> None:
        """Reset the frame count (and with it a former selection), then select."""
        await self._line.write(short(RESET, address))
        try:
            await self._acknowledged(self._timeout_s if meter.address is not None else self._timeout_s / 4)
        except SourceError:  # none was selected, so none answers
            if meter.address is not None or not self._line.is_open:
                raise
        if meter.address is None:
            await self._line.write(select(secondary_address(meter)))
            await self._acknowledged(self._timeout_s)

    async def _acknowledged(self, timeout_s: float) -> None:
        first = await self._first(timeout_s)
        if first != ACK:
            await self._line.drain(QUIET_S)
            raise SourceError("decode", f"{first.hex()} instead of an acknowledgement")

    async def _first(self, timeout_s: float) -> bytes:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._line.read(1)
        except TimeoutError:
            raise SourceError("read", f"no answer in {timeout_s:g} s") from None

    async def _answer(self, meter: Meter) -> Answer:
        try:
            raw = await self._first(self._timeout_s)
            async with asyncio.timeout(self._timeout_s):
                raw += await self._line.read(3)
                if raw[0] != 0x68 or raw[1] != raw[2] or raw[1] + 6 > FRAME_BYTES_MAX:
                    raise MbusError(f"starts with {raw.hex(' ')}, not 68 L L 68")
                raw += await self._line.read(raw[1] + 2)
            frame = decode_frame(raw)
            answer = decode_answer(frame)
            if meter.address is not None and frame.address != meter.address:
                raise MbusError(f"address {frame.address} answers in place of {meter.address}")
            _is_the_one(meter, answer.header)
        except TimeoutError:
            raise SourceError("decode", "an answer that stops in the middle") from None
        except MbusError as error:
            await self._line.drain(QUIET_S)
            raise SourceError("decode", str(error)) from error
        return answer


def _is_the_one(meter: Meter, header: Header) -> None:
    if meter.id is not None and header.id != meter.id:
        raise MbusError(f"meter {header.id} answers in place of {meter.id}")
    if meter.id is not None and meter.manufacturer and header.manufacturer != meter.manufacturer:
        raise MbusError(f"a meter of {header.manufacturer} answers in place of one of {meter.manufacturer}")
