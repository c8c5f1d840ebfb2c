"""The child process that builds one tile set: `python -m bim.tiles.child FILE OUT_DIR JOB`, the job as JSON.

It bounds itself, opens the file, lets forked workers make the meshes (bim/tiles/kernels.py), packs them into tiles,
and writes tileset.json last of all. Progress goes to the file `progress`. Exit codes as in bim/child.py.
"""

import errno
import resource
import sys
import time
from pathlib import Path

import msgspec

from bim.child import bound_this_process, memory_bytes, open_model, refuse, too_little_memory
from bim.damage import text
from bim.errors import SPLIT, ModelError
from bim.limits import MIB
from bim.model_file import check_path, plain_model, sha256_of
from bim.tiles.kernels import Cascade
from bim.tiles.limits import Job
from bim.tiles.pack import Pack
from bim.tiles.places import Places, read_places
from bim.tiles.progress import Progress
from bim.tiles.spool import Spool
from bim.tiles.tileset import TILESET_FILE, Lost, Storey, TileSet

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Build one tile set; see the module."""
    file, out_dir, job = arguments[0], Path(arguments[1]), msgspec.json.decode(arguments[2], type=Job)
    limits = job.limits
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
    """Make meshes and tiles of one model; raises ModelError."""
    limits = job.limits
    started = time.monotonic()
    path = check_path(file, limits.of_model())
    plain = plain_model(path, out_dir, limits.of_model())
    model, warnings = open_model(plain, file, limits.of_model())
    places = read_places(model)
    if len(places.entities) > limits.elements:
        problem = f"{len(places.entities)} elements with a representation; the bound is {limits.elements}"
        raise ModelError("too_big", problem, file=file, fix=SPLIT)
    progress = Progress(out_dir)
    spool = Spool(out_dir / "meshes.spool")
    cascade = Cascade(model, places.entities, spool, out_dir, limits, progress.meshes)
    cascade.run(started + limits.wall_s)
    pack = Pack(out_dir, places, cascade.found, limits, progress.tiles)
    pack.write(spool, job.plans)
    return TileSet(
        sha256=sha256_of(path),
        schema=plain.text.schema,
        origin_m=pack.origin_m,
        bounds_m=pack.bounds_m,
        features=pack.features,
        represented=len(places.entities) + len(places.unnamed),
        meshes=len(cascade.found),
        not_drawn=pack.not_drawn,
        storeys=[Storey(*storey) for storey in places.storeys],
        tiles=pack.tiles,
        plans=pack.plans,
        lost=_lost(places, cascade),
        kernels={name: count for name, count in pack.kernels.items() if count},
        warnings=[text(warning) for warning in (*plain.warnings, *warnings, *cascade.warnings, *pack.warnings)],
        build_s=round(time.monotonic() - started, 3),
        memory_mib=_memory_mib(),
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
