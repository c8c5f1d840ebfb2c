"""At the start: the schedule, links and rules that the site's folder names, or that its model carries, go live.

What the folder names is taken in when it is new; a plan that people activated since stays until the file changes.
"""

import asyncio
import mmap
from pathlib import Path

import structlog

from bim.schedule.child import Options
from bim.schedule.errors import ScheduleError
from twin.changes import Changes, Preview
from twin.models import file_sha256
from twin.plan_book import PlanBook
from twin.plan_changes import LinksChange, ScheduleChange
from twin.siteconfig import SchedulePlan, SiteConfig
from wire.errors import ConfigError

__all__ = ["SitePlan"]

_log = structlog.get_logger("twin.plan")
_BY = "start"


class SitePlan:
    """Brings the site's plan; each part is a change like those of people, so it is audited and can be undone."""

    def __init__(self, book: PlanBook, changes: Changes, schedule: ScheduleChange, links: LinksChange) -> None:
        self._book, self._changes, self._schedule, self._links = book, changes, schedule, links

    async def bring(self, site: SiteConfig, model: Path | None) -> str | None:
        """The problem when a part is refused, and then what was live stays so."""
        plan = site.schedule or SchedulePlan()
        problems = []
        for bring in (self._bring_schedule, self._bring_links, self._bring_rules):
            try:
                await bring(plan, Path(site.folder), model)
            except Exception as error:  # noqa: BLE001  (whatever a file does, the twin runs)
                problem = str(error) or type(error).__name__
                _log.warning("a part of the plan was not taken in; the one before stays live", problem=problem)
                problems.append(problem)
        self._book.refused = "; ".join(problems) or None
        return self._book.refused

    async def _bring_schedule(self, plan: SchedulePlan, folder: Path, model: Path | None) -> None:
        if plan.file is None:
            await self._bring_of_model(plan, model)
            return
        path = _found(folder / plan.file, "schedule.file")
        if await self._is_new("schedule", path, "site"):
            await self._take_schedule(path, plan, "site")

    async def _bring_of_model(self, plan: SchedulePlan, model: Path | None) -> None:
        """A model without a work schedule is none; one whose schedule is broken is told."""
        if model is None or not await self._is_new("schedule", model, "model"):
            return
        if await asyncio.to_thread(_has_schedule, model):
            await self._take_schedule(model, plan, "model")

    async def _take_schedule(self, path: Path, plan: SchedulePlan, origin: str) -> None:
        options = Options(project=plan.project, encoding=plan.encoding)
        preview = await asyncio.to_thread(self._schedule.preview_file, path, options, origin)
        await self._activate("schedule", preview, path.name)

    async def _bring_links(self, plan: SchedulePlan, folder: Path, _model: Path | None) -> None:
        if plan.links is not None:
            path = _found(folder / plan.links, "schedule.links")
            if await self._is_new("link_file", path, "site"):
                preview = await asyncio.to_thread(self._links.preview_file, path, "site", plan.encoding)
                await self._activate("links", preview, path.name)

    async def _bring_rules(self, plan: SchedulePlan, folder: Path, _model: Path | None) -> None:
        if plan.rules is not None:
            path = _found(folder / plan.rules, "schedule.rules")
            if await self._is_new("link_rules", path, "site"):
                text = path.read_text(encoding="utf-8")
                preview = await asyncio.to_thread(self._links.preview_rules, text, path.name, "site")
                await self._activate("links", preview, path.name)

    async def _is_new(self, what: str, path: Path, origin: str) -> bool:
        digest = await asyncio.to_thread(file_sha256, path)
        return digest != await asyncio.to_thread(self._book.store.brought, what, origin)

    async def _activate(self, kind: str, preview: Preview, note: str) -> None:
        change = await self._changes.keep(kind, preview, note=note, by=_BY)  # type: ignore[arg-type]
        if change.problems:
            raise ScheduleError("value", change.problems[0], file=note, fix="mend the file")
        await self._changes.activate(change.id, by=_BY)


def _found(path: Path, field: str) -> Path:
    if not path.is_file():
        raise ConfigError("no such file", file=str(path), field=field, fix="lay the file there, or leave the field out")
    return path


def _has_schedule(model: Path) -> bool:
    """Whether the text of an IFC file has tasks at all; packed files are not looked into."""
    if model.stat().st_size == 0:
        return False
    with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        return any(text.find(name) >= 0 for name in (b"IFCTASK(", b"IFCTASK (", b"IfcTask("))
