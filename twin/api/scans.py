"""GET /scans and what they say: verdicts of elements, the cloud to be drawn, evidence, and issues as BCF."""

import asyncio
import re
import tempfile
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from twin.api.arrow import ARROW_MEDIA, arrow_response
from twin.api.errors import ProblemError
from twin.api.operation import Call, Limit, NoQuery, Offset, Operation, Search
from twin.core import Twin
from twin.plan import CODES
from twin.scans_bcf import scan_issues, write_scan_bcf
from twin.scans_progress import OffPlan, off_plan_of_scan
from twin.scans_rows import ScanResult, ScanRow
from twin.times import iso
from wire.limits import PAGE_ITEMS_DEFAULT

__all__ = ["OPERATIONS", "ElementVerdict", "element_verdicts"]

_CLOUD_FILE = re.compile(r"(levels\.json|L\d{1,2}\.bin)\Z")
_ELEMENT = re.compile(r"[0-9A-Za-z_$-]{1,64}\Z")
_LASTING = "private, max-age=31536000, immutable"  # a scan's files never change
_BCF_MEDIA = "application/vnd.buildingsmart.bcf+zip"
_NOT_STARTED, _FINISHED = CODES.index("not_started"), CODES.index("finished")


class ScansQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Pages of scans."""

    limit: Limit = PAGE_ITEMS_DEFAULT
    offset: Offset = 0


class VerdictsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Filters; all that are given must hold. `q` is looked for in names, types and ids."""

    verdict: Literal["", "built", "not built", "unknown"] = ""
    off: Literal["", "late", "early", "any"] = ""
    q: Search = ""
    limit: Limit = PAGE_ITEMS_DEFAULT
    offset: Offset = 0
    format: Literal["json", "arrow"] = "json"


class ScanView(msgspec.Struct, kw_only=True):
    """One scan: when it was taken and judged, whether its registration was accepted, and what it counts."""

    id: str
    name: str
    at: str | None
    judged: str | None
    by: str
    upload: str
    group: str
    flight: str | None
    accepted: bool
    simulated: bool
    points: int
    residual_m: float | None
    overlap: float | None
    decided_share: float | None
    counts: dict[str, int]
    late: int
    early: int
    reasons: list[dict[str, Any]]
    warnings: list[str]


class ScansPage(msgspec.Struct):
    """Scans, the newest first."""

    items: list[ScanView]
    total: int
    next: int | None


class ScanDetail(ScanView, kw_only=True):
    """One scan with the whole result of its job, the tasks that are off the plan, and what there is to look at."""

    result: ScanResult
    tasks: list[dict[str, Any]]
    model: str
    schedule: int | None
    cloud: list[str]
    evidence: list[str]


class Deviation(msgspec.Struct):
    """How far the surface of a built element lies from its model, in mm; + is outwards."""

    mean: float
    p95: float
    n: int


class VerdictView(msgspec.Struct, kw_only=True):
    """What one scan says of one element; `planned` is the plan's word for the time of the scan."""

    global_id: str
    name: str
    type: str
    storey: str | None
    verdict: str
    p_built: float | None
    seen: int
    supported: int
    pierced: int
    occluded: int
    planned: str
    deviation_mm: Deviation | None
    late: bool
    early: bool
    evidence: bool


class VerdictsPage(msgspec.Struct):
    """Verdicts in the order of the model; `counts` are those of all elements of the scan."""

    items: list[VerdictView]
    total: int
    next: int | None
    counts: dict[str, int]


class ElementVerdict(msgspec.Struct, kw_only=True):
    """What one scan said of an element."""

    scan: str
    at: str | None
    judged: str | None
    accepted: bool
    simulated: bool
    verdict: str
    p_built: float | None
    seen: int
    supported: int
    pierced: int
    occluded: int
    planned: str
    deviation_mm: Deviation | None
    late: bool
    early: bool


async def list_scans(call: Call[ScansQuery, None]) -> ScansPage:
    """Scans, the newest first."""
    query, scans = call.query, call.twin.drones.scans
    rows, total = await asyncio.to_thread(scans.page, query.limit, query.offset)
    end = query.offset + query.limit
    return ScansPage([ScanView(**_facts(row)) for row in rows], total, end if end < total else None)


async def show_scan(call: Call[NoQuery, None]) -> ScanDetail:
    """One scan."""
    return await asyncio.to_thread(_detail, call.twin, call.path["id"])


async def list_verdicts(call: Call[VerdictsQuery, None]) -> VerdictsPage | Response:
    """What one scan says of each element."""
    return await asyncio.to_thread(_page, call.twin, call.path["id"], call.query)


