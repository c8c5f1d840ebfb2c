"""The parts of a `multipart/x-mixed-replace` answer as they arrive: how an MTConnect agent streams its documents."""

import re
from collections.abc import AsyncIterable, AsyncIterator

from edge.sources import SourceError

__all__ = ["boundary_of", "parts"]

PART_BYTES_MAX = 32 << 20
HEAD_BYTES_MAX = 16 << 10
_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,12})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_BOUNDARY = re.compile(r'boundary="?([^";,\s]{1,200})"?', re.IGNORECASE)


def boundary_of(content_type: str) -> bytes | None:
    """The boundary that a Content-Type names; None when the answer is a single document."""
    found = _BOUNDARY.search(content_type) if content_type.lower().startswith("multipart/") else None
    return None if found is None else b"--" + found[1].encode()


async def parts(chunks: AsyncIterable[bytes], boundary: bytes) -> AsyncIterator[bytes]:
    """The body of each part. SourceError for a part without a length, or one beyond the bounds."""
    buffer = bytearray()
    need: int | None = None
    async for chunk in chunks:
        buffer += chunk
        while True:
            if need is None:
                need = _length(buffer, boundary)
                if need is None:
                    break
            if len(buffer) < need:
                break
            yield bytes(buffer[:need])
            del buffer[:need]
            need = None


def _length(buffer: bytearray, boundary: bytes) -> int | None:
    """Cut the head of the next part off `buffer` and return the length of its body; None until it is there whole."""
    start = buffer.find(boundary)
    end = re.search(rb"\r?\n\r?\n", bytes(buffer[start:])) if start >= 0 else None
    if end is None:
        if len(buffer) > HEAD_BYTES_MAX:
            raise SourceError("decode", "a part without a head")
        return None
    found = _LENGTH.search(bytes(buffer[start : start + end.start()]))
    if found is None:
        raise SourceError("decode", "a part that does not tell its length")
    if int(found[1]) > PART_BYTES_MAX:
        raise SourceError("decode", f"a part of more than {PART_BYTES_MAX >> 20} MiB")
    del buffer[: start + end.end()]
    return int(found[1])
