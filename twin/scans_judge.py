"""A cloud becomes a scan: the job of `drone_ingest.scan` in a bounded child, against the live model and its plan.

What it needs besides the cloud: the tiles of the live model, the planned state of every element at the time of the
scan, where the sensor stood (a station table, a trajectory, cameras of the same group), and a prior.
"""

import contextlib
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from bim.child_process import run_child
from twin.scans import Scans, read_verdicts
from twin.scans_rows import ScanResult
from twin.store import Store
from twin.times import iso
from twin.uploads_disk import DroneFolders
from twin.uploads_groups import Row, Uploads, UploadState
from twin.uploads_jobs import ReadResult
from twin.uploads_work import why
from wire.errors import InputError, UserError

__all__ = ["ScanGround", "ScanJudge"]

_log = structlog.get_logger("twin.scans")

_SCAN_S_MAX = 3_600.0
_TILES_S_MAX = 900.0  # a large model's tiles are built in a few minutes after its activation
_LOOK_S = 0.25
_EVIDENCE_MAX = 200  # files; the job writes forty
_LINES_BYTES = 8_192
_FIRST_STAGES = ("reading", "registering")
_LEVELS_FROM = 0.9  # share of the job; what is left are the levels of the cloud
_NO_TIME = "give at=, when the scan was taken, with the upload or its commit"


class ScanGround(NamedTuple):
    """What a cloud is judged against at one moment."""

    meshes: Path  # a tile set's folder
    model: str  # its key
    schedule: int | None
    planned: pa.Table | None  # global_id, planned (codes of twin.plan); None without a plan
    site_frame: list[list[float]] | None  # 4x4, model metres → map


class ScanJudge:
    """Called by the worker. `ground` gives what to judge against, None while tiles are built; `flown` the live flight
    of a device at a moment; `judged` hears of each scan that was kept, in the worker's thread."""

    def __init__(
        self,
        store: Store,
        uploads: Uploads,
        scans: Scans,
        folders: DroneFolders,
        ground: Callable[[int], ScanGround | None],
        flown: Callable[[str, int], str | None],
        judged: Callable[[], None],
    ) -> None:
        self._store, self._uploads, self._scans, self._folders = store, uploads, scans, folders
        self._ground, self._flown, self._heard = ground, flown, judged

    def __call__(
        self, group: list[Row], cloud: Row, read: ReadResult, flight: str | None, work: Path,
        tell: Callable[[str, float], None],
    ) -> None:  # fmt: skip
        """Judge one cloud and keep the scan, or raise UserError saying why there is none."""
        at_us = _taken_us(group, cloud, read)
        ground = self._wait_for_ground(at_us, tell)
        out = work / "scan"
        out.mkdir()
        if ground.planned is not None:
            pq.write_table(ground.planned, work / "planned.parquet")
        job = self._job(group, cloud, ground, at_us, work, out)
        (work / "job.json").write_text(json.dumps(job), "utf-8")
        code = self._run("scan", work / "job.json", work, tell)
        if code != 0:
            raise _refusal(code, work, group, cloud)
        result = _result(out, cloud)
        self._levels(job, result, ground, work, tell)
        if flight is None and cloud.device:
            flight = self._flown(cloud.device, at_us)
        self._keep(cloud, flight, ground, at_us, out, result)

    def _run(self, what: str, job: Path, work: Path, tell: Callable[[str, float], None]) -> int | None:
        return run_child("twin.uploads_child", [what, str(job)], work, _SCAN_S_MAX, lambda: _look(work, tell))

    def _levels(
        self,
        job: dict[str, Any],
        result: ScanResult,
        ground: ScanGround,
        work: Path,
        tell: Callable[[str, float], None],
    ) -> None:
        """What the page draws of the cloud; without it the scan is as good."""
        if result.transform is None:
            return
        folder = work / "levels"
        folder.mkdir()
        plain = {"cloud": job["cloud"], "meshes": job["meshes"], "transform": result.transform,
                 "out_dir": str(work / "scan" / "cloud")}  # fmt: skip
        (folder / "job.json").write_text(json.dumps(plain), "utf-8")
        code = self._run("levels", folder / "job.json", folder, lambda _stage, _share: tell("judging", _LEVELS_FROM))
        if code != 0:
            _log.warning("a cloud has no levels", problem=why(code, folder))
            shutil.rmtree(work / "scan" / "cloud", ignore_errors=True)

    def _wait_for_ground(self, at_us: int, tell: Callable[[str, float], None]) -> ScanGround:
        waited_s, pause = 0.0, threading.Event()
        while (ground := self._ground(at_us)) is None:
            tell("registering", 0.0)
            pause.wait(_LOOK_S)
            waited_s += _LOOK_S
            if waited_s > _TILES_S_MAX:
                raise InputError("the geometry of the model is not ready", field="model", fix="commit the group again")
        return ground

    def _job(
        self, group: list[Row], cloud: Row, ground: ScanGround, at_us: int, work: Path, out: Path
    ) -> dict[str, Any]:
        wishes = self._uploads.wishes(cloud.group)
        files = {row.kind: self._folders.path(row.file) for row in group if row.kind not in ("cloud", "log", "media")}
        paths = {kind: str(path) for kind, path in files.items() if path is not None}
        prior: dict[str, Any] | None = None
        kind = wishes.prior or ("given" if wishes.shift_m or wishes.yaw_deg else None)
        if kind is not None:
            shift = wishes.shift_m or (0.0, 0.0, 0.0)
            prior = {"kind": kind, "shift": shift, "yaw_deg": wishes.yaw_deg, "file": paths.get("control")}
        return {
            "cloud": str(self._folders.files / cloud.file),
            "meshes": str(ground.meshes),
            "planned": None if ground.planned is None else str(work / "planned.parquet"),
            "at": iso(at_us),
            "stations": paths.get("stations"),
            "trajectory": paths.get("trajectory"),
            "cameras": paths.get("cameras"),
            "sigma_m": wishes.sigma_m,
            "prior": prior,
            "controls": None if kind == "gcp" else paths.get("control"),
            "site_frame": ground.site_frame,
            "register": wishes.register,
            "out_dir": str(out),
        }

    def _keep(
        self, cloud: Row, flight: str | None, ground: ScanGround, at_us: int, out: Path, result: ScanResult
    ) -> None:
        """Files first, then everything in one transaction: what no row names is removed at the next start."""
        verdicts = read_verdicts(out / "verdicts.parquet")
        scan = self._scans.new_id()
        folder = self._folders.scans / scan
        (folder / "evidence").mkdir(parents=True)
        for path in sorted((out / "evidence").glob("*.ply"))[:_EVIDENCE_MAX]:
            shutil.move(path, folder / "evidence" / path.name)
        if (out / "cloud").is_dir():
            shutil.move(out / "cloud", folder / "cloud")
        now_us = self._store.clock.wall_us()

        def transact(connection: duckdb.DuckDBPyConnection) -> None:
            self._scans.put(
                connection, scan, cloud, result, verdicts, at_us=at_us, flight=flight, model=ground.model,
                schedule=ground.schedule, now_us=now_us,
            )  # fmt: skip
            state: UploadState = "done" if result.accepted else "refused"
            problem = None
            if not result.accepted:
                problem = {"problem": "the cloud could not be laid on the model well enough", "file": cloud.name}
                problem |= {"field": "registration", "fix": _first_fix(result)}
            self._uploads.end(
                connection, cloud.id, state, flight=flight, scan=scan, problem=problem, reasons=result.reasons
            )  # fmt: skip

        self._store.writer.run(transact)
        self._heard()


