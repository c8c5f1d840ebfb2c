"""The child process that decompresses one LAZ: `python -m drone_ingest.clouds.laz_child JOB` (JSON, see `Job`).

The decompressor is native and trusts its input: bit flips in real files made it abort and segfault, so it never runs
in the caller's process. Records go to stdout as they come, in steps; whatever ends this process, what was written
before is whole. Exit codes: 0 all points were written, 3 an error with its words on stderr, anything else a crash.
"""

import resource
import sys

import msgspec

__all__ = ["EXIT_BROKEN", "Job", "main"]

EXIT_BROKEN = 3
_MIB = 1 << 20
_MEMORY_BYTES = 1_536 * _MIB  # address space; a chunk of 50,000 points takes a few MiB, libraries 300
_CPU_S_MIN = 30
_POINTS_A_S = 100_000  # a twentieth of the usual speed: a decompressor that is slower spins
_SKIP_POINTS = 100_000


class Job(msgspec.Struct, frozen=True):
    """What to decompress: points `skip` to `points` of a file whose points begin at byte `data_at`, `step` at once."""

    file: str
    data_at: int
    laszip: bytes
    record_bytes: int
    points: int
    skip: int
    step: int


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
        file.seek(job.data_at)
        decompressor = lazrs.LasZipDecompressor(file, job.laszip)
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
