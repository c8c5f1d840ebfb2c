"""The link to the broker that a configuration asks for."""

from edge.config import AgentConfig
from wire.errors import ConfigError
from wire.mqtt import LinkConfig, Proxy, TlsConfig

__all__ = ["link_config", "proxy_of"]


def link_config(config: AgentConfig) -> LinkConfig:
    """The link of a configuration; ConfigError when its password file cannot be read. A certificate says who we are,
    so no user goes beside it; WebSocket takes paho."""
    broker = config.broker
    password = _secret(config, broker.password_file, "broker.password_file")
    ca, cert, key = (
        config.path(name) if name else None for name in (broker.ca_file, broker.cert_file, broker.key_file)
    )
    return LinkConfig(
        host=broker.host,
        port=broker.port,
        user=broker.user,
        password=password,
        client_id=f"{config.site}-{config.node}",
        tls=TlsConfig(ca, cert, key) if broker.tls else None,
        keepalive_s=broker.keepalive_s,
        transport="paho" if broker.websocket_path else broker.transport,
        websocket_path=broker.websocket_path,
        proxy=proxy_of(config),
    )


def proxy_of(config: AgentConfig) -> Proxy | None:
    """The proxy of a configuration; ConfigError when its password file cannot be read."""
    broker = config.broker
    if not broker.proxy:
        return None
    return Proxy.of_url(broker.proxy, _secret(config, broker.proxy_password_file, "broker.proxy_password_file"))


def _secret(config: AgentConfig, name: str, field: str) -> str:
    """The one line of a password file, empty without one."""
    if not name:
        return ""
    path = config.path(name)
    try:
        return path.read_text(encoding="utf-8").strip("\r\n")
    except OSError as error:
        fix = "write the password into that file, readable by this user only"
        raise ConfigError(f"cannot be read: {error}", file=str(path), field=field, fix=fix) from error
