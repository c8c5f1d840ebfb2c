"""A subscriber that only counts: what the broker alone passes on, at QoS 1, to a bare packet reader.

    python -m aid4.bench.bare_reader PORT USER PASSWORD FILTER COUNTER_FILE

The count stands in COUNTER_FILE (8 bytes, little-endian), twenty times a second, until SIGTERM.
"""

import asyncio
import mmap
import signal
import struct
import sys
from pathlib import Path

from aid4.bench.counter import shared_counter
from wire.mqtt import Link, LinkConfig

__all__ = ["count_messages"]

_PERIOD_S = 0.05
COALESCE_S = 0.002  # as the source rests after a read: without it mosquitto passes a third less


async def count_messages(config: LinkConfig, topic_filter: str, counter: mmap.mmap) -> None:
    """Subscribe at QoS 1, say `ready`, count until SIGTERM."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    link = Link(config)
    await link.subscribe([(topic_filter, 1)])
    async with link:
        await link.up()
        print("ready", flush=True)
        while not stop.is_set():
            await asyncio.sleep(_PERIOD_S)
            counter[:] = struct.pack("<Q", link.stats.received)


if __name__ == "__main__":
    port, user, password, name, file = sys.argv[1:]
    reader = LinkConfig(
        "127.0.0.1", int(port), user=user, password=password, client_id="bare-reader", coalesce_s=COALESCE_S
    )
    asyncio.run(count_messages(reader, name, shared_counter(Path(file))))
