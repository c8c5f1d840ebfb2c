"""The link to a broker: a packet reader of our own, or anything paho speaks, behind one interface.

| file | owns |
|---|---|
| `packets` | the bytes: encoders, `Splitter` |
| `config` | `LinkConfig`, what a session must do, counters |
| `link` | reconnect, resubscribe, callbacks |
| `fast` | a session on `asyncio.BufferedProtocol`: 0.5 µs a small message |
| `paho` | a session on paho-mqtt in its own thread: MQTT 5, websockets, odd brokers |
| `proxy` | a tunnel through an HTTP proxy, for both sessions |
"""

from wire.mqtt.config import LinkConfig, LinkStats, TlsConfig
from wire.mqtt.link import Link
from wire.mqtt.packets import Message, Will
from wire.mqtt.proxy import Proxy

__all__ = ["Link", "LinkConfig", "LinkStats", "Message", "Proxy", "TlsConfig", "Will"]
