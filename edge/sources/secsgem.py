"""SECS/GEM over HSMS: the host of a piece of fab equipment: status variables, events, alarms, constants, commands.

[[source]]                      # tested: the sample is the config of the first test
kind = "secsgem"
name = "etcher"
url = "hsms://127.0.0.1:5000"   # of the equipment; with mode = "passive" where to wait for it
mode = "active"
period_s = 1.0                  # how often status variables are read
commands = ["START", "STOP", "PP-SELECT PPID=recipe-1"]   # remote commands that the twin may send
events = [
    { id = 30002, name = "recipe_changed", values = [10001, 10002] },
]

What the equipment lists becomes points: status variables (S1F11) and equipment constants (S2F29, writable within their
limits) by their names; each alarm (S5F5) a state `alarm_…` of set and clear. `events` are reports (S2F33, S2F35, S2F37)
that come by themselves. The protocol runs in a child process, for the library's threads neither end nor survive every
frame: one that dies, hangs or is fed rubbish is started afresh, and only this source notices.
"""

import asyncio
import contextlib
import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from edge.sources import Batch, SourceConfig, SourceContext, SourceError, SourceKind
from edge.sources.columns import PointSpec, check_value
from edge.sources.link_time import LinkTime
from edge.sources.running import Backoff, RunningSource
from edge.sources.secsgem_rows import EquipmentRows
from wire.catalogue import Point
from wire.errors import ConfigError

__all__ = ["SOURCE", "EventSpec", "SecsGem", "SecsGemConfig"]

LINE_BYTES_MAX: Final = 2 << 20
RETRY_S_MIN, RETRY_S_MAX = 0.3, 5.0
SILENT_S: Final = 15.0  # a child that says nothing for so long hangs; starting up takes it two seconds on a Pi
WRITE_S_MAX: Final = 9.0
_ROOT: Final = Path(__file__).resolve().parents[2]
_KEPT: Final = ("PATH", "LANG", "LC_ALL", "TMPDIR", "HOME")


