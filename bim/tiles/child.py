"""The child process that builds one tile set: `python -m bim.tiles.child FILE OUT_DIR JOB`, the job as JSON.

It bounds itself, opens the file, lets forked workers make the meshes (bim/tiles/kernels.py), packs them into tiles,
and writes tileset.json last of all. Progress goes to the file `progress`. Exit codes as in bim/child.py.
"""

import errno
import os
import resource
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from bim.child import bound_this_process, bounded, memory_bytes, open_model, refuse, too_little_memory
from bim.errors import SPLIT, ModelError
from bim.limits import MIB
from bim.model_file import check_path, plain_model, sha256_of
from bim.tables import ELEMENTS, read_table
from bim.tiles.kernels import Cascade
from bim.tiles.limits import Job, TileLimits, TilePart
from bim.tiles.pack import MadePart, Pack
from bim.tiles.places import Places, places_of, read_places
from bim.tiles.progress import Progress
from bim.tiles.spool import Spool
from bim.tiles.tileset import TILESET_FILE, Lost, Storey, TileSet

__all__ = ["main"]

_MESHES_SHARE = 0.8  # of the time: what the kernels have not made by then is named lost, and the rest is packed


def main(arguments: list[str]) -> int:
    """Build one tile set; see the module."""
    file, out_dir, job = arguments[0], Path(arguments[1]), msgspec.json.decode(arguments[2], type=Job)
    limits = job.limits
    os.nice(job.niceness)
    bound_this_process(limits.of_model())
    try:
        tileset = build_into(file, out_dir, job)
    except ModelError as refusal:
        return refuse(refusal)
    except MemoryError:
        return refuse(too_little_memory(file, limits.of_model()))
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        problem = f"its tiles are larger than {limits.output_bytes // MIB} MiB"
        return refuse(ModelError("too_big", problem, file=file, fix=SPLIT))
    part = out_dir / f"{TILESET_FILE}.part"
    part.write_bytes(msgspec.json.encode(tileset))
    part.replace(out_dir / TILESET_FILE)
    return 0


def build_into(file: str, out_dir: Path, job: Job) -> TileSet:
    """Make meshes and tiles of one model, of one file or several; raises ModelError."""
    started = time.monotonic()
    elements = read_table(Path(job.elements), ELEMENTS) if job.parts else None
    wanted = job.parts or [TilePart(path=file, source="", matrix=[])]
    progress = Progress(out_dir, len(wanted))
    deadline = started + _MESHES_SHARE * job.limits.wall_s
    parts = []
    for number, one in enumerate(wanted):
        progress.part = number
        parts.append(_meshes(one, number, elements, out_dir, job.limits, deadline, progress))
    pack = Pack(out_dir, parts, job.limits, progress.tiles)
    pack.write(job.plans)
    return TileSet(
        sha256=job.sha256 or sha256_of(Path(file)),
        schema=" + ".join(dict.fromkeys(part.schema for part in parts)),
        origin_m=pack.origin_m,
        bounds_m=pack.bounds_m,
        features=pack.features,
        represented=sum(len(part.places.entities) + len(part.places.unnamed) for part in parts),
        meshes=sum(len(part.found) for part in parts),
        not_drawn=pack.not_drawn,
        storeys=[Storey(*storey) for storey in parts[0].places.storeys],
        tiles=pack.tiles,
        plans=pack.plans,
        lost=[lost for part in parts for lost in part.lost],
        kernels=pack.kernels,
        warnings=bounded(
            [*(warning for part in parts for warning in part.warnings), *pack.warnings], job.limits.warnings
        ),
        build_s=round(time.monotonic() - started, 3),
        memory_mib=_memory_mib(),
    )


def _meshes(
    part: TilePart,
    number: int,
    elements: pa.Table | None,
    out_dir: Path,
    limits: TileLimits,
    deadline: float,
    progress: Progress,
) -> MadePart:
    """The meshes of one file."""
    work_dir = out_dir / f"part-{number}"
    work_dir.mkdir()
    path = check_path(part.path, limits.of_model())
    plain = plain_model(path, work_dir, limits.of_model())
    model, complaints = open_model(plain, part.path, limits.of_model())
    places = read_places(model) if elements is None else places_of(elements, part.source, model)
    if len(places.entities) > limits.elements:
        problem = f"{len(places.entities)} elements with a representation; the bound is {limits.elements}"
        raise ModelError("too_big", problem, file=part.path, fix=SPLIT)
    cascade = Cascade(model, places.entities, Spool(work_dir / "spool"), work_dir, limits, progress.meshes)
    cascade.run(deadline)
    return MadePart(
        schema=plain.text.schema,
        places=places,
        spool=cascade.spool,
        found=cascade.found,
        lost=_lost(places, cascade),
        matrix=np.array(part.matrix).reshape(4, 4) if part.matrix else None,
        warnings=[*plain.warnings, *complaints, *cascade.warnings],
    )


def _lost(places: Places, cascade: Cascade) -> list[Lost]:
    """Every represented element without a mesh, none left out: this list is a promise."""
    products = places.products
    rows = [Lost(products[step].global_id, products[step].type, why) for step, why in cascade.lost.items()]
    return rows + [Lost(*unnamed) for unnamed in places.unnamed]


def _memory_mib() -> int:
    """Most that this process held, or one of its workers with what it shares with this one."""
    workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return max(memory_bytes("VmHWM"), workers) // MIB


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
