"""What systemd is told by a process that it started: READY=1, STOPPING=1, WATCHDOG=1 (sd_notify(3), Type=notify).

One datagram to the socket that NOTIFY_SOCKET names; without it, as on a machine without systemd, nothing happens.
"""

import asyncio
import os
import socket
from contextlib import suppress

__all__ = ["keep_watchdog", "notify", "watchdog_s"]


def notify(state: str) -> bool:
    """Tell the supervisor; whether it was told. Lines such as `READY=1\\nSTATUS=two sources`. Never raises OSError."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in {"/", "@"}:
        return False
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
        to.setblocking(False)  # a supervisor that does not read must not hold us up
        to.sendto(state.encode(), address.replace("@", "\0", 1))
        return True
    return False


def watchdog_s() -> float | None:
    """How often the supervisor wants to hear from this process; None when it does not, or asks another one."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    told = os.environ.get("WATCHDOG_USEC", "")
    return int(told) / 1e6 if told.isascii() and told.isdigit() and int(told) else None


async def keep_watchdog() -> None:
    """Tell twice a period that this event loop runs, until cancelled: a loop that is stuck falls silent."""
    period_s = watchdog_s()
    while period_s is not None:
        notify("WATCHDOG=1")
        await asyncio.sleep(period_s / 2)
