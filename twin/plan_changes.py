"""The kinds of change of the plan: a schedule, links task to element, and actual dates that people report.

| kind | body |
|---|---|
| schedule | `{"upload": id}` or `{"file": name}` in the site's folder; `project` of a file with several, `encoding` |
| links | `{"set": [{"task", "element"}], "clear": [{"task", "element"}]}`, or `{"rules": text}`, or `{"upload": id}` |
| actuals | `{"set": [{"task", "start", "finish", "percent"}], "clear": [task]}`; times without offset are the site's |

A task is named by id, code or name. What is kept names it by what its planning tool keeps from export to export.
"""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import duckdb
import msgspec
from msgspec import Meta

from bim.schedule.child import Options
from bim.schedule.link_csv import read_links
from bim.schedule.link_rules import parse_rules
from bim.schedule.open import open_schedule
from bim.schedule.task_names import TaskNames
from twin.changes import Preview, read_body
from twin.errors import ConflictError, NotFoundError
from twin.model_change import find_upload
from twin.plan_book import PlanBook
from twin.plan_kept import DECISIONS
from twin.plan_preview import links_preview, schedule_preview
from twin.plan_store import StoredSchedule, live
from wire.errors import InputError

__all__ = ["LinksChange", "PlanFiles", "ScheduleChange"]

_PAIRS_MAX = 50_000
_RULES_CHARS_MAX = 1_000_000
_Name = Annotated[str, Meta(min_length=1, max_length=500)]
_Element = Annotated[str, Meta(min_length=1, max_length=64)]
_File = Annotated[str, Meta(pattern=r"^[^\x00-\x1f]{1,200}$")]


class ScheduleBody(msgspec.Struct, forbid_unknown_fields=True):
    """Where the file is, and how to read it."""

    upload: str | None = None
    file: _File | None = None
    project: Annotated[str, Meta(max_length=200)] = ""
    encoding: Annotated[str, Meta(max_length=40)] = ""


class Pair(msgspec.Struct, forbid_unknown_fields=True):
    """One link."""

    task: _Name
    element: _Element


class LinksBody(msgspec.Struct, forbid_unknown_fields=True):
    """One of: pairs, rules ("" takes them away), or a CSV by upload or by its name in the site's folder."""

    set: Annotated[list[Pair], Meta(max_length=_PAIRS_MAX)] = []
    clear: Annotated[list[Pair], Meta(max_length=_PAIRS_MAX)] = []
    rules: Annotated[str, Meta(max_length=_RULES_CHARS_MAX)] | None = None
    upload: str | None = None
    file: _File | None = None


class PlanFiles:
    """Where the files of changes lie: uploads, and the site's folder; no name leads out of them.

    `names` says what the sender called an upload, whose file is named by its digest.
    """

    def __init__(self, uploads: Path, names: dict[str, str], site_folder: Callable[[], str]) -> None:
        self._uploads, self._names, self._site_folder = uploads, names, site_folder

    def called(self, upload: str | None, path: Path) -> str:
        """What people call a file."""
        return self._names.get(upload or "", path.name)

    def find(self, upload: str | None, file: str | None) -> Path:
        """The file of a body; NotFound, InputError."""
        if (upload is None) == (file is None):
            raise InputError("give either upload or file", field="body", fix="POST the file to /api/v1/uploads first")
        if upload is not None:
            return find_upload(self._uploads, upload)
        folder = Path(self._site_folder() or ".").resolve()
        path = (folder / str(file)).resolve()
        if not self._site_folder() or not path.is_relative_to(folder) or not path.is_file():
            raise NotFoundError(f"no file {file!r} in the site's folder", field="body.file", fix="upload it instead")
        return path


class ScheduleChange:
    """Reads the file before the preview; activation only switches, so it is quick and cannot fail on the file."""

    def __init__(self, book: PlanBook, files: PlanFiles, refresh: Callable[[], None]) -> None:
        self._book, self._files, self.refresh = book, files, refresh
        self._reading = asyncio.Lock()  # one child at a time: each may take all of its memory

    async def preview(self, body: dict[str, Any]) -> Preview:
        """Tasks and links that come, go and change; what of the model is then linked."""
        checked: ScheduleBody = read_body(ScheduleBody, body)
        path = self._files.find(checked.upload, checked.file)
        options = Options(project=checked.project, encoding=checked.encoding)
        name = self._files.called(checked.upload, path)
        async with self._reading:
            return await asyncio.to_thread(self.preview_file, path, options, "change", name)

    def preview_file(self, path: Path, options: Options, origin: str, name: str = "") -> Preview:
        """The preview of a file of this machine; blocks until the child has read it. ScheduleError."""
        opened = open_schedule(path, options).called(name or path.name)
        store = self._book.store
        revision = store.take_in(opened, project=options.project, origin=origin)
        new = StoredSchedule.of(revision, opened, options.project)
        store.forget_old()
        return Preview({"revision": revision}, schedule_preview(self._book, new), [])

    def apply(self, cursor: duckdb.DuckDBPyConnection, change: int, body: Any) -> Any:
        """Switch to the revision."""
        return switch(self._book, cursor, "schedule", body["revision"], change)

    def revert(self, cursor: duckdb.DuckDBPyConnection, change: int, undo: Any) -> None:
        """Switch back to the schedule before; Conflict when another one was activated since."""
        switch_back(self._book, cursor, "schedule", undo, change)


