"""A trained bundle on live rows: one asset, or many single streams; the file says which, and how long its rows are."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from inference.alarm import Alarms
from inference.bundle import Bundle
from inference.runtime.keeping import arrays_of, restored
from inference.runtime.online import RowScores
from inference.windows import Floats
from wire.errors import InputError

__all__ = ["Mode", "Model", "TrainedModel", "match", "model_key"]

Mode = Literal["shadow", "canary", "live"]
_RECENT_ROWS = 512


class Model:
    """A bundle that a scorer is to use; `shadow` scores and rings nothing. InputError when it cannot run."""

    def __init__(self, data: bytes, *, name: str = "", version: str = "", mode: Mode = "live") -> None:
        self.bundle, self.name, self.version, self.mode = Bundle(data, name=name), name, version, mode
        if self.bundle.manifest.kind not in ("asset", "streams"):
            kind = self.bundle.manifest.kind
            raise InputError(f"a bundle of kind {kind} is not scored live", file=name, field="kind", fix="train one")


class TrainedModel:
    """The state of one model whose channel k is the scorer's slot `slots[k]`, -1 where no such stream is known."""

    def __init__(self, model: Model, slots: Sequence[int]) -> None:
        manifest = model.bundle.manifest
        self.model, self.slots = model, np.array(slots, np.intp)
        self.row_s, self._width = manifest.alarm.row_s, manifest.width_rows
        self.is_asset = manifest.kind == "asset"
        channels = len(manifest.channels)
        self.units = 1 if self.is_asset else channels
        self.alarms = Alarms(manifest.alarm, self.units, manifest.trained_rows)
        self.ring: Floats = np.repeat(np.array(manifest.center)[:, None], self._width, axis=1)
        self.seen = np.zeros(channels, np.int64)
        self.share: Floats = np.zeros(channels)
        self._rings = model.mode != "shadow"
        self._recent: Floats = np.zeros(_RECENT_ROWS)  # scores of the newest rows, the highest of each
        self.rows = 0

    def step(self, row: int, values: Floats, known: NDArray[np.bool_]) -> RowScores:
        """Score a row of its channels; `units` scores come out: one for an asset, else one a channel."""
        held = np.where(known, values, self.ring[:, -1])
        self.ring = np.concatenate([self.ring[:, 1:], held[:, None]], axis=1)
        self.seen = np.minimum(self.seen + known, self._width)
        out = self.model.bundle.run({"window": self.ring[None]})
        self.share = out["share"][0]
        told = known & (self.seen >= self._width)
        if self.is_asset:  # channels that never spoke stand at their centre and say nothing
            told = np.array([bool(told.any() and known.any())])
        score = np.where(told, out["score"][0], 0.0)
        if told.any():
            self._recent[self.rows % _RECENT_ROWS] = score.max()
            self.rows += 1
        step = self.alarms.step(score, told)
        end_us, rings = round((row + 1) * self.row_s * 1e6), self._rings
        return RowScores(end_us, score, told, step.active & rings, step.opened & rings, step.regime & rings)

    @property
    def figures(self) -> dict[str, int]:
        """Since it was loaded, for those who decide whether it stays: see `inference.registry.figures`."""
        median = float(np.median(self._recent[: min(self.rows, _RECENT_ROWS)])) if self.rows else 0.0
        own = {"rows": self.rows, "episodes": int(self.alarms.episodes.sum()), "median_milli": round(1e3 * median)}
        return {f"model/{self.model.name}/{self.model.version}/{what}": count for what, count in own.items()}

    def channel_scores(self, scores: Floats) -> Floats:
        """One score a channel: of an asset its share of the whole, the foremost channel having all of it."""
        if not self.is_asset:
            return scores
        found: Floats = scores[0] * self.share / max(float(self.share.max(initial=0.0)), 1e-12)
        return found

    def by_channel(self, said: RowScores, scores: Floats, have: NDArray[np.bool_]) -> RowScores:
        """What a row said, channel by channel of those that are known; of an asset the foremost channel is in alarm."""
        if not self.is_asset:
            return RowScores(
                said.ts_us, scores, said.known[have], said.active[have], said.opened[have], said.regime[have]
            )
        lead, count = scores >= scores.max(initial=0.0), int(have.sum())
        return RowScores(
            said.ts_us, scores, np.repeat(said.known, count), said.active & lead, said.opened & lead,
            np.repeat(said.regime, count),
        )  # fmt: skip

    def keep(self) -> dict[str, NDArray[Any]]:
        """Its state as arrays."""
        own = {"ring": self.ring, "seen": self.seen}
        return own | {f"alarms.{name}": value for name, value in arrays_of(self.alarms, self.units).items()}

    def recall(self, saved: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a state of the same model."""
        if saved.get("ring", np.zeros(0)).shape == self.ring.shape:
            self.ring, self.seen = saved["ring"], saved["seen"]
            own = {name.removeprefix("alarms."): value for name, value in saved.items()}
            restored(self.alarms, self.units, np.arange(self.units), own)


def match(channels: Sequence[str], keys: Mapping[str, int]) -> list[int]:
    """Slots by whole key, or by the key without its node where that is unambiguous."""
    short: dict[str, int] = {}
    for key, slot in keys.items():
        tail = key.partition("/")[2]
        short[tail] = -1 if tail in short else slot
    return [keys.get(name, short.get(name, -1)) for name in channels]


def model_key(model: Model) -> str:
    """Under which its state is saved."""
    return f"model:{model.name}@{model.version}"
