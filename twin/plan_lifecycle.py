"""What an element is in its life, from its tasks: planned, installed, commissioned, handed over.

Every task is of one class, by patterns over its name, its code, its WBS and its activity codes: hand-over,
commissioning, or (all others) installation. An element is installed when its last task of installation is finished;
commissioned when its last commissioning is (without one: when it is installed); handed over when its last hand-over is.
"""

import re
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Meta

from bim.schedule.tables import Schedule
from bim.schedule.timeline import NEVER, Timeline

__all__ = ["COMMISSIONED", "HANDED_OVER", "INSTALLED", "LIFECYCLES", "PLANNED", "LifecycleLines", "LifecycleRules", "Verified", "task_classes"]  # fmt: skip  # noqa: E501

PLANNED, INSTALLED, COMMISSIONED, HANDED_OVER = 0, 1, 2, 3
LIFECYCLES = ("planned", "installed", "commissioned", "handed_over")  # by code
INSTALLING, COMMISSIONING, HANDING_OVER = 0, 1, 2

_GLOB = re.compile(r"\*|\?|\[[^\]]+\]|.", re.DOTALL)
_WILD = {"*": "(?s:.*)", "?": "(?s:.)"}
_Patterns = Annotated[list[Annotated[str, Meta(min_length=1, max_length=200)]], Meta(max_length=100)]

_COMMISSIONING = [
    "commission*", "*[!e]commission*", "*start-up*", "*start up test*", "*functional test*", "*performance test*",  # en
    "*uvedenie do prev*", "*uvádzanie do prev*", "*oživen*", "*skúšk* prevádzk*", "*skúšobn* prevádzk*",
    "*funkčn* skúš*",  # sk
    "*試運轉*", "*试运转*", "*試車*", "*试车*", "*調試*", "*调试*", "*啟用測試*", "*功能測試*",  # zh
    "*inbedrijf*", "*in bedrijf*", "*inregel*", "*proefdraai*",  # nl
    "*inbetrieb*", "*probebetrieb*", "*einregul*", "*funktionsprüf*",  # de
]  # fmt: skip
_HANDING_OVER = [
    "*hand over*", "*handover*", "*hand-over*", "*handing over*", "*final acceptance*", "*taking over*",  # en
    "*odovzdan*", "*odovzdáv*", "*kolaudác*", "*preberac*",  # sk
    "*移交*", "*點交*", "*交屋*", "*驗收*", "*验收*", "*竣工*",  # zh
    "*oplever*", "*overdracht*",  # nl
    "*übergabe*", "*abnahme*",  # de
]  # fmt: skip


class LifecycleRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Globs without case over name, code, WBS and activity codes of a task; a list that is given replaces ours."""

    commissioned: _Patterns = msgspec.field(default_factory=lambda: list(_COMMISSIONING))
    handed_over: _Patterns = msgspec.field(default_factory=lambda: list(_HANDING_OVER))


class Verified:
    """Points of devices of which people verified every point on site: what is installed is then commissioned.

    `points` (uint32) and since when (int64, µs), in any order.
    """

    def __init__(
        self, points: npt.NDArray[np.uint32] | None = None, since_us: npt.NDArray[np.int64] | None = None
    ) -> None:
        order = np.argsort(points) if points is not None else np.array([], np.intp)
        self._points = np.array([], np.uint32) if points is None else points[order]
        self._since_us = np.array([], np.int64) if since_us is None else since_us[order]

    def at(self, points: npt.NDArray[np.uint32], at_us: int) -> npt.NDArray[np.bool_]:
        """Which of these points are so at a moment."""
        if not len(self._points):
            return np.zeros(len(points), np.bool_)
        place = np.minimum(np.searchsorted(self._points, points), len(self._points) - 1)
        found: npt.NDArray[np.bool_] = (self._points[place] == points) & (self._since_us[place] <= at_us)
        return found


def task_classes(schedule: Schedule, rules: LifecycleRules) -> npt.NDArray[np.int8]:
    """INSTALLING, COMMISSIONING or HANDING_OVER by task; what matches both is a hand-over."""
    tasks, codes = schedule.tasks, schedule["codes"]
    found = np.zeros(tasks.num_rows, np.int8)
    for kind, patterns in ((COMMISSIONING, rules.commissioned), (HANDING_OVER, rules.handed_over)):
        if not patterns:
            continue
        matcher = "^(?:" + "|".join(_regex(pattern) for pattern in patterns) + ")$"
        for name in ("name", "code", "wbs_code"):
            found[_matches(tasks[name], matcher)] = kind
        coded = _matches(codes["value"], matcher) | _matches(codes["text"], matcher)
        found[np.asarray(pc.is_in(tasks["id"], value_set=codes["task"].filter(pa.array(coded)).unique()), bool)] = kind
    return found


def _matches(texts: pa.ChunkedArray, matcher: str) -> npt.NDArray[np.bool_]:
    return np.asarray(pc.match_substring_regex(texts, matcher, ignore_case=True), bool)


def _regex(pattern: str) -> str:
    """A glob (`*`, `?`, `[abc]`, `[!abc]`) as a regular expression of RE2, which takes linear time whatever it says."""
    parts = []
    for part in _GLOB.findall(pattern):
        if part in _WILD:
            parts.append(_WILD[part])
        elif len(part) > 2 and part[0] == "[":
            inner = part[1:-1]
            parts.append(f"[^{re.escape(inner[1:])}]" if inner[0] == "!" and inner[1:] else f"[{re.escape(inner)}]")
        else:
            parts.append(re.escape(part))
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class LifecycleLines:
    """By element and class of task: from when to when, in one date set; what has no task of a class is unknown."""

    installing: Timeline
    commissioning: Timeline
    handing_over: Timeline

    @classmethod
    def of(
        cls,
        line: Timeline,
        classes: npt.NDArray[np.int8],
        members: npt.NDArray[np.int64],
        offsets: npt.NDArray[np.int64],
    ) -> "LifecycleLines":
        """From the tasks' dates; element e has the tasks `members[offsets[e] : offsets[e + 1]]`."""
        groups = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        lines = []
        for kind in (INSTALLING, COMMISSIONING, HANDING_OVER):
            own = classes[members] == kind
            counts = np.bincount(groups[own], minlength=len(offsets) - 1)
            starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
            lines.append(line.by_group(members[own], starts, all_needed=True))
        return cls(*lines)

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Elements of which the tasks say anything."""
        return self.installing.known | self.commissioning.known | self.handing_over.known

    def at(self, now_s: int) -> npt.NDArray[np.int8]:
        """Codes at a moment in UTC seconds; what is not known is commissioned."""
        built, tried, handed = self.installing, self.commissioning, self.handing_over
        installed = np.where(built.known, built.finish <= now_s, tried.start <= now_s)
        commissioned = np.where(tried.known, tried.finish <= now_s, installed)
        given = handed.known & (handed.finish <= now_s)
        alone = ~built.known & ~tried.known & handed.known  # only a hand-over: it stood before
        code = np.where(commissioned | alone, COMMISSIONED, np.where(installed, INSTALLED, PLANNED))
        code = np.where(given, HANDED_OVER, code)
        return np.where(self.known, code, COMMISSIONED).astype(np.int8)

    def next_s(self, row: int, code: int) -> int:
        """When an element becomes more than `code`, NEVER when that is not known."""
        lines = {PLANNED: self.installing, INSTALLED: self.commissioning, COMMISSIONED: self.handing_over}
        line = lines.get(code)
        if line is None or not line.known[row]:
            return int(NEVER)
        return int(line.finish[row])