async def show_cloud(call: Call[NoQuery, None]) -> Response:
    """A file of the cloud's levels."""
    scan = await asyncio.to_thread(call.twin.drones.scans.scan, call.path["id"])
    name = call.path["file"]
    path = call.twin.drones.folders.scans / scan.id / "cloud" / name
    if not _CLOUD_FILE.match(name) or not path.is_file():
        raise ProblemError(f"no such file: {name[:80]!r}", status=404, fix="GET /api/v1/scans/{id} names them")
    media = "application/json" if path.suffix == ".json" else "application/octet-stream"
    return FileResponse(path, headers={"Cache-Control": _LASTING}, media_type=media)


async def show_evidence(call: Call[NoQuery, None]) -> Response:
    """The cloud round one element."""
    scan = await asyncio.to_thread(call.twin.drones.scans.scan, call.path["id"])
    element, _, ending = call.path["name"].rpartition(".")
    path = call.twin.drones.folders.scans / scan.id / "evidence" / f"{element}.ply"
    if ending != "ply" or not _ELEMENT.match(element) or not path.is_file():
        raise ProblemError("no such evidence", status=404, fix="GET /api/v1/scans/{id} names them")
    return FileResponse(path, headers={"Cache-Control": _LASTING}, media_type="application/octet-stream")


async def show_bcf(call: Call[NoQuery, None]) -> Response:
    """What is late and early by this scan, as BCF 3.0."""
    path, name = await asyncio.to_thread(_bcf, call.twin, call.path["id"], str(call.request.base_url))
    gone = BackgroundTask(lambda: path.unlink(missing_ok=True))
    return FileResponse(path, filename=name, media_type=_BCF_MEDIA, background=gone)


def element_verdicts(twin: Twin, elements: list[str], at_us: int | None, known_us: int | None) -> list[ElementVerdict]:
    """What scans up to a moment said of an element, under any of its ids."""
    found = twin.drones.scans.of_element(elements, known_us)
    return [
        ElementVerdict(
            scan=row["scan"], at=iso(row["at_us"]), judged=iso(row["known_us"]), accepted=row["accepted"],
            simulated=row["simulated"], **_said(row),
        )
        for row in found
        if at_us is None or row["at_us"] <= at_us
    ]  # fmt: skip


def _said(row: dict[str, Any]) -> dict[str, Any]:
    """What a row of verdicts says, as the API shows it."""
    measured = row["deviation_mean_mm"] is not None and row["deviation_p95_mm"] is not None
    names = ("verdict", "p_built", "seen", "supported", "pierced", "occluded")
    return {name: row[name] for name in names} | {
        "planned": CODES[row["planned"]] if row["planned"] < len(CODES) else CODES[0],
        "deviation_mm": Deviation(
            round(row["deviation_mean_mm"], 2), round(row["deviation_p95_mm"], 2), row["deviation_n"] or 0
        )
        if measured
        else None,
        "late": row["verdict"] == "not built" and row["planned"] == _FINISHED,
        "early": row["verdict"] == "built" and row["planned"] == _NOT_STARTED,
    }


def _facts(row: ScanRow) -> dict[str, Any]:
    result = row.result
    return {
        "id": row.id, "name": row.name, "at": iso(row.at_us), "judged": iso(row.known_us), "by": row.by,
        "upload": row.upload, "group": row.group, "flight": row.flight, "accepted": row.accepted,
        "simulated": row.simulated, "points": row.points, "residual_m": row.residual_m, "overlap": result.overlap,
        "decided_share": result.decided_share, "counts": result.counts, "late": len(result.late),
        "early": len(result.early), "reasons": result.reasons, "warnings": result.warnings,
    }  # fmt: skip


def _detail(twin: Twin, scan: str) -> ScanDetail:
    row = twin.drones.scans.scan(scan)
    folder = twin.drones.folders.scans / row.id
    cloud = sorted(path.name for path in (folder / "cloud").glob("*") if _CLOUD_FILE.match(path.name))
    tasks = [
        {"task": one.task, "name": one.name, "late": sorted(one.late), "early": sorted(one.early)}
        for one in _off(twin, row)
    ]
    return ScanDetail(
        **_facts(row), result=row.result, tasks=tasks, model=row.model, schedule=row.schedule, cloud=cloud,
        evidence=sorted(path.stem for path in (folder / "evidence").glob("*.ply")),
    )  # fmt: skip


