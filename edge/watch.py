"""`aid4 edge status --watch`: how the agent does, renewed each second, on a plain terminal.

`frame` is the picture as lines; `watch` shows it on the terminal's other screen until q or Ctrl-C, and gives the
terminal back as it was. What devices and brokers say is shown without control characters.
"""

import os
import select
import shutil
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import click

from wire.errors import UserError
from wire.limits import HEALTH_PERIOD_S
from wire.messages import Health, SourceFigures

__all__ = ["Rates", "frame", "watch"]

PERIOD_S: Final = 1.0
STALE_S: Final = 2.5 * HEALTH_PERIOD_S  # an agent that runs renews its status each period
_ORDER: Final = ("failed", "waiting", "starting", "running", "ended")
_COLOURS: Final = {"failed": "red", "waiting": "yellow", "starting": "cyan", "running": "green", "ended": "white"}
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _LINE_END, _BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


class Line(NamedTuple):
    """Text before it is cut to the width, and how it looks."""

    text: str
    style: Mapping[str, Any] = MappingProxyType({})


class Rates:
    """Readings a second by source, from the last two statuses that differ."""

    def __init__(self) -> None:
        self._before: Health | None = None
        self._rates: dict[str, float] = {}

    def take(self, health: Health) -> dict[str, float]:
        """Those of the newest status; empty until there were two."""
        before = self._before
        if before is None or health.ts_us > before.ts_us:
            if before is not None:
                seconds = (health.ts_us - before.ts_us) / 1e6
                self._rates = {
                    name: max(0, figures.received - before.sources[name].received) / seconds
                    for name, figures in health.sources.items()
                    if name in before.sources
                }
            self._before = health
        return self._rates


def frame(
    name: str, health: Health | None, now_us: int, rates: dict[str, float], *, width: int, height: int
) -> list[str]:
    """Lines with their colours, at most `height` of at most `width` characters."""
    lines = list(_lines(name, health, now_us, rates))
    room = max(1, height - 1)
    if len(lines) > room:
        left = len(lines) - room + 1
        lines = [*lines[: room - 1], Line(f"… {left} more lines: make the window higher", {"dim": True})]
    lines.append(Line("q quits", {"dim": True}))
    return [click.style(_cut(line.text, width), **line.style) for line in lines[:height]]


