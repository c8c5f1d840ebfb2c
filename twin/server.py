"""`aid4 twin serve`: store, ingest and API in one process, on loopback unless signed and encrypted."""

import asyncio
import contextlib
import dataclasses
import ipaddress
import socket
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog
import uvicorn

from bim.federation.open import PartFile
from twin.api.app import build_app
from twin.api.auth import Token
from twin.api.patience import HeadTimer
from twin.core import Twin
from twin.door import Door, open_door
from twin.ingest import Ingest
from twin.siteconfig import SiteConfig
from twin.store import Store
from twin.trust import TrustDesk
from wire.clock import SystemClock
from wire.errors import ConfigError
from wire.limits import HTTP_CONNECTIONS_MAX, LIVE_MESSAGE_BYTES_MAX
from wire.mqtt import Link, LinkConfig, TlsConfig

__all__ = ["Served", "TwinConfig", "serve"]

structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))  # stdout is for answers
_log = structlog.get_logger("twin.server")
_STOP_S = 1.0  # for requests that still run when the twin stops
_TOKEN_CHARS_MIN = 20
OWN_DAYS = 30.0  # of the certificate with which the twin signs in at the broker; made anew at half of it
_CERTIFY_S = 3_600.0
_WEBSOCKET = {
    "ws": "websockets-sansio",
    "ws_max_size": LIVE_MESSAGE_BYTES_MAX,
    "ws_per_message_deflate": False,  # 4 GB for 5,000 sockets
    "ws_ping_interval": 20.0,
    "ws_ping_timeout": 20.0,
}


@dataclass(frozen=True, slots=True)
class TwinConfig:
    """Where a twin keeps its data and where it listens; `port` 0 takes a free one, `broker` None: no ingest."""

    data_dir: Path
    site: SiteConfig = field(default_factory=SiteConfig)
    broker: LinkConfig | None = None
    host: str = "127.0.0.1"
    port: int = 8480
    token_file: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    model: Path | None = None  # instead of the site's own
    sign_in: bool = False  # on loopback too, before there is an account
    service_token: str = ""  # of the park that starts this twin: it may look
    door: Door | None = None  # where gateways enrol; None: on the twin's own address only
    site_ca: bool = False  # the broker has a certificate of the site's authority, and asks for one

    @property
    def scheme(self) -> str:
        """http or https."""
        return "https" if self.tls_cert else "http"


@dataclass(frozen=True, slots=True)
class Served:
    """A twin that answers at `url`; `model` ends with None once the site's model is live, or with its problem, `plan`
    likewise once its schedule and links are. `welcome` is the one-time link while nobody can sign in."""

    twin: Twin
    url: str
    model: "asyncio.Task[str | None]"
    plan: "asyncio.Task[str | None]"
    welcome: str = ""  # the one-time link that makes the first admin


@contextlib.asynccontextmanager
async def serve(config: TwinConfig) -> AsyncIterator[Served]:
    """Open everything and answer until the block ends. ConfigError when it may not listen there."""
    token = check_exposure(config)
    with (
        Store.open(config.data_dir, site=config.site.name, policies=config.site.retention) as store,
        _listening(config.host, config.port) as listener,
        _door_listening(config.door) as door_listener,
    ):
        broker = await asyncio.to_thread(_own_broker, config)
        ingest = Ingest(store, partial(_link, broker), config.site.name) if broker else None
        async with Twin(store, config.site, ingest=ingest) as twin:
            app = build_app(
                twin,
                token=token,
                secure=config.tls_cert is not None,
                sign_in=config.sign_in or not _is_loopback(config.host),
                service=Token(config.service_token) if config.service_token else None,
            )
            server = _Server(_uvicorn(config, app))
            try:
                async with contextlib.AsyncExitStack() as doors, asyncio.TaskGroup() as tasks:
                    if config.door is not None and door_listener is not None:
                        await doors.enter_async_context(open_door(twin, config.door, door_listener))
                    answering = tasks.create_task(server.serve(sockets=[listener]), name="twin.http")
                    await server.ready.wait()
                    owned = [tasks.create_task(work, name=name) for name, work in _works(twin, ingest)]
                    if config.site_ca:
                        owned.append(tasks.create_task(_stay_certified(config), name="twin.certificate"))
                    model = tasks.create_task(bring_site_model(twin, config), name="twin.model")
                    plan = tasks.create_task(bring_site_plan(twin, config, model), name="twin.plan")
                    url = _url(config, listener)
                    yield Served(twin, url, model, plan, await _welcome(twin, url))
                    server.should_exit = True
                    await answering
                    for task in (*owned, model, plan):
                        task.cancel()
            except BaseExceptionGroup as group:
                if len(group.exceptions) == 1:
                    raise group.exceptions[0] from None
                raise


