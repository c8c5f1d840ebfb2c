"""The kind of change that brings a new building model: read in a child, compared, made live, brought back."""

import asyncio
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import duckdb
import msgspec
from msgspec import Meta

from bim.open import load_tables, read_model
from twin.bindings import Bindings
from twin.changes import DiffRow, Preview, read_body
from twin.directory import Directory
from twin.errors import ConflictError, NotFoundError
from twin.lookup import first
from twin.model import Model, difference
from twin.models import Models, ModelTables
from wire.errors import InputError

__all__ = ["ModelChange", "find_upload"]

_UPLOAD = re.compile(r"[0-9a-f]{64}\Z")


class ModelBody(msgspec.Struct, forbid_unknown_fields=True):
    """Where the file is: the id of an upload, or a name in the site's folder."""

    upload: str | None = None
    file: Annotated[str, Meta(pattern=r"^[^\x00-\x1f]{1,200}$")] | None = None


class ModelChange:
    """Reads the file before the preview; activation only switches, so it is quick and cannot fail on the file."""

    def __init__(
        self,
        models: Models,
        *,
        uploads: Path,
        site_folder: Callable[[], str],
        model: Callable[[], Model],
        directory: Callable[[], Directory],
        rebind: Callable[[Model], Bindings],
        refresh: Callable[[], None],
    ) -> None:
        self._models, self._uploads, self._site_folder = models, uploads, site_folder
        self._model, self._directory, self._rebind, self.refresh = model, directory, rebind, refresh

    async def preview(self, body: dict[str, Any]) -> Preview:
        """Elements added, removed and changed, and points that would lose or change their place."""
        path = self.find(read_body(ModelBody, body))
        return await asyncio.to_thread(self.preview_file, path)

    def preview_file(self, path: Path, name: str = "") -> Preview:
        """The preview of a file of this machine. Blocks until the child has read it."""
        tables = _read(path, name)
        revision = self._models.take_in(tables)
        new = self._models.read(revision)
        self._models.forget_old()
        rows = [DiffRow(**row) for row in difference(self._model(), new)]
        return Preview({"revision": revision}, [*self._moved_points(new), *rows], [])

    def apply(self, cursor: duckdb.DuckDBPyConnection, _change: int, body: Any) -> Any:
        """Switch to the revision."""
        if not self._models.has(body["revision"]):
            raise ConflictError("this model's revision was cleared away", fix="post the file again")
        return {"before": self._models.make_live(cursor, body["revision"]), "revision": body["revision"]}

    def revert(self, cursor: duckdb.DuckDBPyConnection, _change: int, undo: Any) -> None:
        """Switch back to the model before; Conflict when another one was activated since."""
        row = first(cursor, "SELECT revision FROM model_revisions WHERE active")
        if row is None or row[0] != undo["revision"]:
            raise ConflictError("another model was activated since", fix="revert that one first")
        before = undo["before"]
        if before is not None and not self._models.has(before):
            raise ConflictError("the model before was cleared away", fix="post its file again")
        self._models.make_live(cursor, before)

    def find(self, body: ModelBody) -> Path:
        """The file that a body names; it never leaves the uploads and the site's folder."""
        if (body.upload is None) == (body.file is None):
            raise InputError("give either upload or file", field="body", fix="POST the file to /api/v1/uploads first")
        if body.upload is not None:
            return find_upload(self._uploads, body.upload)
        folder = Path(self._site_folder() or ".").resolve()
        path = (folder / str(body.file)).resolve()
        if not self._site_folder() or not path.is_relative_to(folder) or not path.is_file():
            problem = f"no file {body.file!r} in the site's folder"
            raise NotFoundError(problem, field="body.file", fix="upload it instead")
        return path

    def _moved_points(self, new: Model) -> list[DiffRow]:
        after = self._rebind(new).by_point
        rows = []
        for view in self._directory().views:
            binding = after.get(view.id)
            old, place = view.element or view.space, (binding.element or binding.space) if binding else None
            if old != place:
                op = "add" if old is None else "remove" if place is None else "replace"
                rows.append(DiffRow(op, f"/bindings/{view.key}", old, place))
        return rows


def find_upload(folder: Path, upload: str) -> Path:
    """The file of an upload by its id (SHA-256); NotFound."""
    found = sorted(folder.glob(f"{upload}.*")) if _UPLOAD.match(upload) else []
    if not found:
        raise NotFoundError(f"no upload {upload[:80]!r}", field="body.upload", fix="POST the file to /api/v1/uploads")
    return found[0]


def _read(path: Path, name: str) -> ModelTables:
    with tempfile.TemporaryDirectory(prefix="aid4-model-") as folder:
        summary = read_model(path, Path(folder))
        tables = load_tables(Path(folder))
    return ModelTables(
        file=name or summary.file,
        schema=summary.schema,
        sha256=summary.sha256,
        elements=tables["elements"],
        psets=tables["psets"],
        relations=tables["relations"],
        warnings=summary.warnings,
        georeference=summary.georeference,
    )
