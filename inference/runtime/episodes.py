"""From streams in alarm to what a person hears: one episode an asset, and one for assets that share a cause.

An episode opens with the first stream of an asset, lasts until all of it has been calm for `merge_s`, and takes in
assets of the same make that follow one another with the same quantity (rain on every soil node), each within `cause_s`
of the one before, and those that follow at once along a link of the plant.
"""

from collections.abc import Callable, Collection
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from inference.runtime.settings import Settings
from inference.windows import Floats

__all__ = ["CHANNELS_MAX", "Channel", "Episode", "Episodes", "Event"]

CHANNELS_MAX = 8  # of an explanation; more than that explain nothing
_ALSO_MAX = 50
_AGAIN_US = 12 * 3_600_000_000  # what begins anew at an asset within a shift has come back
_STILL_US = 120_000_000  # what has been calm for so long has nothing more to say
_TELL_AFTER_S = (300.0, 1_800.0, 7_200.0)  # what else joined in is told again so long after the opening


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """A point's part in an episode; `direction` is where it left normal: 1 up, -1 down, 0 neither."""

    point: int
    key: str
    share: float
    score: float
    direction: int = 0
    fact: str = ""
    sudden: bool = False  # it came from one row to the next, when the episode began
    of: list[str] = []  # of a relation between points: their keys; `point` is the first of them


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An episode opened, has more to say, or closed; or an asset has a new normal (`regime`)."""

    kind: Literal["opened", "updated", "closed", "regime"]
    asset: str
    ts_us: int
    since_us: int
    score: float = 0.0
    channels: list[Channel] = []
    nearest: tuple[int, int] | None = None
    also: list[str] = []
    model: dict[str, str] | None = None
    again: bool = False  # the same as one that was over a few hours ago: it has come back
    calm: list[Channel] = []  # relations of the asset that speak now, and are as usual


class Episode(msgspec.Struct):
    """An episode that is open."""

    asset: str
    since_us: int
    active_us: int  # when anything of it was last in alarm
    lead: int  # slot of a stream, or unit of a relation
    score: float
    also: list[str] = []
    joined_us: int = 0  # when an asset joined last
    told: int = 0  # how often it was told again
    again: bool = False  # it was over, and has come back


class Episodes:
    """`step` once a row with the streams in alarm. `explain(slots, lead)` gives the channels of an asset."""

    def __init__(self, settings: Settings, explain: Callable[[Episode, Literal["opened", "updated"]], Event]) -> None:
        self._merge_us, self._cause_us = round(settings.merge_s * 1e6), round(settings.cause_s * 1e6)
        self._explain = explain
        self.open: dict[str, Episode] = {}
        self._part_of: dict[str, str] = {}  # an asset of another one's episode -> the asset that leads it
        self._over_us: dict[str, int] = {}  # when an asset's last episode was over
        self.opened = 0

    def step(
        self,
        now_us: int,
        units: NDArray[np.intp],
        scores: Floats,
        asset_of: Callable[[int], str],
        related: Callable[[int, Episode], bool],
    ) -> list[Event]:
        """One moment: the `units` in alarm (slots of streams, or of relations) and their `scores`, −log10 p."""
        events: list[Event] = []
        for at in np.argsort(-scores, kind="stable").tolist():
            unit = int(units[at])
            events += self._heard(now_us, unit, asset_of(unit), float(scores[at]), related)
        for episode in list(self.open.values()):
            after_s = (now_us - episode.since_us) / 1e6
            if now_us - episode.active_us > self._merge_us:
                events.append(self._close(episode, now_us))
            elif (
                episode.told < len(_TELL_AFTER_S)
                and after_s >= _TELL_AFTER_S[episode.told]
                and now_us - episode.active_us <= _STILL_US
            ):
                episode.told += 1
                events.append(self._explain(episode, "updated"))
        return events

    def restore(self, episodes: Collection[Episode]) -> None:
        """Go on with episodes that were open."""
        for episode in episodes:
            self.open[episode.asset] = episode
            self._part_of |= dict.fromkeys(episode.also, episode.asset)

    def _heard(
        self, now_us: int, slot: int, asset: str, score: float, related: Callable[[int, Episode], bool]
    ) -> list[Event]:
        episode = self.open.get(self._part_of.get(asset, asset))
        if episode is not None:
            episode.active_us = now_us
            if score > episode.score and asset == episode.asset:
                episode.score, episode.lead = score, slot
            return []
        for other in self.open.values():
            since_us = max(other.joined_us, other.since_us)
            if now_us - since_us <= self._cause_us and len(other.also) < _ALSO_MAX and related(slot, other):
                other.also.append(asset)
                other.active_us = other.joined_us = now_us
                self._part_of[asset] = other.asset
                return [self._explain(other, "updated")]
        again = now_us - self._over_us.get(asset, now_us - _AGAIN_US - 1) <= _AGAIN_US
        episode = self.open[asset] = Episode(asset, now_us, now_us, slot, score, again=again)
        self.opened += 1
        return [self._explain(episode, "opened")]

    def _close(self, episode: Episode, now_us: int) -> Event:
        del self.open[episode.asset]
        self._over_us[episode.asset] = now_us
        for asset in [asset for asset, over_us in self._over_us.items() if now_us - over_us > _AGAIN_US]:
            del self._over_us[asset]
        for asset in episode.also:
            self._part_of.pop(asset, None)
        return Event(
            kind="closed", asset=episode.asset, ts_us=now_us, since_us=episode.since_us, score=episode.score,
            also=episode.also,
        )  # fmt: skip
