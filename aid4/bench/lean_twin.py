"""The twin's ingest and store as a child process, without the page: what `aid4 bench spine` measures.

    python -m aid4.bench.lean_twin DATA_DIR SITE BROKER_PORT USER PASSWORD COUNTER_FILE [CA CERTIFICATE]

With a certificate the user goes unnamed. The committed readings are written to COUNTER_FILE (8 bytes, little-endian)
twenty times a second.
"""

import asyncio
import mmap
import signal
import struct
import sys
from pathlib import Path

from aid4.bench.counter import shared_counter
from twin.ingest import Ingest
from twin.store import Store
from wire.mqtt import Link, LinkConfig, TlsConfig

__all__ = ["run"]

_PERIOD_S = 0.05


async def run(data_dir: Path, site: str, link: LinkConfig, counter: mmap.mmap) -> None:
    """Ingest until SIGTERM."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    with Store.open(data_dir, site=site) as store:
        ingest = Ingest(store, lambda: Link(link), site)
        task = asyncio.create_task(ingest.run(), name="ingest")
        print("ready", flush=True)
        while not stop.is_set() and not task.done():
            await asyncio.sleep(_PERIOD_S)
            counter[:] = struct.pack("<Q", ingest.absorber.counts["readings"])
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


if __name__ == "__main__":
    folder, site_name, port, user, password, file, *trust = sys.argv[1:]
    tls = TlsConfig(Path(trust[0]), Path(trust[1])) if trust else None
    broker = LinkConfig("127.0.0.1", int(port), "" if trust else user, password, client_id="twin", tls=tls)
    asyncio.run(run(Path(folder), site_name, broker, shared_counter(Path(file))))
