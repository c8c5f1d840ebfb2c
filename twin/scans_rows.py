"""A scan as its job leaves it and as the twin keeps it, and the schema of its verdicts."""

from typing import Any, Final

import msgspec
import pyarrow as pa

__all__ = ["VERDICTS", "VERDICT_CODES", "ScanResult", "ScanRow"]

VERDICT_CODES: Final = ("none", "unknown", "built", "not built")  # by code of GET /state
VERDICTS = pa.schema(
    [
        ("global_id", pa.string()), ("verdict", pa.string()), ("p_built", pa.float64()), ("seen", pa.uint32()),
        ("supported", pa.uint32()), ("pierced", pa.uint32()), ("occluded", pa.uint32()), ("planned", pa.uint8()),
        ("deviation_mean_mm", pa.float64()), ("deviation_p95_mm", pa.float64()), ("deviation_n", pa.uint32()),
    ]
)  # fmt: skip


class ScanResult(msgspec.Struct, frozen=True):
    """`result.json` of a scan job. `transform` takes the cloud to model metres; figures may be null."""

    accepted: bool
    residual_m: float | None = None
    overlap: float | None = None
    inliers: float | None = None
    observability: dict[str, Any] = {}
    transform: list[list[float]] | None = None
    reasons: list[dict[str, Any]] = []
    counts: dict[str, int] = {}
    decided_share: float | None = None
    points: int = 0
    warnings: list[str] = []
    simulated: bool = False
    offset_m: float | None = None
    bend_m: float | None = None
    sigma_m: float | None = None
    late: list[str] = []
    early: list[str] = []
    evidence: list[str] = []


class ScanRow(msgspec.Struct, frozen=True):
    """One scan. It is true of `at_us` and known since `known_us`; `model` is the key of the tiles it was judged by."""

    id: str
    group: str
    upload: str
    flight: str | None
    name: str
    at_us: int
    accepted: bool
    simulated: bool
    model: str
    schedule: int | None
    points: int
    residual_m: float | None
    result: ScanResult
    by: str
    known_us: int
