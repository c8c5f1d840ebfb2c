"""One scan against the plan: `python -m drone_ingest.scan.job JOB.json`, or `run_job` in a caller's process.

Writes result.json, verdicts.parquet and evidence/<global_id>.ply into `out_dir`. A refused registration is a result:
every element is unknown, and the exit code is 0. Exit code 2 and one JSON line on stderr: the input is of no use.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bim.tiles.meshes import Meshes, load_meshes
from drone_ingest.registration.control import read_controls
from drone_ingest.registration.judge import Reason
from drone_ingest.registration.refine import Controls
from drone_ingest.registration.register import Registration, register
from drone_ingest.registration.rigid import Matrix, apply
from drone_ingest.scan.crops import write_crops
from drone_ingest.scan.decide import decide
from drone_ingest.scan.elements import FINISHED, IN_PROGRESS, NOT_STARTED, UNPLANNED, Elements, Floats
from drone_ingest.scan.evidence import Tolerance, gather, gather_blind
from drone_ingest.scan.points import ScanPoints, read_points
from drone_ingest.scan.prior import Prior, start_of
from drone_ingest.scan.sensors import origins_of
from drone_ingest.scan.verdicts import (
    counts_of,
    decided_share,
    early_of,
    late_of,
    unknown_table,
    verdict_table,
    write_verdicts,
)
from wire.errors import InputError, UserError

__all__ = ["ScanJob", "ScanResult", "register_job", "run_job"]

Tell = Callable[[str, float], None]
_BUILDING_M = 0.010  # one standard deviation of where things are built, against where they are drawn
_JOB_BYTES_MAX = 1 << 20
_REGISTERED_SHARE = 0.3  # of a job, as its progress counts


class ScanJob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to do. Lengths in metres; `site_frame` is 4x4, model metres → map."""

    cloud: str
    meshes: str  # folder of a tile set
    planned: str | None = None  # parquet: global_id, planned (see drone_ingest.scan.elements)
    at: str | None = None
    stations: str | None = None
    trajectory: str | None = None
    cameras: str | None = None
    sigma_m: float | None = None
    unit_m: float | None = None
    prior: Prior | None = None
    controls: str | None = None  # CSV of control points, besides any prior
    site_frame: list[list[float]] | None = None
    register: bool = True
    out_dir: str


class ScanResult(msgspec.Struct, frozen=True, kw_only=True):
    """result.json."""

    accepted: bool
    residual_m: float | None
    overlap: float
    inliers: float
    observability: dict[str, float]
    transform: list[list[float]]  # cloud → model metres
    reasons: list[Reason]
    offset_m: float | None
    bend_m: float | None
    sigma_m: float
    counts: dict[str, int] = {}
    decided_share: float = 0.0
    late: list[str] = []
    early: list[str] = []
    evidence: list[str] = []
    points: int = 0
    registered: bool = True  # a motion was fitted
    cpu_s: dict[str, float] = {}  # processor seconds by stage: reading, registering, judging
    at: str | None = None
    warnings: list[str] = []
    simulated: bool = False


def run_job(
    job: ScanJob,
    meshes: Meshes | None = None,
    planned: dict[str, int] | None = None,
    tell: Tell = lambda _stage, _share: None,
) -> tuple[ScanResult, pa.Table]:
    """Register, judge every element, write `out_dir`; raises InputError or UserError for input that is of no use."""
    found_meshes = load_meshes(Path(job.meshes)) if meshes is None else meshes
    plan = _read_planned(job.planned) if planned is None else planned
    laid = _lay(job, found_meshes, plan, tell)
    known = found_meshes.global_ids
    table = _verdicts(laid, known, plan, tell) if laid.fit.accepted else unknown_table(known, plan)
    out = Path(job.out_dir)
    late, early = late_of(table), early_of(table)
    try:
        out.mkdir(parents=True, exist_ok=True)
        tell("writing", 0.95)
        model_points = apply(laid.fit.motion, laid.points.xyz) if late or early else np.zeros((0, 3))
        crops = write_crops(
            model_points, found_meshes, [*late, *early], out / "evidence", simulated=laid.points.simulated
        )
        write_verdicts(table, out / "verdicts.parquet")
        result = msgspec.structs.replace(
            _result(job, laid), counts=counts_of(table), decided_share=round(decided_share(table), 4), late=late,
            early=early, evidence=crops,
        )  # fmt: skip
        (out / "result.json").write_bytes(msgspec.json.encode(result))
    except OSError as error:
        raise UserError(str(error.strerror), file=str(out), fix="give a folder that can be written") from error
    tell("done", 1.0)
    return result, table


def register_job(
    job: ScanJob,
    meshes: Meshes | None = None,
    planned: dict[str, int] | None = None,
    tell: Tell = lambda _stage, _share: None,
) -> ScanResult:
    """Only the registration; nothing is written."""
    found_meshes = load_meshes(Path(job.meshes)) if meshes is None else meshes
    plan = _read_planned(job.planned) if planned is None else planned
    return _result(job, _lay(job, found_meshes, plan, tell))


class _Laid(msgspec.Struct):
    """A cloud on its model, and what that took."""

    points: ScanPoints
    origins: Floats | None
    elements: Elements
    fit: Registration
    warnings: list[str]
    cpu_s: dict[str, float]


