"""Many JSON payloads into columns in one go: a typed decoder made from the paths that are wanted.

Payloads are joined with newlines and decoded as one text, which costs 0.1 µs a payload. A raw newline is not legal
inside a JSON text, so payloads that begin with `{`, end with `}` and hold no newline cannot run into one another:
the number of objects that come out equals the number that went in, or the payloads are decoded one by one.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from edge.sources.mqtt_profile import Key

__all__ = ["Extractor", "flatten"]

DEPTH_MAX = 8  # no device family nests deeper
LEAVES_MAX = 256  # of one payload; more is no device message

Value = float | str | bool | None
_TYPES: dict[str, Any] = {
    "number": float | None | UnsetType,
    "value": Value | UnsetType,
    "any": Any,
    "raw": Raw | UnsetType,
    "null": None | UnsetType,
}


class Extractor:
    """Decodes payloads and hands out one column a path, `UNSET` where a payload lacks it.

    `strict`: a payload with a field that no path names fails, which is how new fields are noticed.
    """

    def __init__(self, paths: dict[tuple[Key, ...], str], *, strict: bool) -> None:
        tree: dict[Any, Any] = {}
        tails: dict[tuple[Key, ...], tuple[Key, ...]] = {}
        for path, kind in paths.items():
            cut = next((at for at, step in enumerate(path) if isinstance(step, int)), len(path))
            tails[path] = path[cut:]
            _plant(tree, path[:cut], kind if cut == len(path) else "any")
        shape, getters = _compile(tree, (), strict=strict)
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(shape)
        self._getters = {path: _getter(getters[path[: len(path) - len(tails[path])]], tails[path]) for path in paths}

    def decode(self, payloads: Sequence[bytes]) -> tuple[list[Any], dict[int, str]]:
        """One object a payload (None where it is no such JSON), and why, by its index."""
        joined = b"\n".join(payloads)
        separators = len(payloads) - 1
        if joined.count(b"\n") == separators == joined.count(b"}\n{") and joined[:1] == b"{" and joined[-1:] == b"}":
            try:
                if not joined.isascii():
                    joined.decode()
                objects = self._decoder.decode_lines(joined)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                return self._one_by_one(payloads)
            if len(objects) == len(payloads):
                return objects, {}
        return self._one_by_one(payloads)

    def column(self, objects: list[Any], path: tuple[Key, ...]) -> list[Any]:
        """The values of one path."""
        get = self._getters[path]
        try:
            return list(map(get, objects))
        except AttributeError:  # somewhere an object on the way is null
            return [_get_or_unset(get, item) for item in objects]

    def _one_by_one(self, payloads: Sequence[bytes]) -> tuple[list[Any], dict[int, str]]:
        objects: list[Any] = []
        reasons: dict[int, str] = {}
        for at, payload in enumerate(payloads):
            try:
                payload.decode()
                objects.append(self._decoder.decode(payload))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                reasons[at] = str(error)
                objects.append(None)
        return objects, reasons


def _plant(tree: dict[Any, Any], path: tuple[Key, ...], kind: str) -> None:
    for step in path[:-1]:
        tree = tree.setdefault(step, {})
        if not isinstance(tree, dict):
            raise ValueError(f"{path}: a value and an object at once")
    known = tree.get(path[-1])
    if isinstance(known, dict):
        raise ValueError(f"{path}: a value and an object at once")
    tree[path[-1]] = kind if known in (None, kind) else "any"


def _compile(tree: dict[Any, Any], at: tuple[Key, ...], *, strict: bool) -> tuple[type, dict[tuple[Key, ...], str]]:
    fields: list[tuple[str, Any, Any]] = []
    getters: dict[tuple[Key, ...], str] = {}
    for number, (key, sub) in enumerate(tree.items()):
        name = f"f{number}"
        if isinstance(sub, dict):
            kind, below = _compile(sub, (*at, key), strict=strict)
            fields.append((name, kind | None, msgspec.field(default_factory=kind)))
            getters.update({path: f"{name}.{rest}" for path, rest in below.items()})
        else:
            fields.append((name, _TYPES[sub], UNSET))
            getters[(*at, key)] = name
    rename = {f"f{number}": str(key) for number, key in enumerate(tree)}
    return msgspec.defstruct("Payload", fields, rename=rename, gc=False, forbid_unknown_fields=strict), getters


def _getter(name: str, tail: tuple[Key, ...]) -> Callable[[Any], Any]:
    first = attrgetter(name)
    if not tail:
        return first

    def get(item: Any) -> Any:
        value = first(item)
        for step in tail:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return UNSET
        return value

    return get


def _get_or_unset(get: Callable[[Any], Any], item: Any) -> Any:
    try:
        return get(item)
    except AttributeError:
        return UNSET


def flatten(payload: bytes) -> dict[tuple[Key, ...], Any]:
    """Every leaf of a JSON object by its path; a list is one leaf. msgspec.DecodeError when it is none or too deep."""
    try:
        whole = msgspec.json.decode(payload.decode())
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error
    if not isinstance(whole, dict):
        raise msgspec.DecodeError(f"an object is expected, not {type(whole).__name__}")
    leaves: dict[tuple[Key, ...], Any] = {}
    todo: list[tuple[tuple[Key, ...], dict[str, Any]]] = [((), whole)]
    while todo:
        at, item = todo.pop()
        for key, value in item.items():
            if isinstance(value, dict) and value:
                if len(at) + 2 > DEPTH_MAX:
                    raise msgspec.DecodeError(f"nested deeper than {DEPTH_MAX}")
                todo.append(((*at, key), value))
            else:
                leaves[(*at, key)] = value
        if len(leaves) > LEAVES_MAX:
            raise msgspec.DecodeError(f"more than {LEAVES_MAX} values")
    return leaves
