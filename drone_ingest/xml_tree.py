"""XML as a small tree with attributes and lines; documents that define or fetch anything are refused.

Built on expat: no document type, no entities, bounded depth and number of elements, nothing outside is ever opened.
What came before a syntax error is kept, for damaged files give what they have.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from drone_ingest.limits import DroneLimits
from wire.errors import InputError

__all__ = ["Broken", "Node", "parse_xml"]

_TEXT_CHARS = 64 << 20  # a LineString of a whole flight is one text


@dataclass(slots=True)
class Node:
    """One element: its tag without prefix, its attributes (as written), its text, its children, its line."""

    tag: str
    line: int
    attributes: dict[str, str] = field(default_factory=dict)
    parts: list[str] = field(default_factory=list)
    children: list["Node"] = field(default_factory=list)

    @property
    def value(self) -> str:
        """Its text."""
        return "".join(self.parts).strip()

    def walk(self, tag: str) -> Iterator["Node"]:
        """Itself and its descendants of one tag, in document order, without recursion."""
        waiting = [self]
        while waiting:
            one = waiting.pop()
            if one.tag == tag:
                yield one
            waiting.extend(reversed(one.children))

    def first(self, *tags: str) -> "Node | None":
        """A descendant along a path of tags."""
        one: Node | None = self
        for tag in tags:
            one = next((child for child in one.children if child.tag == tag), None) if one is not None else None
        return one

    def text(self, *tags: str) -> str:
        """Text of a descendant along a path, "" when there is none."""
        one = self.first(*tags)
        return "" if one is None else one.value


@dataclass(frozen=True, slots=True)
class Broken:
    """Where a document stops being XML."""

    line: int
    byte: int
    problem: str


def parse_xml(data: bytes, limits: DroneLimits, file: str) -> tuple[Node, Broken | None]:
    """The root, and where the document breaks off; raises InputError when it has no root or defines anything."""
    builder = _Builder(limits, file)
    broken = None
    try:
        builder.parser.Parse(data, True)
    except expat.ExpatError as error:
        broken = Broken(error.lineno, builder.parser.ErrorByteIndex, expat.ErrorString(error.code))
    except (LookupError, ValueError) as error:
        broken = Broken(1, 0, str(error)[:100])
    if builder.root is None:
        problem = f"it is not XML: {broken.problem if broken else 'no element'}"
        raise InputError(problem, file=file, fix="export it again")
    return builder.root, broken


class _Builder:
    def __init__(self, limits: DroneLimits, file: str) -> None:
        self.root: Node | None = None
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.EntityDeclHandler = self._refuse
        self._limits, self._file = limits, file
        self._open: list[Node] = []
        self._nodes = self._chars = 0

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._nodes += 1
        if len(self._open) >= self._limits.xml_depth or self._nodes > self._limits.xml_nodes:
            problem = (
                f"its XML nests deeper than {self._limits.xml_depth} or has more than {self._limits.xml_nodes} elements"
            )
            raise InputError(problem, file=self._file, field=f"line {self.parser.CurrentLineNumber}", fix="split it")
        node = Node(name.rpartition(":")[2], self.parser.CurrentLineNumber, attributes)
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        self._open.append(node)

    def _end(self, _: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        self._chars += len(text)
        if self._open and self._chars <= _TEXT_CHARS:
            self._open[-1].parts.append(text)

    def _refuse(self, *_: object) -> None:
        line = f"line {self.parser.CurrentLineNumber}"
        raise InputError(
            "it has a document type or defines entities", file=self._file, field=line, fix="remove the DOCTYPE"
        )
