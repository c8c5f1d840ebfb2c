"""A device that says again what it said before: a replayed recording, or a gateway that loops over an old buffer.

After each moment in which a device spoke, the last values of all its points make one word (a 64-bit hash),
kept with the two before it. A device
that lives makes new words; one that repeats a window says, word after word, what it said within its memory. How often
it does so by chance (a machine that rests between two values) is learned, too: the
likelihood ratio must exceed fourfold what it ever came to. Times play no part; a window may be as long as the memory.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.runtime.intake import Chunk

__all__ = ["WORDS_KEPT", "Replays"]

WORDS_KEPT = 2_048  # of a device, by their low bits: 16 KB
_RECENT = 4  # words so new that saying them again is only a pause
_RUN_LEAST, _RUN_RATIO = 45.0, 4.0  # nats that must speak for a replay; times what it came to by chance
_POINTS_LEAST = 2
_LEARN_WORDS = WORDS_KEPT  # first, so that one that has few words has said them all
_RUN_MOST = 1e6
_IF_REPLAYED = 0.9  # share of known words then: a memory forgets some
_USUAL_LEAST, _USUAL_PULL = 0.02, 1.0 / 500.0  # of a word
_OVER_SHARE = 0.5  # of new words in a moment that end a replay
_MIX = np.uint64(0x9E3779B97F4A7C15)
_FOLD = np.uint64(0xBF58476D1CE4E5B9)
_BY_DEVICE = ("word", "tags", "when", "said", "run", "peak", "longest", "before", "usual", "active")

Words = NDArray[np.uint64]
Slots = NDArray[np.intp]


class Replays:
    """State of devices; `asset_of` numbers the device of each slot."""

    def __init__(self, asset_of: Slots) -> None:
        devices = int(asset_of.max(initial=-1)) + 1
        self._asset_of = asset_of
        self._large = np.bincount(asset_of, minlength=devices) >= _POINTS_LEAST
        self.now = np.zeros(len(asset_of), np.uint64)  # hash of each slot's last value
        self.word = np.zeros(devices, np.uint64)  # of each device, the sum of these
        self.tags = np.zeros((devices, WORDS_KEPT), np.uint32)
        self.when = np.zeros((devices, WORDS_KEPT), np.int32)
        self.said = np.zeros(devices, np.int64)
        self.run, self.peak, self.longest = (np.zeros(devices) for _ in range(3))
        self.usual = np.full(devices, 0.5)  # share of known words
        self.before = np.zeros((devices, 2), np.uint64)  # its last words, the newest first
        self.active = np.zeros(devices, bool)

    def go_on(self, old: "Replays") -> None:
        """Take the memory of the devices there were before, whose places have not changed."""
        self.now[: len(old.now)] = old.now
        for name in _BY_DEVICE:
            kept = getattr(old, name)
            getattr(self, name)[: len(kept)] = kept

    def keep(self) -> dict[str, NDArray[Any]]:
        """What is learned, by device; what a device says now is heard again after a start."""
        return {name: getattr(self, name) for name in _BY_DEVICE if name not in ("word", "active", "before")}

    def recall(self, saved: Mapping[str, NDArray[Any]], places: Slots) -> None:
        """Saved device k is device `places[k]`, -1 for nobody."""
        here = places >= 0
        for name, kept in saved.items():
            if name in _BY_DEVICE and len(kept) == len(places):
                getattr(self, name)[places[here]] = kept[here]

    def take(self, chunk: Chunk) -> None:
        """Readings of a moment, ascending in time within each slot."""
        part = chunk.take(self._large[self._asset_of[chunk.slot]])
        if not len(part.slot):
            return
        part = part.take(np.lexsort((part.slot, part.ts_us, self._asset_of[part.slot])))
        device = self._asset_of[part.slot]
        words = self._words(part, device)
        last = np.append((device[1:] != device[:-1]) | (part.ts_us[1:] != part.ts_us[:-1]), True)
        device, words = device[last], words[last]
        head = np.append(True, device[1:] != device[:-1])
        before = np.append(np.uint64(0), words[:-1])
        before[head] = self.word[device[head]]
        tail = np.append(head[1:], True)
        self.word[device[tail]] = words[tail]
        moved = words != before
        if moved.any():
            self._follow(device[moved], words[moved])

    def _words(self, part: Chunk, device: Slots) -> Words:
        """What a device says after each reading: the sum of the hashes of the last values of its slots."""
        hashed = _hash(part.slot, part.value)
        order = np.argsort(part.slot, kind="stable")
        mine, told = part.slot[order], hashed[order]
        replaced = np.append(np.uint64(0), told[:-1])
        first = np.append(True, mine[1:] != mine[:-1])
        replaced[first] = self.now[mine[first]]
        end = np.append(first[1:], True)
        self.now[mine[end]] = told[end]
        change = hashed.copy()
        change[order] -= replaced
        total = np.cumsum(change)
        head = np.flatnonzero(np.append(True, device[1:] != device[:-1]))
        base = np.append(np.uint64(0), total[head[1:] - 1])
        found: Words = self.word[device] + total - np.repeat(base, np.diff(np.append(head, len(device))))
        return found

    def _follow(self, device: Slots, words: Words) -> None:
        """New words of devices, one after the other: which of them were said before, and how often."""
        head = np.append(True, device[1:] != device[:-1])
        begin = np.flatnonzero(head)
        count = np.diff(np.append(begin, len(device)))
        nth = np.arange(len(device)) - np.repeat(begin, count)
        words = self._phrases(device, words, begin, count)
        place, tag = (words % np.uint64(WORDS_KEPT)).astype(np.intp), (words >> np.uint64(32)).astype(np.uint32)
        at = self.said[device] + nth
        known = (self.tags[device, place] == tag) & (at - self.when[device, place] > _RECENT) & (tag > 0)
        who = device[begin]
        self._count(who, known, begin, count)
        fresh = ~known  # what is repeated is not said anew
        self.tags[device[fresh], place[fresh]] = tag[fresh]
        self.when[device[fresh], place[fresh]] = at[fresh].astype(np.int32)
        self.said[who] += count

    def _phrases(self, device: Slots, words: Words, begin: Slots, count: Slots) -> Words:
        """Each word with the two before it: what quantised points say by chance again, they rarely say in its order."""
        said = np.stack([words, words, words])
        who, end = device[begin], begin + count - 1
        for back in (1, 2):
            said[back, back:] = words[:-back]
        said[1, begin] = self.before[who, 0]
        said[2, begin] = self.before[who, 1]
        second = begin[count > 1] + 1
        said[2, second] = self.before[device[second], 0]
        self.before[who] = said[:2, end].T
        found: Words = said[0] * _MIX + said[1] * _FOLD + (said[2] ^ (said[2] >> np.uint64(29)))
        return found

    def _count(self, who: Slots, known: NDArray[np.bool_], begin: Slots, count: Slots) -> None:
        """A sum that known words raise and new ones lower, never below nothing, going on from what was before."""
        usual = self.usual[who]
        for_it, against = np.log(_IF_REPLAYED / usual), np.log((1.0 - _IF_REPLAYED) / (1.0 - usual))
        step = np.where(known, np.repeat(for_it, count), np.repeat(against, count))
        apart = np.repeat(np.arange(len(who)) * -1e9, count)  # so that no device sees the sum of the one before
        total = np.cumsum(step)
        carried = self.run[who] - (total[begin] - step[begin])
        line = np.repeat(carried, count) + total + apart
        run = line - np.minimum.accumulate(np.minimum(line, apart))
        peak = np.maximum(np.maximum.reduceat(run, begin), self.peak[who])
        last = run[begin + count - 1]
        seen = np.add.reduceat(known.astype(np.float64), begin)
        known_share = seen / count
        over = self.active[who] & (known_share < _OVER_SHARE)
        bound = np.maximum(_RUN_LEAST, _RUN_RATIO * self.longest[who])
        learned = self.said[who] >= _LEARN_WORDS
        starts = ~over & learned & (peak > bound)
        pull = np.where(
            self.active[who] | starts | (learned & (peak > 0.5 * _RUN_LEAST)), 0.0, 1.0 - (1.0 - _USUAL_PULL) ** count
        )
        self.usual[who] = np.clip(usual + pull * (known_share - usual), _USUAL_LEAST, _IF_REPLAYED)
        ended = (
            over | (last < 0.5 * peak) | ~learned
        )  # and is no replay: what it came to is learned; after a replay, twice as much
        calm = ended & ~starts & ~self.active[who]
        taught = np.where(calm, peak, np.where(over, 2.0 * np.maximum(self.longest[who], _RUN_LEAST / _RUN_RATIO), 0.0))
        self.longest[who] = np.maximum(self.longest[who], taught)
        self.active[who] = (self.active[who] & ~over) | starts
        self.peak[who] = np.where(ended, 0.0, peak)
        self.run[who] = np.where(over, 0.0, np.minimum(last, _RUN_MOST))


def _hash(slot: Slots, value: NDArray[np.float64]) -> Words:
    """Of a value at its slot; bits are mixed so that sums of them do not cancel."""
    mixed: Words = (value + 0.0).view(np.uint64) ^ (slot.astype(np.uint64) * _MIX)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _FOLD
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX
    return mixed ^ (mixed >> np.uint64(31))
