"""The broker beyond loopback: TLS of the site's authority, a certificate from everybody, and what that means for each
kind of broker. nats-server maps a certificate's DNS name to a user; mosquitto takes its common name and reads the
revocation list. What is beyond that difference is the same for both, and tested on both.
"""

import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wire.mqtt import packets

__all__ = ["PROBE", "BrokerTls", "cut_sessions", "mosquitto_tls", "nats_tls"]

PROBE: Final = "aid4-probe"
_REACH_S = 2.0
_CUT_AFTER_S: Final = (0.2, 0.8, 1.5)  # the signal is handled between two packets; who slips in meanwhile is cut too
_CAME: Final = re.compile(r"New client connected from \S+ as (.+) \(p\d, c[01], k\d+(?:, u'([^']*)')?\)\.$")
_WENT: Final = re.compile(r"Client (.+) (?:disconnected|closed its connection|has exceeded timeout, disconnecting)\.$")
_LOG_BYTES_MAX: Final = 32 << 20


@dataclass(frozen=True, slots=True)
class BrokerTls:
    """Files of the site's authority, and where to listen. `probe` is a key and certificate of the park's own, which may
    do nothing; with `websocket_port` MQTT over WebSocket is offered too."""

    host: str
    ca: Path
    crl: Path
    server: Path
    probe: Path
    websocket_port: int = 0

    def reach(self, port: int) -> ssl.SSLSocket:
        """A connection to this broker as the probe; OSError."""
        context = ssl.create_default_context(cafile=self.ca)
        context.load_cert_chain(self.probe)
        raw = socket.create_connection((self.local, port), timeout=_REACH_S)
        try:
            return context.wrap_socket(raw, server_hostname=self.local)
        except OSError:
            raw.close()
            raise

    @property
    def local(self) -> str:
        """The address at which this machine reaches it."""
        address = ipaddress.ip_address(self.host)
        if not address.is_unspecified:
            return self.host
        return "::1" if address.version == 6 else "127.0.0.1"


def nats_tls(tls: BrokerTls) -> tuple[str, str]:
    """(inside `mqtt`, block `websocket`) of a nats-server."""
    block = (
        f'  tls {{ cert_file: "{tls.server}", key_file: "{tls.server}", ca_file: "{tls.ca}", '
        'verify_and_map: true, timeout: 10 }'
    )  # fmt: skip
    if not tls.websocket_port:
        return block, ""
    return block, f'websocket {{\n  host: "{tls.host}"\n  port: {tls.websocket_port}\n{block}\n}}'


def mosquitto_tls(tls: BrokerTls) -> tuple[str, str]:
    """(of the listener, the listener for WebSocket) of mosquitto."""
    lines = [
        f"cafile {tls.ca}", f"certfile {tls.server}", f"keyfile {tls.server}", f"crlfile {tls.crl}",
        "require_certificate true", "use_identity_as_username true", "tls_version tlsv1.2",
    ]  # fmt: skip
    block = "\n".join(lines)
    if not tls.websocket_port:
        return block, ""
    return block, f"listener {tls.websocket_port} {tls.host}\nprotocol websockets\n{block}"


def cut_sessions(log: Path, stay: Collection[str], port: int, tls: BrokerTls) -> None:
    """Cut the live sessions of everybody but these users at mosquitto, which itself refuses them new ones only.

    MQTT lets the newer of two connections with one client id stand, so the probe connects with theirs; the ids are in
    the broker's log. A session that was not cut may neither say nor hear anything: its rights ended with the signal.
    """
    for pause_s in _CUT_AFTER_S:
        time.sleep(pause_s)
        for client_id in _client_ids(log, {*stay, PROBE}):
            hello = packets.connect(client_id, user="", password="", keepalive_s=10, will=None)
            try:
                with tls.reach(port) as taken:
                    taken.sendall(hello)
                    taken.recv(4)
                    taken.sendall(packets.DISCONNECT)
            except OSError:
                continue


def _client_ids(log: Path, stay: Collection[str]) -> list[str]:
    """Client ids of all others that are connected, as far as the log reaches back."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LOG_BYTES_MAX))
        lines = file.read().decode(errors="replace").splitlines()
    live: dict[str, str] = {}
    for line in lines:
        if found := _CAME.search(line):
            live[found[1]] = found[2] or ""
        elif found := _WENT.search(line):
            live.pop(found[1], None)
    return [client_id for client_id, name in live.items() if name not in stay]
