"""`[publish.…]` of an agent's configuration.

[publish.sparkplug]                     # tested: the samples are the config of the first tests
url = "mqtt://127.0.0.1:1883"
group = "campus"                        # else the site
host_id = "scada"                       # publish only while this primary host is there; keep the data meanwhile
points = ["line-*/*"]                   # globs of device/metric; all without it

[publish.homeassistant]
url = "mqtt://127.0.0.1:1883"
points = ["room-*/*"]
commands = true                         # let Home Assistant set what is writable
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge.sources.mqtt_config import BrokerConfig, link_config
from wire.mqtt import LinkConfig

__all__ = ["BrokerLogin", "HomeAssistantConfig", "PublishConfig", "SparkplugOutConfig"]

Topic = Annotated[str, Meta(pattern=r"^[^+#/\s]{1,64}$")]


class BrokerLogin(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The broker of a publisher, which need not be the twin's. The fields are those of MQTT sources."""

    url: str
    user: str = ""
    password: str = ""
    password_file: str = ""
    ca: str = ""
    cert: str = ""
    key: str = ""
    keepalive_s: Annotated[float, Meta(ge=1, le=3600)] = 15.0
    transport: Literal["fast", "paho"] = "fast"
    points: tuple[str, ...] = ("*",)
    period_s: Annotated[float, Meta(ge=0.02, le=3_600)] = 1.0  # what is gathered into one message
    commands: bool = False
    command_life_s: Annotated[float, Meta(gt=0, le=3_600)] = 10.0

    def link(self, name: str, folder: Path) -> LinkConfig:
        """The link to this broker; ConfigError when its URL is none."""
        shared = set(BrokerConfig.__struct_fields__) & set(self.__struct_fields__)
        return link_config(BrokerConfig(name=name, **{one: getattr(self, one) for one in shared}), folder)


class SparkplugOutConfig(BrokerLogin, kw_only=True, forbid_unknown_fields=True):
    """An edge node: `group`/`node`."""

    group: Annotated[str, Meta(pattern=r"^[^+#/]{0,64}$")] = ""
    node: Annotated[str, Meta(pattern=r"^[^+#/]{0,64}$")] = ""
    host_id: Annotated[str, Meta(pattern=r"^[^+#/]{0,64}$")] = ""
    store_bytes: Annotated[int, Meta(ge=0, le=1 << 34)] = 64 << 20  # on disk, while the host is away


class HomeAssistantConfig(BrokerLogin, kw_only=True, forbid_unknown_fields=True):
    """MQTT discovery."""

    prefix: Topic = "homeassistant"
    base: Annotated[str, Meta(pattern=r"^[^+#\s]{1,128}$")] = ""  # of state topics; else aid4-ha/{site}/{node}
    forget_s: Annotated[float, Meta(ge=0, le=86_400)] = 600.0  # after a start: a point that did not return is removed


class PublishConfig(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[publish]`."""

    sparkplug: SparkplugOutConfig | None = None
    homeassistant: HomeAssistantConfig | None = None
