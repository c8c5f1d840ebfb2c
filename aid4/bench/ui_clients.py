"""Many pages on one twin, some of them rude: for `aid4 bench ui`.

    python -m aid4.bench.ui_clients WS_URL PROBE_POINT SECONDS CLIENTS SILENT FLOODING

Polite clients watch the probe and pay for every frame; silent ones subscribe to everything and never read; flooding
ones send without end. Prints {"changes","p50_ms","p99_ms","worst_ms","heard","closed"} of the polite ones.
"""

import asyncio
import contextlib
import json
import random
import sys
import time

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from aid4.bench.ui_twin import PROBE_MODULO

__all__ = ["age_ms"]

_RATE_HZ = 10
_EVERYTHING = json.dumps({"type": "subscribe", "view": "all", "points": "all", "rate_hz": _RATE_HZ})
_CREDIT = '{"type":"credit","n":1}'
_SPREAD_S = 2.0  # pages are not all opened in one moment


def age_ms(value: float, now_ms: float) -> float:
    """How old a value of the probe is."""
    return (now_ms - value) % PROBE_MODULO


async def _polite(url: str, probe: int, seen: list[float], heard: list[int], stop: asyncio.Event) -> None:
    await asyncio.sleep(random.uniform(0, _SPREAD_S))  # noqa: S311  (no secret)
    async with connect(url, compression=None, max_size=None) as socket:
        await socket.send(json.dumps({"type": "subscribe", "view": "probe", "points": [probe], "rate_hz": _RATE_HZ}))
        first, count = True, 0
        while not stop.is_set():
            try:
                frame = json.loads(await asyncio.wait_for(socket.recv(), 1.0))
            except TimeoutError:
                continue
            if frame["type"] != "values":
                continue
            if not first:  # the first frame is a snapshot of an old change
                seen += [age_ms(value, time.time() * 1_000) for value in frame["v"] if value is not None]
            first, count = False, count + 1
            await socket.send(_CREDIT)
        heard.append(count)


async def _silent(url: str, stop: asyncio.Event) -> None:
    async with connect(url, compression=None, max_queue=1, max_size=None) as socket:
        await socket.send(_EVERYTHING)
        await stop.wait()


async def _flooding(url: str, stop: asyncio.Event) -> int:
    """Connects again whenever it is cut off, as a broken script does; how often that was."""
    cut = 0
    while not stop.is_set():
        with contextlib.suppress(OSError, ConnectionClosed, TimeoutError):
            async with connect(url, compression=None, max_size=None) as socket:
                await _pour(socket, stop)
        cut += 1
        await asyncio.sleep(0.2)
    return cut


async def _pour(socket: ClientConnection, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await socket.send('{"type":"ping"}')
        await asyncio.sleep(0)


async def _main(url: str, probe: int, seconds: float, polite: int, silent: int, flooding: int) -> None:
    stop, seen, heard = asyncio.Event(), list[float](), list[int]()
    tasks = [asyncio.create_task(_polite(url, probe, seen, heard, stop)) for _ in range(polite)]
    tasks += [asyncio.create_task(_silent(url, stop)) for _ in range(silent)]
    floods = [asyncio.create_task(_flooding(url, stop)) for _ in range(flooding)]
    await asyncio.sleep(_SPREAD_S + 1.0)
    seen.clear()  # while pages connect, the numbers say how connecting goes
    await asyncio.sleep(seconds)
    ages = np.array(seen) if seen else np.array([np.nan])
    stop.set()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    cut = sum(await asyncio.gather(*floods))
    found = {
        "changes": len(seen),
        "p50_ms": round(float(np.percentile(ages, 50)), 1),
        "p99_ms": round(float(np.percentile(ages, 99)), 1),
        "worst_ms": round(float(ages.max()), 1),
        "heard": sum(count > 0 for count in heard),
        "broken": sum(isinstance(one, BaseException) for one in ended[:polite]),
        "floods_cut": cut,
    }
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    address, point, duration, *counts = sys.argv[1:]
    asyncio.run(_main(address, int(point), float(duration), *(int(one) for one in counts)))
