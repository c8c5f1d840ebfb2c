"""The layer that a twin laid over the gateway's own configuration, as it lies on the disk. Pure steps over one file.

One file holds what runs, what ran before, the trial and what was judged, and is replaced as a whole: at any moment the
plug may be pulled, and what is there then starts. A layer on trial has so many starts; then the one before comes back.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from wire.limits import CONFIG_BYTES_MAX
from wire.messages import ConfigWanted, SectionFigures
from wire.private_files import write_private

__all__ = ["LOCAL_PARTS", "Kept", "Layer", "Trial", "lay_over", "read_kept", "remote_parts", "write_kept"]

LOCAL_PARTS: Final = ("site", "node", "broker", "spool", "models")  # who it is and whom it trusts; never from afar
STARTS_MAX: Final = 3  # of a trial: the first, and two after a power cut
FILE: Final = "config-layer.json"
_FILE_BYTES_MAX: Final = 8 * CONFIG_BYTES_MAX
_TEXT_CHARS_MAX: Final = 1_000
_SAID_MAX: Final = 5  # sources in one sentence


class Layer(msgspec.Struct, frozen=True):
    """One text with its secrets; the empty one is the gateway's own file alone. `sha256` is of the text as it came."""

    revision: int = 0
    sha256: str = ""
    text: str = ""


class Trial(msgspec.Struct, frozen=True):
    """What has to hold for so long: the twin is heard, and these sources, which spoke before, yield values.

    `fresh` are the others that the layer brings or changes; silent, they fail the trial only when it is strict.
    """

    seconds: float
    watched: list[str] = []
    starts: int = 0
    fresh: list[str] = []
    strict: bool = False


class Kept(msgspec.Struct, frozen=True):
    """All that is remembered; `silent` are fresh sources that have never spoken. Every method returns what is to be
    written next."""

    running: Layer = Layer()
    before: Layer = Layer()
    trial: Trial | None = None
    figures: SectionFigures = SectionFigures()
    silent: list[str] = []

    def is_news(self, wanted: ConfigWanted) -> bool:
        """Whether this revision was not judged yet; during a trial there is no other."""
        return self.trial is None and wanted.revision > self.figures.judged

    def renamed(self, wanted: ConfigWanted, now_us: int) -> Kept:
        """The text that runs, under a later revision: nothing has to be tried. What went wrong before stays told."""
        running = msgspec.structs.replace(self.running, revision=wanted.revision)
        told = self.figures
        figures = _figures(running, wanted.revision, "running", now_us, told.problem, told.field, told.fix)
        return Kept(running, self.before, None, figures, self.silent)

    def tried(
        self, wanted: ConfigWanted, text: str, watched: list[str], now_us: int, fresh: Sequence[str] = ()
    ) -> Kept:
        """From now on it runs, on trial. `text` has its secrets."""
        layer = Layer(wanted.revision, wanted.sha256, text)
        trial = Trial(wanted.trial_s, watched, fresh=list(fresh), strict=wanted.strict)
        return Kept(layer, self.running, trial, _figures(layer, wanted.revision, "trying", now_us))

    def started(self, now_us: int) -> Kept:
        """An agent begins: of a layer on trial that counts, and one that did not hold goes."""
        if self.trial is None:
            return self
        if self.trial.starts >= STARTS_MAX:
            why = f"the agent started {self.trial.starts} times with it and did not hold out"
            return self.rolled_back(why, now_us)
        trial = msgspec.structs.replace(self.trial, starts=self.trial.starts + 1)
        return msgspec.structs.replace(self, trial=trial)

    def confirmed(self, now_us: int, silent: Sequence[str] = ()) -> Kept:
        """The trial held; these fresh sources have said nothing."""
        figures = _figures(self.running, self.figures.judged, "running", now_us, *_finding(silent))
        return Kept(self.running, self.before, None, figures, list(silent))

    def spoke(self, silent: Sequence[str]) -> Kept:
        """Of the silent ones only these are left."""
        problem, field, fix = _finding(silent)
        figures = msgspec.structs.replace(self.figures, problem=problem, field=field, fix=fix)
        return msgspec.structs.replace(self, figures=figures, silent=list(silent))

    def rolled_back(self, why: str, now_us: int) -> Kept:
        """The layer before runs again."""
        figures = _figures(self.before, self.figures.judged, "rolled_back", now_us, why)
        return Kept(self.before, self.running, None, figures)

    def refused(self, wanted: ConfigWanted, now_us: int, why: str, field: str = "", fix: str = "") -> Kept:
        """What runs goes on."""
        figures = _figures(self.running, wanted.revision, "refused", now_us, why, field, fix)
        return Kept(self.running, self.before, None, figures)

    def aside(self, why: str, now_us: int) -> Kept:
        """What ran no longer fits the file beside it: that file alone counts, until somebody mends it."""
        figures = _figures(Layer(), self.figures.judged, "refused", now_us, why)
        return Kept(Layer(), self.running, None, figures)


def read_kept(spool_dir: Path) -> Kept:
    """What lies there; a fresh one where nothing does, or nothing that can be read."""
    try:
        with (spool_dir / FILE).open("rb") as file:
            return msgspec.json.decode(file.read(_FILE_BYTES_MAX), type=Kept)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return Kept()


def write_kept(spool_dir: Path, kept: Kept) -> None:
    """Replace it as a whole, durable, readable by its owner only; OSError."""
    spool_dir.mkdir(parents=True, exist_ok=True)
    write_private(spool_dir / FILE, msgspec.json.encode(kept))


def remote_parts(table: Mapping[str, Any]) -> dict[str, Any]:
    """Of a whole configuration what a twin may set."""
    return {name: part for name, part in table.items() if name not in LOCAL_PARTS}


def lay_over(table: Mapping[str, Any], text: str) -> dict[str, Any]:
    """The gateway's own tables with the layer's in place of those that it names; tomllib's errors."""
    return dict(table) | remote_parts(tomllib.loads(text))


def _finding(silent: Sequence[str]) -> tuple[str, str, str]:
    """Problem, field, fix."""
    if not silent:
        return "", "", ""
    more = f" and {len(silent) - _SAID_MAX} more" if len(silent) > _SAID_MAX else ""
    which = f"source {silent[0]} has" if len(silent) == 1 else f"sources {', '.join(silent[:_SAID_MAX])}{more} have"
    return f"{which} said nothing since", "source", "is it on, and the address right? `aid4 edge doctor` there asks it"


def _figures(
    layer: Layer, judged: int, state: str, now_us: int, problem: str = "", field: str = "", fix: str = ""
) -> SectionFigures:
    texts = [text[:_TEXT_CHARS_MAX] for text in (problem, field, fix)]
    if state == "running" and not layer.text:
        state = "local"
    return SectionFigures(layer.revision, judged, state, layer.sha256, "", now_us, *texts)  # type: ignore[arg-type]
