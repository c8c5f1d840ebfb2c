"""What the agent needs and whether it is there: clock, disk, permissions, certificate, each source, broker, twin.

"The broker acknowledges but the twin does not" is the finding that matters: a broker acknowledges a refused topic
as well as a good one, so only the twin's own word counts.
"""

import asyncio
import os
import secrets
import shutil
import stat
import time
from typing import Final

from edge.config import AgentConfig
from edge.doctor_sources import RECENT_S, sources
from edge.doctor_trust import certificate, twice
from edge.findings import Finding
from edge.health import read_status
from edge.link import link_config
from edge.segments import Disk, write_whole
from wire import topics
from wire.errors import ConfigError
from wire.limits import CLOCK_TRUSTED_FROM_US
from wire.messages import EpochSpan, Hello, Status, encode
from wire.mqtt import Link, Message

__all__ = ["Finding", "examine"]

CONNECT_S_MAX: Final = 5.0
TWIN_S_MAX: Final = 3.0
FREE_BYTES_MIN: Final = 256 << 20
SYNC_MS_MAX: Final = 200.0  # an fdatasync above that makes live data late


async def examine(config: AgentConfig) -> list[Finding]:
    """Look at everything, in the order in which a person would."""
    findings = [_clock(), *_disk(config), *_permissions(config), *certificate(config), *twice(config)]
    return [*findings, *await sources(config), *await _broker_and_twin(config)]


def _clock() -> Finding:
    now_us = time.time_ns() // 1_000
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now_us / 1e6))
    if now_us < CLOCK_TRUSTED_FROM_US:
        return Finding("clock", False, f"it says {shown}, so it was never set", "set up NTP or a battery clock")
    return Finding("clock", True, f"it says {shown}")


def _disk(config: AgentConfig) -> list[Finding]:
    folder = config.spool_dir
    probe = folder / "doctor.probe"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        started_s = time.perf_counter()
        write_whole(Disk(), probe, b"x" * 4_096)
        took_ms = (time.perf_counter() - started_s) * 1e3
    except OSError as error:
        return [Finding("spool", False, f"{folder} cannot be written: {error}", "give spool.dir a writable folder")]
    finally:
        probe.unlink(missing_ok=True)
    free = shutil.disk_usage(folder).free
    fix = "" if free > FREE_BYTES_MIN else "free some space, or lower spool.budget_bytes"
    slow = "" if took_ms < SYNC_MS_MAX else "set spool.group_bulk_s = 1.0: this disk is slow to sync"
    return [
        Finding("disk space", free > FREE_BYTES_MIN, f"{free / 1e9:.2f} GB free at {folder}", fix),
        Finding("disk speed", took_ms < SYNC_MS_MAX, f"a durable write takes {took_ms:.1f} ms", slow),
    ]


def _permissions(config: AgentConfig) -> list[Finding]:
    if not config.broker.password_file:
        return []
    path = config.path(config.broker.password_file)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return [Finding("password file", False, f"{path}: {error.strerror}", "write the password into that file")]
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return [Finding("password file", False, f"{path} can be read by others", f"chmod 600 {path}")]
    return [Finding("password file", os.access(path, os.R_OK), f"{path} is private")]


async def _broker_and_twin(config: AgentConfig) -> list[Finding]:
    broker = f"{config.broker.host}:{config.broker.port}"
    try:
        link = Link(link_config(config))
    except ConfigError as error:
        return [Finding("broker", False, error.problem, error.fix)]
    async with link:
        try:
            async with asyncio.timeout(CONNECT_S_MAX):
                await link.up()
        except TimeoutError:
            why = link.stats.last_error or "no answer"
            return [Finding("broker", False, f"{broker}: {why}", "check broker.url, user, password and the network")]
        heard = _recently_heard(config) or await _twin_answers(config, link)
        acknowledged = heard or link.stats.acknowledged > 0
    if heard:
        return [Finding("broker", True, f"{broker} takes our messages"), Finding("twin", True, "it answers")]
    if not acknowledged:
        fix = "a broker that is overloaded or refuses this client looks like that; read its log"
        return [Finding("broker", False, f"{broker} accepts us but acknowledges nothing", fix)]
    topic = topics.up(config.site, config.node, "+")
    fix = f"is the twin up, does it serve site {config.site!r}, and may this user publish on {topic}?"
    return [
        Finding("broker", True, f"{broker} acknowledges"),
        Finding("twin", False, "the broker acknowledges but the twin does not", fix),
    ]


def _recently_heard(config: AgentConfig) -> bool:
    """Whether a running agent has heard the twin; a hello of ours would look like a second agent then."""
    health = read_status(config.spool_dir / "status.json")
    last_us = health.uplink.last_ack_us if health is not None else None
    return last_us is not None and time.time_ns() // 1_000 - last_us < RECENT_S * 1_000_000


async def _twin_answers(config: AgentConfig, link: Link) -> bool:
    """Say hello with an empty epoch, wait for the twin's word, and say goodbye."""
    heard, boot = asyncio.Event(), secrets.randbits(62)

    def on_messages(messages: list[Message]) -> None:
        if any(topics.parse(message.topic).kind in {"ack", "hello"} for message in messages):
            heard.set()

    link.on_messages = on_messages
    await link.subscribe([(topics.down(config.site, config.node, "+"), 0)])
    spans = [EpochSpan(epoch=secrets.token_hex(16), floor=1, head=0)]
    hello = Hello(boot=boot, epochs=spans, agent="aid4 edge doctor")
    link.publish(topics.up(config.site, config.node, "hello"), encode(hello), qos=1)
    try:
        async with asyncio.timeout(TWIN_S_MAX):
            await heard.wait()
    except TimeoutError:
        return False
    finally:
        gone = Status(online=False, boot=boot, since_us=time.time_ns() // 1_000, agent="aid4 edge doctor")
        link.publish(topics.up(config.site, config.node, "status"), encode(gone), qos=1, retain=True)
    return True
