"""Fit an asset or single streams on normal rows, and measure on rows kept out how often it would have cried wolf."""

import hashlib
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from inference.alarm import Alarms
from inference.bundle import AlarmPolicy, Bundle
from inference.fitted import BLOCK_ROWS, fit
from inference.limits import TRAIN_ROWS_MIN
from inference.score_table import run_bundle
from inference.windows import Floats
from wire.errors import InputError

__all__ = ["Trained", "TrainingReport", "learn"]

_KEPT_OUT = 0.25  # of the normal rows, the newest
_KNOWN_MIN = 0.5  # of a channel's rows; one that says less is left out
_DAY_S = 86_400.0


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """One ONNX file and what it was learned from. `ratio`: realised false alarms over those the budget allows."""

    file: str
    asset: str
    kind: str
    channels: list[str]
    rows: int
    row_s: float
    data_sha256: str
    sha256: str
    bytes: int
    metrics: dict[str, float]


class TrainingReport(msgspec.Struct, frozen=True, kw_only=True):
    """`training.json`. `data_sha256` is the fingerprint of everything learned from."""

    from_us: int
    to_us: int
    row_s: float
    budget_per_day: float
    data_sha256: str
    models: list[Trained]
    left_out: dict[str, str]


def learn(
    values: Floats, names: Sequence[str], *, asset: str, pooled: bool, row_s: float, budget_per_day: float
) -> tuple[bytes, Trained]:
    """Values (rows, channels) of normal time → the file and its report. Raises InputError when there is too little."""
    said = np.isfinite(values).mean(axis=0) >= _KNOWN_MIN
    kept, used = [name for name, one in zip(names, said, strict=True) if one], values[:, said]
    if not kept:
        raise InputError("no channel says enough", field=asset, fix="learn from a longer time")
    policy = AlarmPolicy(budget_per_day=budget_per_day, block_rows=BLOCK_ROWS, row_s=row_s)
    cut = int(len(used) * (1 - _KEPT_OUT))
    metrics: dict[str, float] = {"rows": float(len(used))}
    if cut >= TRAIN_ROWS_MIN:
        trial = Bundle(fit(used[:cut], kept, pooled=pooled, alarm=policy, source=asset).to_bytes(), name=asset)
        metrics |= _false_alarms(trial, used, cut)
    fitted = fit(used, kept, pooled=pooled, alarm=policy, source=asset)
    data = fitted.to_bytes(metrics=metrics)
    bundle = Bundle(data, name=asset)
    return data, Trained(
        file="",
        asset=asset,
        kind=bundle.manifest.kind,
        channels=kept,
        rows=len(used),
        row_s=row_s,
        data_sha256=fitted.data_sha256,
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        metrics=metrics,
    )


def _false_alarms(bundle: Bundle, values: Floats, cut: int) -> dict[str, float]:
    """Episodes on the rows kept out, which were normal, against what the budget allows there."""
    known: NDArray[np.bool_] = np.isfinite(values)
    score = run_bundle(bundle, values, cut)["score"]
    units = score.shape[1]
    told = np.asarray(known.any(axis=1, keepdims=True)) if units == 1 else known
    alarms = Alarms(bundle.manifest.alarm, units, cut)
    for row in range(cut, len(values)):
        alarms.step(np.where(told[row], score[row], 0.0), told[row])
    days = units * (len(values) - cut) * bundle.manifest.alarm.row_s / _DAY_S
    allowed = bundle.manifest.alarm.budget_per_day * days
    quantiles = np.quantile(score[cut:], [0.5, 0.99]) if len(values) > cut else np.zeros(2)
    return {
        "kept_out_rows": float(len(values) - cut),
        "kept_out_stream_days": days,
        "false_episodes": float(alarms.episodes.sum()),
        "allowed_episodes": allowed,
        "score_median": float(quantiles[0]),
        "score_p99": float(quantiles[1]),
    }
