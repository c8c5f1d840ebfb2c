"""The one worker behind uploads: takes group after group, reads its files and judges its cloud in bounded children.

Each step is a row of the database before it is done and after, so a twin that ends in the middle begins the group
again; what a child wrote counts only with the transaction at the end. A file that kills the reader is set aside and
the others of its group go on.
"""

import asyncio
import contextlib
import secrets
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import duckdb
import msgspec
import structlog

from bim.child_process import run_child
from twin.flights import Flights
from twin.store import Store
from twin.times import iso
from twin.uploads_disk import DroneFolders
from twin.uploads_groups import ENDED, Row, Uploads
from twin.uploads_jobs import FileFound, PhotoFound, Progress, ReadFile, ReadJob, ReadResult
from wire.errors import Aid4Error, InputError, UserError

__all__ = ["Judge", "StoppedError", "UploadWork"]

_log = structlog.get_logger("twin.uploads")
_POLL_S = 1.0  # a safety net; a commit wakes the worker
_FULL_S = 5.0  # until a disk that was full is tried again
_READ_S_MAX = 3_600.0
_PARTS_KEPT_US = 86_400_000_000  # an upload that broke off can be resumed so long
_SECOND_CLOUD = {
    "problem": "a group has one cloud, and this is another",
    "field": "group",
    "fix": "join the clouds, or send each in a group of its own",
}
_FIX = "open it with the program that wrote it and save it again, or send it to support"


class StoppedError(Exception):
    """The twin stops, or somebody deleted the group that is being worked on."""


class Judge(Protocol):
    """What makes a scan of a cloud: registers, judges, and keeps. Blocking; tells its state and its share."""

    def __call__(
        self, group: list[Row], cloud: Row, read: ReadResult, flight: str | None, work: Path,
        tell: Callable[[str, float], None],
    ) -> None:  # fmt: skip
        """Judge the cloud of a group."""
        ...


class Look(Protocol):
    """What finds out where photos of a group were taken and what they show. Blocking; calls `check` now and then."""

    def __call__(self, photos: list[PhotoFound], work: Path, check: Callable[[], None]) -> None:
        """Look at the photos of a group."""
        ...


