"""A GPIO chip without a kernel: it stands where `gpiod.request_lines` does, and speaks in gpiod's own types.

What it keeps to is the kernel's uAPI as documented: changes wait in a queue of the asked size, from which the oldest
are dropped; each change has its line's number, whether it was dropped or not; the time is that of the monotonic clock;
a chip that is pulled out makes the descriptor readable and every call an ENODEV.
"""

import errno
import os
import time
from collections import deque
from typing import Any

import gpiod
from gpiod.line import Direction, Edge, Value

RISING, FALLING = 1, 2


class GpioChip:
    """A chip of `names`; line n is the n-th. `install` puts it in the place of the library's request."""

    def __init__(self, path: str, names: tuple[str, ...] = ()) -> None:
        self.path, self.names = path, names
        self.is_there = True
        self.levels = [False] * 32
        self.request: Request | None = None

    def install(self, patch: Any) -> None:
        """For as long as a test lasts."""
        patch.setattr(gpiod, "request_lines", self.open)

    def open(self, path: str, config: Any, consumer: str, event_buffer_size: int) -> "Request":
        """What gpiod.request_lines does."""
        if path != self.path or not self.is_there:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        if self.request is not None and not self.request.is_released:
            raise OSError(errno.EBUSY, "Device or resource busy")
        offsets = {line: self._offset(line) for line in config}
        self.request = Request(self, offsets, config, event_buffer_size)
        return self.request

    def _offset(self, line: int | str) -> int:
        if isinstance(line, int):
            return line
        if line not in self.names:
            raise ValueError(f"unknown line: {line}")
        return self.names.index(line)

    def drive(self, line: int, level: bool) -> None:
        """A wire from outside gets this level."""
        if self.levels[line] != level:
            self.levels[line] = level
            if self.request is not None and not self.request.is_released:
                self.request.note(line, level)

    def pulse(self, line: int, count: int = 1) -> None:
        """Up and down again."""
        for _ in range(count):
            self.drive(line, True)
            self.drive(line, False)

    def pull(self) -> None:
        """Out of its socket."""
        self.is_there = False
        if self.request is not None and not self.request.is_released:
            os.write(self.request.bell[1], b"!")

    def plug(self) -> None:
        """In again: all requests of before are gone."""
        self.is_there, self.request = True, None


class Request:
    """The part of gpiod.LineRequest that is used."""

    def __init__(self, chip: GpioChip, offsets: dict[int | str, int], config: Any, size: int) -> None:
        self.chip, self.is_released = chip, False
        self.lines, self.offsets = list(offsets), list(offsets.values())
        self._settings = {offsets[line]: settings for line, settings in config.items()}
        self._waiting: deque[gpiod.EdgeEvent] = deque(maxlen=size)
        self._numbers: dict[int, int] = {}
        self.bell = os.pipe()
        os.set_blocking(self.bell[0], False)
        for offset, settings in self._settings.items():
            if settings.direction is Direction.OUTPUT:
                chip.levels[offset] = (settings.output_value is Value.ACTIVE) != settings.active_low

    @property
    def fd(self) -> int:
        return self.bell[0]

    def note(self, line: int, level: bool) -> None:
        settings = self._settings.get(line)
        if settings is None or settings.edge_detection not in ((Edge.RISING, Edge.BOTH) if level else (Edge.BOTH,)):
            return
        self._numbers[line] = number = self._numbers.get(line, 0) + 1
        kind = RISING if level != settings.active_low else FALLING
        self._waiting.append(gpiod.EdgeEvent(kind, time.monotonic_ns(), line, sum(self._numbers.values()), number))
        if len(self._waiting) == 1:
            os.write(self.bell[1], b"!")

    def wait_edge_events(self, _: object) -> bool:
        self._alive()
        return bool(self._waiting)

    def read_edge_events(self, most: int) -> list[gpiod.EdgeEvent]:
        self._alive()
        taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        os.read(self.bell[0], 64)
        if self._waiting:
            os.write(self.bell[1], b"!")
        return taken

    def get_values(self, lines: list[int]) -> list[Value]:
        self._alive()
        return [
            Value.ACTIVE if self.chip.levels[line] != self._settings[line].active_low else Value.INACTIVE
            for line in lines
        ]

    def set_value(self, line: int, value: Value) -> None:
        self._alive()
        self.chip.levels[line] = (value is Value.ACTIVE) != self._settings[line].active_low

    def release(self) -> None:
        self.is_released = True
        for end in self.bell:
            os.close(end)

    def _alive(self) -> None:
        if not self.chip.is_there:
            raise OSError(errno.ENODEV, "No such device")
