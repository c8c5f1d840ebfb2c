"""The broker beyond loopback, on both brokers and both transports: a certificate says who may say and hear what."""

import asyncio
import base64
import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from aid4.broker_trust import TrustedBroker
from twin.trust import TrustDesk
from wire.clock import SystemClock
from wire.errors import LinkError
from wire.mqtt import Link, LinkConfig, Message, Proxy, TlsConfig

sys.path.insert(0, str(Path(__file__).parent))
from test_register import new_key, request_for

SITE = "s"
WAIT_S = 90.0


@pytest.fixture(params=["nats", "mosquitto"])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "mosquitto":
        request.getfixturevalue("mosquitto")
    return str(request.param)


@pytest.fixture(params=["fast", "paho"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Trusted:
    """A broker of one kind with the authority behind it, and gateways that were enrolled."""

    made: TrustedBroker
    desk: TrustDesk
    folder: Path

    def enrol(self, node: str) -> TlsConfig:
        from twin.pki import key_pem

        key = new_key()
        answer = self.desk.enrol(self.desk.invite(node, "eva").token, request_for(node, key), "here")
        path = self.folder / f"{node}-{answer.serial}.pem"
        path.write_bytes(key_pem(key) + answer.certificate.encode())
        return TlsConfig(ca=self.desk.folder / "ca.pem", cert=path)

    def local(self, name: str) -> TlsConfig:
        return TlsConfig(ca=self.desk.folder / "ca.pem", cert=self.desk.issue_here(name, self.folder / f"{name}.pem"))

    def link(self, tls: TlsConfig, got: list[Message] | None = None, **more: object) -> Link:
        values = {"host": "127.0.0.1", "port": self.made.broker.port, "tls": tls, "keepalive_s": 5.0}
        link = Link(LinkConfig(**{**values, **more}))  # type: ignore[arg-type]
        if got is not None:
            link.on_messages = got.extend
        return link


@pytest.fixture
async def trusted(kind: str, tmp_path: Path) -> AsyncIterator[Trusted]:
    made = TrustedBroker(tmp_path / "broker", tmp_path / "twin", SITE, host="127.0.0.1", kind=kind)
    with made.broker:
        following = asyncio.create_task(made.follow())
        yield Trusted(made, TrustDesk(tmp_path / "twin", SITE, SystemClock(), lambda *_: None), tmp_path)
        following.cancel()
        await asyncio.wait([following])


async def eventually(condition: object, bound_s: float = WAIT_S) -> None:
    async with asyncio.timeout(bound_s):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.01)


async def test_a_gateway_says_and_hears_what_is_its_own_and_nothing_else(trusted: Trusted, transport: str) -> None:
    mine, other, twin = trusted.enrol("gw-1"), trusted.enrol("gw-2"), trusted.local("twin")
    heard: list[Message] = []
    got: list[Message] = []
    async with contextlib.AsyncExitStack() as stack:
        links = [
            await stack.enter_async_context(trusted.link(tls, seen, transport=transport))
            for tls, seen in ((mine, got), (other, None), (twin, heard))
        ]
        one, two, ear = links
        for link in links:
            async with asyncio.timeout(WAIT_S):
                await link.up()
        await ear.subscribe([(f"aid4/1/{SITE}/+/up/+", 1)])
        await one.subscribe([(f"aid4/1/{SITE}/gw-1/down/+", 1)])
        for topic in ("#", f"aid4/1/{SITE}/+/up/+", f"aid4/1/{SITE}/gw-2/down/+", "$SYS/#", "$share/g/aid4/1/#"):
            with contextlib.suppress(LinkError):  # mosquitto grants and then delivers nothing
                await one.subscribe([(topic, 1)])
            await eventually(lambda: one.connected)
        forbidden = (f"aid4/1/{SITE}/gw-2/up/data", f"aid4/1/{SITE}/gw-1/down/cmd", "aid4/1/other/gw-1/up/data", "x")
        for topic in forbidden:
            await one.drained()
            one.publish(topic, b"no", qos=1)
        while {m.payload for m in heard} < {b"one", b"two"} or not got:  # mosquitto reads its rights a moment later
            async with asyncio.timeout(WAIT_S):
                for link, node, way, text in (
                    (ear, "gw-2", "down/cmd", b"for two"),
                    (ear, "gw-1", "down/cmd", b"for one"),
                    (two, "gw-2", "up/data", b"two"),
                    (one, "gw-1", "up/data", b"one"),
                ):
                    await link.drained()
                    link.publish(f"aid4/1/{SITE}/{node}/{way}", text, qos=1)
                await asyncio.sleep(0.1)
    assert {(m.topic.split("/")[3], m.payload) for m in heard} == {("gw-1", b"one"), ("gw-2", b"two")}
    assert {m.payload for m in got} == {b"for one"}


async def test_without_a_certificate_of_the_site_nobody_comes_in(trusted: Trusted, transport: str) -> None:
    elsewhere = TrustDesk(trusted.folder / "elsewhere", SITE, SystemClock(), lambda *_: None)
    ca = trusted.desk.folder / "ca.pem"
    foreign = elsewhere.issue_here("gw-1", trusted.folder / "foreign.pem")
    server = trusted.made.broker.tls.server  # type: ignore[union-attr]
    trusted.enrol("gw-1")
    for tls in (TlsConfig(ca=ca), TlsConfig(ca=ca, cert=foreign), TlsConfig(ca=ca, cert=server)):
        link = trusted.link(tls, transport=transport)
        async with link:
            await eventually(lambda link=link: link.stats.failures > 0)
        assert link.stats.connects == 0


async def test_a_revoked_gateway_is_cut_within_five_seconds_and_stays_out(trusted: Trusted) -> None:
    gone, stays = trusted.link(trusted.enrol("gw-1")), trusted.link(trusted.enrol("gw-2"))
    lost: dict[str, list[float]] = {"gw-1": [], "gw-2": []}
    gone.on_disconnect = lambda _: lost["gw-1"].append(time.monotonic())
    stays.on_disconnect = lambda why: lost["gw-2"].append(time.monotonic()) if why != "stopped" else None
    async with gone, stays:
        for link in (gone, stays):
            async with asyncio.timeout(WAIT_S):
                await link.up()
        revoked_s = time.monotonic()
        await asyncio.to_thread(trusted.desk.revoke, "gw-1", "eva", "stolen")
        await eventually(lambda: lost["gw-1"])
        took_s, waiting = lost["gw-1"][0] - revoked_s, max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
        print(f"cut after {took_s:.2f} s by {trusted.made.broker.kind}")
        assert took_s < 5.0 * waiting
        failures = gone.stats.failures
        await eventually(lambda: gone.stats.failures > failures + 1)
        assert gone.stats.connects <= 2  # mosquitto: once more, if it came before the list was read
        assert not gone.connected
        assert stays.connected
    assert lost["gw-2"] == []


async def test_revocation_survives_a_restart_and_a_new_enrolment_does_not_lift_it(trusted: Trusted) -> None:
    old = trusted.enrol("gw-1")
    async with trusted.link(old) as link, asyncio.timeout(WAIT_S):
        await link.up()
    trusted.desk.revoke("gw-1", "eva", "stolen")
    fresh = trusted.enrol("gw-1")
    async with trusted.link(fresh) as link, asyncio.timeout(WAIT_S):
        await link.up()
    broker = trusted.made.broker
    broker.stop()
    again = TrustedBroker(
        trusted.folder / "again", trusted.folder / "twin", SITE, host="127.0.0.1", kind=broker.kind, port=broker.port
    )
    with again.broker:
        thief, owner = trusted.link(old), trusted.link(fresh)
        async with thief, owner:
            async with asyncio.timeout(WAIT_S):
                await owner.up()
            await eventually(lambda: thief.stats.failures >= 2)
            assert thief.stats.connects == 0
    broker.start()


class ConnectProxy:
    """An HTTP proxy that lets CONNECT through and notes it; with `user` it asks for one."""

    def __init__(self, user: str = "") -> None:
        self._user, self.asked = user, list[str]()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = [self._listener]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                threading.Thread(target=self._tunnel, args=(client,), daemon=True).start()

    def _tunnel(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            self.asked.append(head.split(b"\r\n")[0].decode())
            secret = base64.b64encode(self._user.encode())
            if self._user and secret not in head:
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
                client.close()
                return
            host, _, port = head.split(b" ")[1].decode().rpartition(":")
            far = socket.create_connection((host, int(port)))
            self._open.append(far)
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            for source, sink in ((client, far), (far, client)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy() -> Iterator[ConnectProxy]:
    made = ConnectProxy("site:secret")
    yield made
    made.close()


async def test_mqtt_over_websocket_and_tls_goes_through_a_proxy_that_lets_nothing_else_out(
    tmp_path: Path, proxy: ConnectProxy, kind: str
) -> None:
    port = free_port()
    made = TrustedBroker(tmp_path / "broker", tmp_path / "twin", SITE, host="127.0.0.1", websocket_port=port, kind=kind)
    with made.broker:
        desk = TrustDesk(tmp_path / "twin", SITE, SystemClock(), lambda *_: None)
        trusted = Trusted(made, desk, tmp_path)
        mine, twin = trusted.enrol("gw-1"), trusted.local("twin")
        made.broker.reload(made._state()[0])
        heard: list[Message] = []
        way = {"port": port, "transport": "paho", "websocket_path": "/mqtt"}
        through = Proxy("127.0.0.1", proxy.port, "site", "secret")
        async with trusted.link(twin, heard) as ear, trusted.link(mine, proxy=through, **way) as one:
            async with asyncio.timeout(WAIT_S):
                await ear.up()
                await ear.subscribe([(f"aid4/1/{SITE}/+/up/+", 1)])
                await one.up()
            while not heard:  # mosquitto reads its rights a moment later
                async with asyncio.timeout(WAIT_S):
                    await one.drained()
                    one.publish(f"aid4/1/{SITE}/gw-2/up/data", b"no", qos=1)
                    one.publish(f"aid4/1/{SITE}/gw-1/up/data", b"x" * 300_000, qos=1)
                    await asyncio.sleep(0.2)
        assert {(m.topic.split("/")[3], len(m.payload)) for m in heard} == {("gw-1", 300_000)}
        assert set(proxy.asked) == {f"CONNECT 127.0.0.1:{port} HTTP/1.1"}
        async with trusted.link(mine, proxy=Proxy("127.0.0.1", proxy.port), **way) as one:
            await eventually(lambda: "asks for a user" in one.stats.last_error)


async def test_plain_mqtt_goes_through_the_proxy_too(trusted: Trusted, transport: str) -> None:
    proxy = ConnectProxy()
    way = Proxy("127.0.0.1", proxy.port)
    async with trusted.link(trusted.enrol("gw-1"), transport=transport, proxy=way) as one, asyncio.timeout(WAIT_S):
        await one.up()
    assert proxy.asked
    proxy.close()