class UploadWork:
    """`run` until cancelled. `progress` is the share of what is being worked on, by id of upload."""

    def __init__(
        self, store: Store, uploads: Uploads, folders: DroneFolders, flights: Flights, judge: Judge, look: Look
    ) -> None:
        self._store, self._uploads, self._folders, self._flights = store, uploads, folders, flights
        self._judge, self._look = judge, look
        self.progress: dict[str, float] = {}
        self._wake = asyncio.Event()
        self._stopping = threading.Event()
        self._cut: set[str] = set()
        self._group = ""
        self._idle = threading.Event()

    def wake(self) -> None:
        """There is work; called in the loop's thread."""
        self._wake.set()

    async def cut(self, group: str) -> None:
        """Stop the work on a group, and return when nothing of it goes on."""
        self._cut.add(group)
        try:
            if self._group == group:
                await asyncio.to_thread(self._idle.wait)
        finally:
            self._cut.discard(group)

    async def run(self) -> None:
        """Work until cancelled; then the child at hand is killed and its group waits for the next start."""
        await asyncio.to_thread(self._begin)
        while True:
            work = asyncio.create_task(asyncio.to_thread(self._next), name="twin.uploads.group")
            try:
                busy = await asyncio.shield(work)
            except asyncio.CancelledError:
                self._stopping.set()
                await asyncio.gather(work, return_exceptions=True)
                raise
            if not busy:
                self._wake.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_POLL_S):
                        await self._wake.wait()

    def _begin(self) -> None:
        now_us = self._store.clock.wall_us()
        with contextlib.suppress(Aid4Error, duckdb.Error, OSError):
            self._folders.prepare()
            for row in self._uploads.begin_again():
                if now_us - row.received_us > _PARTS_KEPT_US:
                    self._uploads.fail(row.id, "failed", {"problem": "it broke off and was never resumed"}, file="")

    def _next(self) -> bool:
        """Work on the group that waits longest; False when none does."""
        try:
            group = self._uploads.next_group()
            if group is None or group in self._cut:
                return False
            self._idle.clear()
            self._group = group
            self._work(group)
        except StoppedError:
            return not self._stopping.is_set()
        except (Aid4Error, duckdb.Error, OSError) as error:  # the disk is full, or the database is being opened anew
            _log.warning("uploads wait", problem=str(error)[:300])
            with contextlib.suppress(Aid4Error, duckdb.Error):
                self._uploads.wait_again([row.id for row in self._uploads.of_group(self._group)])
            self._stopping.wait(_FULL_S)
        except Exception as error:  # noqa: BLE001  (whatever a file holds, the twin runs)
            _log.error("a group of uploads failed", group=self._group, exc_info=error)
            self._give_up(self._group, type(error).__name__)
        finally:
            self._group = ""
            self._idle.set()
            self.progress.clear()
        return True

    def _give_up(self, group: str, problem: str) -> None:
        with contextlib.suppress(Aid4Error, duckdb.Error):
            for row in self._uploads.of_group(group):
                if row.state not in ENDED:
                    self._uploads.fail(row.id, "failed", {"problem": f"not foreseen: {problem}", "file": row.name})

    def _work(self, group: str) -> None:
        rows = [row for row in self._uploads.of_group(group) if row.state == "queued"]
        self._uploads.step([row.id for row in rows], "reading", attempt=True)
        work = self._folders.work / f"{group}-{secrets.token_hex(4)}"
        work.mkdir(parents=True)
        try:
            read, lost = self._read(rows, work)
            kept = [row for row in rows if row.id not in lost]
            flights = self._keep(group, kept, read, work)
            self._look_at(kept, read, flights, work)
            cloud = next((row for row in kept if row.kind == "cloud" and _is_sound(row, read)), None)
            if cloud is not None:
                self._judged(group, rows, cloud, read, flights.get("") or None, work)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    # -- reading

    def _read(self, rows: list[Row], work: Path) -> tuple[ReadResult, set[str]]:
        """What the files hold, and the uploads that were lost on the way: each ended with its problem."""
        lost: set[str] = set()
        for row in rows:
            if self._folders.path(row.file) is None:
                self._uploads.fail(
                    row.id, "failed", {"problem": "its file is gone", "fix": "send it once more"}, file=""
                )
                lost.add(row.id)
        while rest := [row for row in rows if row.id not in lost]:
            folder = work / f"read-{len(lost)}"
            folder.mkdir()
            job = ReadJob(
                [ReadFile(row.id, str(self._folders.files / row.file), row.name, row.kind) for row in rest],
                str(folder), next((row.device for row in rest if row.device), ""),
                iso(next((row.taken_us for row in rest if row.taken_us is not None), None)),
            )  # fmt: skip
            code, at = self._child("read", job, folder, rest, _READ_S_MAX)
            if code == 0:
                found = msgspec.json.decode((folder / "read.json").read_bytes(), type=ReadResult)
                (work / "read").symlink_to(folder, target_is_directory=True)
                return found, lost
            broken = at if at in {row.id for row in rest} else rest[0].id
            lost.add(broken)
            self._set_aside(next(row for row in rest if row.id == broken), why(code, folder))
        return ReadResult([], [], []), lost

    def _child(
        self, what: str, job: msgspec.Struct, folder: Path, rows: list[Row], wall_s: float
    ) -> tuple[int | None, str]:
        """Exit code of a child (None: its time was over), and the file that it was at."""
        (folder / "job.json").write_bytes(msgspec.json.encode(job))
        at = Progress(0.0)

        def look() -> None:
            nonlocal at
            self._check()
            with contextlib.suppress(OSError, msgspec.DecodeError):
                at = msgspec.json.decode((folder / "progress").read_bytes(), type=Progress)
                self.progress.update(dict.fromkeys([row.id for row in rows], at.share))

        code = run_child("twin.uploads_child", [what, str(folder / "job.json")], folder, wall_s, look)
        with contextlib.suppress(StoppedError):
            look()
        return code, at.file

    def _check(self) -> None:
        if self._stopping.is_set() or self._group in self._cut:
            raise StoppedError

    def _set_aside(self, row: Row, problem: str) -> None:
        self._uploads.counts["quarantined"] += 1
        self._folders.set_aside(row.file)
        self._uploads.fail(row.id, "failed", {"problem": problem, "file": row.name, "fix": _FIX}, file="")
        _log.warning("an upload was set aside", upload=row.id, name=row.name, problem=problem)

    # -- keeping

    def _keep(self, group: str, rows: list[Row], read: ReadResult, work: Path) -> dict[str, str]:
        """In one transaction: flights, photos, and how each file ended; a sound cloud and photos go on."""
        found = {one.id: one for one in read.files}
        photos = {one.id for one in read.photos}
        now_us = self._store.clock.wall_us()

        def transact(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
            flights = self._flights.put(connection, group, read.flights, read.photos, work / "read", now_us=now_us)
            clouds = [row.id for row in rows if row.kind == "cloud" and _is_sound(row, read)]
            for row in rows:
                one = found[row.id]
                if one.problem is not None:
                    self._uploads.end(connection, row.id, "refused", problem=one.problem)
                elif row.id in clouds[1:]:
                    self._uploads.end(connection, row.id, "refused", problem=_SECOND_CLOUD | {"file": row.name})
                elif row.id not in clouds and row.id not in photos:
                    self._done(connection, row, one, flights)
            return flights

        flights = self._store.writer.run(transact)
        broken = [row for row in rows if found[row.id].problem is not None]
        for row in broken:
            self._folders.set_aside(row.file)
        self._uploads.counts["quarantined"] += len(broken)
        self._uploads.without_files([row.id for row in broken])
        return flights

    def _look_at(self, rows: list[Row], read: ReadResult, flights: dict[str, str], work: Path) -> None:
        """Photos are done once it is known what they show, or that it cannot be known."""
        photos = {one.id for one in read.photos}
        mine = [row for row in rows if row.id in photos]
        if not mine:
            return
        self._uploads.step([row.id for row in mine], "judging")
        self._look(read.photos, work, self._check)
        found = {one.id: one for one in read.files}

        def transact(connection: duckdb.DuckDBPyConnection) -> None:
            for row in mine:
                self._done(connection, row, found[row.id], flights)

        self._store.writer.run(transact)

    def _done(self, connection: duckdb.DuckDBPyConnection, row: Row, found: FileFound, flights: dict[str, str]) -> None:
        reasons = [{"code": "warning", "text": text} for text in _warnings(found)]
        flight = (flights.get(row.id) or flights[""]) if _flies(row) else ""
        self._uploads.end(connection, row.id, "done", flight=flight or None, reasons=reasons)

    def _judged(
        self, group: str, rows: list[Row], cloud: Row, read: ReadResult, flight: str | None, work: Path
    ) -> None:
        self._uploads.step([cloud.id], "registering")
        told = "registering"

        def tell(state: str, share: float) -> None:
            nonlocal told
            self._check()
            self.progress[cloud.id] = share
            if state == "judging" != told:
                told = state
                self._uploads.step([cloud.id], "judging")

        try:
            self._judge(rows, cloud, read, flight, work, tell)
        except InputError as refusal:
            self._uploads.fail(cloud.id, "refused", refusal.as_problem())
        except UserError as failure:
            self._uploads.fail(cloud.id, "failed", failure.as_problem())


def why(code: int | None, folder: Path) -> str:
    """What ended a child that left no result, for people."""
    if code is None:
        return "reading it takes too long"
    if code < 0:
        name = signal.Signals(-code).name if -code in signal.valid_signals() else str(-code)
        words = {"SIGXCPU": "it takes too much processor time", "SIGKILL": "its reader was killed: too little memory"}
        return words.get(name, f"its reader crashed ({name})")
    words_of_it = (folder / "stderr").read_bytes()[-4_000:].decode("utf-8", "replace").strip().splitlines()
    last = words_of_it[-1][:200] if words_of_it else f"exit code {code}"
    return "it takes too much memory" if "MemoryError" in last else f"its reader failed: {last}"


def _is_sound(row: Row, read: ReadResult) -> bool:
    return any(one.id == row.id and one.problem is None for one in read.files)


def _flies(row: Row) -> bool:
    return row.kind in ("log", "media", "trajectory")


def _warnings(one: FileFound) -> list[str]:
    return [*(["it is damaged; what is whole was taken"] if one.damaged else []), *one.warnings]
