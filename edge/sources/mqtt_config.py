"""The part of the config of a source, or of a publisher, that says which foreign MQTT broker it speaks with."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

import msgspec

from edge.sources import SourceConfig
from wire.errors import ConfigError
from wire.mqtt import LinkConfig, TlsConfig

__all__ = ["BrokerConfig", "link_config"]


class BrokerConfig(SourceConfig):
    """Address and login of a broker."""

    url: str
    user: str = ""
    password: str = ""
    password_file: str = ""
    ca: str = ""
    cert: str = ""
    key: str = ""
    keepalive_s: Annotated[float, msgspec.Meta(ge=1, le=3600)] = 15.0
    transport: Literal["fast", "paho"] = "fast"


def link_config(config: BrokerConfig, folder: Path, *, manual_ack: bool = False, coalesce_s: float = 0.0) -> LinkConfig:
    """The link to the broker of a config; ConfigError when its URL is none."""
    url = urlsplit(config.url)
    try:
        port = url.port
    except ValueError:
        port = 0
    if url.scheme not in {"mqtt", "mqtts"} or not url.hostname or port == 0:
        fix = "write mqtt://host:1883 or mqtts://host:8883"
        raise ConfigError(f"{config.url!r} is no broker", field="url", fix=fix)
    secure = url.scheme == "mqtts"
    password = config.password or unquote(url.password or "")
    if config.password_file:
        password = (folder / config.password_file).read_text().strip()
    ca, cert, key = (folder / name if name else None for name in (config.ca, config.cert, config.key))
    return LinkConfig(
        host=url.hostname,
        port=port or (8883 if secure else 1883),
        user=config.user or unquote(url.username or ""),
        password=password,
        client_id=f"aid4-{config.name}",
        tls=TlsConfig(ca, cert, key) if secure else None,
        keepalive_s=config.keepalive_s,
        transport=config.transport,
        manual_ack=manual_ack,
        coalesce_s=coalesce_s if config.transport == "fast" else 0.0,
    )
