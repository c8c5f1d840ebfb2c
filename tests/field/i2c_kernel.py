"""An I²C adapter without a kernel: it answers the two ioctl calls of i2c-dev that smbus2 makes, message by message.

Its node is an empty file, so that opening it is real. A chip is anything with `write(data)` and `read(count)`; at an
address where none is, the call ends with EREMOTEIO, as on a bus where nobody acknowledges.
"""

import errno
from pathlib import Path
from typing import Any, Protocol

from smbus2 import smbus2

_READ = 0x0001  # I2C_M_RD


class Chip(Protocol):
    """What is on the bus."""

    def write(self, data: bytes) -> None: ...
    def read(self, count: int) -> bytes: ...


class Registers:
    """A chip whose first written byte names a register; further ones go into it."""

    def __init__(self, registers: dict[int, bytes]) -> None:
        self.registers, self.written, self._at = registers, list[bytes](), 0

    def write(self, data: bytes) -> None:
        self._at = data[0]
        if len(data) > 1:
            self.written.append(data)

    def read(self, count: int) -> bytes:
        return self.registers[self._at][:count].ljust(count, b"\xff")


class I2cKernel:
    """One adapter at `path` with chips by their address."""

    def __init__(self, path: Path, chips: dict[int, Chip]) -> None:
        self.path, self.chips, self.transfers = path, chips, 0

    def install(self, patch: Any = None) -> None:
        """In the place of the kernel: for the time of a test, or for good."""
        if patch is None:
            vars(smbus2)["ioctl"] = self.ioctl
        else:
            patch.setattr(smbus2, "ioctl", self.ioctl)

    def plug(self) -> None:
        self.path.touch()

    def pull(self) -> None:
        self.path.unlink(missing_ok=True)

    def ioctl(self, fd: int, call: int, data: Any) -> int:
        if not self.path.exists():
            raise OSError(errno.ENODEV, "No such device")
        if call == smbus2.I2C_FUNCS:
            data.value = 0x0EFF0001
            return 0
        assert call == smbus2.I2C_RDWR
        self.transfers += 1
        for number in range(data.nmsgs):
            message = data.msgs[number]
            chip = self.chips.get(message.addr)
            if chip is None:
                raise OSError(errno.EREMOTEIO, "Remote I/O error")
            if message.flags & _READ:
                for at, byte in enumerate(chip.read(message.len)):
                    message.buf[at] = byte
            else:
                chip.write(bytes(message.buf[at][0] for at in range(message.len)))
        return 0
