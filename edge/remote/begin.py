"""Agent after agent in one process: a configuration from afar ends one and begins the next, and so does its failure."""

import asyncio
import faulthandler
import logging
import tomllib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from edge.agent import Agent, serve
from edge.config import AgentConfig, load, spool_dir_of
from edge.remote.layer import Kept, read_kept, write_kept
from wire.clock import Clock
from wire.errors import ConfigError

__all__ = ["begin", "keep_serving"]

log = logging.getLogger("aid4.edge")

STUCK_S = 60.0  # beyond its trial an agent that did not settle is stuck: it exits, and systemd starts it again


async def keep_serving(
    file: Path, stop: asyncio.Event, clock: Clock, made: Callable[[Agent], None] = lambda _agent: None
) -> None:
    """Serve the agent of `file` until `stop`; `made` hears of each one. Raises what an agent without a trial raises."""
    while not stop.is_set():
        config = begin(file, clock.wall_us())
        try:
            _watch_over(read_kept(config.spool_dir), stop)
            agent = Agent(config, clock)
            agent.remote.settled = lambda: _watch_over(Kept(), stop)
            agent.remote.waiting = lambda: faulthandler.dump_traceback_later(STUCK_S, exit=True)
            made(agent)
            await serve(agent, stop)
        except Exception as error:
            if not _taken_back(config.spool_dir, error, clock.wall_us()):
                raise


def begin(file: Path, now_us: int) -> AgentConfig:
    """The configuration to start with: a layer that does not load, or that had its starts, is not laid on again."""
    spool_dir = _spool_dir(file)
    if spool_dir is None:
        return load(file, "")
    kept = read_kept(spool_dir)
    kept = _written(spool_dir, kept, kept.started(now_us), now_us)
    while True:
        try:
            return load(file, kept.running.text)
        except ConfigError as error:
            if not kept.running.text:
                raise
            log.warning("the configuration from afar is not used: %s", error)
            why = f"the agent cannot start with it: {error}"
            after = kept.rolled_back(why, now_us) if kept.trial else kept.aside(why, now_us)
            kept = _written(spool_dir, kept, after, now_us)


def _watch_over(kept: Kept, stop: asyncio.Event) -> None:
    """End a process whose trial does not end, even one that is stuck in foreign code; that start is counted."""
    if kept.trial is not None:
        faulthandler.dump_traceback_later(kept.trial.seconds + STUCK_S, exit=True)
    elif not stop.is_set():  # a stop has a bound of its own
        faulthandler.cancel_dump_traceback_later()


def _taken_back(spool_dir: Path, error: Exception, now_us: int) -> bool:
    kept = read_kept(spool_dir)
    if kept.trial is None:
        return False
    why = f"the agent failed: {_first(error)}"
    log.warning("configuration %d is rolled back: %s", kept.running.revision, why)
    write_kept(spool_dir, kept.rolled_back(why, now_us))
    return True


def _written(spool_dir: Path, before: Kept, after: Kept, now_us: int) -> Kept:
    """What counts after the attempt to write it: a trial whose starts cannot be counted is none."""
    if after == before:
        return after
    try:
        write_kept(spool_dir, after)
    except OSError as error:
        log.warning("the state of the configuration cannot be written: %s", error)
        return after.rolled_back(f"its trial could not be counted: {error}", now_us) if after.trial else after
    return after


def _spool_dir(file: Path) -> Path | None:
    with suppress(OSError, ValueError):  # what is wrong with the file, `load` says
        return spool_dir_of(tomllib.loads(file.read_text(encoding="utf-8")), file)
    return None


def _first(error: BaseException) -> str:
    """What ended a group of tasks, in one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