class LinksChange:
    """Links by pairs, by rules, by a file; each replaces only what came the same way."""

    def __init__(self, book: PlanBook, files: PlanFiles, refresh: Callable[[], None]) -> None:
        self._book, self._files, self.refresh = book, files, refresh

    async def preview(self, body: dict[str, Any]) -> Preview:
        """Links that come and go, and what of the model is then linked."""
        checked: LinksBody = read_body(LinksBody, body)
        given = [bool(checked.set or checked.clear), checked.rules is not None, bool(checked.upload or checked.file)]
        if sum(given) != 1:
            fix = "give set and clear, or rules, or upload"
            raise InputError("a change of links comes one way at a time", field="body", fix=fix)
        return await asyncio.to_thread(self._preview, checked)

    def preview_file(self, path: Path, origin: str, encoding: str = "", name: str = "") -> Preview:
        """The preview of a CSV of links."""
        rows = read_links(path, encoding)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        revision = self._book.store.take_links(
            "link_file", name or path.name, digest, origin=origin, rules="", rows=rows
        )
        return self._shown({"what": "link_file", "revision": revision}, file=rows)

    def preview_rules(self, text: str, name: str, origin: str) -> Preview:
        """The preview of rules; ConfigError names the rule and the field."""
        if text.strip():
            parse_rules(text, name)
        digest = hashlib.sha256(text.encode()).hexdigest()
        revision = self._book.store.take_links("link_rules", name, digest, origin=origin, rules=text, rows=None)
        return self._shown({"what": "link_rules", "revision": revision}, rules=text if text.strip() else "")

    def apply(self, cursor: duckdb.DuckDBPyConnection, change: int, body: Any) -> Any:
        """Make the pairs, the file or the rules hold."""
        if "what" in body:
            return switch(self._book, cursor, body["what"], body["revision"], change) | {"what": body["what"]}
        wall_us = self._book.wall_us()
        before = DECISIONS.put(cursor, body["set"], body["clear"], change=change, wall_us=wall_us)
        return {"before": before}

    def revert(self, cursor: duckdb.DuckDBPyConnection, change: int, undo: Any) -> None:
        """Bring back what held before; Conflict when a later change stands on it."""
        if "what" in undo:
            switch_back(self._book, cursor, undo["what"], undo, change)
            return
        body = body_of(cursor, change)
        touched = [*body["set"], *body["clear"]]
        DECISIONS.check_newest(cursor, touched, change)
        DECISIONS.put(cursor, undo["before"], touched, change=None, wall_us=self._book.wall_us())

    def _preview(self, body: LinksBody) -> Preview:
        if body.rules is not None:
            return self.preview_rules(body.rules, "rules", "change")
        if body.upload or body.file:
            path = self._files.find(body.upload, body.file)
            return self.preview_file(path, "change", name=self._files.called(body.upload, path))
        plan = self._book.live
        if plan is None:
            raise ConflictError("there is no schedule", field="kind", fix="activate one first")
        names = TaskNames(plan.schedule)
        kept: dict[str, list[dict[str, Any]]] = {"set": [], "clear": []}
        problems = []
        for linked, pairs in ((True, body.set), (False, body.clear)):
            for pair in pairs:
                task = names.kept(pair.task)
                if task is None:
                    problems.append(f"the schedule has not one task {pair.task!r}: give its id")
                elif pair.element not in plan.model:
                    problems.append(f"the model has no element {pair.element!r}")
                else:
                    kept["set"].append({"element": pair.element, "task": task, "linked": linked})
        decisions = {(row["element"], row["task"]): row["linked"] for row in kept["set"]}
        preview = self._shown(kept, decisions=decisions)
        return Preview(kept, preview.diff, problems)

    def _shown(self, body: dict[str, Any], **inputs: Any) -> Preview:
        self._book.store.forget_old()
        diff, problems = links_preview(self._book, **inputs)
        return Preview(body, diff, problems)


def switch(book: PlanBook, cursor: duckdb.DuckDBPyConnection, what: str, revision: int, change: int) -> dict[str, Any]:
    """Within a transaction: make a revision live; what undo needs."""
    if not book.store.has(what, revision):
        raise ConflictError("this revision was cleared away", fix="post the file again")
    return {"before": book.store.make_live(cursor, what, revision, change), "revision": revision}


def switch_back(book: PlanBook, cursor: duckdb.DuckDBPyConnection, what: str, undo: Any, change: int) -> None:
    """Within a transaction: the revision before comes back."""
    now = live(cursor, what)
    if now is None or now.revision != undo["revision"]:
        raise ConflictError("another one was activated since", fix="revert that one first")
    before = undo["before"]
    if before is not None and not book.store.has(what, before):
        raise ConflictError("the one before was cleared away", fix="post its file again")
    book.store.make_live(cursor, what, before, change)


def body_of(cursor: duckdb.DuckDBPyConnection, change: int) -> Any:
    """The body that a change keeps."""
    rows = cursor.execute("SELECT body FROM changes WHERE id = ?", [change]).fetchall()
    return msgspec.json.decode(rows[0][0])
