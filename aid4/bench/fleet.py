"""Ten thousand agents lose their broker at once: how long until the last is back, answered by the twin and drained.

The broker is the embedded one, killed and started again as `aid4 run` does it, with one user for each node; the twin is
its ingest and store; the clients are the agents' own uplinks in two processes on loopback (`fleet_clients`). While the
broker is away each of them measures something. Afterwards the twin must have every reading, each once;
then one user is taken out of the broker's whole list, as a revocation does.
"""

import asyncio
import os
import struct
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from aid4.bench.children import Children, python
from aid4.bench.counter import shared_counter
from aid4.bench.fleet_clients import SITE, FleetStatus, Order, raise_file_limit
from aid4.bench.fleet_trust import fleet_trust
from aid4.broker import Broker
from aid4.broker_tls import BrokerTls
from aid4.broker_users import node_user, twin_user

__all__ = ["fleet"]

BACK_S_MAX: Final = 60.0
GIVE_UP_S: Final = 300.0
FILES_SPARE: Final = 200  # of the broker, beside its clients
PORTS: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
PROCESSES: Final = 2
LOOK_S: Final = 0.1


def fleet(clients: int, broker: Literal["nats", "mosquitto"], tls: bool, tell: Callable[[str], None]) -> dict[str, Any]:
    """The figures; `held` when all asked for were back in time and the twin then had everything, once."""
    files, ports = raise_file_limit(), _ports()
    taking = min(clients, files - FILES_SPARE, ports)
    if taking < files - FILES_SPARE and taking < clients:
        tell(f"only {taking:,} clients: one address has {ports:,} ports (sysctl net.ipv4.ip_local_port_range)")
    elif taking < clients:
        tell(f"only {taking:,} clients: a process may have {files:,} files open (ulimit -Hn, LimitNOFILE=)")
    nodes = [f"gw-{number}" for number in range(1, taking + 1)]
    with tempfile.TemporaryDirectory(prefix="aid4-fleet-") as name:
        folder = Path(name)
        users, trust = [twin_user(SITE), *(node_user(SITE, node) for node in nodes)], None
        if tls:
            tell(f"{taking:,} certificates are made")
            users, trust = fleet_trust(folder / "trust", SITE, users)
        made = Broker(folder / "broker", users, kind=broker, unacked_max=20_000, tls=trust)
        with made as server, Children(folder) as children:
            park = _Park(folder, server, children, trust)
            park.start(nodes)
            found = asyncio.run(_measure(park, taking, tell))
    back_s = found["back_s"]
    held = taking == clients and back_s is not None and back_s <= BACK_S_MAX and not (found["lost"] or found["doubled"])
    about = {"asked": clients, "clients": taking, "broker": broker, "tls": tls, "file_limit": files}
    return {**about, **found, "back_s_max": BACK_S_MAX, "held": held}


@dataclass(frozen=True, slots=True)
class _Park:
    """A twin and all processes of clients, read as one."""

    folder: Path
    server: Broker
    children: Children
    trust: BrokerTls | None

    def start(self, nodes: list[str]) -> None:
        """The twin, then the clients."""
        counter = self.folder / "counter"
        shared_counter(counter).close()
        passwords = {user.name: user.password for user in self.server.users}
        trust = (str(self.trust.ca), str(self.trust.ca.parent / "twin.pem")) if self.trust else ()
        arguments = (str(self.folder / "twin"), SITE, str(self.server.port), "twin", passwords["twin"], str(counter))
        self.children.start("twin", python("-m", "aid4.bench.lean_twin", *arguments, *trust))
        self.children.wait_for_line("twin", "ready", 60.0)
        for at in range(PROCESSES):
            folder = str(self.trust.ca.parent) if self.trust else ""
            own = {node: passwords[node] for node in nodes[at::PROCESSES]}
            order = self.folder / f"order-{at}.json"
            order.write_bytes(msgspec.json.encode(Order(self.server.port, own, str(self._file(at)), folder)))
            self.children.start(f"clients-{at}", python("-m", "aid4.bench.fleet_clients", str(order)))

    def look(self) -> FleetStatus:
        """What all of them did; RuntimeError when a process has ended."""
        for name in self.children.ended():
            raise RuntimeError(f"{name} has ended:\n{self.children.output(name)}")
        files = [self._file(at) for at in range(PROCESSES)]
        found = [msgspec.json.decode(file.read_bytes(), type=FleetStatus) for file in files if file.exists()]
        return _together(found)

    def committed(self) -> int:
        """Readings in the twin."""
        return int(struct.unpack("<Q", (self.folder / "counter").read_bytes())[0])

    async def until(self, true: Callable[[FleetStatus], bool]) -> FleetStatus:
        """How they stand when it is so, or after a time without."""
        end_s = time.monotonic() + GIVE_UP_S
        while not true(now := self.look()) and time.monotonic() < end_s:  # noqa: ASYNC110 - a file sets no event
            await asyncio.sleep(LOOK_S)
        return now

    def _file(self, at: int) -> Path:
        return self.folder / f"clients-{at}.json"


