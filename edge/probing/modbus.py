"""Modbus units on one connection: each address asked for a register; SunSpec devices say what they are.

What else a unit holds only its manual knows. A register map of ours that a unit answers in full is named as a guess,
and its source is written switched off: registers read by the wrong map give plausible wrong values.
"""

import asyncio
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Any, Final

from pymodbus.exceptions import ModbusException

from edge.probing import Found, SourceTable
from edge.sources import SourceError
from edge.sources.modbus import Client, ModbusConfig, new_client
from edge.sources.modbus_map import Block, ModbusProfile, plan_reads
from edge.sources.modbus_sunspec import discover
from edge.sources.profiles import PROFILES, load_profile
from wire.errors import UserError

__all__ = ["SILENT", "STEPS", "look", "tables"]

UNITS: Final = range(1, 248)
SPARE: Final = (247, 246, 245)  # a device that answers at all of these answers at any
STEPS: Final = len(UNITS)
ANSWER_S: Final = 0.3
CONNECT_S: Final = 3.0
NOBODY_BEHIND: Final = {10, 11}  # exceptions of a gateway: no path to that unit, or it does not answer
SILENT: Final = (
    "check the wiring, baud rate and parity: /dev/ttyUSB0 is asked at 9600 8N1 unless the URL says otherwise"
)
UNKNOWN_MAP: Final = "profiles/modbus/sdm630.toml"


class _Line:
    """The connection, opened again when the library closes it over units that do not answer."""

    def __init__(self, url: str) -> None:
        config = ModbusConfig(name="probe", url=url, timeout_s=ANSWER_S)
        self._url, self._new = url, new_client(config)
        self._client: Client | None = None

    async def ask(self, table: str, address: int, count: int, unit: int) -> Any:
        """The library's answer; None when there is none."""
        if self._client is None or not self._client.connected:
            await self._open()
        assert self._client is not None
        reads = {
            "holding": self._client.read_holding_registers,
            "input": self._client.read_input_registers,
            "coil": self._client.read_coils,
            "discrete": self._client.read_discrete_inputs,
        }
        try:
            return await reads[table](address, count=count, device_id=unit)
        except (ModbusException, OSError, TimeoutError):
            return None

    async def _open(self) -> None:
        self.close()
        self._client = self._new()
        try:
            async with asyncio.timeout(CONNECT_S):
                connected = bool(await self._client.connect())
        except (OSError, ModbusException, TimeoutError) as error:
            raise SourceError("connect", f"no connection to {self._url}: {error or 'no answer in time'}") from error
        if not connected:
            raise SourceError("connect", f"no connection to {self._url}")

    def close(self) -> None:
        if self._client is not None:
            self._client.close()


async def look(url: str, name: str) -> AsyncIterator[Found | None]:
    """Every unit that answers with a value or a refusal of its own."""
    line = _Line(url)
    try:
        if all([await _is_there(line, unit) for unit in SPARE]):
            yield await _described(line, 1, name)
            return
        for unit in UNITS:
            yield await _described(line, unit, name) if await _is_there(line, unit) else None
    finally:
        line.close()


def tables(name: str, url: str, found: list[Found]) -> list[SourceTable]:
    """A source of what describes itself, and one, switched off, of what a person must look at."""
    known = [dict(one.row) for one in found if not one.problem]
    guessed = [dict(one.row) for one in found if one.problem]
    made = []
    if known:
        made.append(SourceTable({"kind": "modbus", "name": name, "url": url, "devices": known}))
    if guessed:
        other = f"{name}-unmapped" if known else name
        note = "set each map to the device's register table (its manual), then enabled = true"
        table = {"kind": "modbus", "name": other, "url": url, "enabled": False, "devices": guessed}
        made.append(SourceTable(table, note))
    return made


async def _is_there(line: _Line, unit: int) -> bool:
    answer = await line.ask("holding", 0, 1, unit)
    return answer is not None and not (answer.isError() and answer.exception_code in NOBODY_BEHIND)


async def _described(line: _Line, unit: int, name: str) -> Found:
    async def read(address: int, count: int) -> list[int] | None:
        answer = await line.ask("holding", address, count, unit)
        good = answer is not None and not answer.isError() and len(answer.registers) == count
        return list(answer.registers) if good else None

    device = f"{name}-u{unit}"
    if registers := await discover(read):
        told = []
        for metric in ("manufacturer", "model", "serial"):
            if told_at := next((one for one in registers if one.metric == metric), None):
                words = await read(told_at.address, told_at.size) or []
                told.append(
                    b"".join(word.to_bytes(2, "big") for word in words).split(b"\0")[0].decode("ascii", "replace")
                )
        detail = f"SunSpec: {' '.join(part.strip() for part in told if part.strip())}, {len(registers)} quantities"
        return Found(f"unit {unit}", detail, {"name": device, "unit": unit, "map": "sunspec"})
    fitting = [path for path, blocks in _maps() if await _answers(line, unit, blocks)]
    guess = fitting[0] if len(fitting) == 1 else UNKNOWN_MAP
    detail = f"answers every register of {guess}, which may be chance" if len(fitting) == 1 else "answers"
    row = {"name": device, "unit": unit, "map": guess}
    fix = "look the registers up in its manual and write a map, see configs/profiles/modbus/"
    return Found(f"unit {unit}", detail, row, problem="does not say what its registers mean", fix=fix)


async def _answers(line: _Line, unit: int, blocks: tuple[Block, ...]) -> bool:
    for block in blocks:
        answer = await line.ask(block.table, block.address, block.count, unit)
        if answer is None or answer.isError():
            return False
    return True


@lru_cache
def _maps() -> tuple[tuple[str, tuple[Block, ...]], ...]:
    """Our register maps with the requests that read each."""
    made = []
    for path in sorted((PROFILES / "profiles/modbus").glob("*.toml")):
        name = str(path.relative_to(PROFILES))
        try:
            profile = load_profile(name, PROFILES, ModbusProfile)
        except UserError:
            continue
        made.append((name, tuple(plan_reads(profile.resolved(), profile.words_max, profile.gap_words_max))))
    return tuple(made)
