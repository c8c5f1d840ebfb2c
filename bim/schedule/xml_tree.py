"""XML as a small tree whose nodes know their line; documents that define or fetch anything are refused.

Built on expat: no document type, no entities, bounded depth and size, nothing outside the file is ever opened.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar
from xml.parsers import expat

from bim.schedule.errors import Reason, ScheduleError
from bim.schedule.limits import ScheduleLimits

__all__ = ["Node", "parse_xml"]

T = TypeVar("T")
_FIX = "mend it in its tool and export again"


class Node:
    """One element: its tag without namespace, its text, its children, the line it starts in."""

    __slots__ = ("children", "line", "tag", "value")

    def __init__(self, tag: str, line: int) -> None:
        self.tag, self.line, self.value = tag, line, ""
        self.children: list[Node] = []

    def all(self, tag: str) -> Iterator["Node"]:
        """Children of one tag."""
        return (child for child in self.children if child.tag == tag)

    def first(self, tag: str) -> "Node | None":
        """The first child of one tag."""
        return next(self.all(tag), None)

    def inside(self, *tags: str) -> Iterator["Node"]:
        """Descendants along a path of tags: `inside("Tasks", "Task")`."""
        if not tags:
            yield self
            return
        for child in self.all(tags[0]):
            yield from child.inside(*tags[1:])

    def text(self, tag: str) -> str:
        """Text of a child, "" when there is none."""
        child = self.first(tag)
        return "" if child is None else child.value.strip()

    def needed(self, tag: str) -> str:
        """Text that must be there; raises ScheduleError."""
        value = self.text(tag)
        if not value:
            raise ScheduleError("value", "it is empty", line=self.line, field=self.where(tag), fix=_FIX)
        return value

    def parsed(self, tag: str, parse: Callable[[str], T]) -> T | None:
        """Text through a parser, None when it is empty; raises ScheduleError naming line and field."""
        value = self.text(tag)
        if not value:
            return None
        try:
            return parse(value)
        except ValueError as error:
            child = self.first(tag)
            line = self.line if child is None else child.line
            raise ScheduleError("value", str(error), line=line, field=self.where(tag), fix=_FIX) from error

    def number(self, tag: str) -> float | None:
        """A number of a child."""
        return self.parsed(tag, _number)

    def where(self, tag: str) -> str:
        """Name of a field for people: `Task 76, Finish`; many exports are a single line."""
        name = next((self.text(one) for one in ("UID", "ObjectId", "Id", "Name") if self.text(one)), "")
        return f"{' '.join(part for part in (self.tag, name) if part)}, {tag}"


def _number(text: str) -> float:
    value = float(text)
    if not abs(value) < 1e15:
        raise ValueError(f"{text[:40]!r} is not a number that a schedule can have")
    return value


def parse_xml(data: bytes, limits: ScheduleLimits, skip: frozenset[str] = frozenset()) -> Node:
    """The root of a document without the subtrees named in `skip`; raises ScheduleError."""
    builder = _Builder(limits, skip)
    try:
        builder.parser.Parse(data, True)
    except expat.ExpatError as error:
        reason: Reason = "truncated" if error.code in _ENDS_EARLY else "malformed"
        problem = f"it is not XML: {expat.ErrorString(error.code)}, column {error.offset + 1}"
        raise ScheduleError(reason, problem, line=error.lineno, fix="export the schedule again") from error
    except (LookupError, ValueError) as error:  # an encoding that Python does not know, or not as a table
        raise ScheduleError("encoding", str(error)[:200], line=1, fix="export the schedule as UTF-8") from error
    assert builder.root is not None, "expat refuses a document without an element"
    return builder.root


_ENDS_EARLY = (
    expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS],
    expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_TOKEN],
)


class _Builder:
    """expat's handlers."""

    def __init__(self, limits: ScheduleLimits, skip: frozenset[str]) -> None:
        self.root: Node | None = None
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.EntityDeclHandler = self._refuse
        self._limits, self._skip = limits, skip
        self._open: list[Node] = []
        self._skipping = self._nodes = 0

    def _start(self, name: str, _: dict[str, str]) -> None:
        tag = name.rpartition(":")[2]
        if self._skipping or tag in self._skip:
            self._skipping += 1
            return
        self._nodes += 1
        if len(self._open) >= self._limits.xml_depth:
            raise self._beyond(f"elements nest deeper than {self._limits.xml_depth}")
        if self._nodes > self._limits.xml_nodes:
            raise self._beyond(f"more than {self._limits.xml_nodes} elements")
        node = Node(tag, self.parser.CurrentLineNumber)
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        self._open.append(node)

    def _end(self, _: str) -> None:
        if self._skipping:
            self._skipping -= 1
        else:
            self._open.pop()

    def _text(self, text: str) -> None:
        if not self._skipping and self._open:
            node = self._open[-1]
            if len(node.value) < self._limits.text_chars:
                node.value += text[: self._limits.text_chars]

    def _refuse(self, *_: object) -> None:
        raise ScheduleError(
            "entity",
            "it has a document type or defines entities",
            line=self.parser.CurrentLineNumber,
            fix="remove the DOCTYPE; no planning tool writes one",
        )

    def _beyond(self, problem: str) -> ScheduleError:
        return ScheduleError("too_big", problem, line=self.parser.CurrentLineNumber, fix="split the schedule")
