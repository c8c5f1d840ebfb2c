"""The cascade of geometry kernels: what one loses, crashes or hangs on, the next one gets.

Each kernel runs in a forked worker over all elements that are still without a mesh. A worker that dies or hangs is
followed by another over what it had left; the element that kills it is isolated by trying one, then two, then four,
and is left to the next kernel with its reason. Nothing is dropped: every element ends in `found` or in `lost`.
"""

import json
import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bim.damage import READ_ERRORS, text
from bim.errors import SPLIT, ModelError
from bim.tiles.limits import TileLimits
from bim.tiles.spool import Entry, Spool
from bim.tiles.trust import KERNELS, Kernel
from bim.tiles.worker import LOG_FILE, ORDER_FILE, run_kernel
from wire.stopping import die_with_parent

__all__ = ["Cascade", "Found", "Tell"]

Tell = Callable[[int, int], None]  # elements done, elements wanted
_LOOK_S = 0.25  # how often a running worker is looked at
_NO_SURFACE = "no kernel finds a surface in its representation"
_EXIT_FAILED, _EXIT_MEMORY = 1, 12


@dataclass(frozen=True, slots=True)
class Found:
    """A mesh in the spool, and which kernel made it."""

    entry: Entry
    kernel: str


@dataclass
class Cascade:
    """Runs the kernels over the products of one open file."""

    model: Any
    products: dict[int, Any]  # by instance number
    spool: Spool
    work_dir: Path
    limits: TileLimits
    tell: Tell
    kernels: tuple[Kernel, ...] = KERNELS
    found: dict[int, Found] = field(default_factory=dict)
    lost: dict[int, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    _reasons: dict[int, list[str]] = field(default_factory=dict)
    _triangles: int = 0

    def run(self, deadline: float) -> None:
        """Fill `found` and `lost`; `deadline` is on the monotonic clock. Raises ModelError beyond a bound."""
        self._reasons = {step: [] for step in self.products}
        for kernel in self.kernels:
            if not kernel.suits(self.model):
                continue
            waiting = [step for step in self.products if step not in self.found]
            self._one_kernel(kernel, [step for step in waiting if not kernel.errs_on(self.products[step])], deadline)
        self.lost = {
            step: "; ".join(dict.fromkeys(self._reasons[step])) or f"{_NO_SURFACE}: {_kinds(product)}"
            for step, product in self.products.items()
            if step not in self.found
        }

    def _one_kernel(self, kernel: Kernel, waiting: list[int], deadline: float) -> None:
        """Run a kernel over `waiting`; isolate what it crashes on."""
        failures, share, tasks = 0, len(waiting), dict[int, int]()
        while waiting:
            if failures >= self.limits.attempts or time.monotonic() > deadline:
                why = "the time was over" if failures < self.limits.attempts else f"it had failed {failures} times"
                self.warnings.append(f"{kernel.name} left {len(waiting)} elements untried: {why}")
                self._note(waiting, f"{kernel.name}: not tried, {why}")
                return
            part, rest = waiting[:share], waiting[share:]
            failure = self._one_run(kernel, part, deadline)
            self._note_complaints(kernel.name, part)
            if not failure:
                waiting, share = rest, 2 * share
                continue
            failures += 1
            order = self._order()
            tasks = tasks or order
            left = sorted((step for step in part if step not in self.found), key=lambda step: order.get(step, -1))
            if len(part) > 1:
                waiting, share = left + rest, 1
                continue
            culprits = {step for step in rest if part[0] in tasks and tasks.get(step) == tasks[part[0]]} | set(left)
            self._note(culprits, f"{kernel.name}: {failure}")
            waiting = [step for step in rest if step not in culprits]
            share = len(waiting)

    def _one_run(self, kernel: Kernel, part: list[int], deadline: float) -> str:
        """Fork a worker over `part` and watch it; why it failed, "" when it did not."""
        for name in (ORDER_FILE, LOG_FILE):
            (self.work_dir / name).unlink(missing_ok=True)
        fd = self.spool.writer()
        child = os.fork()
        if child == 0:
            self._work(kernel, part, fd)
        os.close(fd)
        patience_s = self.limits.element_s * kernel.patience
        try:
            status, hung = self._watch(child, kernel.name, patience_s, deadline)
        finally:
            self._take(kernel.name)
        return self._failure(status, hung, patience_s)

    def _work(self, kernel: Kernel, part: list[int], fd: int) -> None:
        """The worker's whole life; never returns."""
        status = _EXIT_FAILED
        try:
            die_with_parent(signal.SIGKILL)
            run_kernel(self.model, kernel, [self.products[step] for step in part], fd, self.work_dir)
            status = 0
        except MemoryError:
            status = _EXIT_MEMORY
        except Exception as error:  # noqa: BLE001  (whatever it is, the supervisor reads it and goes on)
            (self.work_dir / LOG_FILE).write_text(json.dumps({"": f"{type(error).__name__}: {error}"}))
        finally:
            os._exit(status)

    def _watch(self, child: int, kernel: str, patience_s: float, deadline: float) -> tuple[int, bool]:
        """Wait status of a worker, and whether it was killed because nothing came from it."""
        handle = os.pidfd_open(child)
        size, grew = -1, time.monotonic()
        hung, over = False, False
        try:
            while not select.select([handle], [], [], _LOOK_S)[0]:
                now = time.monotonic()
                if self.spool.size() != size:
                    size, grew = self.spool.size(), now
                    self._take(kernel)
                hung = now - grew > patience_s
                if hung or now > deadline:
                    break
        finally:
            over = hung or not select.select([handle], [], [], 0)[0]
            if over:
                os.kill(child, signal.SIGKILL)
            os.close(handle)
            _, status = os.waitpid(child, 0)
        return status, over

    def _take(self, kernel: str) -> None:
        """Count what has come into the spool."""
        for entry in self.spool.new_entries():
            if entry.step in self.products and entry.step not in self.found:
                self.found[entry.step] = Found(entry, kernel)
                self._triangles += entry.triangles
        if self._triangles > self.limits.triangles:
            problem = f"it has more than {self.limits.triangles} triangles"
            raise ModelError("too_big", problem, file="", fix=SPLIT)
        self.tell(len(self.found), len(self.products))

    def _failure(self, status: int, hung: bool, patience_s: float) -> str:
        code = os.waitstatus_to_exitcode(status)
        if hung:
            return f"it gave nothing for {patience_s:g} s"
        if code == -signal.SIGXCPU:
            return "it ran out of processor time"
        if code == _EXIT_MEMORY:
            return "it ran out of memory"
        if code < 0:
            return f"it crashed ({signal.Signals(-code).name})"
        return f"it failed: {self._log().get('', 'for no stated reason')}" if code else ""

    def _order(self) -> dict[int, int]:
        """Which task of the kernel each element belongs to, in the order they are worked on."""
        try:
            pairs = np.fromfile(self.work_dir / ORDER_FILE, np.uint32).reshape(-1, 2).tolist()
        except (OSError, ValueError):
            return {}
        tasks: dict[int, int] = {}
        for task, step in pairs:
            tasks.setdefault(step, task)
        return tasks

    def _note(self, steps: "list[int] | set[int]", reason: str) -> None:
        for step in steps:
            self._reasons[step].append(reason)

    def _note_complaints(self, kernel: str, part: list[int]) -> None:
        """What the kernel said about elements that it made nothing of."""
        log = self._log()
        for step in part if log else ():
            if step not in self.found:
                try:
                    complaint = log.get(text(self.products[step].GlobalId))
                except READ_ERRORS:
                    complaint = None
                if complaint:
                    self._reasons[step].append(f"{kernel}: {complaint}")

    def _log(self) -> dict[str, str]:
        try:
            found: dict[str, str] = json.loads((self.work_dir / LOG_FILE).read_bytes())
        except (OSError, ValueError):
            return {}
        return found


def _kinds(product: Any) -> str:
    """Names and kinds of an element's representations, e.g. Annotation (Annotation2D)."""
    try:
        parts = product.Representation.Representations
        return text(", ".join(f"{part.RepresentationIdentifier} ({part.RepresentationType})" for part in parts))
    except READ_ERRORS:
        return "it cannot be read"