def _lay(job: ScanJob, meshes: Meshes, planned: dict[str, int], tell: Tell) -> _Laid:
    began_s = time.process_time()
    elements = Elements(meshes, planned)
    if not len(elements):
        raise InputError("the model has no solid element", file=job.meshes, fix="give the model with its geometry")
    if planned and not any(name in planned for name in elements.global_ids):
        raise InputError(
            "no element of the model is in the plan", file=job.planned or "", field="global_id",
            fix="give the plan of this model",
        )  # fmt: skip
    tell("reading", 0.0)
    points = read_points(Path(job.cloud), unit_m=job.unit_m)
    origins, told = origins_of(
        points, *(None if one is None else Path(one) for one in (job.stations, job.trajectory, job.cameras))
    )
    by_plan = bool((elements.planned != UNPLANNED).any())
    should = elements.planned == FINISHED if by_plan else np.ones(len(elements), np.bool_)
    site = None if job.site_frame is None else np.array(job.site_frame, np.float64)
    start, controls, more = start_of(job.prior, points.xyz, elements.low_m, elements.high_m, site)
    if job.controls is not None:
        controls = _joined(controls, read_controls(Path(job.controls)))
    read_s = time.process_time()
    tell("registering", 0.1)
    fit = register(
        elements.part(should),
        points.xyz,
        origins,
        start,
        sigma_m=job.sigma_m,
        controls=controls,
        fit=job.register,
        all_stand=by_plan,
    )
    used = {"reading": read_s - began_s, "registering": time.process_time() - read_s}
    return _Laid(points, origins, elements, fit, [*points.warnings, *told, *more], used)


def _joined(first: Controls | None, second: Controls) -> Controls:
    if first is None:
        return second
    return Controls(
        [*first.ids, *second.ids], np.concatenate([first.cloud_m, second.cloud_m]),
        np.concatenate([first.model_m, second.model_m]),
    )  # fmt: skip


def _verdicts(laid: _Laid, known: list[str], planned: dict[str, int], tell: Tell) -> pa.Table:
    tell("judging", _REGISTERED_SHARE)
    began_s = time.process_time()
    fit = laid.fit
    off = 0.0 if fit.judgement is None else float(np.hypot(fit.judgement.offset_m, fit.judgement.bend_m))
    tolerance = Tolerance(max(fit.sigma_m, 0.005), float(np.hypot(_BUILDING_M, off)))
    unexpected = np.isin(laid.elements.planned, (NOT_STARTED, IN_PROGRESS))
    here = apply(fit.motion, laid.points.xyz)
    eyes = None if laid.origins is None else apply(fit.motion, laid.origins)
    seeing = np.zeros(len(here), np.bool_) if eyes is None else np.isfinite(eyes[:, 0])
    if eyes is None or not seeing.any():
        evidence = gather_blind(laid.elements, here, tolerance)
    else:
        evidence = gather(laid.elements, here[seeing], eyes[seeing], tolerance)
    decision = decide(evidence, tolerance, unexpected)
    table = verdict_table(laid.elements, evidence, decision, tolerance, known, planned)
    laid.cpu_s["judging"] = time.process_time() - began_s
    return table


def _result(job: ScanJob, laid: _Laid) -> ScanResult:
    fit, found = laid.fit, laid.fit.judgement
    return ScanResult(
        accepted=fit.accepted, residual_m=None if found is None else round(found.residual_m, 5),
        overlap=0.0 if found is None else round(found.found.overlap, 4),
        inliers=0.0 if found is None else round(found.found.consistency, 4),
        observability={} if found is None else found.information, transform=_rows(fit.motion), reasons=fit.reasons,
        offset_m=None if found is None else round(found.offset_m, 5), sigma_m=round(fit.sigma_m, 5),
        bend_m=None if found is None else round(found.bend_m, 5), points=laid.points.total, registered=fit.fitted,
        at=job.at, cpu_s={stage: round(used, 3) for stage, used in laid.cpu_s.items()},
        warnings=laid.warnings, simulated=laid.points.simulated,
    )  # fmt: skip


def _rows(motion: Matrix) -> list[list[float]]:
    rows: list[list[float]] = motion.tolist()
    return rows


def _read_planned(path: str | None) -> dict[str, int]:
    if path is None:
        return {}
    fix = "write global_id (text) and planned (0 to 3)"
    try:
        table = pq.read_table(path, columns=["global_id", "planned"])
        codes = table["planned"].cast(pa.uint8()).to_pylist()
        found = dict(zip(table["global_id"].to_pylist(), codes, strict=True))
    except (OSError, KeyError, pa.ArrowInvalid) as error:
        raise InputError(f"no table of planned elements: {error}", file=path, fix=fix) from error
    if not found or any(name is None or code is None or code > FINISHED for name, code in found.items()):
        raise InputError("it has no element, or a code beyond 3", file=path, field="planned", fix=fix)
    return found


def main(arguments: list[str]) -> int:
    """The child: one job, its progress as JSON lines on stdout."""

    def tell(stage: str, share: float) -> None:
        print(json.dumps({"stage": stage, "share": share}), flush=True)

    problem: dict[str, Any]
    try:
        data = Path(arguments[0]).read_bytes()[:_JOB_BYTES_MAX]
        run_job(msgspec.json.decode(data, type=ScanJob), tell=tell)
        return 0
    except UserError as error:
        problem = error.as_problem()
    except (OSError, IndexError, msgspec.DecodeError) as error:
        problem = {"problem": f"no job: {error}", "fix": "python -m drone_ingest.scan.job JOB.json"}
    print(json.dumps(problem), file=sys.stderr)
    return 2


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
