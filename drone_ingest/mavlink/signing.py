"""MAVLink 2 signatures: SHA-256 over key and frame, cut to six bytes, with a time that only goes forward.

Times are units of 10 µs since 2015-01-01, as the standard has them. A stream is a (system, component, link).
"""

import hashlib
import hmac
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drone_ingest.mavlink.frames import SIGNATURE_BYTES
from drone_ingest.mavlink.window import Heads

__all__ = ["EPOCH_US", "KEY_BYTES", "SignatureCheck", "Signer", "signature_ticks"]

EPOCH_US = 1_420_070_400_000_000
KEY_BYTES = 32
_BEHIND_TICKS_MAX = 6_000_000  # a minute: a new stream may be so old
_STREAMS_MAX = 1_024  # an attacker must not fill our memory with streams
_RADIO_STATUS = 109  # written by the radio itself, which has no key


def signature_ticks(now_us: int) -> int:
    """The time of a signature, from UTC in µs."""
    return max((now_us - EPOCH_US) // 10, 0)


def _digest(key: bytes, signed: bytes) -> bytes:
    return hashlib.sha256(key + signed).digest()[:6]


@dataclass(slots=True)
class SignatureCheck:
    """Which frames are taken: signed by `key`, newer than the last of their stream; unsigned only if listed."""

    key: bytes
    unsigned_allowed: frozenset[int] = frozenset({_RADIO_STATUS})
    now_us: int = 0  # set before each use: new streams are judged by it
    unsigned: int = 0
    wrong: int = 0
    replayed: int = 0
    _last: dict[tuple[int, int, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.key) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(self.key)}")

    def __call__(self, window: bytes, heads: Heads) -> NDArray[np.bool_]:
        """For `decode_window(accept=…)`: one verdict a frame; the counts of what was refused grow."""
        return np.array([self._accepts(window, heads, row) for row in range(len(heads.at))], np.bool_)

    def _accepts(self, window: bytes, heads: Heads, row: int) -> bool:
        if not heads.signed[row]:
            allowed = int(heads.message[row]) in self.unsigned_allowed
            self.unsigned += not allowed
            return allowed
        end = int(heads.body[row] + heads.length[row]) + 2
        block = window[end : end + SIGNATURE_BYTES]
        signed = window[int(heads.at[row]) : end] + block[:7]
        if not hmac.compare_digest(_digest(self.key, signed), block[7:]):
            self.wrong += 1
            return False
        stream = (int(heads.system[row]), int(heads.component[row]), block[0])
        ticks = int.from_bytes(block[1:7], "little")
        last = self._last.get(stream)
        fresh = ticks > last if last is not None else ticks >= signature_ticks(self.now_us) - _BEHIND_TICKS_MAX
        if not fresh or (last is None and len(self._last) >= _STREAMS_MAX):
            self.replayed += 1
            return False
        self._last[stream] = ticks
        return True


@dataclass(slots=True)
class Signer:
    """Signs what we send on one link; its time never repeats."""

    key: bytes
    link: int = 0
    _ticks: int = 0

    def __post_init__(self) -> None:
        if len(self.key) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(self.key)}")

    def block(self, frame: bytes, now_us: int) -> bytes:
        """The 13 bytes that go behind a frame with its checksum."""
        self._ticks = max(self._ticks + 1, signature_ticks(now_us))
        head = bytes([self.link]) + self._ticks.to_bytes(6, "little")
        return head + _digest(self.key, frame + head)
