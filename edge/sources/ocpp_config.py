"""Config of a central system for chargers: where it listens, who may connect, and how one proves who it is."""

import base64
import binascii
import hmac
import ssl
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from edge.sources import SourceConfig
from edge.sources.columns import PointSpec
from wire.errors import ConfigError
from wire.names import is_name, slug

__all__ = ["ChargerSpec", "OcppConfig", "address", "by_identity", "proves", "tls"]


class ChargerSpec(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One charger by its identity: what it is called, where it stands, what is known of its points."""

    identity: str
    device: str = ""
    password: str = ""
    label: str = ""
    space_hint: str = ""
    points: tuple[PointSpec, ...] = ()


class OcppConfig(SourceConfig, tag="ocpp"):
    """Config of one central system."""

    url: str
    chargers: tuple[ChargerSpec, ...] = ()
    accept_unknown: bool = False
    versions: tuple[Literal["1.6", "2.0.1", "2.1"], ...] = ("2.1", "2.0.1", "1.6")
    heartbeat_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 60
    link_loss_s: Annotated[float, msgspec.Meta(ge=0.5, le=3_600)] = 30.0
    validate: Literal["warn", "refuse", "off"] = "warn"
    id_tags: tuple[str, ...] = ()  # that may charge; none: all
    cert: str = ""
    key: str = ""


def address(config: OcppConfig) -> tuple[str, int, str]:
    """Host, port and path of `url`; ConfigError for what cannot be listened on."""
    try:
        parts = urlsplit(config.url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("ws", "wss") or not parts.hostname or port is None:
        raise ConfigError(f"{config.url!r} is no address to listen on", field="url", fix="write ws://0.0.0.0:9000/ocpp")
    if (parts.scheme == "wss") != bool(config.cert):
        raise ConfigError("wss needs a certificate, and ws takes none", field="cert", fix="give cert and key for wss")
    return parts.hostname, port, parts.path.rstrip("/")


def by_identity(config: OcppConfig) -> dict[str, ChargerSpec]:
    """The listed chargers by identity; ConfigError for a name that is used twice."""
    found: dict[str, ChargerSpec] = {}
    devices = set[str]()
    for number, spec in enumerate(config.chargers):
        device = spec.device or slug(spec.identity)
        if not spec.identity or spec.identity in found or device in devices or not is_name(device):
            fix = "give each charger an identity and a device name of its own, a-z, 0-9, _ and -"
            raise ConfigError("is used twice, missing or no name", field=f"chargers[{number}]", fix=fix)
        found[spec.identity] = spec
        devices.add(device)
    return found


def tls(config: OcppConfig, folder: Path) -> ssl.SSLContext | None:
    """What a wss server needs; None for ws."""
    if not config.cert:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(folder / config.cert, folder / config.key if config.key else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"cannot be used: {error}", field="cert", fix="give a PEM certificate and its key") from error
    return context


def proves(header: str, identity: str, password: str) -> bool:
    """Whether an Authorization header carries the password (basic authentication)."""
    kind, _, told = header.partition(" ")
    try:
        plain = base64.b64decode(told.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    return kind.lower() == "basic" and hmac.compare_digest(plain, f"{identity}:{password}".encode())
