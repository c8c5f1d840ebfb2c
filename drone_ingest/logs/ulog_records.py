"""What a ULog holds beside its topics: information, parameters, logged strings, dropouts."""

import struct

__all__ = ["Records"]

_INFOS_MAX = 1_000
_TEXT_CHARS = 500
_ROWS_MAX = 200_000  # logged strings; a flight has dozens
_NUMBERS = {
    "int32_t": "<i", "uint32_t": "<I", "float": "<f", "uint8_t": "<B", "int8_t": "<b", "int64_t": "<q",
    "uint64_t": "<Q", "double": "<d", "bool": "<?", "int16_t": "<h", "uint16_t": "<H",
}  # fmt: skip


class Records:
    """Filled message by message; a message that cannot be read raises ValueError or struct.error."""

    def __init__(self, start_us: int) -> None:
        self.start_us = start_us  # when logging began; older rows hold what was published before
        self.logging = False  # whether the definitions are over
        self.info: dict[str, str] = {}
        self.parameters: dict[str, float] = {}
        self.changed: list[tuple[int, str, float]] = []
        self.said: list[tuple[int, int, str]] = []  # µs, severity, text
        self.dropouts_ms: list[tuple[int, int]] = []
        self.now_us = start_us  # newest time of the data before

    def take(self, kind: str, body: bytes) -> None:
        """One message by its type letter."""
        match kind:
            case "I":
                _, name, value = _keyed(body)
                if len(self.info) < _INFOS_MAX:
                    self.info[name] = str(value)[:_TEXT_CHARS]
            case "P":
                self._parameter(body)
            case "L":
                self._say(body[0], struct.unpack_from("<Q", body, 1)[0], body[9:])
            case "C":
                self._say(body[0], struct.unpack_from("<Q", body, 3)[0], body[11:])
            case "O":
                if len(self.dropouts_ms) < _ROWS_MAX:
                    self.dropouts_ms.append((self.now_us, struct.unpack("<H", body)[0]))
            case _:
                pass  # M repeats what is known, Q gives defaults, R ends a subscription, S only synchronises

    def tell(self, now_us: int) -> None:
        """The time of data that came before what follows."""
        self.now_us = max(self.now_us, min(now_us, 1 << 62))

    def _parameter(self, body: bytes) -> None:
        kind, name, value = _keyed(body)
        if kind not in ("int32_t", "float") or not isinstance(value, (int, float)):
            raise ValueError(f"parameter {name[:40]} is no number")
        if self.logging and len(self.changed) < _ROWS_MAX:
            self.changed.append((self.now_us, name, float(value)))
        if len(self.parameters) < 100 * _INFOS_MAX:
            self.parameters[name] = float(value)

    def _say(self, level: int, at: int, text: bytes) -> None:
        if len(self.said) < _ROWS_MAX:
            severity = level - ord("0") if ord("0") <= level <= ord("7") else level & 7
            self.said.append((min(at, 1 << 62), severity, text.decode("utf-8", "replace")[:_TEXT_CHARS].strip("\0\t ")))


def _keyed(body: bytes) -> tuple[str, str, str | float | int]:
    """Type, name and value of `length, "type name", value`."""
    end = 1 + body[0]
    if end > len(body):
        raise ValueError("its key is cut")
    kind, space, name = body[1:end].decode("utf-8", "replace").partition(" ")
    if not space or not name:
        raise ValueError("its key has no name")
    value = body[end:]
    if kind in _NUMBERS:
        return kind, name, struct.unpack(_NUMBERS[kind], value)[0]
    if kind.startswith("char["):
        return kind, name, value.decode("utf-8", "replace").strip("\0")
    return kind, name, value[:_TEXT_CHARS].hex()
