"""The doctor's look at every source: is it reached, does it answer, how fast, and if not, why and what to do.

A running agent is believed: its devices are not asked a second time, since many take one connection. Without it each
device is asked for its first reading by the source itself. Kinds whose peers would take that for the agent (they hand
over what they kept) are only looked for on the network.
"""

import asyncio
import os
import socket
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from edge.config import AgentConfig
from edge.findings import Finding
from edge.health import read_status, silence
from edge.sources import Source, SourceConfig, SourceContext, load_kind
from wire.clock import SystemClock
from wire.errors import Aid4Error
from wire.messages import Health
from wire.quality import STALE
from wire.schemas import READINGS, STATES

__all__ = ["RECENT_S", "running_health", "sources"]

ANSWER_S: Final = 12.0  # old smart meters speak every 10 s
CONNECT_S: Final = 3.0
RECENT_S: Final = 30  # three health periods
TOGETHER_MAX: Final = 8
_ASKED: Final = {
    "modbus",
    "opcua",
    "bacnet",
    "mbus",
    "mtconnect",
    "mqtt",
    "shdr",
    "dsmr",
    "host",
    "onewire",
    "i2c",
    "serial",
}
_REACHED: Final = _ASKED | {"sparkplug", "lorawan", "dji-dock"}  # by TCP, and without harm
_PORTS: Final = {"tcp": 502, "rtu+tcp": 502, "opc.tcp": 4840, "mqtt": 1883, "mqtts": 8883, "http": 80, "https": 443}
_SILENT: Final = {
    "modbus": "is the unit number right, and does the map fit the device? `aid4 edge init --probe --modbus …` scans",
    "opcua": "are user, policy and node ids right? `aid4 edge init --probe --opcua …` browses",
    "bacnet": "is UDP 47808 open both ways, and the address right? `aid4 edge init --probe --bacnet …` asks",
    "mbus": "are address and baud rate right, and has the bus power? `aid4 edge init --probe --mbus …` scans",
    "mqtt": "does anything publish on these topics? `aid4 edge init --probe --mqtt …` listens",
    "mtconnect": "open the URL with /probe in a browser: is the device name right?",
    "shdr": "is the adapter on, and does the machine run?",
    "dsmr": "is the P1 cable in, and is data request (pin 2) on 5 V?",
    "serial": "is the baud rate right, and does the device speak by itself or must it be asked (`ask`)?",
    "i2c": "`i2cdetect -y 1` shows who acknowledges: are address, wiring and pull-up resistors right?",
    "onewire": "is dtoverlay=w1-gpio set, and the sensor wired with its pull-up resistor?",
}  # fmt: skip


class _Node(NamedTuple):
    field: str
    group: str
    missing: str


_NODES: Final = {  # kinds whose device is a file; opening a chip moves its outputs, so gpio is only looked at
    "gpio": _Node("chip", "gpio", "`ls /dev/gpiochip*` shows the chips of this machine"),
    "i2c": _Node("bus", "i2c", "turn the bus on (Raspberry Pi: dtparam=i2c_arm=on) and load i2c-dev"),
}


def running_health(config: AgentConfig) -> Health | None:
    """What a running agent last said of itself; None without one."""
    health = read_status(config.spool_dir / "status.json")
    if health is None or time.time_ns() // 1_000 - health.ts_us > RECENT_S * 1_000_000:
        return None
    return health if Path(f"/proc/{health.host.get('pid', 0)}").exists() or not Path("/proc").exists() else None


async def sources(config: AgentConfig) -> list[Finding]:
    """One finding for each source that is on, in the order of the file."""
    health, at_once = running_health(config), asyncio.Semaphore(TOGETHER_MAX)
    lines: dict[str, asyncio.Lock] = {}

    async def look(source: SourceConfig) -> Finding:
        line = lines.setdefault(str(getattr(source, "url", "")) or source.name, asyncio.Lock())
        async with line, at_once:  # a serial line has room for one
            if health is not None and source.name in health.sources:
                return await _told(source, health)
            return await _asked(source, config.file.parent)

    return list(await asyncio.gather(*(look(source) for source in config.sources if source.enabled)))


