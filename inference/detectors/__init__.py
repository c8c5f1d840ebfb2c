"""Detectors over windows of scaled values: one file each, its ONNX nodes beside its numpy reference.

| file | sees | score |
|---|---|---|
| `feature_rms` | each channel at 4, 16 and 64 rows | root mean square of scaled features |
| `sub_pca` | each channel's last 32 or 64 rows | distance to its subspace (SPE) and within it (T²) |
| `asset_pca` | all channels of an asset, now and one row ago | T² + Q: does the relation between channels hold? |
| `knn_bank` | the last 16 rows of all channels | distance to the nearest window of a bank of normal ones |
| `guards` | raw values | range, stuck, gap, constant: plain facts, no statistics |
| `adaptive` | one stream from its first reading, untrained | calendar and Holt residual, state in and out |

A windowed detector is a frozen dataclass with `fit(windows, pooled)`, `score(z)` (numpy, the reference) and
`add(graph, z)` (the same as nodes, equal within 1e-6). `z` is (n, channels, WIDTH), scaled. It answers scores
(n, units) and shares (n, channels): units is 1 when `pooled` (the channels are one asset), else one per channel.
A further encoder is one more file and one more row of `WINDOWED`.
"""

from typing import Protocol, Self

from inference.detectors.asset_pca import AssetPca
from inference.detectors.feature_rms import FeatureRms
from inference.detectors.knn_bank import KnnBank
from inference.detectors.shape import WIDTH
from inference.detectors.sub_pca import SubPca
from inference.graph import Graph
from inference.windows import Floats

__all__ = ["Detector", "WIDTH", "WINDOWED"]


class Detector(Protocol):
    """What `inference.fitted` asks of a windowed detector."""

    @classmethod
    def fit(cls, windows: Floats, pooled: bool) -> Self:
        """Learn from windows (n, channels, WIDTH) of scaled normal values."""
        ...

    def score(self, z: Floats) -> tuple[Floats, Floats]:
        """Scores (n, units) and shares (n, channels), in numpy."""
        ...

    def add(self, g: Graph, z: str) -> tuple[str, str]:
        """The same as nodes of a graph."""
        ...


WINDOWED: dict[str, type[Detector]] = {
    "feature_rms": FeatureRms,
    "sub_pca": SubPca,
    "asset_pca": AssetPca,
    "knn_bank": KnnBank,
}
