"""Geometry of the live model: built in a child process while the twin goes on, kept by content, compressed once.

`run` follows the live model. Tiles of a model that was live before stay on disk as long as its revision does, so a
revert shows them at once; a model that was refused never becomes live and changes nothing here.
"""

import asyncio
import contextlib
import gzip
import re
import shutil
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import brotli
import msgspec
import structlog

from bim.model_file import sha256_of
from bim.tiles import Step, TilePart, TileSet, build_federated_tiles, build_tiles, load_tileset, tiles_key
from twin.lookup import first
from twin.model import Model, ModelInfo
from twin.store import Store
from wire.errors import InputError, UserError

__all__ = ["Building", "Failed", "Ready", "Tiles"]

_log = structlog.get_logger("twin.tiles")
_LOOK_S = 0.25  # how soon a new model's tiles are begun
_BROTLI_QUALITY = 5  # of 11: a tenth larger than the best, at a hundredth of its time
_GZIP_LEVEL = 6
_NICENESS = 10  # readings go first
_SITE_FILES_MAX = 64  # files of a site's folder that are looked at for the live model
_SERVED = re.compile(r"(t\d{3,6}\.glb|plan-\d{3,6}\.svg|features\.arrow|tileset\.json)\Z")
_KEY = re.compile(r"[0-9a-f]{64}\Z")


class Ready(msgspec.Struct, frozen=True):
    """Tiles of the live model."""

    revision: int
    key: str
    tileset: TileSet


class Building(msgspec.Struct, frozen=True):
    """How far they are."""

    step: Step


class Failed(msgspec.Struct, frozen=True):
    """Why there are none, and what helps."""

    problem: str
    fix: str


_BEGUN = Building(Step("open", 0, 1))


class _StopError(Exception):
    """The twin stops, or another model is live; so this build is for nobody."""


class Tiles:
    """Follows the live model."""

    def __init__(
        self, store: Store, *, model: Callable[[], Model], uploads: Path, site_folder: Callable[[], str]
    ) -> None:
        self._store, self._model, self._uploads, self._site_folder = store, model, uploads, site_folder
        self._folder = store.data_dir / "tiles"
        self._paths: dict[Path, None] = {}
        self._settled: ModelInfo | None = None
        self._state: Ready | Building | Failed = _BEGUN

    def know(self, paths: Iterable[Path]) -> None:
        """Files that a model was brought from."""
        self._paths |= dict.fromkeys(paths)
        if isinstance(self._state, Failed):
            self._settled = None

    @property
    def current(self) -> Ready | Building | Failed | None:
        """Tiles of the model that is live now; None when there is no model."""
        info = self._model().info
        return None if info is None else self._state if info == self._settled else _BEGUN

    def file(self, key: str, name: str) -> Path | None:
        """A file of a tile set that may be served; None for anything else."""
        if not _KEY.match(key) or not _SERVED.match(name):
            return None
        path = self._folder / key / name
        return path if path.is_file() else None

    async def run(self) -> None:
        """Keep up with the live model until cancelled."""
        while True:
            info = self._model().info
            if info is not None and info != self._settled:
                self._state, self._settled = _BEGUN, info
                with contextlib.suppress(_StopError):
                    self._state = await self._settle(info)
            await asyncio.sleep(_LOOK_S)

    async def _settle(self, info: ModelInfo) -> Ready | Failed:
        try:
            return await self._in_thread(info)
        except UserError as refusal:
            problem, fix = refusal.problem, refusal.fix
        except OSError as error:
            problem, fix = f"its tiles cannot be kept: {error.strerror}", "make room on the disk of the twin"
        _log.warning("the live model has no tiles", model=info.file, problem=problem)
        return Failed(problem, fix)

    async def _in_thread(self, info: ModelInfo) -> Ready:
        stopping = threading.Event()

        def tell(step: Step) -> None:
            if stopping.is_set() or self._model().info != info:
                raise _StopError
            self._state = Building(step)

        work = asyncio.create_task(asyncio.to_thread(self._ready, info, self._model(), tell), name="twin.tiles.build")
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            stopping.set()  # the child is killed within a tenth of a second
            await asyncio.gather(work, return_exceptions=True)
            raise

    def _ready(self, info: ModelInfo, model: Model, tell: Callable[[Step], None]) -> Ready:
        key = tiles_key(info.sha256)
        folder = self._folder / key
        tileset = load_tileset(folder) or self._build(info, model, folder, tell)
        _compress(folder)
        self._forget_old(key)
        return Ready(info.revision, key, tileset)

    def _build(self, info: ModelInfo, model: Model, folder: Path, tell: Callable[[Step], None]) -> TileSet:
        parts = self._parts(info.revision)
        if not parts:
            return build_tiles(self._find(info.sha256, info.file), folder, progress=tell, niceness=_NICENESS)
        files = [
            TilePart(path=str(self._find(part.sha256, part.file)), source=part.file, matrix=part.matrix)
            for part in parts
        ]
        return build_federated_tiles(files, model.elements, info.sha256, folder, progress=tell, niceness=_NICENESS)

    def _parts(self, revision: int) -> "list[_Part]":
        with self._store.cursor() as cursor:
            row = first(cursor, "SELECT parts FROM model_revisions WHERE revision = ?", [revision])
        return msgspec.json.decode(row[0], type=list[_Part]) if row and row[0] else []

    def _find(self, sha256: str, file: str) -> Path:
        """The file with this hash, among those that were brought, the uploads and the site's folder."""
        folder = self._site_folder()
        site = sorted(Path(folder).glob("*.ifc*")) if folder else []
        for path in (*self._uploads.glob(f"{sha256}.*"), *self._paths, *site[:_SITE_FILES_MAX]):
            try:
                if path.is_file() and sha256_of(path) == sha256:
                    return path
            except OSError:
                continue
        raise InputError("the file of the live model is gone", file=file, fix="upload it and make it live again")

    def _forget_old(self, key: str) -> None:
        """Remove tiles of revisions that are cleared away."""
        with self._store.cursor() as cursor:
            rows = cursor.execute("SELECT DISTINCT sha256 FROM model_revisions").fetchall()
        kept = {key, *(tiles_key(row[0]) for row in rows)}
        for folder in self._folder.iterdir():
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)


class _Part(msgspec.Struct):
    """One file of a model of several, as the revision keeps it."""

    file: str
    sha256: str
    matrix: list[float]


def _compress(folder: Path) -> None:
    """Lay a .br and a .gz beside each file that is served, unless they are there."""
    for path in sorted(folder.iterdir()):
        if not _SERVED.match(path.name):
            continue
        data = None
        for ending, squeeze in (("br", _brotli), ("gz", _gzip)):
            packed = path.with_name(f"{path.name}.{ending}")
            if packed.is_file():
                continue
            data = path.read_bytes() if data is None else data
            part = packed.with_name(f"{packed.name}.part")
            part.write_bytes(squeeze(data))
            part.replace(packed)


def _brotli(data: bytes) -> bytes:
    packed: bytes = brotli.compress(data, quality=_BROTLI_QUALITY)
    return packed


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, _GZIP_LEVEL, mtime=0)
