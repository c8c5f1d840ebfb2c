"""The promises, one function each: given a bench that is off the net, it returns when the source kept its promise."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple

from edge.conformance.bench import Ability, Bench
from edge.conformance.taken import NotKeptError, Taken, promise, wait_for
from edge.sources import Source, SourceError
from wire.quality import UNUSABLE

__all__ = ["CHECKS", "Check", "applicable"]

STOP_S_MAX = 5.0  # the agent gives up a source that has not ended by then
LATE_S = 5.0  # what a busy machine may add to a time that a source promised
MEMORY_BYTES_MAX = 16 << 20
FLOOD_WAIT_S = 0.5
POLLS_WATCHED = 20


class Check(NamedTuple):
    """A promise: what it says, the ability of a peer that it needs, and how it is tried."""

    says: str
    needs: Ability | None
    run: Callable[[Bench], Awaitable[None]]


def applicable(check: Check, bench: type[Bench]) -> bool:
    """Whether a peer like this can put the promise to the test."""
    return check.needs is None or check.needs in bench.can


async def starts_and_counts(bench: Bench) -> None:
    """It says that it runs, counts what it gave, and refuses commands for what takes none."""
    await bench.start()
    source = bench.source()
    promise(source.health.state == "starting", "it is `starting` before it is entered")
    async with source:
        taken = Taken(source, bench.key)
        await taken.until(lambda: taken.rows, "a first reading")
        health = source.health
        promise(health.state == "running", f"it is `running` when it gives readings, not {health.state}")
        promise(health.last_us > 0, "`last_us` tells when it last heard something")
        promise(health.sent == len(taken.all), f"`sent` is what it gave: {health.sent} of {len(taken.all)}")
        promise(health.received >= health.sent + health.discarded, "`received` covers sent and discarded")
        if not bench.writable:
            await _refuses(source, taken)


async def _refuses(source: Source, taken: Taken) -> None:
    point = next(point for point in source.points() if point.key == taken.key)
    try:
        await source.write(point, 1.0)
    except SourceError:
        return
    raise NotKeptError("a command that the device cannot take is a SourceError")


async def stops_in_time(bench: Bench) -> None:
    """It ends within seconds while it waits for its next batch."""
    await bench.start()
    source = bench.source()
    task = asyncio.create_task(_read_on(source))
    await wait_for(lambda: source.health.sent, "a first reading")
    await _ends(task)


async def _read_on(source: Source) -> None:
    async with source:
        async for batch in source.batches():
            if batch.accepted is not None:
                batch.accepted(0)


async def _ends(task: asyncio.Task[None]) -> None:
    task.cancel()
    try:
        async with asyncio.timeout(STOP_S_MAX + LATE_S):
            with suppress(asyncio.CancelledError):
                await task
    except TimeoutError as error:
        raise NotKeptError(f"it ends within {STOP_S_MAX:g} s") from error


async def waits_for_a_late_peer(bench: Bench) -> None:
    """Without its peer it waits, says why, gives nothing, ends in time; it begins when the peer comes."""
    source = bench.source()
    task = asyncio.create_task(_read_on(source))
    await wait_for(lambda: source.health.why, "the reason of its silence")
    await _ends(task)
    async with bench.source() as source:
        taken = Taken(source, bench.key)
        reading = asyncio.create_task(taken.until(lambda: taken.rows, "a first reading when the peer came"))
        await wait_for(lambda: source.health.why, "the reason of its silence")
        promise(source.health.state == "waiting", f"it is `waiting` for its peer, not {source.health.state}")
        promise(not taken.all, "it gives nothing that nobody said")
        await bench.start()
        await reading
        promise(taken.good[0] == 1, f"what the peer said comes first, not {taken.good[0]!r}")


async def outages_are_told_once(bench: Bench) -> None:
    """Each outage is told once with the last value, as stale; what changed meanwhile is read; nothing comes twice."""
    await bench.start()
    async with bench.source() as source:
        taken = Taken(source, bench.key)
        await taken.until(lambda: taken.says(1), "the first value")
        for value in (2, 3):
            await bench.change(value)
            await taken.until(lambda value=value: taken.says(value), f"a change to {value}")  # type: ignore[misc]
        for outage in (1, 2):
            await bench.stop()
            await taken.until(lambda: taken.rows[-1].stale, "the lost link as a stale value")
            promise(taken.rows[-1].value == taken.good[-1], "the stale value is the last known one")
            promise(source.health.state == "waiting", f"it is `waiting` in an outage, not {source.health.state}")
            promise(source.health.why and source.health.errors, "an outage is counted and has a reason")
            await bench.change(10 * outage)
            await bench.start()
            wanted = 10 * outage
            await taken.until(lambda wanted=wanted: taken.says(wanted), "what changed in the outage")  # type: ignore[misc]
            await bench.change(wanted + 1)
            await taken.until(lambda wanted=wanted: taken.says(wanted + 1), "changes after the outage")  # type: ignore[misc]
            told = sum(row.stale for row in taken.rows)
            promise(told == outage, f"an outage is told once, not {told} times in {outage}")
    promise(len({row[:2] for row in taken.all}) == len(taken.all), "no row stands twice")
    promise(source.health.sent == len(taken.all), "`sent` counts the stale rows too")


async def staleness_in_time(bench: Bench) -> None:
    """A lost link is told within one poll of it."""
    await bench.start()
    async with bench.source() as source:
        taken = Taken(source, bench.key)
        await taken.until(lambda: taken.says(1), "the first value")
        await bench.stop()
        took_s = await _seconds(taken.until(lambda: taken.rows[-1].stale, "the lost link as a stale value"))
    promise(took_s < bench.stale_within_s + LATE_S, f"stale within {bench.stale_within_s:g} s, not {took_s:.1f} s")


async def _seconds(waiting: Awaitable[None]) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await waiting
    return loop.time() - began


async def a_frozen_peer_is_told(bench: Bench) -> None:
    """A peer that stays connected and says nothing is told as stale, and read again when it goes on."""
    await bench.start()
    async with bench.source() as source:
        taken = Taken(source, bench.key)
        await taken.until(lambda: taken.says(1), "the first value")
        await bench.freeze()
        await taken.until(lambda: taken.rows[-1].stale, "the silent peer as a stale value")
        await bench.thaw()
        await bench.change(5)
        await taken.until(lambda: taken.says(5), "a change after the silence")


async def garbage_stays_with_its_source(bench: Bench) -> None:
    """Answers that nobody can read are counted, become no value, and the source goes on after them."""
    await bench.start()
    async with bench.source() as source:
        taken = Taken(source, bench.key)
        await taken.until(lambda: taken.says(1), "the first value")
        reading = asyncio.create_task(taken.until(lambda: taken.says(6), "a change after the garbage"))
        await bench.garble()
        await wait_for(lambda: sum(source.health.errors.values()) or reading.done(), "garbage as a counted error")
        await bench.mend()
        await bench.change(6)
        await reading
    values = {row.value for row in taken.rows if not row.quality & UNUSABLE}
    promise(values <= {1, 6}, f"garbage becomes no value: {sorted(values - {1, 6})}")


async def losses_are_counted(bench: Bench) -> None:
    """Readings that were lost before they reached it are counted as discarded, with a reason."""
    await bench.start()
    async with bench.source() as source:
        taken = Taken(source, bench.key)
        await taken.until(lambda: taken.says(1), "the first value")
        before = source.health.discarded
        reading = asyncio.create_task(_read_until_counted(taken, before))
        lost = await bench.lose()
        await reading
        counted = source.health.discarded - before
        promise(counted >= lost > 0, f"{lost} readings were lost and {counted} counted")
        promise(source.health.why or source.health.errors, "a loss has a reason")


async def _read_until_counted(taken: Taken, before: int) -> None:
    await taken.until(lambda: taken.source.health.discarded > before, "the lost readings in `discarded`")


async def memory_is_bounded(bench: Bench) -> None:
    """While the spool takes nothing, what the peer says does not pile up in memory."""
    await bench.start()
    async with bench.source() as source:
        stream = source.batches()
        async with asyncio.timeout(LATE_S * 10):
            await anext(stream)  # never accepted, and never asked for more
        tracemalloc.start()
        try:
            await bench.flood()
            await asyncio.sleep(FLOOD_WAIT_S)
            grown, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        await stream.aclose()  # type: ignore[attr-defined]
    promise(grown < MEMORY_BYTES_MAX, f"it keeps {grown >> 20} MiB while nobody reads it")


async def polls_at_its_pace(bench: Bench) -> None:
    """It asks once a period, neither more often nor in bursts after a delay."""
    await bench.start()
    async with bench.source() as source:
        taken = Taken(source, bench.key)
        await taken.until(lambda: taken.says(1), "the first value")
        loop = asyncio.get_running_loop()
        began, before = loop.time(), bench.polls()
        wanted = len(taken.rows) + POLLS_WATCHED
        await taken.until(lambda: len(taken.rows) >= wanted, f"{POLLS_WATCHED} polls")
        asked, passed_s = bench.polls() - before, loop.time() - began
    most = passed_s / bench.period_s + 2
    promise(asked <= most, f"it asked {asked} times in {passed_s:.2f} s, every {bench.period_s:g} s is {most:.0f}")


CHECKS = {
    "start": Check("starts, counts, refuses what cannot be done", None, starts_and_counts),
    "stop": Check("stops in time", None, stops_in_time),
    "late-peer": Check("waits for a late peer and says why", "leaves", waits_for_a_late_peer),
    "outage": Check("tells an outage once, re-reads, doubles nothing", "leaves", outages_are_told_once),
    "stale": Check("tells a lost link within a poll", "leaves", staleness_in_time),
    "frozen-peer": Check("tells a peer that went silent", "freezes", a_frozen_peer_is_told),
    "garbage": Check("lives through what nobody can read", "garbles", garbage_stays_with_its_source),
    "losses": Check("counts what was lost before it", "loses", losses_are_counted),
    "memory": Check("keeps its memory bounded", "floods", memory_is_bounded),
    "pace": Check("polls at its pace", "polled", polls_at_its_pace),
}