def _taken_us(group: list[Row], cloud: Row, read: ReadResult) -> int:
    """What its sender said, else what the cloud or a file beside it says; InputError when nothing does."""
    said = cloud.taken_us or next((row.taken_us for row in group if row.taken_us is not None), None)
    found = {one.id: one.start_us for one in read.files}
    known = [said, found.get(cloud.id), *(one.finish_us for one in read.flights), *(p.ts_us for p in read.photos)]
    first = next((moment for moment in known if moment is not None), None)
    if first is None:
        raise InputError("nothing says when the scan was taken", file=cloud.name, field="at", fix=_NO_TIME)
    return first


def _result(out: Path, cloud: Row) -> ScanResult:
    try:
        return msgspec.json.decode((out / "result.json").read_bytes(), type=ScanResult)
    except (OSError, msgspec.MsgspecError) as error:
        raise UserError(f"the scan job left no result: {error}", file=cloud.name, fix="please report it") from error


def _look(work: Path, tell: Callable[[str, float], None]) -> None:
    """Pass on what the job says of itself, a JSON line at a time: its stage and its share."""
    stage, share = "registering", 0.0
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        said = json.loads(_last_line(work / "stdout"))
        stage, share = str(said["stage"]), float(said["share"])
    tell("registering" if stage in _FIRST_STAGES else "judging", min(max(share, 0.0), 1.0) * _LEVELS_FROM)


def _last_line(path: Path) -> bytes:
    lines = path.read_bytes()[-_LINES_BYTES:].strip().splitlines()
    return lines[-1] if lines else b""


def _refusal(code: int | None, work: Path, group: list[Row], cloud: Row) -> UserError:
    """Why a job gave nothing: what it refused, as `{"problem", "file", "field", "fix"}`, or how it died."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        said = json.loads(_last_line(work / "stderr"))
        if "problem" in said:
            names = {row.file: row.name for row in group}
            file = names.get(Path(str(said.get("file", ""))).name, cloud.name)
            return InputError(
                str(said["problem"]), file=file, field=str(said.get("field", "")), fix=str(said.get("fix", ""))
            )
    return UserError(
        why(code, work), file=cloud.name, fix="thin the cloud or cut it to the building, and send it again"
    )


def _first_fix(result: ScanResult) -> str:
    return next((str(reason["fix"]) for reason in result.reasons if reason.get("fix")), "add control points")
