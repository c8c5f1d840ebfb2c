"""The parent's side: have one tile set built in a child process, and turn every failure into a refusal.

`build_tiles` blocks its thread until the child ends or is killed; the caller's own process cannot be harmed by any
file. `cached_tiles` keeps one folder for each content hash.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pyarrow as pa

from bim.child_process import run_child
from bim.errors import SPLIT, ModelError
from bim.model_file import check_path, sha256_of
from bim.open import refusal
from bim.tables import ELEMENTS, write_table
from bim.tiles.limits import Job, TileLimits, TilePart
from bim.tiles.meshes import MESHES_FILE
from bim.tiles.progress import Step, read_progress
from bim.tiles.tileset import FEATURES_FILE, TILESET_FILE, VERSION, TileSet

__all__ = ["build_federated_tiles", "build_tiles", "cached_tiles", "load_tileset", "tiles_key"]

_KEPT = ("plan-*.svg", "t*.glb", MESHES_FILE, FEATURES_FILE, TILESET_FILE)  # in the order they are taken over


def build_tiles(
    model: Path,
    out_dir: Path,
    *,
    limits: TileLimits | None = None,
    progress: Callable[[Step], None] | None = None,
    plans: bool = True,
    niceness: int = 0,
) -> TileSet:
    """Build tiles, feature table, meshes and (unless told not to) storey plans of one file into `out_dir`.

    A tile set that is there already is replaced only on success. Raises ModelError with file, reason and fix,
    whatever the file does to the child.
    """
    return _build(model, out_dir, Job(limits=limits or TileLimits(), plans=plans, niceness=niceness), progress)


def build_federated_tiles(
    parts: Sequence[TilePart],
    elements: pa.Table,
    sha256: str,
    out_dir: Path,
    *,
    limits: TileLimits | None = None,
    progress: Callable[[Step], None] | None = None,
    niceness: int = 0,
) -> TileSet:
    """The same of a model of several files; `elements` (bim/tables.py) says which of them are in it, and where."""
    with tempfile.TemporaryDirectory(prefix="aid4-elements-") as folder:
        table = Path(folder) / "elements.arrow"
        write_table(elements.select(ELEMENTS.names).cast(ELEMENTS), table)
        files = [msgspec.structs.replace(part, path=str(Path(part.path).resolve())) for part in parts]
        job = Job(
            limits=limits or TileLimits(),
            parts=files,
            elements=str(table.resolve()),
            sha256=sha256,
            niceness=niceness,
        )
        return _build(Path(parts[0].path), out_dir, job, progress)


def _build(model: Path, out_dir: Path, job: Job, progress: Callable[[Step], None] | None) -> TileSet:
    bounds = job.limits.of_model()
    path = check_path(model, bounds)
    out_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=out_dir) as work:
        work_dir = Path(work)
        given = [str(path.resolve()), str(work_dir.resolve()), msgspec.json.encode(job).decode()]
        look = (lambda: progress(read_progress(work_dir))) if progress else None
        code = run_child("bim.tiles.child", given, work_dir, job.limits.wall_s, look)
        if code is None:
            problem = f"building its tiles takes more than {job.limits.wall_s:g} s"
            raise ModelError("time", problem, file=str(model), fix=SPLIT)
        if code != 0:
            raise refusal(code, work_dir, str(model), bounds)
        tileset = load_tileset(work_dir)
        if tileset is None:
            raise ModelError("failed", "the child left no whole tile set", file=str(model), fix="build it again")
        _take_over(work_dir, out_dir)
    return tileset


def cached_tiles(
    model: Path,
    cache_dir: Path,
    *,
    limits: TileLimits | None = None,
    progress: Callable[[Step], None] | None = None,
) -> tuple[Path, TileSet]:
    """The folder of a model's tiles below `cache_dir`, named by what they are made of; built when it is not there."""
    digest = sha256_of(check_path(model, (limits or TileLimits()).of_model()))
    folder = cache_dir / tiles_key(digest, limits)
    known = load_tileset(folder)
    if known is None:
        known = build_tiles(model, folder, limits=limits, progress=progress)
    return folder, known


def tiles_key(sha256: str, limits: TileLimits | None = None) -> str:
    """What identifies tiles for good: the model's hash, the form of the files and the bounds they were cut by."""
    made_of = [sha256, str(VERSION), msgspec.json.encode(limits or TileLimits()).decode()]
    return hashlib.sha256("\n".join(made_of).encode()).hexdigest()


def load_tileset(folder: Path) -> TileSet | None:
    """The tile set of a folder; None when there is none of this version."""
    try:
        found = msgspec.json.decode((folder / TILESET_FILE).read_bytes(), type=TileSet)
    except (OSError, msgspec.DecodeError):
        return None
    return found if found.version == VERSION else None


def _take_over(work_dir: Path, out_dir: Path) -> None:
    """Move a whole tile set into place; tileset.json goes first out and last in."""
    (out_dir / TILESET_FILE).unlink(missing_ok=True)
    for pattern in _KEPT:
        for old in out_dir.glob(pattern):
            old.unlink()
        for new in sorted(work_dir.glob(pattern)):
            shutil.move(new, out_dir / new.name)
