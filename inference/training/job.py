"""The child process of training: `python -m inference.training.job JOB.json`; a line of JSON for every model.

It may take so much memory and time and no more; what it dies of harms nobody else.
"""

import hashlib
import re
import resource
import sys
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from inference.limits import CHANNELS_MAX, TRAIN_ADDRESS_BYTES_MAX, TRAIN_ASSETS_MAX, TRAIN_CELLS_MAX, TRAIN_TIME_S_MAX
from inference.training.history import ExportHistory, History, PointInfo, TwinHistory
from inference.training.learn import Trained, TrainingReport, learn
from inference.training.periods import Span, normal_rows, pieces_of
from inference.twin_api import TwinApi
from wire.errors import InputError, UserError

__all__ = ["EXIT_REFUSED", "REPORT", "TrainJob", "main", "run_job"]

EXIT_REFUSED = 2
REPORT = "training.json"
STREAMS_A_FILE = 200  # single streams of one file: a tile of the scorer
_SLUG = re.compile(r"[^a-z0-9_-]+")


class TrainJob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to learn from and where to. Of `url` and `export` one; `assets` empty: all."""

    out: str
    url: str = ""
    token_file: str = ""
    export: str = ""
    from_us: int | None = None
    to_us: int | None = None
    row_s: Annotated[float, Meta(ge=0.1, le=3_600)] = 60.0
    budget_per_day: Annotated[float, Meta(ge=1e-4, le=1e3)] = 0.02
    assets: list[str] = []
    wall_s: float = TRAIN_TIME_S_MAX


def main() -> None:
    """Read the job, bound ourselves, learn."""
    resource.setrlimit(resource.RLIMIT_AS, (TRAIN_ADDRESS_BYTES_MAX, TRAIN_ADDRESS_BYTES_MAX))
    job = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=TrainJob)
    try:
        run_job(job)
    except UserError as error:
        _say({"refused": error.as_problem()})
        sys.exit(EXIT_REFUSED)


def run_job(job: TrainJob) -> TrainingReport:
    """Learn every asset of the past and write the folder; the report is written last."""
    history: History = (
        ExportHistory(Path(job.export))
        if job.export
        else TwinHistory(TwinApi(job.url, Path(job.token_file) if job.token_file else None))
    )
    row_us = round(job.row_s * 1e6)
    first, last = history.span_us()
    from_us = max(first, job.from_us or first) // row_us * row_us
    to_us = min(last, job.to_us or last) // row_us * row_us
    if to_us - from_us < row_us:
        raise InputError("the time to learn from is empty", field="--from", fix="give an earlier --from")
    assets, singles = _grouped(history.points(), job.assets)
    spans, out = history.disturbed(), Path(job.out)
    out.mkdir(parents=True, exist_ok=True)
    tasks = [(name, points, True) for name, points in assets.items()]
    tasks += [
        (f"streams-{at // STREAMS_A_FILE}", singles[at : at + STREAMS_A_FILE], False)
        for at in range(0, len(singles), STREAMS_A_FILE)
    ]
    models, left_out = list[Trained](), dict[str, str]()
    _say({"of": len(tasks)})
    for name, points, pooled in tasks:
        try:
            models.append(_one(history, job, (name, points, pooled), (from_us, to_us), spans))
        except InputError as error:
            left_out[name] = error.problem
        _say({"done": name})
    if not models:
        why = next(iter(left_out.values()), "no point of it is a number")
        raise InputError(f"nothing could be learned: {why}", field="--from", fix="let the twin run longer")
    report = TrainingReport(
        from_us=from_us, to_us=to_us, row_s=job.row_s, budget_per_day=job.budget_per_day,
        data_sha256=hashlib.sha256("".join(sorted(m.data_sha256 for m in models)).encode()).hexdigest(),
        models=models, left_out=left_out,
    )  # fmt: skip
    (out / REPORT).write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    return report


def _grouped(points: list[PointInfo], wanted: list[str]) -> tuple[dict[str, list[PointInfo]], list[PointInfo]]:
    """Assets of several channels by a name for people, and points that are alone."""
    by_asset: defaultdict[str, list[PointInfo]] = defaultdict(list)
    for point in points:
        by_asset[point.asset].append(point)
    named: dict[str, list[PointInfo]] = {}
    singles: list[PointInfo] = []
    for asset, own in sorted(by_asset.items()):
        devices = {point.key.rpartition("/")[0].rpartition("/")[2] for point in own}
        name = _SLUG.sub("-", (devices.pop() if len(devices) == 1 else asset).lower()).strip("-")[:64] or "asset"
        if wanted and name not in wanted and asset not in wanted:
            continue
        if len(own) == 1:
            singles += own
        else:
            named[name if name not in named else f"{name}-{len(named)}"] = own[:CHANNELS_MAX]
    if len(named) > TRAIN_ASSETS_MAX:
        raise InputError(f"more than {TRAIN_ASSETS_MAX} assets", field="--asset", fix="name those to learn")
    return named, singles


def _one(
    history: History,
    job: TrainJob,
    task: tuple[str, list[PointInfo], bool],
    range_us: tuple[int, int],
    spans: list[Span],
) -> Trained:
    name, points, pooled = task
    (from_us, to_us), row_us = range_us, round(job.row_s * 1e6)
    from_us = max(from_us, to_us - TRAIN_CELLS_MAX // len(points) * row_us)
    values = history.rows(points, from_us, to_us, row_us)
    normal = normal_rows(len(values), from_us, row_us, spans, frozenset(point.id for point in points))
    pieces = pieces_of(normal & np.isfinite(values).any(axis=1))
    if not pieces:
        raise InputError("no stretch of normal time is long enough", field=name, fix="learn from a longer time")
    data, trained = learn(
        np.concatenate([values[piece] for piece in pieces]), [point.key for point in points],
        asset=name, pooled=pooled, row_s=job.row_s, budget_per_day=job.budget_per_day,
    )  # fmt: skip
    file = f"{name}.onnx"
    (Path(job.out) / file).write_bytes(data)
    return msgspec.structs.replace(trained, file=file)


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
