"""Which meters there are on an M-Bus: each primary address asked once."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from typing import Final, NamedTuple

from edge.sources import SourceError, SourceHealth
from edge.sources.byte_line import ByteLine, line_spec
from edge.sources.mbus_frame import Header
from edge.sources.mbus_link import MbusLink, Meter

__all__ = ["ADDRESSES", "FoundMeter", "ask_each", "find_meters"]

ADDRESSES: Final = range(1, 251)


class FoundMeter(NamedTuple):
    """A meter by its primary address, and who it says it is. `header` is None where answers collide."""

    address: int
    header: Header | None


async def find_meters(
    url: str, *, addresses: Iterable[int] = ADDRESSES, timeout_s: float = 0.5
) -> AsyncIterator[FoundMeter]:
    """The meters as they are found; an address without one costs `timeout_s`. Raises SourceError without a line."""
    async with aclosing(ask_each(url, addresses=addresses, timeout_s=timeout_s)) as asked:
        async for one in asked:
            if one is not None:
                yield one


async def ask_each(
    url: str, *, addresses: Iterable[int] = ADDRESSES, timeout_s: float = 0.5
) -> AsyncGenerator[FoundMeter | None, None]:
    """The same with a None for each address where nobody answers."""
    line = ByteLine(line_spec(url, baudrate=2400, parity="E"))
    link = MbusLink(line, timeout_s, SourceHealth())
    await line.open(max(timeout_s, 2.0))
    try:
        for address in addresses:
            try:
                answers = await link.read_out(Meter(name=f"meter-{address}", address=address))
            except SourceError as error:
                if not line.is_open:
                    raise
                yield FoundMeter(address, None) if error.stage == "decode" else None
                continue
            yield FoundMeter(address, answers[0].header)
    finally:
        line.close()
