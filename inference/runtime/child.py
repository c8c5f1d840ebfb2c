"""The process that scores: reads frames on standard input, answers on standard output. It may die; its parent may not.

One thread, the lowest priority, a bound on its memory. The state is written whole (temporary and rename) when asked
and at the end of input, so a successor goes on where it stopped.
"""

import contextlib
import os
import resource
import sys
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from inference.runtime.answers import SCORES
from inference.runtime.frames import (
    Feedback,
    ModelFile,
    Open,
    Order,
    Push,
    Said,
    Tick,
    Watch,
    frame,
    read_frame,
    readings_of,
)
from inference.runtime.scorer import Scorer
from inference.runtime.trained import Model
from wire.errors import Aid4Error
from wire.stopping import die_with_parent

__all__ = ["main", "serve"]

ADDRESS_BYTES_MAX = (
    3 << 30
)  # Arrow and onnxruntime reserve far more than they touch; the parent watches what is touched
_NICENESS = 10
_PROBLEM_CHARS = 300


def main() -> None:
    """Serve until standard input ends."""
    die_with_parent()
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_BYTES_MAX, ADDRESS_BYTES_MAX))
    with contextlib.suppress(OSError):  # only Linux has it; then the kernel takes this process first
        Path("/proc/self/oom_score_adj").write_text("1000")
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no frame
    serve(sys.stdin.buffer, out)


def serve(source: BinaryIO, out: BinaryIO) -> None:
    """The child's whole life over two streams."""
    first = read_frame(source)
    if first is None:
        return
    child = _Child(msgspec.json.decode(first, type=Open))
    _send(out, Said(scored_us=child.scored_us, problems=child.take_problems(), rss_bytes=_rss_bytes()))
    while (body := read_frame(source)) is not None:
        order = msgspec.json.decode(body, type=Order)
        match order:
            case Push():
                batch = read_frame(source)
                if batch is None:
                    break
                child.push(batch, order.arrived_us)
            case Tick():
                for answer in child.tick(order):
                    _send(out, answer)
            case Watch():
                child.watch(order)
            case Feedback():
                child.scorer.feedback(order.keys, order.accepted)
            case Open():
                raise Aid4Error("opened twice")
    child.save()


class _Child:
    def __init__(self, told: Open) -> None:
        self.scorer = Scorer(told.settings)
        self._state, self._problems = Path(told.state), list[str]()
        self._files: list[ModelFile] = []
        self._models: dict[ModelFile, Model] = {}
        self.scored_us: int | None = None
        if self._state.exists():
            try:
                self.scored_us = self.scorer.restore(self._state.read_bytes())
            except (Aid4Error, OSError) as error:
                self.scorer = Scorer(told.settings)
                self._problems.append(f"the state was left alone: {error}"[:_PROBLEM_CHARS])
                with contextlib.suppress(OSError):
                    self._state.rename(self._state.with_name(self._state.name + ".refused"))

    def take_problems(self) -> list[str]:
        found, self._problems = self._problems, []
        return found

    def push(self, body: bytes, arrived_us: int | None) -> None:
        batch = readings_of(body)
        ts_us = batch["ts"].view("int64").to_numpy(zero_copy_only=False)
        point, value, quality = (batch[name].to_numpy(zero_copy_only=False) for name in ("point", "value", "quality"))
        self.scorer.push(ts_us, point, value, quality, arrived_us)

    def watch(self, order: Watch) -> None:
        try:
            self.scorer.watch(order.streams)
        except Aid4Error as error:
            self._problems.append(str(error)[:_PROBLEM_CHARS])
        if order.links is not None:
            self.scorer.link(order.links)
        if order.models is not None and order.models != self._files:
            self._files = order.models
            self._load()

    def tick(self, order: Tick) -> list[Any]:
        table = self.scorer.tick(order.now_us, facts=order.facts)
        if order.save:
            self.save()
        said = Said(
            scored_us=self.scorer.scored_us, events=self.scorer.events(), figures=self.scorer.figures,
            rss_bytes=_rss_bytes(), table=table.num_rows > 0, problems=self.take_problems(),
        )  # fmt: skip
        if not said.table:
            return [said]
        [batch] = table.combine_chunks().to_batches() or [SCORES.empty_table()]
        return [said, batch]

    def save(self) -> None:
        try:
            self._state.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._state.with_name(self._state.name + ".new")
            fresh.write_bytes(self.scorer.save())
            fresh.replace(self._state)
        except OSError as error:  # a full disk costs what was learned since, not the scores
            self._problems.append(f"the state cannot be written: {error}"[:_PROBLEM_CHARS])

    def _load(self) -> None:
        """The models in force; one that cannot run is left out and told."""
        loaded: dict[ModelFile, Model] = {}
        for file in self._files:
            try:
                data = self._models.get(file) or Model(
                    Path(file.path).read_bytes(), name=file.id, version=file.version, mode=file.mode
                )
            except ImportError:
                self._problems.append(f"{file.id}: no onnxruntime here; install aid4[inference]")
            except (Aid4Error, OSError) as error:
                self._problems.append(f"{file.id}: {error}"[:_PROBLEM_CHARS])
            else:
                loaded[file] = data
        self._models = loaded
        self.scorer.use(loaded.values())


def _send(out: BinaryIO, body: Any) -> None:
    out.write(frame(body))
    out.flush()


def _rss_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


if __name__ == "__main__":
    main()
