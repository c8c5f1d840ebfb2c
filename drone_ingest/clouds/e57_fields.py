"""The byte streams of an E57 compressed vector: floats as they are, integers packed into as few bits as their range.

A stream goes on from packet to packet; what is left of one decoding is the beginning of the next.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drone_ingest.xml_tree import Node

__all__ = ["FieldStream", "field_of"]


@dataclass(slots=True)
class FieldStream:
    """One field of the prototype and the bits of it that wait to be decoded."""

    name: str
    kind: str  # "float" | "integer"
    bits: int  # of one value; 0 when all are equal
    dtype: str  # of a float
    minimum: int
    scale: float
    offset: float
    maximum: int
    data: bytes = b""
    skip_bits: int = 0  # of `data`, already decoded

    @property
    def waiting(self) -> int:
        """Whole values that can be decoded; a constant has any number."""
        return (len(self.data) * 8 - self.skip_bits) // self.bits if self.bits else 1 << 62

    def take(self, count: int) -> NDArray[np.float64]:
        """The next `count` values, scaled."""
        if not self.bits:
            return np.full(count, self.minimum * self.scale + self.offset)
        if self.kind == "float":
            size = self.bits // 8
            values = np.frombuffer(self.data, self.dtype, count).astype(np.float64)
            self.data = self.data[count * size :]
            return values
        whole = self._integers(count)
        used = self.skip_bits + count * self.bits
        self.data, self.skip_bits = self.data[used // 8 :], used % 8
        return whole * self.scale + self.offset

    def _integers(self, count: int) -> NDArray[np.float64]:
        raw = np.frombuffer(self.data + bytes(16), np.uint8)
        if self.bits in (8, 16, 32) and not self.skip_bits:
            packed = raw[: count * self.bits // 8].view(f"<u{self.bits // 8}").astype(np.uint64)
        else:
            start = self.skip_bits + np.arange(count, dtype=np.int64) * self.bits
            byte, bit = start >> 3, (start & 7).astype(np.uint64)
            words = np.lib.stride_tricks.as_strided(raw, (len(raw) - 8, 8), (1, 1))
            low = np.ascontiguousarray(words[byte]).view("<u8")[:, 0] >> bit
            packed = low
            if self.bits > 57:  # a value may reach into a ninth byte
                ninth = raw[byte + 8].astype(np.uint64)
                packed = np.where(bit > 0, low | ninth << (np.uint64(64) - np.maximum(bit, np.uint64(1))), low)
            if self.bits < 64:
                packed = packed & np.uint64((1 << self.bits) - 1)
        return packed.astype(np.float64) + self.minimum


def field_of(node: Node) -> FieldStream:
    """A field from its element in the prototype; raises ValueError for what no field can be."""
    about = node.attributes
    kind = about.get("type", "")
    if kind == "Float":
        single = about.get("precision") == "single"
        return FieldStream(node.tag, "float", 32 if single else 64, "<f4" if single else "<f8", 0, 1.0, 0.0, 0)
    if kind not in ("Integer", "ScaledInteger"):
        raise ValueError(f"field {node.tag} is of type {kind[:40]}")
    low, high = int(about.get("minimum", -(1 << 63))), int(about.get("maximum", (1 << 63) - 1))
    if not -(1 << 63) <= low <= high < 1 << 63:
        raise ValueError(f"field {node.tag} has a range that cannot be")
    scale, offset = 1.0, 0.0
    if kind == "ScaledInteger":
        scale, offset = float(about.get("scale", 1)), float(about.get("offset", 0))
    if not (np.isfinite(scale) and np.isfinite(offset)):
        raise ValueError(f"field {node.tag} has no finite scale")
    return FieldStream(node.tag, "integer", (high - low).bit_length(), "", low, scale, offset, high)
