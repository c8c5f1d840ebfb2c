"""A park that gateways from outside may join: a second broker with certificates, and the twin's door beside it.

The first broker stays on loopback for simulated devices, which have passwords and no certificates. Twin and agents of
the park itself use the broker with certificates, as every gateway does.
"""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from aid4.broker import Broker, free_port
from aid4.broker_trust import TrustedBroker
from edge.toml_edit import set_values
from edge.trust_files import Held, hold, read_held
from twin.trust import TrustDesk
from wire.clock import SystemClock
from wire.errors import InputError

__all__ = ["Listen", "Outside"]


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a park lets gateways in; a port of 0 takes a free one, but no WebSocket."""

    host: str
    broker_port: int = 8_883
    door_port: int = 8_481
    websocket_port: int = 0
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        try:
            ipaddress.ip_address(self.host)
        except ValueError as error:
            fix = "give an address of this machine, or 0.0.0.0 for all"
            raise InputError(f"{self.host!r} is no address", field="--listen", fix=fix) from error


class Outside:
    """The broker and the door of one park; a context manager around the broker's process."""

    def __init__(self, listen: Listen, folder: Path, twin: Path, site: str, kind: Literal["nats", "mosquitto"]) -> None:
        self._listen = listen
        self._trusted = TrustedBroker(
            folder, twin, site, host=listen.host, port=listen.broker_port, websocket_port=listen.websocket_port,
            names=listen.names, kind=kind,
        )  # fmt: skip
        self._desk, self._site = TrustDesk(twin.resolve(), site, SystemClock(), lambda *_: None), site
        self._door_port = listen.door_port or free_port()

    def __enter__(self) -> Self:
        self.broker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.broker.stop()

    @property
    def broker(self) -> Broker:
        """The broker with certificates."""
        return self._trusted.broker

    async def follow(self, warn: Callable[[str], None] = lambda _: None) -> None:
        """Let in and out whom the twin's register names, until cancelled."""
        await self._trusted.follow(warn)

    def tell(self) -> str:
        """One line for people."""
        over = f", WebSocket {self._listen.websocket_port}" if self._listen.websocket_port else ""
        host = f"[{self._listen.host}]" if ":" in self._listen.host else self._listen.host
        return f"gateways  enrol at {host}:{self._door_port}; broker {host}:{self.broker.port}{over}, by certificate"

    def twin_arguments(self) -> list[str]:
        """What the twin is started with instead of the loopback broker."""
        host = f"[{self._listen.host}]" if ":" in self._listen.host else self._listen.host
        arguments = ["--broker", f"mqtts://{self._here}:{self.broker.port}", "--site-ca"]
        arguments += ["--gateways", f"{host}:{self._door_port}"]
        arguments += ["--gateway-broker", f"mqtts://{{host}}:{self.broker.port}"]
        if self._listen.websocket_port:
            arguments += ["--gateway-broker", f"wss://{{host}}:{self._listen.websocket_port}/mqtt"]
        for name in self._listen.names:
            arguments += ["--gateway-name", name]
        return arguments

    def admit(self, node: str, config: Path, text: str) -> str:
        """The configuration of an agent of this park with its certificate, which lies beside it then."""
        pair, ca = Path("trust") / "gateway.pem", self._desk.authority.ca_file.resolve()
        self._certify(node, config.parent / pair)
        values = {
            "url": f"mqtts://{self._here}:{self.broker.port}", "user": None, "password_file": None,
            "ca_file": str(ca), "cert_file": str(pair), "renew_url": f"https://{self._here}:{self._door_port}",
        }  # fmt: skip
        return set_values(text, "broker", values)

    @property
    def _here(self) -> str:
        tls = self.broker.tls
        assert tls is not None, "a broker for gateways has certificates"
        return f"[{tls.local}]" if ":" in tls.local else tls.local

    def _certify(self, node: str, path: Path) -> None:
        if path.exists() and (held := read_held(path)) is not None:
            known = self._desk.register.read().of_node(node)
            if known is not None and known.serial == held.serial and known.holds(SystemClock().wall_us()):
                return
        self._desk.issue_here(node, path)
        made = self._desk.register.read().of_node(node)
        assert made is not None, "it was just issued"
        hold(path, Held(self._site, node, made.serial, made.not_before_us, made.not_after_us, made.renew_us))
