"""Messages on disk for a host that is away: files of frames with checksums, oldest first out, within a budget.

Not the spool: what lies here is a copy for others, so a power cut may cost its last frames, and a crash while it is
sent may send some of a file twice (they carry their own times).
"""

import struct
from pathlib import Path
from typing import Final

from fastcrc import crc32

__all__ = ["MessageStore"]

FILE_BYTES: Final = 262_144
FRAME_BYTES_MAX: Final = 1 << 20
_HEAD: Final = struct.Struct("<IIH")  # of the message, its checksum, of the name


class MessageStore:
    """A queue of (name, message) in `folder`, at most `budget_bytes`; `dropped` counts files given up for room."""

    def __init__(self, folder: Path, budget_bytes: int) -> None:
        self._folder, self._budget = folder, budget_bytes
        self.dropped = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._files = sorted(folder.glob("*.frames"))
        self._sizes = {path: path.stat().st_size for path in self._files}
        self._next = int(self._files[-1].stem) + 1 if self._files else 0
        self._open: Path | None = None

    def __bool__(self) -> bool:
        return bool(self._files)

    @property
    def used_bytes(self) -> int:
        """What lies on disk."""
        return sum(self._sizes.values())

    def put(self, name: str, message: bytes) -> None:
        """Append a message; the oldest file goes when there is no room. OSError when the disk does not take it."""
        frame = _HEAD.pack(len(message), crc32.iscsi(message), len(name.encode())) + name.encode() + message
        if len(frame) > min(FRAME_BYTES_MAX, self._budget):
            self.dropped += 1
            return
        if self._open is None or self._sizes[self._open] + len(frame) > FILE_BYTES:
            self._open = self._folder / f"{self._next:08d}.frames"
            self._next += 1
            self._files.append(self._open)
            self._sizes[self._open] = 0
        while self.used_bytes + len(frame) > self._budget and len(self._files) > 1:
            self._forget(self._files[0])
            self.dropped += 1
        with self._open.open("ab") as file:
            file.write(frame)
        self._sizes[self._open] += len(frame)

    def oldest(self) -> list[tuple[str, bytes]]:
        """The messages of the oldest file, up to the first that is damaged."""
        if not self._files:
            return []
        try:
            raw = self._files[0].read_bytes()
        except OSError:
            return []
        found, at = [], 0
        while at + _HEAD.size <= len(raw):
            size, check, name_size = _HEAD.unpack_from(raw, at)
            end = at + _HEAD.size + name_size + size
            message = raw[end - size : end]
            if end > len(raw) or crc32.iscsi(message) != check:
                break
            found.append((raw[at + _HEAD.size : end - size].decode(errors="replace"), message))
            at = end
        return found

    def done(self) -> None:
        """The messages of the oldest file were sent."""
        if self._files:
            self._forget(self._files[0])

    def _forget(self, path: Path) -> None:
        self._files.remove(path)
        del self._sizes[path]
        if path == self._open:
            self._open = None
        path.unlink(missing_ok=True)
