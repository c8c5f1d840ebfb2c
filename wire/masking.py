"""Secrets stay where they are: masked in what is shown, kept where the mask comes back, cut out of log lines.

A value is secret by its name (`password`, `token`, `community`, …, not `password_file`), or as the password in a URL.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from wire.errors import InputError

__all__ = ["MASK", "is_secret", "kept", "masked", "redacted", "secrets_in"]

MASK: Final = "********"
_NAME = re.compile(
    r"(^|[_\-. ])(password|passphrase|passwd|secret|token|community|psk|pin|credentials?|authorization|cookie|"
    r"(api|private|access|secret|auth|network|session|app)[_\-]?key)$",
    re.IGNORECASE,
)
_URL = re.compile(r"(?<=://)([^/@\s:]*):([^/@\s]+)@")
_SAID = re.compile(
    r"(?i)\b([\w\-]*(?:password|passphrase|passwd|secret|token|community|psk|api[_\-]?key)[\"']?\s*[=:]\s*)"
    r"(\"[^\"]*\"|'[^']*'|[^\s,;&\"']+)"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=_.~\-]{6,}")
_TOKEN = re.compile(r"\baid4[a-z]\d_[A-Za-z0-9_\-]+")
_ADDRESS = ("url", "host", "address", "port", "broker")  # a secret never goes along to another one
_CHARS_MIN: Final = 4  # a shorter secret stands in too many innocent words


def is_secret(name: str) -> bool:
    """Whether a value of this name must not be shown."""
    return bool(_NAME.search(name))


def masked(value: Any, name: str = "") -> Any:
    """The same tables and lists with every secret behind MASK; an empty one hides nothing."""
    if isinstance(value, Mapping):
        return {key: masked(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner, name) for inner in value]
    if is_secret(name) and value not in ("", None):
        return MASK
    return _URL.sub(rf"\1:{MASK}@", value) if isinstance(value, str) else value


def kept(value: Any, before: Iterable[Any]) -> Any:
    """`value` with each masked secret put back as it stands at the same place of the first of `before` that has one.

    Lists of tables are matched by `name`, else by position. InputError where there is none, or where the address
    beside it changed: nobody gets at a secret by sending the gateway elsewhere.
    """
    return _kept(value, [one for one in before if one is not None], "", "")


def secrets_in(value: Any, name: str = "") -> Iterator[str]:
    """Every secret text, for `redacted`."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from secrets_in(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from secrets_in(inner, name)
    elif isinstance(value, str) and value:
        if is_secret(name):
            yield value
        yield from (found[2] for found in _URL.finditer(value))


def redacted(line: str, secrets: Iterable[str] = ()) -> str:
    """A line of a log without these secrets, and without what looks like one."""
    for secret in secrets:
        if len(secret) >= _CHARS_MIN:
            line = line.replace(secret, MASK)
    line = _URL.sub(rf"\1:{MASK}@", line)
    line = _BEARER.sub(rf"\1 {MASK}", line)
    return _TOKEN.sub(MASK, _SAID.sub(rf"\1{MASK}", line))


def _kept(value: Any, before: list[Any], name: str, field: str) -> Any:
    if isinstance(value, Mapping):
        tables = [one for one in before if isinstance(one, Mapping)]
        return {key: _kept_in(value, key, inner, tables, f"{field}.{key}".lstrip(".")) for key, inner in value.items()}
    if isinstance(value, list):
        old = [one for one in before if isinstance(one, list)]
        return [_kept(inner, _same(old, inner, at), name, f"{field}[{at}]") for at, inner in enumerate(value)]
    if not (isinstance(value, str) and MASK in value):
        return value
    for one in before:
        if masked(one, name) == value and one != value:
            return one
    raise InputError("there is no secret to keep at this place", field=field, fix=f"write the value in place of {MASK}")


def _kept_in(table: Mapping[str, Any], key: str, inner: Any, old: list[Any], field: str) -> Any:
    there = [one for one in old if key in one]
    if isinstance(inner, str) and MASK in inner and is_secret(key):
        moved = [one for one in there if _address(one) != _address(table)]
        there = [one for one in there if one not in moved]
        if moved and not there:
            fix = f"write the value in place of {MASK}"
            raise InputError("a secret is not kept for another address", field=field, fix=fix)
    return _kept(inner, [one[key] for one in there], key, field)


def _address(table: Mapping[str, Any]) -> list[Any]:
    return [masked(table.get(name)) for name in _ADDRESS]


def _same(old: list[Any], inner: Any, at: int) -> list[Any]:
    """What stood there before: the table of the same name, else the one at the same position."""
    name = inner.get("name") if isinstance(inner, Mapping) else None
    found = []
    for items in old:
        if name is not None:
            found += [one for one in items if isinstance(one, Mapping) and one.get("name") == name]
        elif at < len(items):
            found.append(items[at])
    return found
