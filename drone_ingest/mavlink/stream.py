"""A live MAVLink link: bytes in as they come, the tables of `window` out, and counts that say how good the link is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from drone_ingest.mavlink.dialect import DEFAULT
from drone_ingest.mavlink.signing import SignatureCheck
from drone_ingest.mavlink.window import Heads, Marks, decode_window

__all__ = ["LinkCounts", "MavlinkStream"]

_FEED_BYTES_MAX = 4 << 20  # of one call; a link at 1 Mbit/s brings that in half a minute
_TRIES = 20_000  # places searched in one call
_SENDERS_MAX = 4_096


@dataclass(slots=True)
class LinkCounts:
    """Since the link was opened. `lost` are gaps in the sequence numbers of each sender."""

    received: int = 0
    lost: int = 0
    wrong_checksum: int = 0
    unknown: int = 0
    unframed_bytes: int = 0
    unsigned: int = 0
    wrong_signature: int = 0
    replayed: int = 0


class MavlinkStream:
    """One byte stream: a serial port, a TCP connection, or the datagrams of one UDP peer."""

    def __init__(self, *, dialect: str = DEFAULT, signatures: SignatureCheck | None = None) -> None:
        self.counts = LinkCounts()
        self._dialect, self._signatures = dialect, signatures
        self._left = b""
        self._left_us = 0
        self._seq: dict[tuple[int, int], int] = {}

    def feed(self, data: bytes, now_us: int) -> dict[str, pa.RecordBatch]:
        """Messages by name that are whole now, in the columns of `window`, `_t_us` being when their first byte came.

        What begins a frame and does not end it waits for the next call (at most 280 bytes); raises ValueError for
        more than 4 MiB at once.
        """
        return self.feed_all([(now_us, data)])

    def feed_all(self, chunks: Sequence[tuple[int, bytes]]) -> dict[str, pa.RecordBatch]:
        """`feed` for several pieces of the stream, each with the time at which it came; at least one."""
        data, now_us = b"".join(piece for _, piece in chunks), chunks[-1][0]
        if len(data) > _FEED_BYTES_MAX:
            raise ValueError(f"{len(data)} bytes at once; feed at most {_FEED_BYTES_MAX}")
        if self._signatures is not None:
            self._signatures.now_us = now_us
        window = self._left + data
        marks = self._marks(chunks)
        found = decode_window(
            window, name=self._dialect, prefix=0, final=False, tries=_TRIES, marks=marks, accept=self._signatures
        )
        self._left_us = int(marks.at(np.array([found.used]))[0])
        self._left = window[found.used :]
        counts = self.counts
        counts.received += found.messages
        counts.wrong_checksum += len(found.bad)
        counts.unknown += found.unknown.total()
        counts.unframed_bytes += sum(end - start for start, end in found.gaps)
        if self._signatures is not None:
            counts.unsigned, counts.wrong_signature = self._signatures.unsigned, self._signatures.wrong
            counts.replayed = self._signatures.replayed
        if found.heads is not None:
            self._count_lost(found.heads, found.strangers)
        return found.batches

    def _marks(self, chunks: Sequence[tuple[int, bytes]]) -> Marks:
        """When each part of the window came: what was left over first, then the chunks."""
        starts, times, at = [0], [self._left_us], len(self._left)
        for came_us, piece in chunks:
            if at:
                starts.append(at)
                times.append(came_us)
            else:
                times[0] = came_us
            at += len(piece)
        return Marks(np.array(starts, np.int64), np.array(times, np.int64))

    def _count_lost(self, heads: Heads, strangers: Heads | None) -> None:
        sender = heads.system.astype(np.int64) << 8 | heads.component
        seqs, at = heads.seq, heads.at
        if strangers is not None and len(strangers.at):  # a message that we do not know was not lost
            other = strangers.system.astype(np.int64) << 8 | strangers.component
            sender, at = np.concatenate([sender, other]), np.concatenate([at, strangers.at])
            seqs = np.concatenate([seqs, strangers.seq])[np.argsort(at)]
            sender = sender[np.argsort(at)]
        for one in np.unique(sender):
            seq = seqs[sender == one].astype(np.int64)
            key = (int(one) >> 8, int(one) & 0xFF)
            if key in self._seq:
                seq = np.concatenate([[self._seq[key]], seq])
            elif len(self._seq) >= _SENDERS_MAX:
                continue
            self.counts.lost += int(((np.diff(seq) - 1) % 256).sum())
            self._seq[key] = int(seq[-1])
