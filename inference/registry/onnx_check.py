"""What an ONNX file may hold, read from its bytes before any runtime sees them: a walk over the protobuf wire format.

Refused: weights outside the file (the way out of a folder that was mended again and again in ONNX), operators of other
domains than ONNX's own (they would need a library), functions, training graphs, depth and size without end.
"""

from collections.abc import Iterator

from inference.limits import BUNDLE_BYTES_MAX
from wire.errors import InputError

__all__ = ["check_onnx"]

_DEPTH_MAX = 16  # graphs in attributes of nodes; a Scan is two
_FIELDS_MAX = 2_000_000
_DOMAINS = ("", "ai.onnx")
_FIX = "pack what `aid4 model train` wrote"
# message -> field -> message of what it holds; fields that are not listed are passed over
_MODEL, _GRAPH, _NODE, _ATTRIBUTE, _TENSOR, _SPARSE, _OPSET = range(7)
_HOLDS: dict[int, dict[int, int]] = {
    _MODEL: {7: _GRAPH, 8: _OPSET},
    _GRAPH: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE},
    _SPARSE: {1: _TENSOR, 2: _TENSOR},
    _TENSOR: {},
    _OPSET: {},
}
_FORBIDDEN: dict[int, dict[int, str]] = {
    _MODEL: {20: "a training graph", 25: "functions"},
    _GRAPH: {},
    _NODE: {},
    _ATTRIBUTE: {},
    _SPARSE: {},
    _TENSOR: {13: "weights outside the file", 14: "weights outside the file"},
    _OPSET: {},
}
_DOMAIN_FIELD = {_NODE: 7, _OPSET: 1}


def check_onnx(data: bytes, name: str = "") -> None:
    """Raises InputError for anything but a plain single-file model."""
    if not data or len(data) > BUNDLE_BYTES_MAX:
        raise InputError(f"a model of {len(data):,} bytes; at most {BUNDLE_BYTES_MAX:,}", file=name, fix=_FIX)
    found = _Walk(name).message(memoryview(data), _MODEL, 0)
    if _GRAPH not in found or _OPSET not in found:
        raise InputError("no ONNX model", file=name, fix=_FIX)


class _Walk:
    def __init__(self, name: str) -> None:
        self._name, self._fields = name, 0

    def message(self, data: memoryview, kind: int, depth: int) -> set[int]:
        """Check one message; gives the kinds of messages that it holds."""
        if depth > _DEPTH_MAX:
            self._refuse("graphs within graphs without end")
        held: set[int] = set()
        for field, value in self._split(data):
            if field in _FORBIDDEN[kind] and (field != 14 or value not in (0, None)):
                self._refuse(_FORBIDDEN[kind][field])
            if field == _DOMAIN_FIELD.get(kind) and isinstance(value, memoryview):
                domain = bytes(value[:100]).decode("utf-8", "replace")
                if domain not in _DOMAINS:
                    self._refuse(f"operators of the domain {domain!r}")
            inner = _HOLDS[kind].get(field)
            if inner is not None and isinstance(value, memoryview):
                held.add(inner)
                self.message(value, inner, depth + 1)
        return held

    def _split(self, data: memoryview) -> Iterator[tuple[int, int | memoryview | None]]:
        at = 0
        while at < len(data):
            self._fields += 1
            if self._fields > _FIELDS_MAX:
                self._refuse("more fields than any model has")
            tag, at = self._varint(data, at)
            field, wire = tag >> 3, tag & 7
            value: int | memoryview | None = None
            if wire == 0:
                value, at = self._varint(data, at)
            elif wire == 2:
                size, at = self._varint(data, at)
                value, at = data[at : at + size], at + size
            elif wire in (1, 5):
                at += 8 if wire == 1 else 4
            else:
                self._refuse("bytes that are no protobuf")
            if at > len(data) or field == 0:
                self._refuse("it is cut short or no protobuf")
            yield field, value

    def _varint(self, data: memoryview, at: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            if at >= len(data) or shift > 63:
                self._refuse("it is cut short or no protobuf")
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, at
            shift += 7

    def _refuse(self, why: str) -> None:
        raise InputError(f"not a model that we run: {why}", file=self._name, fix=_FIX)
