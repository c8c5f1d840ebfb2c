"""Files in, files of scores out: what `aid4 model score` does. Written whole or not at all (temporary and rename)."""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from inference.bundle import Bundle
from inference.novelty import build, novelty
from inference.readings_csv import Readings, read_readings
from inference.score_table import TOP_CHANNELS, score_readings
from inference.windows import Floats
from wire.errors import InputError

__all__ = ["FileReport", "nab_files", "score_many", "score_nab", "unit_score"]

_HALF_AT = 3.0  # decades at which the unit score is one half


class FileReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one file."""

    file: str
    out: str
    rows: int
    channels: int = 1
    trained_rows: int = 0
    row_s: float = 0.0
    alarm_at: float = 0.0
    alarms: int = 0
    regime_changes: int = 0
    score_max: float = 0.0
    notes: tuple[str, ...] = ()


def unit_score(log_p: Floats) -> Floats:
    """−log10 p (0 to infinity) to 0..1, strictly rising: 3 decades are 0.5, 9 decades 0.75."""
    return log_p / (log_p + _HALF_AT)


@dataclass(frozen=True)
class Job:
    """One file to read and where its scores go."""

    source: Path
    target: Path


def nab_files(folder: Path, out: Path) -> list[Job]:
    """Every CSV below `folder`, and its place below `out`."""
    if not folder.is_dir():
        raise InputError("no such folder", file=str(folder), fix="name the folder that holds the CSV files")
    found = [Job(path, out / path.relative_to(folder)) for path in sorted(folder.rglob("*.csv")) if path.is_file()]
    if not found:
        raise InputError("no CSV file below", file=str(folder), fix="name the folder that holds the CSV files")
    return found


def many_files(files: Sequence[Path], out: Path) -> list[Job]:
    """One file may go to a file; several go below `out`, placed as they lie below their common folder."""
    if len(files) == 1 and out.suffix == ".csv":
        return [Job(files[0], out)]
    whole = [path.resolve() for path in files]
    root = Path(os.path.commonpath([path.parent for path in whole]))
    return [Job(path, out / where.relative_to(root)) for path, where in zip(files, whole, strict=True)]


def score_nab(job: Job, bundle: Bundle | None = None) -> FileReport:
    """One univariate stream, untrained: writes `timestamp,anomaly_score`."""
    readings = read_readings(job.source, only=("value",))
    scores = novelty(bundle or Bundle(build()), readings.seconds, readings.values[:, 0])
    _write(job.target, ["timestamp", "anomaly_score"], zip(readings.stamps, _cells(scores), strict=True))
    return FileReport(
        file=str(job.source),
        out=str(job.target),
        rows=len(scores),
        row_s=readings.row_s(len(scores)),
        score_max=float(scores.max()),
        notes=tuple(readings.notes),
    )


def score_many(job: Job, train_rows: int, budget_per_day: float, exclude: Sequence[str] = ()) -> FileReport:
    """Many channels of one asset: writes score, alarm and the three channels that weigh most."""
    readings = read_readings(job.source, exclude=exclude)
    found = score_readings(readings, train_rows, budget_per_day)
    named = np.array([*readings.names, ""])
    blank = np.full((len(found.top), TOP_CHANNELS), len(readings.names))
    blank[:, : found.top.shape[1]] = found.top
    blank[found.score <= 0] = len(readings.names)  # nothing to explain
    columns = (readings.stamps, _cells(found.score), np.where(found.alarm, "1", "0").tolist(), *named[blank].T.tolist())
    head = ["timestamp", "anomaly_score", "alarm", *(f"channel_{k + 1}" for k in range(TOP_CHANNELS))]
    _write(job.target, head, zip(*columns, strict=True))
    return _report(job, readings, train_rows, found.score, len(found.opened), len(found.regime), found.open_at)


def _report(
    job: Job, readings: Readings, train_rows: int, score: Floats, alarms: int, regime: int, open_at: float
) -> FileReport:
    return FileReport(
        file=str(job.source),
        out=str(job.target),
        rows=len(score),
        channels=len(readings.names),
        trained_rows=min(train_rows, len(score)),
        row_s=readings.row_s(train_rows),
        alarm_at=float(unit_score(np.array([open_at]))[0]),
        alarms=alarms,
        regime_changes=regime,
        score_max=float(score.max()),
        notes=tuple(readings.notes),
    )


def _cells(log_p: Floats) -> list[str]:
    return [f"{score:.9f}" for score in unit_score(log_p).tolist()]


def _write(target: Path, head: list[str], rows: object) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        with temporary.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(head)
            writer.writerows(rows)  # type: ignore[arg-type]
        temporary.replace(target)
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror}", file=str(target), fix="choose another --out"
        ) from error