class EventSpec(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """A collection event to be reported, with the ids of the variables that come along."""

    id: int | str
    name: str = ""
    values: tuple[int | str, ...] = ()


class VariableSpec(PointSpec, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """What is known of the variable or constant with that id beside what the equipment says."""

    id: int | str


class SecsGemConfig(SourceConfig, tag="secsgem"):
    """Config of one piece of equipment."""

    url: str
    mode: Literal["active", "passive"] = "active"
    session_id: Annotated[int, msgspec.Meta(ge=0, le=32_767)] = 0
    period_s: Annotated[float, msgspec.Meta(ge=0.1, le=3_600)] = 1.0
    timeout_s: Annotated[float, msgspec.Meta(ge=1, le=120)] = 5.0  # T3, T6
    events: tuple[EventSpec, ...] = ()
    commands: tuple[str, ...] = ()
    points: tuple[VariableSpec, ...] = ()
    only_points: bool = False  # leave out what the equipment lists beside `points`


class SecsGem(RunningSource):
    """One piece of equipment as a source."""

    def __init__(self, config: SecsGemConfig, context: SourceContext) -> None:
        super().__init__(config, f"no answer from {config.url} yet")
        self._config, self._time = config, LinkTime(context.clock)
        self._host, self._port = _address(config)
        if find_spec("secsgem") is None:
            raise ConfigError("SECS/GEM is not installed", field="kind", fix="pip install 'aid4[secsgem]'")
        specs = {str(spec.id): spec for spec in config.points}
        names = {str(one.id): one.name for one in config.events}
        self._rows = EquipmentRows(config.device or config.name, specs, names, config.commands, self.health)
        self._points = self._rows.points
        self._input: asyncio.StreamWriter | None = None
        self._waiting: dict[int, asyncio.Future[str]] = {}
        self._number = 0

    def _poll(self) -> list[Batch]:
        self._time.step_us()
        return self._rows.batches()

    async def write(self, point: Point, value: float | str | bool) -> None:
        """Set an equipment constant, or send a remote command of the list, and wait for the equipment's answer."""
        check_value(point, value)
        if point.kind == "state":
            if value not in self._config.commands:
                raise SourceError("write", f"{point.key} takes {', '.join(self._config.commands) or 'no commands'}")
            word, *params = str(value).split()
            wanted: dict[str, Any] = {"command": word, "params": [one.split("=", 1) for one in params]}
        else:
            wanted = {"constant": self._rows.constant_of(point.id), "value": float(value)}
        try:
            if why := await self._ask(wanted):
                raise SourceError("write", f"{point.key}: {why}")
        except (SourceError, TimeoutError, OSError) as error:
            why = error.detail if isinstance(error, SourceError) else f"{point.key}: no answer from the equipment"
            self.health.error("write", why)
            raise SourceError("write", why) from error

    async def _ask(self, wanted: dict[str, Any]) -> str:
        if self._input is None or not self._rows.is_connected:
            return f"no connection to {self._config.url}"
        self._number += 1
        answer: asyncio.Future[str]
        answer = self._waiting[self._number] = asyncio.get_running_loop().create_future()
        try:
            self._input.write(msgspec.json.encode({"id": self._number, **wanted}) + b"\n")
            async with asyncio.timeout(WRITE_S_MAX):
                return await answer
        finally:
            self._waiting.pop(self._number, None)

    # -- the child

    async def _run(self) -> None:
        """Keep a child running until cancelled."""
        backoff = Backoff(RETRY_S_MIN, RETRY_S_MAX)
        while True:
            before = self.health.received
            try:
                why = await self._live()
            except OSError as error:
                why = f"the host process cannot be started: {error}"
            if self._rows.is_connected:
                self.health.error("child", why)  # else it ended with its connection, as it should
            self._lost(why)
            if self.health.received > before:
                backoff.reset()
            await backoff.wait()

    async def _live(self) -> str:
        """One life of a child; why it ended."""
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "edge.sources.secsgem_child", stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, limit=LINE_BYTES_MAX,
            env={**environment, "PYTHONPATH": str(_ROOT), "PYTHONUTF8": "1"}, start_new_session=True,
        )  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            self._input = child.stdin
            child.stdin.write(msgspec.json.encode(self._settings()) + b"\n")
            while True:
                try:
                    async with asyncio.timeout(SILENT_S + self._config.timeout_s + self._config.period_s):
                        line = await child.stdout.readline()
                except TimeoutError:
                    return "the host process says nothing"
                except ValueError:
                    return "the host process said too much at once"
                if not line:
                    return "the host process ended"
                self._heard(line)
        finally:
            self._input = None
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.stdin.close()
            await child.wait()

    def _settings(self) -> dict[str, Any]:
        config = self._config
        return {
            "mode": config.mode, "host": self._host, "port": self._port, "session_id": config.session_id,
            "timeout_s": config.timeout_s, "period_s": config.period_s,
            "only": [spec.id for spec in config.points] if config.only_points else None,
            "events": [{"id": one.id, "values": list(one.values)} for one in config.events],
        }  # fmt: skip

    def _heard(self, line: bytes) -> None:
        try:
            told = msgspec.json.decode(line, type=dict[str, Any])
            what, now_us = told.get("what"), self._time.now_us()
            if what == "lost":
                self._lost("the equipment no longer answers")
            elif what == "answer":
                waiting = self._waiting.get(told["id"])
                if waiting is not None and not waiting.done():
                    waiting.set_result(str(told["why"]))
            elif what == "failed":
                self.health.error("protocol", str(told["why"])[:300])
            elif what != "alive":
                self._rows.take(told, now_us)
                self.health.last_us = now_us
                self.health.state, self.health.why = "running", ""
        except (msgspec.MsgspecError, AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            self.health.error("decode", f"{type(error).__name__}: {error}")

    def _lost(self, why: str) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(why)
        if self._rows.lost(self._time.now_us(), why):
            self.health.error("link", why)
        self.health.state, self.health.why = "waiting", why


def _address(config: SecsGemConfig) -> tuple[str, int]:
    try:
        parts = urlsplit(config.url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme != "hsms" or not parts.hostname or not port:
        raise ConfigError(f"{config.url!r} is no HSMS address", field="url", fix="write hsms://host:5000")
    for number, word in enumerate(config.commands):
        if not word.strip() or any("=" not in part for part in word.split()[1:]):
            fix = 'write "START" or "PP-SELECT PPID=recipe-1"'
            raise ConfigError(f"{word!r} is no command", field=f"commands[{number}]", fix=fix)
    return parts.hostname, port


SOURCE = SourceKind(SecsGemConfig, SecsGem)