def watch(name: str, read: Callable[[], Health | None]) -> None:
    """Show it until q or Ctrl-C. Raises UserError where there is no terminal."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UserError("needs a terminal", field="--watch", fix="leave it out, or use --json")
    rates = Rates()
    with _terminal() as keys:
        while True:
            health = read()
            size = shutil.get_terminal_size()  # 80 by 24 where a serial console does not know its size
            known = rates.take(health) if health is not None else {}
            shown = frame(name, health, time.time_ns() // 1_000, known, width=size.columns, height=size.lines)
            sys.stdout.write(_HOME + "\r\n".join(line + _LINE_END for line in shown) + _BELOW)
            sys.stdout.flush()
            if _wants_out(keys):
                return


def _lines(name: str, health: Health | None, now_us: int, rates: dict[str, float]) -> Iterator[Line]:
    clock = time.strftime("%H:%M:%S UTC", time.gmtime(now_us / 1e6))
    if health is None:
        yield Line(f"{name}  {clock}", {"bold": True})
        yield Line("no agent has left a status yet: start it with `aid4 edge run`", {"fg": "yellow"})
        return
    age_s = max(0.0, (now_us - health.ts_us) / 1e6)
    state = f"as of {age_s:.0f} s ago" if age_s < STALE_S else f"STOPPED, or stuck: last heard {_ago(age_s)} ago"
    yield Line(f"{name}  {clock}  {state}", {"bold": True, "fg": None if age_s < STALE_S else "red"})
    yield from _agent(health, now_us)
    yield Line("")
    yield from _sources(health, now_us, rates)


def _agent(health: Health, now_us: int) -> Iterator[Line]:
    spool, uplink, host = health.spool, health.uplink, health.host
    link = "connected" if uplink.connected else f"not connected: {host.get('link_error', 'no attempt yet')}"
    if uplink.last_ack_us:
        link += f", the twin took something {_ago((now_us - uplink.last_ack_us) / 1e6)} ago"
    yield Line(f"broker   {link}", {"fg": "green" if uplink.connected else "red"})
    waits = f"{spool.pending_records} records ({spool.pending_bytes / 1e6:.1f} MB) wait for the twin"
    if spool.oldest_pending_us:
        waits += f", the oldest {_ago((now_us - spool.oldest_pending_us) / 1e6)}"
    disk = f"{spool.bytes / 1e6:.1f} MB on disk, {spool.free_bytes / 1e9:.1f} GB free"
    lost = f", {spool.refused} refused, {spool.thinned} thinned" if spool.refused or spool.thinned else ""
    yield Line(f"spool    {waits}; {disk}{lost}", {"fg": "yellow"} if lost else {})
    cpu, rss = float(host.get("cpu_ratio", 0)), float(host.get("rss_bytes", 0))
    yield Line(f"agent    {cpu:.0%} of a core, {rss / 1e6:.0f} MB, {host.get('points', 0)} points")
    for note in ("refused_by_twin", "why_refused", "disk_error", "certificate_problem", "notes"):
        if host.get(note):
            yield Line(f"note     {note.replace('_', ' ')}: {host[note]}", {"fg": "yellow"})


def _sources(health: Health, now_us: int, rates: dict[str, float]) -> Iterator[Line]:
    """In trouble first, then by name."""

    def rank(item: tuple[str, SourceFigures]) -> tuple[int, str]:
        state = item[1].state
        return _ORDER.index(state) if state in _ORDER else 0, item[0]

    wide = max([8, *map(len, health.sources)])
    head = f"{'source':<{wide}}  {'kind':<10} {'state':<8} {'per s':>8} {'received':>12} {'errors':>7}  last"
    yield Line(head, {"bold": True})
    for name, one in sorted(health.sources.items(), key=rank):
        rate = f"{rates[name]:.1f}" if name in rates else "–"
        last = f"{_ago((now_us - one.last_us) / 1e6)} ago" if one.last_us else "never"
        row = (
            f"{name:<{wide}}  {one.kind:<10} {one.state:<8} {rate:>8} {one.received:>12} {sum(one.errors.values()):>7}"
        )
        troubled = one.state == "running" and bool(one.why)
        yield Line(f"{row}  {last}", {"fg": "yellow" if troubled else _COLOURS.get(one.state, "red")})
        if one.why:
            yield Line(f"{'':<{wide}}  {one.why}", {"dim": True})


def _ago(seconds: float) -> str:
    seconds = max(0.0, seconds)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6_000 else f"{seconds / 3_600:.0f} h"


def _cut(text: str, width: int) -> str:
    clean = "".join(letter if letter.isprintable() else "·" for letter in text)
    return clean if len(clean) <= width else clean[: max(0, width - 1)] + "…"


@contextmanager
def _terminal() -> Iterator[int]:
    """The other screen, keys without Enter; everything as before at the end, also after SIGTERM."""
    keys = sys.stdin.fileno()
    before = termios.tcgetattr(keys)
    ended = signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        tty.setcbreak(keys)
        sys.stdout.write(_ENTER)
        yield keys
    except KeyboardInterrupt:
        pass  # the way out that everybody knows
    finally:
        signal.signal(signal.SIGTERM, ended)
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()
        termios.tcsetattr(keys, termios.TCSADRAIN, before)


def _wants_out(keys: int) -> bool:
    """Wait for the next picture; whether somebody pressed q or closed the terminal meanwhile."""
    until_s = time.monotonic() + PERIOD_S
    while (left_s := until_s - time.monotonic()) > 0:
        if select.select([keys], [], [], left_s)[0]:
            pressed = os.read(keys, 64)
            if not pressed or b"q" in pressed.lower():
                return True
    return False