async def _told(source: SourceConfig, health: Health) -> Finding:
    """By what the running agent says; where it is silent, with whether the way there is open."""
    what, figures = f"source {source.name}", health.sources[source.name]
    why = silence(figures, health.ts_us)
    if not why:
        ago_s = (time.time_ns() // 1_000 - figures.last_us) / 1e6 if figures.last_us else 0.0
        return Finding(what, True, f"{figures.received} readings received, the newest {ago_s:.0f} s ago")
    in_use = figures.state == "running"
    reached, fix = ("", "") if in_use else await _reach(source)
    detail = f"{why}; {reached}" if reached else why
    return Finding(what, False, detail, fix or _fix(source))


async def _asked(source: SourceConfig, folder: Path) -> Finding:
    what, kind = f"source {source.name}", _kind(source)
    reached, fix = await _reach(source)
    if fix:
        return Finding(what, False, reached, fix)
    if kind not in _ASKED:
        return Finding(what, True, "; ".join(part for part in (reached, "only a running agent hears it") if part))
    started_s = time.perf_counter()
    made = load_kind(kind).create(source, SourceContext(SystemClock(), folder))
    try:
        async with asyncio.timeout(ANSWER_S):
            rows = await _first(made)
    except TimeoutError:
        rows = 0
    except (Aid4Error, OSError) as error:
        return Finding(what, False, "; ".join(part for part in (reached, str(error)) if part), _fix(source))
    took_ms = (time.perf_counter() - started_s) * 1e3
    if rows:
        told = f"answers: {rows} readings after {took_ms:.0f} ms"
        return Finding(what, True, "; ".join(part for part in (reached, told) if part))
    why = made.health.why or f"no reading within {ANSWER_S:g} s"
    return Finding(what, False, "; ".join(part for part in (reached, why) if part), _fix(source))


async def _first(made: Source) -> int:
    """How many readings the first answer has; 0 for a source that ends without one."""
    async with made, aclosing(made.batches()) as batches:  # type: ignore[type-var]  # sources yield, so it closes
        async for batch in batches:
            if batch.schema_id in {READINGS, STATES}:
                quality = batch.rows["quality"].to_numpy()
                if fresh := int(((quality & STALE) == 0).sum()):
                    return fresh
    return 0


async def _reach(source: SourceConfig) -> tuple[str, str]:
    """(what is known of the way to the device, how to mend it): an empty fix where the way is open or not known."""
    url, kind = urlsplit(str(getattr(source, "url", ""))), _kind(source)
    if kind in _NODES:
        return _node(str(getattr(source, _NODES[kind].field)), *_NODES[kind][1:])
    if kind not in _REACHED:
        return "", ""
    if url.scheme in {"serial", "rtu"}:
        return _node(url.path, "dialout", "is the adapter plugged in? `ls -l /dev/serial/by-id` shows what is there")
    if not url.hostname or url.scheme not in _PORTS:
        return "", ""
    where = f"{url.hostname}:{url.port or _PORTS[url.scheme]}"
    started_s = time.perf_counter()
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(url.hostname, url.port or _PORTS[url.scheme])
    except socket.gaierror:
        return f"{where}: its name is not known", "write the address itself, or mend the name service"
    except ConnectionRefusedError:
        fix = "the machine is there but nothing listens at that port: is the port right, and the service on?"
        return f"{where} refuses", fix
    except (OSError, TimeoutError) as error:
        fix = "is it on, the cable in, the address right, and does no firewall stand between?"
        return f"{where} is not reached: {error or f'nothing within {CONNECT_S:g} s'}", fix
    took_ms = (time.perf_counter() - started_s) * 1e3
    writer.close()
    return f"{where} is reached in {took_ms:.0f} ms", ""


def _node(path: str, group: str, missing: str) -> tuple[str, str]:
    """A device of this machine: there, and open to who runs the agent."""
    if not Path(path).exists():
        return f"there is no {path}", missing
    if not os.access(path, os.R_OK | os.W_OK):
        fix = f"put the agent's user into the group that owns it: usermod -aG {group} …, then start the agent anew"
        return f"{path} may not be opened", fix
    return f"{path} is there", ""


def _fix(source: SourceConfig) -> str:
    return _SILENT.get(_kind(source), "see docs/sources.md for what its protocol needs")


def _kind(source: SourceConfig) -> str:
    tag: Any = source.__struct_config__.tag
    return str(tag)
