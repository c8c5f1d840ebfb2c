"""The section `config` of the desired state on this gateway: judged, tried, kept or rolled back by itself.

| step | on the disk | with the plug pulled here |
|---|---|---|
| a revision comes | nothing | the twin says it again |
| refused: hash, size, what is the gateway's own, `edge check` | the refusal | as before |
| taken | layer, the one before, trial | it starts on trial |
| the agent starts anew | one start more | after three starts without an end the one before comes back |
| the trial is over, the twin not heard | nothing | it is tried anew |
| the trial holds | trial over | it runs |
| it does not | the one before, the reason | the one before runs |

Without a link the last configuration goes on.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from edge.config import problems
from edge.remote.layer import Kept, read_kept, write_kept
from edge.remote.overlay import changed_sources, resolved
from edge.remote.trial import Seen, fallen_silent, speaking, told_of
from edge.sources import SourceHealth
from wire.clock import Clock
from wire.errors import UserError
from wire.messages import ConfigWanted, Desired, SectionFigures

__all__ = ["NodeConfig"]

log = logging.getLogger("aid4.edge")

DISK_AGAIN_S: Final = 10.0  # a full disk is waited out
UNHEARD_S_MAX: Final = 600.0  # beyond the trial a link that is down is waited out: no layer can set it
LOOK_S: Final = 1.0
SPEAKS_S: Final = 10.0  # a source that was silent is seen to speak so soon


class NodeConfig:
    """`desired` takes what the twin wants; `run` until cancelled; `restart` has the next agent begin."""

    def __init__(
        self,
        file: Path,
        spool_dir: Path,
        clock: Clock,
        *,
        sources: Callable[[], Mapping[str, SourceHealth]],
        heard: Callable[[], int],
        restart: Callable[[], None],
    ) -> None:
        self._file, self._spool_dir, self._clock = file, spool_dir, clock
        self._sources, self._heard, self._restart = sources, heard, restart
        self.changed: Callable[[], None] = lambda: None
        self.settled: Callable[[], None] = lambda: None  # a trial has ended, well or not
        self.waiting: Callable[[], None] = lambda: None  # a trial goes on until the twin is heard
        self._kept = read_kept(spool_dir)
        self._wanted: Any = None
        self._wake = asyncio.Event()
        self._problem = ""

    @property
    def kept(self) -> Kept:
        """What lies on the disk."""
        return self._kept

    def desired(self, desired: Desired) -> None:
        """What the twin wants; judged when the trial of now is over."""
        self._wanted = desired.state["config"]
        self._wake.set()

    def figures(self) -> SectionFigures:
        """For up/health."""
        figures = self._kept.figures
        return msgspec.structs.replace(figures, problem=self._problem) if self._problem else figures

    async def run(self) -> None:
        """Watch a trial to its end, then judge what comes."""
        if self._kept.trial is not None:
            await self._watch()
        while True:
            await self._next()
            self._wake.clear()
            try:
                await self._judge(self._wanted)
                self._problem = ""
            except OSError as error:
                self._problem = f"the configuration cannot be kept: {error}"
                log.warning("%s", self._problem)
                await asyncio.sleep(DISK_AGAIN_S)
                self._wake.set()

    async def _watch(self) -> None:
        trial = self._kept.trial
        assert trial is not None
        before = Seen.of(self._heard(), self._sources())
        await asyncio.sleep(trial.seconds)
        sources = self._sources()
        silent = self._silent(trial.fresh)
        why = fallen_silent(before, Seen.of(self._heard(), sources), trial.watched, sources, trial.seconds)
        if not why and silent and trial.strict:
            why = f"no value for {trial.seconds:.0f} s from what is new: {told_of(silent, sources)}"
        if not why and not await self._is_heard(before.heard):
            why = f"the twin was not heard for {trial.seconds + UNHEARD_S_MAX:.0f} s"
        if not why:
            log.info("configuration %d holds", self._kept.running.revision)
            await self._keep(self._kept.confirmed(self._clock.wall_us(), silent))
            self.settled()
            return
        log.warning("configuration %d is rolled back: %s", self._kept.running.revision, why)
        await self._keep(self._kept.rolled_back(why, self._clock.wall_us()))
        self.settled()
        self._restart()

    async def _is_heard(self, before: int) -> bool:
        """Whether the twin is heard, now or within a bound: a short outage of the link is not the layer's fault."""
        until_s = self._clock.monotonic_s() + UNHEARD_S_MAX
        while self._heard() <= before:
            if self._clock.monotonic_s() >= until_s:
                return False
            self.waiting()
            await asyncio.sleep(LOOK_S)
        return True

    async def _next(self) -> None:
        """Until something is wanted; meanwhile a fresh source that speaks at last is silent no more."""
        while self._kept.silent and not self._wake.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(SPEAKS_S):
                    await self._wake.wait()
            left = self._silent(self._kept.silent)
            if left != self._kept.silent:
                with suppress(OSError):  # it is looked at again
                    await self._keep(self._kept.spoke(left))
        await self._wake.wait()

    def _silent(self, names: list[str]) -> list[str]:
        sources = self._sources()
        return [name for name in names if name in sources and not sources[name].received]

    async def _judge(self, section: Any) -> None:
        now_us = self._clock.wall_us()
        try:
            wanted = msgspec.convert(section, ConfigWanted)
        except msgspec.ValidationError as error:
            self._problem = f"the desired configuration cannot be read: {error}"[:500]
            return
        if not self._kept.is_news(wanted):
            return
        if _digest(wanted.text) != wanted.sha256:
            await self._keep(self._kept.refused(wanted, now_us, "does not have its hash", "sha256", "apply it anew"))
        elif wanted.sha256 == self._kept.running.sha256 or not (wanted.text or self._kept.running.text):
            await self._keep(self._kept.renamed(wanted, now_us))
        else:
            await self._take(wanted, now_us)

    async def _take(self, wanted: ConfigWanted, now_us: int) -> None:
        try:
            text = await asyncio.to_thread(self._checked, wanted)
            changed = await asyncio.to_thread(changed_sources, self._file, self._kept.running.text, text)
        except UserError as error:
            log.warning("configuration %d is refused: %s", wanted.revision, error)
            await self._keep(self._kept.refused(wanted, now_us, str(error), error.field, error.fix))
            return
        watched = speaking(self._sources(), wanted.trial_s, now_us)
        log.info("configuration %d is tried for %.0f s", wanted.revision, wanted.trial_s)
        fresh = [name for name in changed if name not in watched]
        await self._keep(self._kept.tried(wanted, text, watched, now_us, fresh))
        self._restart()

    def _checked(self, wanted: ConfigWanted) -> str:
        """The text with its secrets; the first UserError that `edge check` finds. What ran before has kept its own."""
        before = self._kept.before
        text = before.text if before.sha256 == wanted.sha256 else resolved(self._file, wanted.text, self._kept)
        found = problems(self._file, text)
        if found:
            raise found[0]
        return text

    async def _keep(self, kept: Kept) -> None:
        await asyncio.to_thread(write_kept, self._spool_dir, kept)
        self._kept = kept
        self.changed()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
