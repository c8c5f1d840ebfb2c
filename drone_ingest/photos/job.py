"""The child process that looks at photos for a twin: `python -m drone_ingest.photos.job JOB.json`.

JOB: {"poses": [CameraPose, …] (in the model, see pose.py), "meshes": folder of a tile set, "standing": [GlobalId, …] or
null for all, "ground_m": z or null, "out_dir", "memory_bytes"}. Writes `photo_elements.parquet` and, last,
`result.json` {"photos": [{"photo", "footprint_m", "elements"}], "seconds"} into out_dir. Exit code 2 with a problem as
JSON on stderr for what cannot be read.
"""

import json
import resource
import sys
import time
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from bim.tiles import load_meshes
from drone_ingest.limits import GIB
from drone_ingest.photos.pose import CameraPose
from drone_ingest.photos.seen import PHOTO_ELEMENTS, PhotoScene
from drone_ingest.ray_scene import is_body
from wire.errors import InputError, UserError

__all__ = ["PhotosJob", "main", "run"]

_POSES_MAX = 20_000


class PhotosJob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked; see the module."""

    poses: list[CameraPose]
    meshes: str
    out_dir: str
    standing: list[str] | None = None
    ground_m: float | None = None
    memory_bytes: int = 6 * GIB  # address space: Open3D maps two gigabytes of it


def run(job: PhotosJob) -> None:
    """Do it; raises InputError."""
    began = time.monotonic()
    if len(job.poses) > _POSES_MAX:
        raise InputError(f"{len(job.poses)} photos", field="poses", fix=f"give at most {_POSES_MAX} at once")
    meshes = load_meshes(Path(job.meshes))
    wanted = None if job.standing is None else frozenset(job.standing)
    bodies = [one for one in meshes if is_body(one) and (wanted is None or one.global_id in wanted)]
    scene = PhotoScene(bodies, job.ground_m)
    tables, rows = [PHOTO_ELEMENTS.empty_table()], []
    for pose in job.poses:
        seen = scene.look(pose)
        tables.append(seen.elements)
        rows.append({"photo": pose.photo, "footprint_m": seen.footprint_m, "elements": len(seen.elements)})
    out = Path(job.out_dir)
    pq.write_table(pa.concat_tables(tables), out / "photo_elements.parquet")
    known = {"photos": rows, "seconds": round(time.monotonic() - began, 3)}
    (out / "result.json").write_bytes(msgspec.json.encode(known))


def main() -> int:
    """Read JOB.json, bound the memory, run."""
    try:
        job = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=PhotosJob)
        resource.setrlimit(resource.RLIMIT_AS, (job.memory_bytes, job.memory_bytes))
        run(job)
    except UserError as error:
        print(json.dumps(error.as_problem()), file=sys.stderr)
        return 2
    except (msgspec.DecodeError, ValueError, OSError, IndexError) as error:
        print(json.dumps({"problem": str(error), "fix": "give a JOB.json"}), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
