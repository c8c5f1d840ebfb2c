"""The child process that reads what was uploaded: `python -m twin.uploads_child read|scan|levels|photos JOB.json`.

`read` opens every file of a group by `drone_ingest.door`, merges what belongs to one flight, and writes `read.json`
last of all, with one Parquet file of positions and one of events a flight beside it. How far it is stands in
`progress`: the share done and the id of the file at hand, so that one that kills this process is known. `scan` runs
`drone_ingest.scan.job` within bounds of its own, `levels` makes what the page draws of a cloud, `photos` runs
`drone_ingest.photos.job`. Exit codes: 0 done, anything else a crash or, of a scan, a refusal.
"""

import os
import resource
import runpy
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from twin.uploads_jobs import FileFound, LevelsJob, Progress, ReadFile, ReadJob, ReadResult
from wire.stopping import die_with_parent

__all__ = ["main", "read_job"]

MIB = 1 << 20
READ_MEMORY_BYTES = 3_072 * MIB  # address space: decoded messages take at most one GiB, libraries 400 MiB
READ_CPU_S = 1_800  # a log of 8 GiB at a quarter of the usual speed
SCAN_MEMORY_BYTES = 12_288 * MIB  # address space: ray casting reserves far more than it touches
SCAN_CPU_S = 3_600
_NICENESS = 10  # readings go first
_TOLD_SHARE = 0.01


def main(arguments: list[str]) -> int:
    """See the module."""
    what, job = arguments
    if what == "scan":
        _bound(SCAN_MEMORY_BYTES, SCAN_CPU_S)
        sys.argv = ["drone_ingest.scan.job", job]
        runpy.run_module("drone_ingest.scan.job", run_name="__main__", alter_sys=True)
        return 0
    _bound(SCAN_MEMORY_BYTES if what == "photos" else READ_MEMORY_BYTES, READ_CPU_S)
    if what == "photos":
        sys.argv = ["drone_ingest.photos.job", job]
        runpy.run_module("drone_ingest.photos.job", run_name="__main__", alter_sys=True)
        return 0
    if what == "levels":
        make_levels(msgspec.json.decode(Path(job).read_bytes(), type=LevelsJob))
        return 0
    read_job(msgspec.json.decode(Path(job).read_bytes(), type=ReadJob))
    return 0


def read_job(job: ReadJob) -> ReadResult:
    """Read all files of a job and write what was found into its folder."""
    from twin.flights_found import flights_of, photo_of

    out = Path(job.out_dir)
    sizes = {file.id: Path(file.path).stat().st_size for file in job.files}
    tell = _teller(out / "progress", sum(sizes.values()))
    pairs: list[tuple[FileFound, Any]] = []
    for file in job.files:
        tell(0, file.id)
        pairs.append(_read(file, lambda done, name=file.id: tell(done, name)))  # type: ignore[misc]
    good = [(file, found) for file, (_, found) in zip(job.files, pairs, strict=True) if found is not None]
    taken_us = None if job.taken is None else round(datetime.fromisoformat(job.taken).timestamp() * 1e6)
    flown = [(file.name, found) for file, found in good if file.kind not in ("cloud", "stations", "control", "cameras")]
    flights, times = flights_of(flown, out, device=job.device, taken_us=taken_us)
    photos = [photo_of(file.id, file.name, found, times) for file, found in good if found.kind == "photo"]
    result = ReadResult([said for said, _ in pairs], flights, photos)
    part = out / "read.json.part"
    part.write_bytes(msgspec.json.encode(result))
    part.replace(out / "read.json")
    return result


def make_levels(job: LevelsJob) -> None:
    """The levels of a cloud that lies on its model."""
    import numpy as np

    from bim.tiles.meshes import load_meshes
    from drone_ingest.clouds.levels import build_levels

    origin = load_meshes(Path(job.meshes)).origin_m
    build_levels(Path(job.cloud), np.array(job.transform, np.float64), origin, Path(job.out_dir))


def _read(file: ReadFile, progress: Callable[[int], None]) -> tuple[FileFound, Any]:
    from drone_ingest.door import read
    from wire.errors import UserError

    if file.kind in ("stations", "control", "cameras"):
        return FileFound(file.id, file.kind), None  # the scan job reads them
    try:
        found = read(file.path, progress=progress)
    except UserError as refusal:
        return FileFound(file.id, problem={**refusal.as_problem(), "file": file.name}), None
    found.file = file.name
    warnings = [text.replace(Path(file.path).name, file.name) for text in found.warnings]
    start_us = getattr(found, "start_us", None)
    return FileFound(file.id, found.kind, start_us, warnings[:50], bool(found.damages)), found


def _teller(path: Path, total: int) -> Callable[[int, str], None]:
    done, told = 0, ("", -1.0)

    def tell(more: int, file: str) -> None:
        nonlocal done, told
        done += more
        share = min(done / max(total, 1), 1.0)
        if file != told[0] or share - told[1] >= _TOLD_SHARE:
            told = (file, share)
            part = path.with_suffix(".part")
            part.write_bytes(msgspec.json.encode(Progress(share, file)))
            part.replace(path)

    return tell


def _bound(memory_bytes: int, cpu_s: int) -> None:
    """The kernel's bounds; at the soft ones a signal ends this process that tells which it was."""
    die_with_parent(signal.SIGKILL)
    os.nice(_NICENESS)
    for what, bound in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (bound if hard == resource.RLIM_INFINITY else min(bound, hard), hard))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
