"""Ending tasks for certain: a library may swallow a cancellation, so one that was told once is told again."""

import asyncio
from collections.abc import Collection
from typing import Any, Final

__all__ = ["cancel"]

AGAIN_S: Final = 0.4  # time for a source to close its connections in peace


async def cancel(tasks: Collection[asyncio.Task[Any]], within_s: float, again_s: float = AGAIN_S) -> None:
    """Cancel `tasks`, every `again_s` anew, until all are done or `within_s` is over. Their outcome is left to them."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + within_s
    left = {task for task in tasks if not task.done()}
    while left and (wait_s := end_s - loop.time()) > 0:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=min(again_s, wait_s))
