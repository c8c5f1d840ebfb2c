"""Who may do what at the broker: users with topic filters, written out for nats-server and for mosquitto."""

import base64
import hashlib
import json
import re
import secrets
from dataclasses import dataclass, field

from wire.errors import ConfigError
from wire.names import check_name

__all__ = ["BrokerUser", "mosquitto_acl", "mosquitto_passwords", "nats_users", "node_user", "twin_user"]

_SALT_BYTES, _ITERATIONS = 12, 101  # what mosquitto_passwd writes; the passwords are 128 random bits
_LEVEL = re.compile(r"[A-Za-z0-9_:.-]+|\+|#")


@dataclass(frozen=True, slots=True)
class BrokerUser:
    """A user of the broker and the topic filters it may publish and subscribe to; without filters, everything. One with
    a `certificate` (its DNS name; the common name is `name`) signs in with that alone."""

    name: str
    password: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    certificate: str = ""

    def __post_init__(self) -> None:
        for text in (self.name, self.password, self.certificate or self.name):
            if not text or any(sign in text for sign in '":\n\r\\') or not text.isprintable():
                fix = "leave out quotes, colons, backslashes and line ends"
                raise ConfigError("a broker's user or password cannot be written down", field=self.name, fix=fix)
        for name in (*self.publish, *self.subscribe):
            if not all(_LEVEL.fullmatch(level) for level in name.split("/")):
                fix = "use letters, digits, -, _ and . between slashes"
                raise ConfigError(f"topic filter {name!r} is not safe on every broker", field=self.name, fix=fix)


def node_user(site: str, node: str, password: str = "", *, also: tuple[str, ...] = ()) -> BrokerUser:
    """An agent: publishes below its own `up/`, hears its own `down/`; `also` are foreign devices' filters."""
    base = f"aid4/1/{check_name('site', site)}/{check_name('node', node)}"
    secret = password or secrets.token_hex(16)
    return BrokerUser(node, secret, (f"{base}/up/+", *also), (f"{base}/down/+", *also))


def twin_user(site: str, password: str = "") -> BrokerUser:
    """The twin: hears every node of its site, speaks to every node."""
    base = f"aid4/1/{check_name('site', site)}/+"
    return BrokerUser("twin", password or secrets.token_hex(16), (f"{base}/down/+",), (f"{base}/up/+",))


def nats_users(users: list[BrokerUser]) -> str:
    """The users of a nats-server account: MQTT connections only."""
    return "\n".join(_nats_user(user) for user in users)


def _nats_user(user: BrokerUser) -> str:
    publish = json.dumps([_subject(name) for name in user.publish] or [">"])
    # `a/#` also means `a`, and messages at QoS 1 reach a session on a subject of its own
    heard = [_subject(name) for name in user.subscribe] or [">"]
    bare = [subject.removesuffix(".>") for subject in heard if subject.endswith(".>")]
    subscribe = json.dumps([*heard, *bare, "$MQTT.sub.>"])
    rights = f"publish: {{ allow: {publish} }}, subscribe: {{ allow: {subscribe} }}"
    who = f'user: "{user.name}", password: "{user.password}", allowed_connection_types: ["MQTT"]'
    if user.certificate:
        who = f'user: "{user.certificate}", allowed_connection_types: ["MQTT", "MQTT_WS"]'
    return f"      {{ {who}, permissions: {{ {rights} }} }}"


def _subject(name: str) -> str:
    levels = [level.replace(".", "//") for level in name.split("/")]  # how NATS writes a dot of MQTT's
    return ".".join(levels).replace("+", "*").replace("#", ">")


def mosquitto_acl(users: list[BrokerUser]) -> str:
    """An acl_file."""
    lines = []
    for user in users:
        lines.append(f"user {user.name}")
        lines += [f"topic write {name}" for name in user.publish or ("#",)]
        lines += [f"topic read {name}" for name in user.subscribe or ("#",)]
    return "\n".join(lines) + "\n"


def mosquitto_passwords(users: list[BrokerUser]) -> str:
    """A password_file with salted PBKDF2-SHA512 hashes, of those who have no certificate."""
    lines = []
    for user in users:
        if user.certificate:
            continue
        salt = secrets.token_bytes(_SALT_BYTES)
        digest = hashlib.pbkdf2_hmac("sha512", user.password.encode(), salt, _ITERATIONS)
        parts = (str(_ITERATIONS), base64.b64encode(salt).decode(), base64.b64encode(digest).decode())
        lines.append(f"{user.name}:$7${'$'.join(parts)}")
    return "\n".join(lines) + "\n"
