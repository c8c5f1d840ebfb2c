"""`aid4 edge enrol`: a key made here, a certificate for it by a one-time token, and the way to the broker."""

import base64
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from edge.config import AgentConfig, load
from edge.link import proxy_of
from edge.toml_edit import set_values
from edge.trust_files import FOLDER, Held, read_held, write_held
from edge.trust_http import RefusedError, TwinDoor
from wire.errors import ConfigError, InputError
from wire.mqtt import Proxy
from wire.private_files import write_private
from wire.trust import PROOF_PREFIX, EnrolAnswer, EnrolRequest, RenewRequest, read_token

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

__all__ = ["Enrolled", "NextKey", "enrol", "renew"]


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What an enrolment left behind."""

    held: Held
    broker: str
    files: tuple[Path, ...]
    clock_off_s: float  # of this gateway against the twin; negative when it is behind


class NextKey:
    """A key that waits for its certificate, with the request for it. The key is never written before it has one."""

    def __init__(self, node: str) -> None:
        from cryptography import x509  # a library of 10 MB that nothing of a running agent needs before
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import NameOID

        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node)])
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
        pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        self.node, self._public = node, key.public_key()
        self.pem = key.private_bytes(pem, form, serialization.NoEncryption())
        self.csr = request.public_bytes(pem).decode()
        self.der = request.public_bytes(serialization.Encoding.DER)

    def check(self, answer: EnrolAnswer) -> None:
        """RefusedError unless the answer is a certificate of this key for this node."""
        from cryptography import x509

        try:
            certificate = x509.load_pem_x509_certificate(answer.certificate.encode())
            certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(answer.ca.encode()))
            good = certificate.public_key() == self._public and answer.node == self.node
        except Exception as error:
            raise RefusedError(
                f"the twin's certificate is none: {error}", fix="report it with the twin's log"
            ) from error
        if not good:
            raise RefusedError("the twin's certificate is not for this gateway's key", fix="report it")


def enrol(file: Path, twin: str, token: str, *, proxy_url: str = "", websocket: bool = False) -> Enrolled:
    """Enrol the gateway of a configuration file, and write the way to the broker into it; a copy of it stays beside it.

    UserError when it is refused, LinkError when the twin cannot be reached; then nothing was changed.
    """
    config = load(file)
    door, pin = TwinDoor(twin, Proxy.of_url(proxy_url) if proxy_url else None), read_token(token)
    text = file.read_text(encoding="utf-8")
    ca, key = door.authority(pin), NextKey(config.node)
    rehearsed = _edited(text, config, "mqtts://host", door.url, proxy_url)
    set_values(
        rehearsed, "", {"site": config.site}
    )  # what cannot be written is told now, not when the token is used up
    answer = door.post("/api/v1/enrol", EnrolRequest(token, key.csr), ca)
    key.check(answer)
    broker = _broker(answer, websocket or bool(proxy_url))
    folder = config.path(FOLDER)
    held = write_held(folder / "gateway.pem", key.pem, answer)
    write_private(folder / "ca.pem", ca.encode())
    made = _edited(text, config, broker, door.url, proxy_url)
    made = set_values(made, "", {"site": answer.site})
    write_private(file.with_name(file.name + ".bak"), text.encode())
    write_private(file, made.encode())
    files = (folder / "gateway.pem", folder / "ca.pem", file)
    return Enrolled(held, broker, files, time.time() - answer.now_us / 1e6)


def renew(config: AgentConfig, key: NextKey | None = None) -> Held:
    """The next certificate for the gateway of a configuration, in place of the one of now. Give the same `key` again
    after a LinkError: an answer that was lost is then given once more."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    broker, path = config.broker, config.path(config.broker.cert_file)
    now, next_key = read_held(path), key or NextKey(config.node)
    if now is None or not broker.renew_url:
        fix = "enrol this gateway, or renew its certificate where it came from"
        raise ConfigError(
            "this certificate did not come from a twin", file=str(path), field="broker.cert_file", fix=fix
        )
    current, certificate = _current(path)
    proof = base64.b64encode(current.sign(PROOF_PREFIX + next_key.der, ec.ECDSA(hashes.SHA256()))).decode()
    door, ca = TwinDoor(broker.renew_url, proxy_of(config)), config.path(broker.ca_file).read_text(encoding="ascii")
    answer = door.post("/api/v1/renew", RenewRequest(certificate, next_key.csr, proof), ca)
    next_key.check(answer)
    return write_held(path, next_key.pem, answer)


def _current(path: Path) -> tuple["ec.EllipticCurvePrivateKey", str]:
    """The key and the certificate of now."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    text = path.read_text(encoding="ascii")
    certificate = text[text.index("-----BEGIN CERTIFICATE-----") :]
    key = serialization.load_pem_private_key(text.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(
            "holds no key of ours", file=str(path), field="broker.cert_file", fix="enrol this gateway anew"
        )
    return key, certificate


def _broker(answer: EnrolAnswer, websocket: bool) -> str:
    """The broker's address: over WebSocket where a proxy or a person asks for it."""
    schemes = ("wss",) if websocket else ("mqtts", "wss")
    for scheme in schemes:
        for url in answer.brokers:
            if urlsplit(url).scheme == scheme:
                return url
    fix = "start the twin's side with --websocket-port" if websocket else "start the twin with --gateway-broker"
    raise InputError("the twin names no broker to go to", field="--twin", fix=fix)


def _edited(text: str, config: AgentConfig, broker: str, door: str, proxy: str) -> str:
    """The configuration with the new way in it."""
    values = {
        "url": broker,
        "user": None,
        "password_file": None,
        "key_file": None,
        "ca_file": f"{FOLDER}/ca.pem",
        "cert_file": f"{FOLDER}/gateway.pem",
        "renew_url": door,
        "transport": "paho" if broker.startswith("wss") else None,
        "proxy": proxy or None,
    }
    try:
        return set_values(text, "broker", values)
    except ConfigError as error:
        raise ConfigError(error.problem, file=str(config.file), field=error.field, fix=error.fix) from error
