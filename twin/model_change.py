"""The kind of change that brings a new building model: read in a child, compared, made live, brought back."""

import asyncio
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import duckdb
import msgspec
from msgspec import Meta

from bim.federation.merge import PARTS_MAX
from bim.federation.open import PartFile, read_federation
from bim.federation.parts import PartPlace
from bim.open import load_tables, read_model
from bim.revisions.match import match
from twin.bindings import Bindings
from twin.changes import DiffRow, Preview, read_body
from twin.directory import Directory
from twin.errors import ConflictError, NotFoundError
from twin.lookup import first
from twin.model import Model
from twin.model_diff import difference
from twin.models import Models, ModelTables
from wire.errors import InputError

__all__ = ["ModelChange", "find_upload"]

_UPLOAD = re.compile(r"[0-9a-f]{64}\Z")


_FileName = Annotated[str, Meta(pattern=r"^[^\x00-\x1f]{1,200}$")]


class ModelPartBody(msgspec.Struct, forbid_unknown_fields=True):
    """One of several files: where it is, how it is called in the model, and where it lies in the first one."""

    upload: str | None = None
    file: _FileName | None = None
    name: Annotated[str, Meta(max_length=200)] = ""
    place: PartPlace | None = None


class ModelBody(msgspec.Struct, forbid_unknown_fields=True):
    """Where the file is: the id of an upload, or a name in the site's folder; or several of them, the first one with
    the most authority."""

    upload: str | None = None
    file: _FileName | None = None
    uploads: Annotated[list[str], Meta(max_length=PARTS_MAX)] = []
    files: Annotated[list[_FileName], Meta(max_length=PARTS_MAX)] = []
    parts: Annotated[list[ModelPartBody], Meta(max_length=PARTS_MAX)] = []


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
        parts = self.find(read_body(ModelBody, body))
        return await asyncio.to_thread(self.preview_files, parts)

    def preview_files(self, parts: Sequence[PartFile]) -> Preview:
        """The preview of files of this machine. Blocks until children have read them."""
        alone = len(parts) == 1 and parts[0].place is None
        tables = _read(parts[0].path, parts[0].name) if alone else _read_parts(parts)
        old = self._model()
        matching = match(old.elements, tables.elements)
        revision = self._models.take_in(tables, against=old, matching=matching)
        new = self._models.read(revision)
        self._models.forget_old()
        rows = [DiffRow(**row) for row in difference(old, new, matching)]
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

    def find(self, body: ModelBody) -> list[PartFile]:
        """The files that a body names; they never leave the uploads and the site's folder."""
        single = [ModelPartBody(upload=body.upload, file=body.file)] if body.upload or body.file else []
        named = [ModelPartBody(upload=one) for one in body.uploads] + [ModelPartBody(file=one) for one in body.files]
        given = [group for group in (single, named, body.parts) if group]
        if len(given) != 1 or (body.upload and body.file) or (body.uploads and body.files):
            fix = "POST the files to /api/v1/uploads first"
            raise InputError("give either upload, file, uploads, files or parts", field="body", fix=fix)
        return [self._part(part) for part in given[0]]

    def _part(self, part: ModelPartBody) -> PartFile:
        if (part.upload is None) == (part.file is None):
            raise InputError("give either upload or file", field="body.parts", fix="one of the two for each part")
        if part.upload is not None:
            return PartFile(find_upload(self._uploads, part.upload), part.place, part.name)
        folder = Path(self._site_folder() or ".").resolve()
        path = (folder / str(part.file)).resolve()
        if not self._site_folder() or not path.is_relative_to(folder) or not path.is_file():
            problem = f"no file {part.file!r} in the site's folder"
            raise NotFoundError(problem, field="body.file", fix="upload it instead")
        return PartFile(path, part.place, part.name)

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


def _read_parts(parts: Sequence[PartFile]) -> ModelTables:
    """Several files as one model."""
    model = read_federation(parts)
    whole, summaries = model.federation, model.summaries
    return ModelTables(
        file=" + ".join(part.file for part in whole.parts),
        schema=" + ".join(dict.fromkeys(summary.schema for summary in summaries)),
        sha256=whole.sha256,
        elements=whole.elements,
        psets=whole.psets,
        relations=whole.relations,
        warnings=[*whole.warnings, *(f"{one.file}: {text}" for one in summaries for text in one.warnings)],
        georeference=whole.georeference,
        parts=[
            {"file": part.file, "sha256": part.sha256, "matrix": alignment.matrix, "how": alignment.how}
            for part, alignment in zip(whole.parts, whole.alignments, strict=True)
        ],
    )


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
