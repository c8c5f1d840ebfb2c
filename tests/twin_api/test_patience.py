"""Clients that dawdle are sent away, and TLS is spoken for real."""

import asyncio
import datetime as dt
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from twin.api import patience

SECRET = "a-token-of-the-test-bench-1"


async def socket_to(park: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = park.url.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: "])
async def test_a_head_that_never_ends_is_cut_off(park: Any, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(patience, "HTTP_HEAD_S_MAX", 0.3)
    reader, writer = await socket_to(park)
    writer.write(sent)
    async with asyncio.timeout(10):
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_a_second_head_on_one_connection_is_timed_like_the_first(
    park: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "HTTP_HEAD_S_MAX", 0.3)
    reader, writer = await socket_to(park)
    whole = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    async with asyncio.timeout(10):
        for _ in range(2):
            writer.write(whole)
            assert b" 200 " in await reader.readline()
            head = await reader.readuntil(b"\r\n\r\n")
            size = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
            await reader.readexactly(int(size.split(b":")[1]))
        writer.write(whole[:20])
        assert b" 408 " in await reader.read()
    writer.close()


async def test_a_body_that_stops_is_answered_408_and_leaves_no_file(park: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "HTTP_BODY_GRACE_S", 0.3)
    reader, writer = await socket_to(park)
    writer.write(b"POST /api/v1/uploads?name=a.ifc HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 999999\r\n\r\nISO")
    async with asyncio.timeout(10):
        answer = await reader.read()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 408 " in head.split(b"\r\n")[0]
    assert json.loads(body)["field"] == "body"
    assert list(park.twin.uploads.iterdir()) == []
    writer.close()


async def test_a_body_that_keeps_its_pace_may_take_its_time(park: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "HTTP_BODY_GRACE_S", 1.0)
    monkeypatch.setattr(patience, "HTTP_BODY_BYTES_S_MIN", 10)

    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(8):
            await asyncio.sleep(0.2)
            yield b"x" * 100

    answer = await park.client.post("/api/v1/uploads", params={"name": "a.ifc"}, content=slowly())
    assert (answer.status_code, answer.json()["bytes"]) == (201, 800)


def certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "twin of the test bench")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "twin.crt", folder / "twin.key"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    )
    return cert_file, key_file


async def test_with_a_certificate_page_api_and_socket_speak_tls_only(start: Callable[..., Any], tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    token = tmp_path / "token"
    token.write_text(SECRET)
    park = await start(token_file=token, tls_cert=cert, tls_key=key)
    assert park.url.startswith("https://127.0.0.1:")
    trust = ssl.create_default_context(cafile=str(cert))
    async with httpx.AsyncClient(base_url=park.url, verify=trust) as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/api/v1/site")).status_code == 401
        signed = await client.post("/api/v1/session", json={"token": SECRET})
        assert "secure" in signed.headers["set-cookie"].lower(), "the cookie never travels in the clear"
        assert (await client.get("/api/v1/site")).json()["name"] == "lab", "signed in by the cookie"
    headers = {"Authorization": f"Bearer {SECRET}"}
    url = park.url.replace("https", "wss") + "/api/v1/live"
    async with websockets.connect(url, ssl=trust, additional_headers=headers) as live, asyncio.timeout(10):
        assert json.loads(await live.recv())["type"] == "hello"
    async with httpx.AsyncClient() as plain:
        with pytest.raises(httpx.HTTPError):
            await plain.get(park.url.replace("https", "http") + "/healthz")
    async with httpx.AsyncClient() as stranger:
        with pytest.raises(httpx.ConnectError, match="certificate"):
            await stranger.get(f"{park.url}/healthz")