async def _measure(park: _Park, count: int, tell: Callable[[str], None]) -> dict[str, Any]:
    began_s = time.monotonic()
    joined = await park.until(lambda now: now.drained == count)
    if joined.drained < count:
        worst = Counter(joined.errors).most_common(3)
        raise TimeoutError(f"only {joined.ready:,} of {count:,} clients connected, {joined.drained:,} drained: {worst}")
    join_s = joined.drained_s - began_s
    tell(f"{count:,} clients connected and drained in {join_s:.1f} s; the broker is killed")
    keeping = asyncio.create_task(park.server.keep())
    twin_cpu_s = park.children.cpu_s("twin")
    try:
        killed_s = time.monotonic()
        park.server.kill()
        await park.until(lambda now: now.drops >= count)
        after = await park.until(lambda now: now.drained == count)
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
    spent_s = park.children.cpu_s("twin") - twin_cpu_s
    tell(f"{after.ready:,} are back after {after.ready_s - killed_s:.1f} s, {after.drained:,} drained")
    await asyncio.sleep(1.0)  # a reading committed twice would show by now
    made, stored = park.look().readings, park.committed()
    cut = await _cut_one(park) if after.drained == count else {}
    return {
        "join_s": round(join_s, 2), "back": after.ready, "answered": after.answered, "drained": after.drained,
        **{f"{name}_s": round(at_s - killed_s, 2) if getattr(after, name) == count else None
           for name, at_s in (("ready", after.ready_s), ("answered", after.answered_s), ("drained", after.drained_s))},
        "back_s": round(after.ready_s - killed_s, 2) if after.ready == count else None,
        "failed_attempts": after.failures - joined.failures, "again_dropped": after.drops - joined.drops - count,
        "readings": made, "lost": max(0, made - stored), "doubled": max(0, stored - made),
        "twin_cpu_s": round(spent_s, 2), "clients_cpu_s": round(after.cpu_s - joined.cpu_s, 2),
        "client_kib": round(after.rss_mib * 1_024 / count), "load": round(os.getloadavg()[0], 1),
        "errors": dict(Counter(after.errors).most_common(3)), **cut,
    }  # fmt: skip


async def _cut_one(park: _Park) -> dict[str, Any]:
    """Take one user out of the broker's whole list: seconds until its connection is gone, and who went with it."""
    before = park.look()
    began_s = time.monotonic()
    gone = next(user for user in reversed(park.server.users) if user.name.startswith("gw-"))
    await asyncio.to_thread(park.server.reload, [user for user in park.server.users if user is not gone])
    told_s = time.monotonic() - began_s
    await park.until(lambda now: now.drops > before.drops)
    cut_s = time.monotonic() - began_s
    await asyncio.sleep(1.0)
    return {"reload_s": round(told_s, 2), "cut_s": round(cut_s, 2), "cut": park.look().drops - before.drops}


def _together(parts: list[FleetStatus]) -> FleetStatus:
    """Sums, and of times the last."""
    found, errors = FleetStatus(), Counter[str]()
    for one in parts:
        errors.update(one.errors)
        for name in FleetStatus.__struct_fields__[:-1]:
            mine, its = getattr(found, name), getattr(one, name)
            setattr(found, name, max(mine, its) if name in ("ready_s", "answered_s", "drained_s") else mine + its)
    found.errors = dict(errors)
    return found


def _ports() -> int:
    """How many connections one address may have to one other."""
    low, high = map(int, PORTS.read_text().split())
    return high - low + 1
