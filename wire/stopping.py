"""How a process of ours ends: when it is told to, within a bound, and never later than the one that started it."""

import ctypes
import faulthandler
import os
import signal
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio

__all__ = ["STOP_S_MAX", "die_with_parent", "stop_on_signals"]

STOP_S_MAX: Final = 6.0  # all that is accepted is on disk by then; a supervisor's patience is often 10 s
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def stop_on_signals(stop: "asyncio.Event", within_s: float = STOP_S_MAX) -> None:
    """Set `stop` at SIGINT or SIGTERM. A process that is not gone `within_s` later says where each thread stands on
    standard error and exits with status 1: one stuck thread must not keep a gateway from restarting.

    For the main coroutine of a process; what runs afterwards shares the bound.
    """
    import asyncio  # a fortieth of a second that children without a loop need not pay

    loop = asyncio.get_running_loop()

    def told() -> None:
        if not stop.is_set():
            faulthandler.dump_traceback_later(within_s, exit=True)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told)


def die_with_parent(number: int = signal.SIGTERM, parent: int | None = None) -> None:
    """On Linux the kernel sends this process `number` when its parent dies, even by kill -9.

    With `parent`, the pid that started it, a parent that died before this call is noticed too. Called in the child,
    or as `preexec_fn`.
    """
    if _LIBC is None:
        return
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(number))
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), number)
