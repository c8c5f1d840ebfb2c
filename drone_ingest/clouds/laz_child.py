"""The child process that decompresses one LAZ: `python -m drone_ingest.clouds.laz_child JOB` (JSON, see `Job`).

The decompressor is native and trusts its input: bit flips in real files made it abort and segfault, so it never runs
in the caller's process. Records go to stdout as they come, in steps; whatever ends this process, what was written
before is whole. Exit codes: 0 all points were written, 3 an error with its words on stderr, anything else a crash.
"""

import io
import resource
import sys
from typing import BinaryIO

import msgspec

__all__ = ["EXIT_BROKEN", "Job", "main"]

EXIT_BROKEN = 3
_MIB = 1 << 20
_MEMORY_BYTES = 1_536 * _MIB  # address space; a chunk of 50,000 points takes a few MiB, libraries 300
_CPU_S_MIN = 30
_POINTS_A_S = 100_000  # a twentieth of the usual speed: a decompressor that is slower spins
_SKIP_POINTS = 100_000
_HOLE_BYTES = 1 << 20  # between the last byte of a cut file and the table made for it: no point is read out of a table


class Job(msgspec.Struct, frozen=True):
    """What to decompress: points `skip` to `points` of a file whose points begin at byte `data_at`, `step` at once."""

    file: str
    data_at: int
    laszip: bytes
    record_bytes: int
    points: int
    skip: int
    step: int
    lost_table: bool = False  # the table of chunks is cut off: make one, for chunks of one size need none in truth


def main(argument: str) -> int:
    """See the module."""
    job = msgspec.json.decode(argument, type=Job)
    cpu_s = _CPU_S_MIN + job.points // _POINTS_A_S
    for what, bound in ((resource.RLIMIT_AS, _MEMORY_BYTES), (resource.RLIMIT_CPU, cpu_s), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (bound if hard == resource.RLIM_INFINITY else min(bound, hard), hard))
    try:
        _decompress(job)
    except BaseException as error:  # noqa: BLE001 - a panic of Rust is no Exception
        sys.stderr.write(f"\n{str(error).partition(chr(10))[0][:200]}\n")
        return EXIT_BROKEN
    return 0


def _decompress(job: Job) -> None:
    import lazrs  # only here: it is what crashes

    with open(job.file, "rb") as file:  # noqa: PTH123 - pathlib costs this process a third of its start
        source = _with_table(file, job) if job.lost_table else file
        source.seek(job.data_at)
        decompressor = lazrs.LasZipDecompressor(source, job.laszip)
        done = 0
        while done < job.points:
            skipping = done < job.skip
            count = min(_SKIP_POINTS, job.skip - done) if skipping else min(job.step, job.points - done)
            rows = bytearray(count * job.record_bytes)
            decompressor.decompress_many(rows)
            if not skipping:
                sys.stdout.buffer.write(rows)
                sys.stdout.buffer.flush()
            done += count


def _with_table(file: BinaryIO, job: Job) -> "_Patched":
    """The file with a table of chunks behind its last byte, and the pointer to it where the points begin."""
    import lazrs

    vlr = lazrs.LazVlr(job.laszip)
    chunks = -(-job.points // vlr.chunk_size())
    table = io.BytesIO()
    lazrs.write_chunk_table(table, [(vlr.chunk_size(), 1)] * chunks, vlr)
    size = file.seek(0, io.SEEK_END)
    return _Patched(file, size, job.data_at, (size + _HOLE_BYTES).to_bytes(8, "little"), table.getvalue())


class _Patched(io.RawIOBase):
    """A file seen with eight other bytes at one place and, behind a hole after its end, a tail."""

    def __init__(self, file: BinaryIO, size: int, place: int, patch: bytes, tail: bytes) -> None:
        self._file, self._size, self._place, self._patch, self._tail = file, size, place, patch, tail
        self._at = 0
        self._end = size + _HOLE_BYTES + len(tail)

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As files do."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._end}[whence]
        self._at = max(start + offset, 0)
        return self._at

    def tell(self) -> int:
        """The place."""
        return self._at

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, none at the end and in the hole."""
        size = self._end - self._at if size < 0 else size
        if self._at < self._size:
            self._file.seek(self._at)
            found = self._patched(self._file.read(min(size, self._size - self._at)))
        else:
            place = self._at - self._size - _HOLE_BYTES
            found = self._tail[place : place + size] if place >= 0 else b""
        self._at += len(found)
        return found

    def readinto(self, buffer: memoryview | bytearray) -> int:  # type: ignore[override]
        """Fill a buffer as far as there are bytes."""
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def _patched(self, data: bytes) -> bytes:
        first, last = max(self._place, self._at), min(self._place + 8, self._at + len(data))
        if first >= last:
            return data
        patch = self._patch[first - self._place : last - self._place]
        return data[: first - self._at] + patch + data[last - self._at :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
