"""Run the detectors over a folder of labelled recordings and measure them; one JSON document.

Thresholds are those that ship: the alarm budget for trained assets, `NAB_THRESHOLD` for untrained streams. The
hindsight score of NAB stands beside it, because public tables print it.
"""

import json
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec
import numpy as np

from inference.bundle import AlarmPolicy, Bundle
from inference.evaluate.episodes import Alarmed, Budget, Events, Points, budget_of, event_quality, point_quality
from inference.evaluate.nab import PROFILES, NabFile, NabScore, nab_score
from inference.evaluate.ranking import auc_pr, events_of, period_rows, vus_pr
from inference.evaluate.sets import SETS, Series, set_hash
from inference.fitted import fit
from inference.novelty import build, novelty
from inference.readings_csv import read_readings
from inference.score_files import nab_files, unit_score
from inference.score_table import score_rows
from inference.windows import hold
from wire.errors import InputError

__all__ = ["NAB_THRESHOLD", "NabReport", "Report", "SetReport", "evaluate"]

NAB_THRESHOLD = 0.31  # of the unit score, in the middle of a plateau from 0.29 to 0.33
_ROWS_LEARNED_MIN = 64


class SeriesReport(msgspec.Struct, frozen=True):
    """One series: ranking after its training rows."""

    name: str
    rows: int
    channels: int
    vus_pr: float | None
    auc_pr: float | None


class SetReport(msgspec.Struct, frozen=True, kw_only=True):
    """One set: means over its labelled series, pooled points and events, and the budget on its normal time."""

    sha256: str
    series: int
    vus_pr: float | None
    auc_pr: float | None
    points: Points
    events: Events
    false_alarms: Budget
    each: list[SeriesReport]


class NabReport(msgspec.Struct, frozen=True, kw_only=True):
    """NAB: the score at the fixed threshold, at the best one in hindsight, and what the threshold cost."""

    sha256: str
    files: int
    fixed: dict[str, NabScore]
    best: dict[str, NabScore]
    false_episodes: int
    normal_days: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything, with the hashes of the data it was measured on."""

    budget_per_day: float
    nab_threshold: float
    nab: NabReport | None
    sets: dict[str, SetReport]


def evaluate(
    root: Path, *, only: Collection[str] = (), budget_per_day: float = 0.5, tell: Callable[[str], None] = lambda _: None
) -> Report:
    """Measure every set below `root`; `only` picks some by name. Raises InputError when there is none."""
    nab = None
    if (root / "nab" / "data").is_dir() and (not only or "nab" in only):
        tell("nab")
        nab = _nab(root / "nab")
    sets = {}
    for name, (folder, read) in SETS.items():
        if (root / folder).is_dir() and (not only or name in only):
            tell(name)
            sets[name] = _set(root / folder, list(read(root)), budget_per_day)
    if nab is None and not sets:
        raise InputError("none of the sets is here", file=str(root), fix=f"expected one of nab, {', '.join(SETS)}")
    return Report(budget_per_day=budget_per_day, nab_threshold=NAB_THRESHOLD, nab=nab, sets=sets)


def _set(folder: Path, series: list[Series], budget_per_day: float) -> SetReport:
    each: list[SeriesReport] = []
    marked: list[Alarmed] = []
    plain: list[Alarmed] = []
    regimes = 0
    for one in series:
        if one.trained_rows < _ROWS_LEARNED_MIN:
            continue
        alarmed, changes = _alarmed(one, budget_per_day)
        regimes += changes
        (marked if alarmed.labels.any() else plain).append(alarmed)
        each.append(_ranked(one, alarmed))
    return SetReport(
        sha256=set_hash(folder),
        series=len(each),
        vus_pr=_mean([one.vus_pr for one in each]),
        auc_pr=_mean([one.auc_pr for one in each]),
        points=point_quality(marked),
        events=event_quality(marked),
        false_alarms=budget_of([*marked, *plain], budget_per_day, regimes),
        each=each,
    )


def _alarmed(one: Series, budget_per_day: float) -> tuple[Alarmed, int]:
    learned = one.trained_rows
    policy = AlarmPolicy(budget_per_day=budget_per_day, row_s=one.row_s)
    names = [f"channel_{index}" for index in range(one.values.shape[1])]
    bundle = Bundle(fit(one.values[:learned], names, pooled=True, alarm=policy).to_bytes())
    found = score_rows(bundle, one.values)
    part = Alarmed(
        one.labels[learned:], found.alarm[learned:], found.opened - learned, found.score[learned:], one.row_s
    )
    return part, len(found.regime)


def _ranked(one: Series, alarmed: Alarmed) -> SeriesReport:
    width = period_rows(hold(one.values, np.zeros(one.values.shape[1]))[:, 0])
    labelled = bool(alarmed.labels.any())
    return SeriesReport(
        name=one.name,
        rows=len(one.values),
        channels=one.values.shape[1],
        vus_pr=vus_pr(alarmed.labels, alarmed.scores, width) if labelled else None,
        auc_pr=auc_pr(alarmed.labels, alarmed.scores) if labelled else None,
    )


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _nab(folder: Path) -> NabReport:
    windows = json.loads((folder / "labels" / "combined_windows.json").read_text())
    bundle, files, false, days = Bundle(build()), [], 0, 0.0
    jobs = nab_files(folder / "data", folder)
    for job in jobs:
        readings = read_readings(job.source, only=("value",))
        scores = unit_score(novelty(bundle, readings.seconds, readings.values[:, 0]))
        spans = [
            _rows_of(readings.stamps, span)
            for span in windows.get(job.source.relative_to(folder / "data").as_posix(), [])
        ]
        files.append(NabFile(scores, spans))
        normal = np.ones(len(scores), bool)
        for first, last in spans:
            normal[first : last + 1] = False
        false += len(events_of(normal & (scores >= NAB_THRESHOLD)))
        days += float(normal.sum()) * readings.row_s(len(scores)) / 86_400.0
    return NabReport(
        sha256=set_hash(folder / "data"),
        files=len(files),
        fixed={name: nab_score(files, profile, NAB_THRESHOLD) for name, profile in PROFILES.items()},
        best={name: nab_score(files, profile) for name, profile in PROFILES.items()},
        false_episodes=false,
        normal_days=days,
    )


def _rows_of(stamps: list[str], span: list[str]) -> tuple[int, int]:
    """First rows whose times are the ends of a labelled window."""
    times = np.array([stamp.replace(" ", "T", 1) for stamp in stamps], "datetime64[us]")
    first, last = (np.datetime64(text.replace(" ", "T", 1), "us") for text in span)
    return int((times == first).argmax()), int((times == last).argmax())
