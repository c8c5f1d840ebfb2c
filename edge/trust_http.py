"""The twin's door, asked over HTTPS: the authority is pinned by its fingerprint, and nothing else is trusted."""

import contextlib
import hashlib
import http.client
import ipaddress
import socket
import ssl
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from wire.errors import Aid4Error, InputError, LinkError
from wire.mqtt import Proxy, TlsConfig
from wire.mqtt.proxy import tunnel
from wire.trust import EnrolAnswer

__all__ = ["RefusedError", "TwinDoor"]

_WAIT_S: Final = 20.0
_BYTES_MAX: Final = 65_536


class RefusedError(InputError):
    """The twin heard us and said no."""


class TwinDoor:
    """One twin at `url` (https, or http on this machine), through `proxy` if there is one."""

    def __init__(self, url: str, proxy: Proxy | None = None) -> None:
        parts = urlsplit(url)
        fix = "write https://twin.example:8481, as the command of the twin says"
        try:
            self._port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError as error:
            raise InputError(f"{url!r} is no address of a twin", field="--twin", fix=fix) from error
        self._host, self._tls, self._proxy = parts.hostname or "", parts.scheme == "https", proxy
        if parts.scheme not in {"http", "https"} or not self._host:
            raise InputError(f"{url!r} is no address of a twin", field="--twin", fix=fix)
        if not self._tls and not _is_here(self._host):
            raise InputError("a token would go in the clear", field="--twin", fix=fix)
        self.url = url.rstrip("/")

    def authority(self, pin: bytes) -> str:
        """The authority's certificate that has this SHA-256; RefusedError when the twin shows another one.

        This one answer comes over a connection that nobody vouches for; the fingerprint does.
        """
        nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        nobody.check_hostname, nobody.verify_mode = False, ssl.CERT_NONE
        pem = self._ask("GET", "/api/v1/ca", None, nobody).decode("ascii", errors="replace")
        try:
            der = ssl.PEM_cert_to_DER_cert(pem.strip())
        except ValueError as error:
            raise RefusedError("no twin of ours answers there", field="--twin", fix="check the address") from error
        if hashlib.sha256(der).digest() != pin:
            fix = "take a token of this very twin; if it is one, somebody stands between"
            raise RefusedError("the twin there is not the one that made this token", field="--twin", fix=fix)
        return pem

    def post(self, path: str, body: msgspec.Struct, ca_pem: str) -> EnrolAnswer:
        """Send a request to the twin that this authority vouches for; RefusedError, LinkError."""
        with TemporaryDirectory() as folder:
            ca = Path(folder) / "ca.pem"
            ca.write_text(ca_pem, encoding="ascii")
            data = self._ask("POST", path, msgspec.json.encode(body), TlsConfig(ca=ca).context())
        try:
            return msgspec.json.decode(data, type=EnrolAnswer)
        except msgspec.MsgspecError as error:
            raise RefusedError(
                f"the twin's answer is none: {error}", field="--twin", fix="update this agent"
            ) from error

    def _ask(self, method: str, path: str, data: bytes | None, context: ssl.SSLContext) -> bytes:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_WAIT_S)
        try:
            connection.sock = self._connect(context)
            connection.request(method, path, data, {"Content-Type": "application/json", "Connection": "close"})
            answer = connection.getresponse()
            body = answer.read(_BYTES_MAX)
        except (OSError, http.client.HTTPException) as error:
            raise LinkError(f"{self._host}:{self._port} cannot be reached: {error}") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise _refusal(answer.status, body)
        return body

    def _connect(self, context: ssl.SSLContext) -> socket.socket:
        if self._proxy is not None:
            raw = tunnel(self._proxy, self._host, self._port, _WAIT_S)
        else:
            raw = socket.create_connection((self._host, self._port), timeout=_WAIT_S)
        if not self._tls:
            return raw
        try:
            return context.wrap_socket(raw, server_hostname=self._host)
        except OSError:
            raw.close()
            raise


def _refusal(status: int, body: bytes) -> Aid4Error:
    document: dict[str, Any] = {}
    with contextlib.suppress(msgspec.MsgspecError):
        document = msgspec.json.decode(body, type=dict[str, Any])
    detail = str(document.get("detail") or f"the twin answered {status}")[:500]
    if status == 429 or status >= 500:
        return LinkError(detail)
    field, fix = (str(document.get(name) or "")[:500] for name in ("field", "fix"))
    return RefusedError(detail, field=f"--{field}" if field == "token" else field, fix=fix)


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
