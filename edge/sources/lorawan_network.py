"""What network servers say over MQTT: ChirpStack v4 and The Things Stack v3, as one kind of event. Pure."""

import binascii
import re
from base64 import b64decode, b64encode
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

import msgspec

from wire.errors import Aid4Error

__all__ = ["NETWORKS", "Event", "EventError", "Network", "downlink", "read"]

TEXT_CHARS_MAX: Final = 128
GATEWAYS_MAX: Final = 64
_EUI = re.compile(r"[0-9a-f]{16}\Z")

Kind = Literal["up", "join", "ack", "sent", "status", "log"]


class EventError(Aid4Error):
    """A message that is no event of a network server."""


class Event(NamedTuple):
    """One event of a device. `signal` is (RSSI in dBm, SNR in dB) of the gateway that heard it best."""

    kind: Kind
    eui: str
    topic: tuple[str, str]  # application and device as the server's topics name them
    at_us: int | None = None
    key: str = ""  # the same for an uplink that is told again
    port: int = 0
    frame: int | None = None  # its counter
    data: bytes = b""
    decoded: dict[str, Any] | None = None  # what the server's own codec made of it
    signal: tuple[float | None, float | None] = (None, None)
    downlink: str = ""  # which command an answer is for
    ok: bool = True
    text: str = ""


class Network(NamedTuple):
    """Topics of a network server below a prefix."""

    filters: tuple[str, ...]
    down: str


NETWORKS: Final = {
    "chirpstack": Network(("application/+/device/+/event/+",), "application/{app}/device/{device}/command/down"),
    "ttn": Network(
        ("v3/+/devices/+/up", "v3/+/devices/+/join", "v3/+/devices/+/down/+"),
        "v3/{app}/devices/{device}/down/push",
    ),
}
_CHIRPSTACK_KINDS: Final[dict[str, Kind]] = {
    "up": "up", "join": "join", "ack": "ack", "txack": "sent", "status": "status", "log": "log",
}  # fmt: skip
_TTN_DOWN: Final[dict[str, tuple[Kind, bool]]] = {
    "ack": ("ack", True), "nack": ("ack", False), "failed": ("ack", False), "sent": ("sent", True),
}  # fmt: skip


def read(network: str, topic: str, payload: bytes) -> Event | None:
    """The event of a message; None for one of no interest. Raises EventError."""
    try:
        body = msgspec.json.decode(payload, type=dict[str, Any])
        return _chirpstack(topic, body) if network == "chirpstack" else _ttn(topic, body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError, ValueError, KeyError) as error:
        raise EventError(f"{topic[:80]}: {error}") from error
    except (AttributeError, IndexError, OverflowError) as error:
        raise EventError(f"{topic[:80]}: not the form of an event ({error})") from error


def downlink(network: str, eui: str, key: str, port: int, data: bytes, *, confirmed: bool) -> bytes:
    """The message that queues a command, recognised again by `key`."""
    text = b64encode(data).decode()
    if network == "chirpstack":
        body = {"id": key, "devEui": eui, "confirmed": confirmed, "fPort": port, "data": text}
        return msgspec.json.encode(body)
    one = {"f_port": port, "frm_payload": text, "confirmed": confirmed, "priority": "NORMAL", "correlation_ids": [key]}
    return msgspec.json.encode({"downlinks": [one]})


def _chirpstack(topic: str, body: dict[str, Any]) -> Event | None:
    *_, app, _, device, _, name = topic.split("/")
    kind = _CHIRPSTACK_KINDS.get(name)
    if kind is None:
        return None
    event = Event(kind, _eui(body["deviceInfo"]["devEui"]), (app, device), _time_us(body.get("time")))
    if kind == "up":
        return event._replace(
            key=str(body.get("deduplicationId", ""))[:TEXT_CHARS_MAX],
            port=int(body.get("fPort", 0)),
            frame=int(body.get("fCnt", 0)),
            data=_bytes(body.get("data", "")),
            decoded=body.get("object") if isinstance(body.get("object"), dict) else None,
            signal=_best(body.get("rxInfo", [])),
        )
    if kind in ("ack", "sent"):
        key = str(body.get("queueItemId", ""))[:TEXT_CHARS_MAX]
        return event._replace(downlink=key, ok=kind == "sent" or body.get("acknowledged") is True)
    if kind == "log":
        return event._replace(text=f"{body.get('code', '')}: {body.get('description', '')}"[:TEXT_CHARS_MAX])
    if kind == "status":
        level = body.get("batteryLevel")
        known = isinstance(level, int | float) and not isinstance(level, bool) and not body.get("externalPowerSource")
        return event._replace(decoded={"battery_level": float(level)} if known and level is not None else {})
    return event


def _ttn(topic: str, body: dict[str, Any]) -> Event | None:
    levels = topic.split("/")
    at = levels.index("devices")
    app, device, rest = levels[at - 1], levels[at + 1], levels[at + 2 :]
    eui = _eui(body["end_device_ids"]["dev_eui"])
    when = _time_us(body.get("received_at"))
    if rest == ["join"]:
        return Event("join", eui, (app, device), when)
    if rest[0] == "down":
        found = _TTN_DOWN.get(rest[1])
        keys = [str(key) for key in body.get("correlation_ids", ())]
        part = body.get("downlink_ack") or body.get("downlink_nack") or body.get("downlink_sent") or {}
        keys += [str(key) for key in part.get("correlation_ids", ())]
        mine = next((key for key in keys if key.startswith("aid4-")), "")
        return None if found is None else Event(found[0], eui, (app, device), when, downlink=mine, ok=found[1])
    up = body["uplink_message"]
    return Event(
        "up",
        eui,
        (app, device),
        _time_us(up.get("received_at")) or when,
        key=f"{eui}-{up.get('session_key_id', '')}-{up.get('f_cnt', 0)}"[:TEXT_CHARS_MAX],
        port=int(up.get("f_port", 0)),
        frame=int(up.get("f_cnt", 0)),
        data=_bytes(up.get("frm_payload", "")),
        decoded=up.get("decoded_payload") if isinstance(up.get("decoded_payload"), dict) else None,
        signal=_best(up.get("rx_metadata", [])),
    )


def _best(heard: Any) -> tuple[float | None, float | None]:
    """RSSI and SNR of the gateway with the strongest signal."""
    found = [
        one for one in list(heard)[:GATEWAYS_MAX] if isinstance(one, dict) and _number(one.get("rssi")) is not None
    ]
    if not found:
        return None, None
    best = max(found, key=lambda one: float(one["rssi"]))
    return _number(best["rssi"]), _number(best.get("snr"))


def _number(value: Any) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e4
    return float(value) if good else None


def _eui(text: Any) -> str:
    found = str(text).lower()
    if not _EUI.match(found):
        raise ValueError(f"{found[:40]!r} is no EUI")
    return found


def _bytes(text: Any) -> bytes:
    try:
        return b64decode(str(text), validate=True)
    except binascii.Error as error:
        raise ValueError(f"its data is not base64: {error}") from error


def _time_us(text: Any) -> int | None:
    """ISO 8601 with an offset, to nine places, as µs."""
    if not isinstance(text, str) or not text:
        return None
    found = datetime.fromisoformat(text[:TEXT_CHARS_MAX])
    return None if found.tzinfo is None else round(found.timestamp() * 1e6)