async def _welcome(twin: Twin, url: str) -> str:
    if not twin.access.first_run:
        return ""
    return f"{url}/welcome#{await asyncio.to_thread(twin.access.make_link, '')}"


def _works(twin: Twin, ingest: Ingest | None) -> list[tuple[str, Coroutine[None, None, None]]]:
    works = [
        ("twin.directory", twin.follow()),
        ("twin.live", twin.live.run()),
        ("twin.tiles", twin.tiles.run()),
        ("twin.alarms", twin.alarms.run()),
        ("twin.reports", twin.reports.run()),
        ("twin.drones", twin.drones.run()),
    ]
    return (
        [
            *works,
            ("twin.ingest", ingest.run()),
            ("twin.scoring", twin.scoring.run()),
            ("twin.rollouts", twin.rollouts.follow()),
            ("twin.fleet", twin.fleet.follow()),
        ]
        if ingest
        else works
    )


def _own_broker(config: TwinConfig) -> LinkConfig | None:
    """The broker's address, with the certificates that the site's own authority gave."""
    if config.broker is None or not config.site_ca:
        return config.broker
    folder = _certify(config).parent
    tls = TlsConfig(ca=folder / "ca.pem", cert=folder / "twin.pem")
    return dataclasses.replace(config.broker, user="", password="", tls=tls)


def _certify(config: TwinConfig) -> Path:
    """The twin's own certificate for the broker, made or kept."""
    desk = TrustDesk(config.data_dir, config.site.name, SystemClock(), lambda *_: None)
    return desk.issue_here("twin", desk.folder / "twin.pem", days=OWN_DAYS)


async def _stay_certified(config: TwinConfig) -> None:
    while True:
        await asyncio.sleep(_CERTIFY_S)
        await asyncio.to_thread(_certify, config)


def _link(broker: LinkConfig | None) -> Link:
    assert broker is not None
    return Link(broker)


def check_exposure(config: TwinConfig) -> Token | None:
    """The token of `--token`, None without; ConfigError when a twin would listen in the clear."""
    needed = {"--tls-cert": config.tls_cert, "--tls-key": config.tls_key}
    missing = [name for name, given in needed.items() if given is None]
    if missing and not _is_loopback(config.host):
        fix = f"give {', '.join(missing)}, or listen on 127.0.0.1"
        raise ConfigError(f"will not listen on {config.host} without TLS", field="host", fix=fix)
    if config.token_file is None:
        return None
    try:
        secret = config.token_file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", file=str(config.token_file), field="token") from error
    if len(secret) < _TOKEN_CHARS_MIN:
        fix = "write one with: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
        raise ConfigError(
            f"a token has at least {_TOKEN_CHARS_MIN} characters", file=str(config.token_file), field="token", fix=fix
        )
    return Token(secret)


async def bring_site_plan(twin: Twin, config: TwinConfig, model: "asyncio.Task[str | None]") -> str | None:
    """After the model: make the site's schedule and links live; the problem when a part is refused."""
    path = config.model or config.site.model_path
    return await twin.bring_plan(path if await model is None else None)


async def bring_site_model(twin: Twin, config: TwinConfig) -> str | None:
    """Make the configured model live; the problem when it is refused, and then the old model stays."""
    files = [PartFile(config.model)] if config.model else config.site.model_files
    if not files:
        return None
    try:
        await twin.bring_model(*files)
    except Exception as error:  # noqa: BLE001  (whatever a model file does, the twin runs)
        problem = str(error) or type(error).__name__
        _log.warning("the model was not taken in; the one before stays live", file=str(files[0].path), problem=problem)
        return problem
    return None


class _Server(uvicorn.Server):
    """A uvicorn that leaves signals to its owner and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


def _uvicorn(config: TwinConfig, app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        lifespan="off",
        http=HeadTimer,
        h11_max_incomplete_event_size=65_536,
        limit_concurrency=HTTP_CONNECTIONS_MAX,
        timeout_graceful_shutdown=int(_STOP_S),
        ssl_certfile=str(config.tls_cert) if config.tls_cert else None,
        ssl_keyfile=str(config.tls_key) if config.tls_key else None,
        **_WEBSOCKET,  # type: ignore[arg-type]
    )


@contextlib.contextmanager
def _door_listening(door: Door | None) -> Iterator[socket.socket | None]:
    if door is None:
        yield None
        return
    with _listening(door.host, door.port) as listener:
        yield listener


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            fix = "stop what listens there, or give another --port (0 takes a free one)"
            problem = f"cannot listen on {host}:{port}: {error}"
            raise ConfigError(problem, field="port", fix=fix) from error
        listener.listen(1_024)
        yield listener


def _url(config: TwinConfig, listener: socket.socket) -> str:
    host = f"[{config.host}]" if ":" in config.host else config.host
    return f"{config.scheme}://{host}:{listener.getsockname()[1]}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