def _off(twin: Twin, row: ScanRow) -> list[OffPlan]:
    """Tasks that this scan alone shows off the plan as it was when it was judged."""
    plan = twin.plan.at(row.known_us) or twin.plan.live
    if plan is None or not row.accepted:
        return []
    return off_plan_of_scan(twin.drones.scans.verdicts(row.id), row.at_us, row.id, plan)


def _page(twin: Twin, scan: str, query: VerdictsQuery) -> VerdictsPage | Response:
    row = twin.drones.scans.scan(scan)
    table = _named(twin, twin.drones.scans.verdicts(row.id))
    counts = {one["values"]: one["counts"] for one in pc.value_counts(table["verdict"]).to_pylist()}
    table = table.filter(pa.array(_wanted(table, query)))
    if query.format == "arrow":
        return arrow_response(table.slice(query.offset, query.limit))
    evidence = twin.drones.folders.scans / row.id / "evidence"
    kept = {path.stem for path in evidence.glob("*.ply")}
    end = query.offset + query.limit
    items = [
        VerdictView(
            global_id=one["global_id"], name=one["name"], type=one["type"], storey=one["storey"], **_said(one),
            evidence=one["global_id"] in kept,
        )
        for one in table.slice(query.offset, query.limit).to_pylist()
    ]  # fmt: skip
    return VerdictsPage(items, len(table), end if end < len(table) else None, counts)


def _named(twin: Twin, table: pa.Table) -> pa.Table:
    """Verdicts with name, type and storey of the live model, in its order; what it lacks stands last."""
    elements = twin.model.elements
    ids = pa.array([twin.model.current(one) for one in table["global_id"].to_pylist()], pa.string())
    place = pc.index_in(ids, value_set=elements["id"].combine_chunks())
    for name in ("name", "type", "storey"):
        column = elements[name].combine_chunks().take(place)
        table = table.append_column(name, column if name == "storey" else column.fill_null(""))
    order = np.argsort(place.fill_null(len(elements)).to_numpy(), kind="stable")
    return table.take(pa.array(order))


def _wanted(table: pa.Table, query: VerdictsQuery) -> NDArray[np.bool_]:
    mask = np.ones(len(table), bool)
    if query.verdict:
        mask &= np.asarray(pc.equal(table["verdict"], query.verdict))
    planned = table["planned"].to_numpy()
    late = np.asarray(pc.equal(table["verdict"], "not built")) & (planned == _FINISHED)
    early = np.asarray(pc.equal(table["verdict"], "built")) & (planned == _NOT_STARTED)
    if query.off:
        mask &= {"late": late, "early": early, "any": late | early}[query.off]
    if query.q:
        names = [pc.match_substring(table[name], query.q, ignore_case=True) for name in ("name", "type", "global_id")]
        mask &= np.any([np.asarray(one) for one in names], axis=0)
    return mask


def _bcf(twin: Twin, scan: str, base: str) -> tuple[Path, str]:
    row = twin.drones.scans.scan(scan)
    folder = twin.drones.folders.scans / row.id / "evidence"
    kept = {path.stem for path in folder.glob("*.ply")}
    off = _off(twin, row)
    issues = scan_issues(off, row.id, row.at_us, kept)
    links = {element: f"{base}api/v1/scans/{row.id}/evidence/{element}.ply" for element in kept}
    info = twin.model.info
    with tempfile.NamedTemporaryFile(prefix="scan-", suffix=".bcf", dir=twin.drones.folders.work, delete=False) as file:
        path = Path(file.name)
    write_scan_bcf(
        issues, path, tiles=twin.drones.tile_folder(row.model), model=info.file if info else "", sha256=row.id,
        date=iso(row.known_us) or "", links=links,
    )  # fmt: skip
    return path, f"{row.id}.bcf"


OPERATIONS = [
    Operation("GET", "/scans", list_scans, "scans, newest first", ScansQuery, answer=ScansPage),
    Operation("GET", "/scans/{id}", show_scan, "one scan", answer=ScanDetail),
    Operation(
        "GET", "/scans/{id}/verdicts", list_verdicts, "what it says of each element", VerdictsQuery,
        answer=VerdictsPage, media=("application/json", ARROW_MEDIA),
    ),
    Operation(
        "GET", "/scans/{id}/cloud/{file}", show_cloud, "its cloud in levels",
        media=("application/json", "application/octet-stream"),
    ),
    Operation(
        "GET", "/scans/{id}/evidence/{name}", show_evidence, "the cloud round one element",
        media=("application/octet-stream",),
    ),
    Operation("GET", "/scans/{id}/bcf", show_bcf, "what is late and early as BCF 3.0", media=(_BCF_MEDIA,)),
]  # fmt: skip
