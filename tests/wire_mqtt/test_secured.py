"""TLS on both transports; MQTT 5 and websockets on paho."""

import datetime as dt
import ipaddress
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from wire.errors import ConfigError
from wire.mqtt import Link, LinkConfig, Message, TlsConfig

sys.path.insert(0, str(Path(__file__).parent))
from conftest import PASSWORD, USER, RealBroker, eventually


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "park")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(minutes=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[dict[str, int]]:
    """nats-server with MQTT over TLS and over websockets."""
    cert, key = write_certificate(tmp_path)
    ports = {"tls": free_port(), "websocket": free_port()}
    path = tmp_path / "nats.conf"
    path.write_text(
        f'server_name: t\nhost: 127.0.0.1\nport: -1\njetstream {{ store_dir: "{tmp_path}/js" }}\n'
        f'mqtt {{ host: 127.0.0.1, port: {ports["tls"]}, tls {{ cert_file: "{cert}", key_file: "{key}" }} }}\n'
        f"websocket {{ host: 127.0.0.1, port: {ports['websocket']}, no_tls: true }}\n"
        f'authorization {{ users: [ {{ user: {USER}, password: "{PASSWORD}" }} ] }}\n'
    )
    program = Path(sysconfig.get_path("scripts")) / "nats-server"
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([str(program), "-c", str(path)], stdout=log, stderr=log)
    yield ports
    process.kill()
    process.wait()


async def echo(config: LinkConfig) -> Link:
    """Say something to oneself at both levels of quality."""
    got: list[Message] = []
    link = Link(config)
    link.on_messages = got.extend
    async with link:
        await link.up()
        await link.subscribe([("t/#", 1)])
        assert link.publish("t/0", b"zero")
        assert link.publish("t/1", b"x" * 300_000, qos=1)
        await eventually(lambda: len(got) == 2 and link.stats.acknowledged == 1)
    assert {message.topic: message.payload for message in got} == {"t/0": b"zero", "t/1": b"x" * 300_000}
    return link


async def test_the_same_over_tls(nats: dict[str, int], transport: str, tmp_path: Path) -> None:
    tls = TlsConfig(ca=tmp_path / "cert.pem")
    await echo(LinkConfig("127.0.0.1", nats["tls"], USER, PASSWORD, tls=tls, transport=transport))


async def test_a_stranger_with_a_certificate_is_not_trusted(
    nats: dict[str, int], transport: str, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    stranger, _ = write_certificate(tmp_path / "other")
    tls = TlsConfig(ca=stranger)
    link = Link(LinkConfig("127.0.0.1", nats["tls"], USER, PASSWORD, tls=tls, transport=transport))
    async with link:
        await eventually(lambda: "CERTIFICATE_VERIFY_FAILED" in link.stats.last_error.upper())
    assert link.stats.connects == 0


async def test_paho_speaks_websockets(nats: dict[str, int]) -> None:
    await echo(LinkConfig("127.0.0.1", nats["websocket"], USER, PASSWORD, transport="paho", websocket_path="/mqtt"))


async def test_paho_speaks_mqtt_5(mosquitto: Path, tmp_path: Path) -> None:
    broker = RealBroker("mosquitto", tmp_path)
    broker.start()
    try:
        link = await echo(broker.config("paho", version=5))
    finally:
        broker.kill()
    assert link.stats.refused == 0


def test_certificates_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.pem"):
        TlsConfig(ca=tmp_path / "gone.pem").context()
