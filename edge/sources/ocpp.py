"""OCPP 1.6, 2.0.1 and 2.1: the central system that chargers connect to, inside the agent.

[[source]]                      # tested: the sample is the config of the first test
kind = "ocpp"
name = "chargers"
url = "ws://127.0.0.1:9000/ocpp"    # where to listen; a charger's identity is the last part of what it asks for
heartbeat_s = 60
link_loss_s = 30.0              # how long a charger may not answer a ping
validate = "warn"               # "refuse" answers what the schema of the version does not allow with an error; "off"
chargers = [
    { identity = "CP-001", device = "charger-1" },
]

Without `chargers` whoever connects is taken, called by its identity; `accept_unknown` takes others beside the list. A
`password` makes a charger prove itself (basic authentication); `cert` and `key` make it wss. The version is negotiated
for each connection. What a charger keeps over an outage comes with its own times, flagged as historical, and is
answered when it is on disk; what it then repeats is told once. A second charger with the identity of one that lives is
sent away. Points: meter values, `connector_state`, `current_limit` (write: a smart-charging profile), `command`.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from edge.cancelling import cancel
from edge.sources import Batch, SourceContext, SourceError, SourceKind
from edge.sources.columns import Happening, check_value, events
from edge.sources.link_time import LinkTime
from edge.sources.ocpp_charger import COMMANDS, Charger
from edge.sources.ocpp_commands import ask_again, command, limit_now, set_limit
from edge.sources.ocpp_config import ChargerSpec, OcppConfig, address, by_identity, proves, tls
from edge.sources.ocpp_link import VERSIONS, ChargerLink, RefusedError, faults
from edge.sources.ocpp_messages import LASTING, Desk, answer
from edge.sources.row_list import RowList
from edge.sources.running import RunningSource
from wire.catalogue import Point
from wire.names import slug

__all__ = ["SOURCE", "ChargerSpec", "Ocpp", "OcppConfig"]

CHARGERS_MAX: Final = 500
CONNECTIONS_MAX: Final = 1_000  # with those that have not said who they are
MESSAGE_BYTES_MAX: Final = 262_144
ROWS_MAX: Final = 20_000  # that wait for the disk; chargers then wait for their answers
REPEATS_MAX: Final = 512  # lasting calls of one charger whose answers are remembered
LIMIT_S: Final = 60.0  # how often a charger is asked for the limit it follows
ALIVE_S: Final = 3.0
STOP_S_MAX: Final = 1.0
RETRY_S: Final = 1.0


class Ocpp(RunningSource):
    """One central system as a source; each charger is a device."""

    def __init__(self, config: OcppConfig, context: SourceContext) -> None:
        super().__init__(config, f"no charger has connected to {config.url} yet")
        self._config, self._time, self._folder = config, LinkTime(context.clock), context.folder
        self._host, self._port, self._path = address(config)
        self._rows = RowList(self._points)
        self._told: list[Happening] = []
        self._specs = by_identity(config)
        self._chargers: dict[str, Charger] = {}
        self._by_point_device: dict[str, str] = {}
        self._links: dict[str, ChargerLink] = {}
        self._repeats: dict[str, OrderedDict[bytes, asyncio.Future[dict[str, Any]]]] = {}
        self._unsettled: list[tuple[asyncio.Future[dict[str, Any]], dict[str, Any]]] = []
        self._given: list[asyncio.Future[dict[str, Any]]] = []
        self._gone: list[str] = []
        self._room = asyncio.Event()
        self._number = int(time.time()) & 0x3FFFFFFF
        self._server: Server | None = None
        self._greeters: set[asyncio.Task[None]] = set()
        for spec in self._specs.values():
            self._charger(spec.identity)

    async def _open(self) -> None:
        self._held.push_async_callback(self._close)

    async def _close(self) -> None:
        await cancel(self._greeters, STOP_S_MAX)
        if self._server is not None:
            self._server.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_S_MAX):
                    await self._server.wait_closed()

    @property
    def port(self) -> int:
        """Where it listens; 0 when it does not."""
        return int(self._server.sockets[0].getsockname()[1]) if self._server and self._server.sockets else 0

    async def batches(self) -> AsyncIterator[Batch]:
        """What chargers say, gathered for a tenth of a second; last values of lost ones."""
        try:
            async with aclosing(super().batches()) as said:  # type: ignore[type-var]  # it yields, so it closes
                async for batch in said:
                    yield batch
        finally:
            for future in self._given:  # nobody reads any more: what is not on disk is to be said again
                _refuse(future, "the source was stopped")

    async def write(self, point: Point, value: float | str | bool) -> None:
        """Set `current_limit`, or carry out a word of `command`, and wait for the charger's answer."""
        check_value(point, value)
        charger = self._chargers[self._by_point_device[point.device]]
        link, connector = self._links.get(self._by_point_device[point.device]), charger.connector_of[point.id]
        try:
            if link is None:
                raise SourceError("write", f"{point.key}: the charger is not connected")
            if point.kind == "state":
                if value not in COMMANDS:
                    raise SourceError("write", f"{point.key} takes {', '.join(COMMANDS)}")
                await command(link, charger, connector, str(value))
            else:
                await set_limit(link, connector, float(value))
                await self._read_limit(link, charger, connector, float(value))
        except SourceError as error:
            self.health.error("write", error.detail)
            raise

    # -- the server

    async def _run(self) -> None:
        """Open the port, again and again while another has it, and keep it until cancelled."""
        secure = tls(self._config, self._folder)
        while self._server is None:
            try:
                self._server = await serve(
                    self._connected, self._host, self._port, ssl=secure, process_request=self._examine,
                    select_subprotocol=self._choose, max_size=MESSAGE_BYTES_MAX, max_queue=4, compression=None,
                    ping_interval=self._config.link_loss_s / 2, ping_timeout=self._config.link_loss_s / 2,
                    open_timeout=10.0, close_timeout=0.5, server_header=None,
                )  # fmt: skip
            except OSError as error:
                self.health.error("connect", f"cannot listen on {self._config.url}: {error}")
                await asyncio.sleep(RETRY_S)
        await self._server.serve_forever()

    def _examine(self, connection: ServerConnection, request: Request) -> Response | None:
        """Turn away who asks for another path, is not listed, or cannot prove itself."""
        identity = self._identity(request.path)
        spec = self._specs.get(identity)
        if not identity or (spec is None and self._specs and not self._config.accept_unknown):
            self.health.error("refused", f"{request.path[:80]}: no charger of the list")
            return connection.respond(HTTPStatus.NOT_FOUND, "unknown charger\n")
        if spec and spec.password and not proves(request.headers.get("Authorization", ""), identity, spec.password):
            self.health.error("refused", f"{identity}: wrong or no password")
            refusal = connection.respond(HTTPStatus.UNAUTHORIZED, "password\n")
            refusal.headers["WWW-Authenticate"] = 'Basic realm="ocpp"'
            return refusal
        is_full = identity not in self._chargers and len(self._chargers) >= CHARGERS_MAX
        if is_full or self._server is None or len(self._server.connections) > CONNECTIONS_MAX:
            self.health.error("refused", f"more than {CHARGERS_MAX} chargers")
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "full\n")
        return None

    def _choose(self, connection: ServerConnection, offered: Any) -> Subprotocol | None:
        for name, version in VERSIONS.items():
            if name in offered and version in self._config.versions:
                return Subprotocol(name)
        self.health.error("refused", f"offers {', '.join(map(str, offered))[:80] or 'no version'} of OCPP")
        return None

    def _identity(self, path: str) -> str:
        asked = unquote(path.partition("?")[0])
        before, _, identity = asked.rpartition("/")
        return identity if before == self._path and 0 < len(identity) <= 64 and identity.isprintable() else ""

    async def _connected(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        identity, version = self._identity(connection.request.path), VERSIONS.get(str(connection.subprotocol))
        if version is None:
            await connection.close(1002, "no OCPP version in common")
            return
        if (other := self._links.get(identity)) is not None:
            if await other.lives(ALIVE_S):
                self.health.error("duplicate", f"two chargers use the identity {identity}")
                await connection.close(1008, "this identity is in use")
                return
            await other.close(1001, "replaced by a new connection")
        link = ChargerLink(connection, identity, version, self._take, self.health)
        charger = self._charger(identity)
        self._links[identity] = link
        charger.tell("charger_connected", 0, f"{charger.device} speaks OCPP {version}", self._time.now_us(),
                     version=version, address=str((connection.remote_address or ("",))[0]))  # fmt: skip
        greeter = asyncio.create_task(self._greet(link, charger), name=f"ocpp {identity}")
        self._greeters.add(greeter)
        greeter.add_done_callback(self._greeters.discard)
        try:
            await link.serve()
        finally:
            greeter.cancel()
            if self._links.get(identity) is link:
                del self._links[identity]
                self._gone.append(identity)

    async def _greet(self, link: ChargerLink, charger: Charger) -> None:
        """Read again how it stands, then look now and then which limit it follows."""
        await ask_again(link)
        while True:
            for connector in [number for number in charger.statuses if number > 0]:
                if not await self._read_limit(link, charger, connector, None):
                    return
            await asyncio.sleep(LIMIT_S if charger.statuses else RETRY_S)

    async def _read_limit(self, link: ChargerLink, charger: Charger, connector: int, set_a: float | None) -> bool:
        limit_a = await limit_now(link, connector)
        known = limit_a if limit_a is not None else set_a
        if known is not None:
            charger.value("current_limit", connector, "A", known, None, self._time.now_us())
        return limit_a is not None

    def _charger(self, identity: str) -> Charger:
        if identity not in self._chargers:
            spec = self._specs.get(identity) or ChargerSpec(identity=identity)
            device = spec.device or slug(identity)
            while device in self._by_point_device:
                device = f"{device[:60]}_2"
            about = {key: value for key in ("label", "space_hint") if (value := getattr(spec, key))}
            specs = {one.metric: one for one in spec.points}
            made = Charger(device, self._points, self._rows, self._told, specs, about, self.health)
            self._chargers[identity], self._by_point_device[device] = made, identity
            if spec.points:
                made.commandable(1)
                for one in spec.points:
                    if not one.metric.endswith(("_state", "_code")):
                        made.point(one.metric, 1)
        return self._chargers[identity]

    # -- what is said

    async def _take(self, link: ChargerLink, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Answer one call; a lasting one when its rows are on disk, and a repeated one as before."""
        if len(self._rows) > ROWS_MAX:
            await self._room.wait()
        if self._config.validate != "off" and (why := faults(action, payload, link.version)):
            if self._config.validate == "refuse":
                raise RefusedError("FormationViolation" if link.version == "1.6" else "FormatViolation", why)
            self.health.error("schema", f"{link.identity}: {why}")
        charger = self._chargers[link.identity]
        charger.is_lost = False
        if action not in LASTING:
            return answer(link.version, action, charger, payload, self._desk())
        said = msgspec.json.encode([action, payload], order="deterministic")
        repeats = self._repeats.setdefault(link.identity, OrderedDict())
        if said not in repeats:
            future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
            answered = answer(link.version, action, charger, payload, self._desk())
            repeats[said] = future
            self._unsettled.append((future, answered))
            while len(repeats) > REPEATS_MAX:
                repeats.popitem(last=False)
        try:
            return await asyncio.shield(repeats[said])
        except SourceError as error:
            repeats.pop(said, None)  # let it come again
            raise RefusedError("InternalError", error.detail) from error

    def _desk(self) -> Desk:
        now_us = self._time.now_us()
        now_iso = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_us / 1e6))
        return Desk(now_us, now_iso, self._config.heartbeat_s, self._allowed, self._next_transaction)

    def _allowed(self, tag: str) -> bool:
        return not self._config.id_tags or tag in self._config.id_tags or tag == "aid4"

    def _next_transaction(self) -> int:
        self._number = (self._number + 1) & 0x7FFFFFFF
        return self._number

    def _poll(self) -> list[Batch]:
        """The rows and events so far; then what was lost."""
        self._time.step_us()
        found = self._rows.batches(self._last, self.health)
        if found:
            self.health.last_us = self._time.now_us()
        gone, self._gone = self._gone, []
        for identity in gone:
            if identity not in self._links:
                found += self._lost(self._chargers[identity])
        if self._told:
            found.append(events(self._told))
            self._told.clear()
        self._note_state()
        self._room.set()
        self._room.clear()  # those that waited go on; the next to find it full waits anew
        unsettled, self._unsettled = self._unsettled, []
        self._given = [future for future in self._given if not future.done()] + [future for future, _ in unsettled]
        return _settling(found, unsettled)

    def _lost(self, charger: Charger) -> list[Batch]:
        if charger.is_lost:  # it came and went without a word
            return []
        charger.is_lost = True
        self.health.error("link", f"{charger.device} is gone")
        now_us = self._time.now_us()
        charger.tell("charger_lost", 1, f"{charger.device} is no longer connected", now_us)
        return self._last.stale(list(charger.ids.values()), now_us, self.health)

    def _note_state(self) -> None:
        if self._links and self.health.state != "running":
            self.health.state, self.health.why = "running", ""
        elif not self._links and self.health.state == "running":
            self.health.state, self.health.why = "waiting", "no charger is connected"


def _settling(
    found: list[Batch], unsettled: list[tuple[asyncio.Future[dict[str, Any]], dict[str, Any]]]
) -> list[Batch]:
    """The batches, made so that the last one to be on disk lets the answers go; a refused one makes them errors."""
    left, refusals = len(found), 0

    def settle() -> None:
        for future, answered in unsettled:
            if refusals:
                _refuse(future, "the gateway's disk is full")
            elif not future.done():
                future.set_result(answered)

    def wrapped(batch: Batch) -> Batch:
        before = batch.accepted

        def accepted(refused: int) -> None:
            nonlocal left, refusals
            left, refusals = left - 1, refusals + refused
            if before is not None:
                before(refused)
            if left == 0:
                settle()

        return replace(batch, accepted=accepted)

    if not found:
        settle()
    return [wrapped(batch) for batch in found] if unsettled else found


def _refuse(future: asyncio.Future[dict[str, Any]], why: str) -> None:
    if not future.done():
        future.add_done_callback(lambda done: done.exception())  # nobody may wait for it any more
        future.set_exception(SourceError("spool", why))


SOURCE = SourceKind(OcppConfig, Ocpp)
