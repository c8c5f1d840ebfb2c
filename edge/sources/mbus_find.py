"""Which meters there are on an M-Bus: each primary address asked once."""

from collections.abc import AsyncIterator, Iterable
from typing import Final, NamedTuple

from edge.sources import SourceError, SourceHealth
from edge.sources.byte_line import ByteLine, line_spec
from edge.sources.mbus_frame import Header
from edge.sources.mbus_link import MbusLink, Meter

__all__ = ["ADDRESSES", "FoundMeter", "find_meters"]

ADDRESSES: Final = range(1, 251)


class FoundMeter(NamedTuple):
    """A meter by its primary address, and who it says it is. `header` is None where answers collide."""

    address: int
    header: Header | None


async def find_meters(
    url: str, *, addresses: Iterable[int] = ADDRESSES, timeout_s: float = 0.5
) -> AsyncIterator[FoundMeter]:
    """The meters as they are found; an address without one costs `timeout_s`. Raises SourceError without a line."""
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
                if error.stage == "decode":
                    yield FoundMeter(address, None)
                continue
            yield FoundMeter(address, answers[0].header)
    finally:
        line.close()
