"""The section `software` of the desired state: fetch, install beside what runs, switch, stand the trial, or go back.

| step | with the plug pulled here |
|---|---|
| fetch the manifest and the wheels that are missing | goes on where it ended |
| install beside what runs, look whether it starts | begins the release folder anew |
| write the trial, then switch `current` | the old one starts, the trial is dropped, the switch is made again |
| end in order, start anew | `boot` starts the new one, on trial |
| the twin is heard and who spoke speaks: the trial is over | it was started once more, of at most three times |
| it is not so in time, or three starts in vain | `boot` starts the one before; why stands in `failed/` |
"""

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from edge.config import AgentConfig
from edge.models import read_root
from edge.parts import FileParts
from edge.remote.trial import Seen, speaking, verdict
from edge.sources import SourceHealth
from edge.update.install import install
from edge.update.prefix import Facts, Kept, Prefix
from edge.update.staging import check_space, fetch_wheels, missing, verified_manifest
from wire.clock import Clock
from wire.errors import InputError
from wire.messages import Desired, SectionFigures, SoftwareWanted
from wire.software import Bundle, release_order

__all__ = ["NodeSoftware", "SeenHere"]

log = logging.getLogger("aid4.edge")

LOOK_S: Final = 1.0
HOLD_S_MAX: Final = 30.0  # what crashes soon crashes within so long
AGAIN_S_MIN, AGAIN_S_MAX = 5.0, 600.0  # after a fetch that broke off
LIVE_BYTES: Final = 256 << 10  # more than that waits for the twin: a part of an update waits too,
LIVE_WAIT_S_MAX: Final = 10.0  # but not for ever: the backlog of weeks takes days
ON_THE_WIRE: Final = 1.35  # base64 and its envelope
METADATA_BYTES_MAX: Final = 4 << 20


class _SupersededError(Exception):
    """The twin wants something else meanwhile."""


@dataclass(frozen=True, slots=True)
class SeenHere:
    """What an agent knows of itself: its sources, how often the twin spoke, what waits for the twin."""

    sources: Callable[[], Mapping[str, SourceHealth]]
    heard: Callable[[], int]
    pending_bytes: Callable[[], int]


