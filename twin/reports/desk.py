"""Makes reports when asked and when planned, keeps what was planned in the data directory, and mails it."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from zoneinfo import ZoneInfo

import duckdb
import structlog

from twin.alarms.send import SendError, send_mail
from twin.errors import ConflictError, NotFoundError
from twin.lookup import first, number
from twin.reports.document import Report
from twin.reports.html import to_html
from twin.reports.kinds import BUILDERS
from twin.reports.pdf import to_pdf
from twin.reports.period import Period, day_of, today
from twin.reports.settings import Kind, Planned, ReportSettings
from twin.reports.words import Language, Words
from wire.errors import Aid4Error, InputError

if TYPE_CHECKING:
    from twin.core import Twin

__all__ = ["KEPT_MAX", "Made", "ReportDesk"]

Form = Literal["html", "pdf"]
Made = tuple[bytes, str]  # the document and the name of its file
KEPT_MAX: Final = 2_000
AT_ONCE_MAX: Final = 2
WAITING_MAX: Final = 8
_LOOK_S: Final = 20.0
_LATE_H: Final = 12  # a twin that was down at the time makes the report when it is back, within half a day
_log = structlog.get_logger("twin.reports")


class ReportDesk:
    """`run` until cancelled."""

    def __init__(self, twin: "Twin", settings: ReportSettings) -> None:
        self._twin, self.settings = twin, settings
        self.folder = twin.store.data_dir / "reports"
        self._turns, self._asked = asyncio.Semaphore(AT_ONCE_MAX), 0

    def period(self, day: date | None) -> Period:
        """A day of the site, yesterday by default; InputError for a day to come."""
        zone, now_us = self._twin.site.time_zone, self._twin.clock.wall_us()
        here = self.here()
        if day is not None and not date(1990, 1, 1) <= day <= here:
            raise InputError(f"{day} is not a day that was", field="day", fix=f"give a day up to {here}")
        return day_of(day or here - timedelta(days=1), zone, now_us)

    def here(self) -> date:
        """Today at the site."""
        return today(self._twin.site.time_zone, self._twin.clock.wall_us())

    def build(self, kind: Kind, day: date | None, language: Language) -> Report:
        """The report as data; blocking."""
        period, words = self.period(day), Words(language, self._twin.site.time_zone)
        sections, notes = BUILDERS[kind](self._twin, self.settings, period, words)
        site = self._twin.site
        return Report(
            kind=kind,
            language=language,
            title=words(f"kind_{kind}"),
            site=site.title or site.name,
            day=period.day.isoformat(),
            period=words.day(period.day),
            made=words("made", at=words.moment(self._twin.clock.wall_us())),
            sections=sections,
            notes=notes,
        )

    async def make(self, kind: Kind, day: date | None, language: Language, form: Form) -> Made:
        """The document; ConflictError when too many are being made."""
        if self._asked >= WAITING_MAX:
            raise ConflictError("too many reports are being made", field="format", fix="ask again in a moment")
        self._asked += 1
        try:
            async with self._turns:
                report = await asyncio.to_thread(self.build, kind, day, language)
                body = await to_pdf(report) if form == "pdf" else to_html(report).encode()
        finally:
            self._asked -= 1
        return body, f"{self._twin.site.name}-{kind}-{report.day}-{language}.{form}"

    async def run(self) -> None:
        """Make what is planned when its time has come."""
        while True:
            for planned in self.settings.report:
                day = due_day(planned, self._twin.clock.wall_us(), self._twin.site.time_zone)
                if day is not None:
                    await self._deliver(planned, day)
            await asyncio.sleep(_LOOK_S)

    def kept(self, limit: int) -> list[dict[str, Any]]:
        """What was made by plan, newest first."""
        with self._twin.store.cursor() as cursor:
            rows = cursor.execute(
                'SELECT id, kind, day, language, epoch_us(made), "by", file, mailed FROM reports '
                "ORDER BY id DESC LIMIT ?",
                [limit],
            ).fetchall()
        names = ("id", "kind", "day", "language", "made_us", "by", "file", "mailed")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def open_kept(self, ident: int) -> tuple[bytes, str]:
        """A kept document; NotFoundError."""
        with self._twin.store.cursor() as cursor:
            row = first(cursor, "SELECT file FROM reports WHERE id = ?", [ident])
        path = self.folder / Path(str(row[0])).name if row else None
        if path is None or not path.is_file():
            raise NotFoundError(f"no report {ident}", field="id", fix="GET /api/v1/reports lists them")
        return path.read_bytes(), path.name

    async def _deliver(self, planned: Planned, day: date) -> None:
        """Make all forms of a planned report that are not kept yet, keep them, mail them."""
        files: list[Made] = []
        for language in planned.languages:
            for form in planned.formats:
                if not await asyncio.to_thread(self._is_kept, planned.kind, day, language, form):
                    try:
                        files.append(await self.make(planned.kind, day, language, form))
                    except Aid4Error as error:
                        _log.warning("a report was not made", kind=planned.kind, day=str(day), problem=str(error))
                        return
        if files:
            mailed = await asyncio.to_thread(self._mail, planned, day, files) if planned.route else ""
            await asyncio.to_thread(self._keep, planned.kind, day, files, mailed)

    def _is_kept(self, kind: str, day: date, language: str, form: str) -> bool:
        select = "SELECT 1 FROM reports WHERE kind = ? AND day = ? AND language = ? AND ends_with(file, ?)"
        with self._twin.store.cursor() as cursor:
            return first(cursor, select, [kind, day.isoformat(), language, f".{form}"]) is not None

    def _keep(self, kind: str, day: date, files: list[Made], mailed: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for body, name in files:
            part = self.folder / f".{name}.part"
            part.write_bytes(body)
            part.replace(self.folder / name)

        def work(connection: duckdb.DuckDBPyConnection) -> list[str]:
            for _, name in files:
                ident = number(connection, "SELECT coalesce(max(id), 0) + 1 FROM reports")
                language = name.rpartition(".")[0].removeprefix(f"{self._twin.site.name}-{kind}-{day.isoformat()}-")
                row = [ident, kind, day.isoformat(), language, datetime.now(UTC), "plan", name, mailed]
                connection.execute("INSERT INTO reports VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            old = connection.execute("SELECT file FROM reports ORDER BY id DESC OFFSET ?", [KEPT_MAX]).fetchall()
            connection.execute(
                "DELETE FROM reports WHERE id <= (SELECT max(id) FROM reports) - ?", [KEPT_MAX]
            )  # fmt: skip
            return [str(row[0]) for row in old]

        for name in self._twin.store.writer.run(work):
            (self.folder / Path(name).name).unlink(missing_ok=True)

    def _mail(self, planned: Planned, day: date, files: list[Made]) -> str:
        route = next((one for one in self._twin.alarms.rules.routes if one.name == planned.route), None)
        if route is None or route.kind != "email":
            return f"failed: alarms.toml has no e-mail route {planned.route!r}"
        site = self._twin.site
        words = Words(planned.languages[0], site.time_zone)
        title = f"{site.title or site.name}: {words(f'kind_{planned.kind}')}, {words.day(day)}"
        try:
            send_mail(route, title, title, files)
        except SendError as error:
            _log.warning("a report was not mailed", route=planned.route, problem=str(error))
            return f"failed: {error}"[:300]
        return ", ".join(route.receivers)


def due_day(planned: Planned, now_us: int, zone: str) -> date | None:
    """The day that a planned report is due for now: yesterday once its time of day has come, for half a day."""
    local = datetime.fromtimestamp(now_us / 1e6, ZoneInfo(zone))
    over = local.hour * 60 + local.minute - planned.minute
    if not 0 <= over <= _LATE_H * 60 or not planned.on(local.weekday()):
        return None
    return local.date() - timedelta(days=1)
