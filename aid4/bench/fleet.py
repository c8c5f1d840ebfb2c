"""Ten thousand clients lose their broker at once: how long until the last is back, and whether each still hears.

The broker is the embedded one, killed and started again as `aid4 run` does it. The clients are lean connections in two
processes on loopback, which wait between their attempts as an agent's link does. Afterwards each of them is spoken to.
"""

import asyncio
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec

from aid4.bench.children import python
from aid4.bench.fleet_clients import LOOPBACK, FleetStatus, raise_file_limit, topic
from aid4.broker import Broker
from aid4.broker_users import BrokerUser
from wire.mqtt import Link, LinkConfig

__all__ = ["fleet"]

BACK_S_MAX = 60.0
GIVE_UP_S = 300.0
HEAR_S = 60.0
FILES_SPARE = 200  # of the broker, beside its clients
PROCESSES = 2
LOOK_S = 0.1


def fleet(clients: int, broker: Literal["nats", "mosquitto"], tell: Callable[[str], None]) -> dict[str, Any]:
    """The figures; `held` when all asked for were back in time and none had lost what it listens to."""
    limit = raise_file_limit()
    taking = min(clients, limit - FILES_SPARE)
    if taking < clients:
        tell(f"only {taking:,} clients: a process may have {limit:,} files open (ulimit -Hn)")
    users = [BrokerUser("fleet", subscribe=("fleet/+/down",)), BrokerUser("head", publish=("fleet/+/down",))]
    with tempfile.TemporaryDirectory(prefix="aid4-fleet-") as name:
        folder = Path(name)
        with (
            Broker(folder / "broker", users, kind=broker) as server,
            _children(folder, server, users[0], taking) as all_,
        ):
            found = asyncio.run(_measure(server, users[1], all_, taking, tell))
    back_s, lost = found["back_s"], found["lost_subscriptions"]
    held = taking == clients and not lost and back_s is not None and back_s <= BACK_S_MAX
    about = {"asked": clients, "clients": taking, "processes": PROCESSES, "file_limit": limit, "broker": broker}
    return {**about, **found, "back_s_max": BACK_S_MAX, "held": held}


class _Clients:
    """All processes of clients, read as one."""

    def __init__(self, files: list[Path], processes: list[subprocess.Popen[bytes]]) -> None:
        self._files, self._processes = files, processes

    def look(self) -> FleetStatus:
        """The sum of what they did; RuntimeError when one has ended."""
        if any(process.poll() is not None for process in self._processes):
            raise RuntimeError("a process of clients has ended; its reason stands above")
        found = [msgspec.json.decode(file.read_bytes(), type=FleetStatus) for file in self._files if file.exists()]
        return FleetStatus(
            sum(one.ready for one in found), sum(one.drops for one in found), sum(one.failures for one in found),
            max((one.last_ready_s for one in found), default=0.0), sum(one.heard for one in found),
        )  # fmt: skip

    async def until(self, true: Callable[[FleetStatus], bool], within_s: float) -> bool:
        """Whether they got there in time."""
        end_s = time.monotonic() + within_s
        while not true(self.look()):
            if time.monotonic() > end_s:
                return False
            await asyncio.sleep(LOOK_S)
        return True


@contextmanager
def _children(folder: Path, server: Broker, user: BrokerUser, count: int) -> Iterator[_Clients]:
    files, processes = [], []
    try:
        for at in range(PROCESSES):
            first = 1 + count * at // PROCESSES
            own = count * (at + 1) // PROCESSES - count * at // PROCESSES
            files.append(folder / f"clients-{at}.json")
            arguments = (str(server.port), user.name, str(first), str(own), str(files[-1]))
            process = subprocess.Popen(python("-m", "aid4.bench.fleet_clients", *arguments), stdin=subprocess.PIPE)
            processes.append(process)
            assert process.stdin is not None
            process.stdin.write(f"{user.password}\n".encode())
            process.stdin.close()
        yield _Clients(files, processes)
    finally:
        for process in processes:
            process.kill()
            process.wait()


async def _measure(
    server: Broker, head: BrokerUser, clients: _Clients, count: int, tell: Callable[[str], None]
) -> dict[str, Any]:
    began_s = time.monotonic()
    if not await clients.until(lambda now: now.ready == count, GIVE_UP_S):
        raise TimeoutError(f"only {clients.look().ready:,} of {count:,} clients ever connected")
    connect_s = clients.look().last_ready_s - began_s
    tell(f"{count:,} clients connected in {connect_s:.1f} s; the broker is killed")
    before = clients.look().failures
    keeping = asyncio.create_task(server.keep())
    try:
        killed_s = time.monotonic()
        server.kill()
        back = await clients.until(lambda now: now.drops >= count and now.ready == count, GIVE_UP_S)
        after = clients.look()
        back_s = after.last_ready_s - killed_s if back else None
        tell(f"{after.ready:,} are back after {after.last_ready_s - killed_s:.1f} s; each is spoken to")
        heard = await _speak(server.port, head, clients, count)
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
    return {
        "connect_s": round(connect_s, 2), "back_s": None if back_s is None else round(back_s, 2),
        "back": after.ready, "failed_attempts": after.failures - before, "lost_subscriptions": count - heard,
    }  # fmt: skip


async def _speak(port: int, head: BrokerUser, clients: _Clients, count: int) -> int:
    """One message to each; how many clients heard theirs."""
    async with Link(LinkConfig(LOOPBACK, port, user=head.name, password=head.password)) as link:
        for number in range(1, count + 1):
            await link.drained()
            link.publish(topic(number), b"are you there?", qos=1)
        await clients.until(lambda now: now.heard >= count, HEAR_S)
    return clients.look().heard
