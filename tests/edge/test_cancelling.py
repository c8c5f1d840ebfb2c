"""A task ends although a library in it swallows the first cancellation."""

import asyncio
import contextlib

from edge.cancelling import cancel


async def test_a_swallowed_cancellation_is_told_again() -> None:
    swallowed = 0

    async def deaf_once() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if swallowed:
                    raise
                swallowed += 1

    task = asyncio.create_task(deaf_once())
    await asyncio.sleep(0)
    await cancel([task], within_s=30)
    assert (task.cancelled(), swallowed) == (True, 1)


async def test_a_task_that_never_ends_costs_no_more_than_its_time() -> None:
    heard = 0

    async def deaf() -> None:
        nonlocal heard
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
            if heard == -1:
                return
            heard += 1

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    await cancel([task], within_s=0.5)
    assert not task.done()
    assert heard == 2
    heard = -1
    task.cancel()
    await task