class NodeSoftware:
    """`desired` takes what the twin wants; `run` until cancelled; `leave` ends this agent so that `boot` starts anew.

    Without a prefix, in a plain virtual environment, every wish is refused with what to do about it.
    """

    def __init__(
        self,
        prefix: Prefix | None,
        config: AgentConfig,
        parts: FileParts,
        clock: Clock,
        seen: SeenHere,
        *,
        running: str,
    ) -> None:
        self.prefix, self._config, self._parts, self._clock, self._seen = prefix, config, parts, clock, seen
        self._trust = config.spool_dir / "update" / "trust"
        self._root_file = config.path(config.models.root_file) if config.models.root_file else None
        self.leave: Callable[[], None] = lambda: None
        self.changed: Callable[[], None] = lambda: None
        self.version = Path(sys.prefix).name if prefix is not None else running
        self._kept = prefix.kept() if prefix is not None else Kept()
        self._wanted: SoftwareWanted | None = None
        self._wake = asyncio.Event()
        self._doing = ""
        self._progress = 0.0
        self._problem: tuple[str, str] = ("", "")

    def desired(self, desired: Desired) -> None:
        """What the twin wants; an older wish than the newest heard is a late message."""
        try:
            wanted = msgspec.convert(desired.state["software"], SoftwareWanted)
        except (KeyError, msgspec.ValidationError) as error:
            self._problem = (f"the desired software cannot be read: {error}"[:500], "upgrade the agent by hand")
            return
        if wanted.revision >= max(self._kept.judged, self._wanted.revision if self._wanted else 0):
            self._wanted = wanted
            self._wake.set()

    def figures(self) -> SectionFigures:
        """For up/health."""
        kept, problem, fix = self._kept, *self._problem
        state: Any = self._doing or self._settled(kept)
        if state == "rolled_back":
            assert self.prefix is not None, "only a prefix has what failed"
            problem, fix = self.prefix.why_failed(kept.wanted), "mend it and publish a higher version"
        elif state == "refused":
            problem, fix = kept.refused, kept.fix
        return SectionFigures(
            revision=kept.revision, judged=kept.judged, state=state or "local", version=self.version,
            since_us=kept.since_us, problem=problem[:500], field="software" if problem else "", fix=fix,
            progress_ratio=self._progress,
        )  # fmt: skip

    async def run(self) -> None:
        """Stand the trial, then reach what is wanted, until cancelled."""
        if self.prefix is not None and self.prefix.on_trial == self.version:
            await self._stand_trial(self.prefix)
        wait_s = 0.0
        due_s = self._clock.monotonic_s()
        while True:
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
                due_s, wait_s = self._clock.monotonic_s(), 0.0
            except TimeoutError:
                pass
            self._wake.clear()
            if self.prefix is not None and self.prefix.current not in {self.version, ""}:
                log.info("%s is there: this agent makes room for it", self.prefix.current)
                self.leave()
                return
            if self._wanted is not None and self._clock.monotonic_s() >= due_s:
                try:
                    await self._reach(self._wanted)
                except OSError as error:  # what became of it cannot be written: a full disk ends no agent
                    self._problem = (f"{error}"[:500], "free some space; it is tried again")
                wait_s = min(max(2 * wait_s, AGAIN_S_MIN), AGAIN_S_MAX)
                due_s = self._clock.monotonic_s() + wait_s

    # -- trial

    async def _stand_trial(self, prefix: Prefix) -> None:
        """Until it has proved itself; else why it did not is written down, and `boot` brings the one before back."""
        facts = prefix.facts() or Facts(trial_s=60.0)
        self._doing, began_s = "trying", self._clock.monotonic_s()
        before = Seen.of(0 if facts.linked else -1, dict[str, SourceHealth]())
        hold_s = min(HOLD_S_MAX, facts.trial_s / 20)
        while True:
            await asyncio.sleep(LOOK_S)
            passed_s, sources = self._clock.monotonic_s() - began_s, self._seen.sources()
            now = Seen.of(self._seen.heard() if facts.linked else 0, sources)
            why = verdict(before, now, list(facts.running), sources, facts.trial_s)
            if not why and passed_s >= hold_s:
                break
            if passed_s >= facts.trial_s:
                log.warning("release %s is taken back: %s", self.version, why)
                await asyncio.to_thread(prefix.fail, self.version, why)
                self.leave()
                await asyncio.Event().wait()
        await asyncio.to_thread(prefix.confirm)
        if self._kept.wanted == self.version:
            await self._keep(self._now(self._kept.judged, self.version, self._kept.judged))
        await asyncio.to_thread(prefix.prune)
        log.info("release %s holds", self.version)
        self._doing = ""
        self.changed()

    # -- what is wanted

    async def _reach(self, wanted: SoftwareWanted) -> None:
        """Have it run; what cannot be is refused, what broke off is tried again."""
        if wanted.revision == self._kept.judged and self._settled(self._kept):
            self._wanted = None
            return
        try:
            await self._take(wanted)
        except _SupersededError:
            self._wake.set()
        except InputError as error:
            log.warning("release %s is refused: %s", wanted.version, error)
            refused = self._now(wanted.revision, wanted.version, self._kept.revision)
            await self._keep(msgspec.structs.replace(refused, refused=str(error)[:500], fix=error.fix))
            self._wanted = None
        except (TimeoutError, OSError) as error:
            self._problem = (f"{wanted.version} is not here yet: {error}"[:500], "it is tried again")
        finally:
            self._doing, self._progress = "", 0.0
            self.changed()

    async def _take(self, wanted: SoftwareWanted) -> None:
        prefix, version = self.prefix, wanted.version or self._kept.own or self.version
        if version == self.version:
            await self._keep(self._now(wanted.revision, version, wanted.revision))
            return
        if prefix is None:
            fix = "once by hand: aid4 edge update BUNDLE FILE --prefix FOLDER, then aid4 edge service FILE --install"
            raise InputError(
                "this agent was not started by the `boot` of a folder of releases", field="software", fix=fix
            )
        self._doing = "fetching"
        self.changed()
        manifest = await self._fetched(prefix, wanted, version)
        self._doing = "trying"
        self.changed()
        await install(prefix, manifest, self._config.file)
        self._still(wanted)
        now_us = self._clock.wall_us()
        facts = Facts(wanted.trial_s, True, tuple(speaking(self._seen.sources(), wanted.trial_s, now_us)))
        await self._keep(self._now(wanted.revision, version, self._kept.revision))
        await asyncio.to_thread(prefix.switch, version, facts)
        log.info("release %s is installed: this agent makes room for it", version)
        self.leave()
        await asyncio.Event().wait()

    async def _fetched(self, prefix: Prefix, wanted: SoftwareWanted, version: str) -> Bundle:
        """The manifest that the operator signed, all its wheels here. InputError for what may not run here."""
        loop = asyncio.get_running_loop()
        if why := prefix.why_failed(version):
            fix = "publish a higher version; by hand: aid4 edge update BUNDLE --again"
            raise InputError(f"{version} was taken back here: {why}", field="software", fix=fix)
        older = release_order(version) < release_order(self.version)
        if older and prefix.manifest(version) is None:
            fix = "publish a higher version; by hand: aid4 edge update BUNDLE --older"
            raise InputError(f"{version} is older than {self.version} and not kept here", field="software", fix=fix)

        def fetch(name: str) -> Iterator[bytes] | None:
            asked = asyncio.run_coroutine_threadsafe(self._parts.whole(name, METADATA_BYTES_MAX), loop)
            data = asked.result()
            return None if data is None else iter([data])

        root = await asyncio.to_thread(read_root, self._root_file)
        manifest = await asyncio.to_thread(verified_manifest, self._trust, root, version, fetch)
        if prefix.is_whole(version, manifest):
            return manifest
        await asyncio.to_thread(prefix.prepare)
        await asyncio.to_thread(check_space, prefix, manifest)
        wheels = await asyncio.to_thread(missing, prefix, manifest)
        total, got = sum(one.bytes for one in wheels) or 1, 0

        async def room(size: int) -> None:
            nonlocal got
            got += size
            self._progress = got / total
            self._still(wanted)
            await self._let_live_data_go(size)

        await fetch_wheels(prefix, wheels, self._parts, room)
        return manifest

    async def _let_live_data_go(self, size: int) -> None:
        """After a part: as long as a metered link takes for it, and while much waits for the twin."""
        bytes_s = self._config.broker.bytes_s
        await asyncio.sleep(ON_THE_WIRE * size / bytes_s if bytes_s else 0)
        until_s = self._clock.monotonic_s() + LIVE_WAIT_S_MAX
        while self._seen.pending_bytes() > LIVE_BYTES and self._clock.monotonic_s() < until_s:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S / 4)

    def _still(self, wanted: SoftwareWanted) -> None:
        if self._wanted is not wanted and self._wanted != wanted:
            raise _SupersededError

    def _settled(self, kept: Kept) -> str:
        """What became of the newest wish that was judged; empty when it is neither there nor given up."""
        if not kept.judged:
            return ""
        if kept.refused:
            return "refused"
        if kept.wanted == self.version:
            return "running"
        return "rolled_back" if self.prefix is not None and self.prefix.why_failed(kept.wanted) else ""

    def _now(self, judged: int, version: str, revision: int) -> Kept:
        """What is written down of a wish that is met, or tried."""
        own = self._kept.own or ("" if self._kept.judged else self.version)
        return Kept(judged, version, revision, self._clock.wall_us(), own=own)

    async def _keep(self, kept: Kept) -> None:
        if self.prefix is not None:
            await asyncio.to_thread(self.prefix.keep, kept)
        self._kept, self._problem = kept, ("", "")
