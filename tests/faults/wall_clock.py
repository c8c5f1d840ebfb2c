"""Where there is no C compiler: the same for a Python process, as its `sitecustomize`."""

import os
import struct
import time
from pathlib import Path


def shift() -> None:
    """Add the offset to `time.time` and `time.time_ns`, under everything else that this process imports."""
    file, seconds, nanoseconds = Path(os.environ["WALL_CLOCK_OFFSET"]), time.time, time.time_ns

    def offset_s() -> int:
        found: int = struct.unpack("=q", file.read_bytes())[0]
        return found

    time.time = lambda: seconds() + offset_s()
    time.time_ns = lambda: nanoseconds() + offset_s() * 1_000_000_000


shift()
