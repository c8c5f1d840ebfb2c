"""Files of the twin, asked for in parts: one question on its way at a time, whoever asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from wire.messages import Fetch, FilePart

__all__ = ["FileParts"]

ANSWER_S: Final = 10.0  # a part of 128 KiB over the worst radio link takes five
ASKS_MAX: Final = 4


class FileParts:
    """`ask` publishes a question, `part` takes what the twin says; what was not asked for is dropped."""

    def __init__(self, ask: Callable[[Fetch], None]) -> None:
        self._ask = ask
        self._turn = asyncio.Lock()
        self._asked: tuple[str, int] | None = None
        self._answer: asyncio.Future[FilePart] | None = None

    def part(self, part: FilePart) -> None:
        """A part of a file."""
        if self._asked == (part.name, part.offset) and self._answer is not None and not self._answer.done():
            self._answer.set_result(part)

    async def take(self, name: str, offset: int) -> FilePart:
        """Ask until the part is here; TimeoutError when the twin does not answer."""
        async with self._turn:
            self._asked = (name, offset)
            self._answer = asyncio.get_running_loop().create_future()
            try:
                for _ in range(ASKS_MAX):
                    self._ask(Fetch(name, offset))
                    try:
                        async with asyncio.timeout(ANSWER_S):
                            return await asyncio.shield(self._answer)
                    except TimeoutError:
                        continue
                raise TimeoutError(f"the twin does not send {name}")
            finally:
                self._asked = self._answer = None

    async def whole(self, name: str, bytes_max: int) -> bytes | None:
        """A small file; None when the twin has none of that name, ValueError when it does not end."""
        data = b""
        while True:
            part = await self.take(name, len(data))
            if part.total < 0:
                return None
            data += part.data
            if len(data) >= part.total or not part.data:
                return data
            if len(data) > bytes_max:
                raise ValueError(f"{name} does not end")
