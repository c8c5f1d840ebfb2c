"""XML from strangers as ElementTree elements: bounded, and refused when it defines or fetches anything.

Built on expat: no document type, no entities, bounded depth, count and text; nothing outside the bytes is opened.
Namespaces are cut off: what these formats mean by a tag does not depend on them.
"""

from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from wire.errors import InputError

__all__ = ["Element", "parse_xml"]

_DEPTH_MAX = 64  # formats of this field nest below 20
_ELEMENTS_MAX = 2_000_000  # a viewpoint of a large clash report has 100,000
_TEXT_CHARS_MAX = 1 << 24  # of one text; a snapshot written into the XML has a few million


def parse_xml(data: bytes, file: str, *, depth_max: int = _DEPTH_MAX, elements_max: int = _ELEMENTS_MAX) -> Element:
    """The root of a document; raises InputError naming the file and the line."""
    builder = _Builder(file, depth_max, elements_max)
    try:
        builder.parser.Parse(data, True)
        return builder.tree.close()
    except expat.ExpatError as error:
        problem = f"it is not XML: {expat.ErrorString(error.code)}, column {error.offset + 1}"
        raise InputError(problem, file=file, field=f"line {error.lineno}", fix="export it again") from error
    except (LookupError, ValueError, AssertionError) as error:  # an encoding that Python does not know
        raise InputError(str(error)[:200] or "no document", file=file, fix="write it as UTF-8") from error


class _Builder:
    """expat's handlers, feeding a TreeBuilder."""

    def __init__(self, file: str, depth_max: int, elements_max: int) -> None:
        self.tree = TreeBuilder()
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.EntityDeclHandler = self._refuse
        self._file, self._depth_max, self._elements_max = file, depth_max, elements_max
        self._depth = self._elements = self._chars = 0

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._elements += 1
        self._chars = 0
        if self._depth > self._depth_max:
            raise self._beyond(f"elements nest deeper than {self._depth_max}")
        if self._elements > self._elements_max:
            raise self._beyond(f"more than {self._elements_max} elements")
        self.tree.start(_local(name), {_local(key): value for key, value in attributes.items()})

    def _end(self, name: str) -> None:
        self._depth -= 1
        self._chars = 0
        self.tree.end(_local(name))

    def _text(self, text: str) -> None:
        self._chars += len(text)
        if self._chars > _TEXT_CHARS_MAX:
            raise self._beyond("a text that never ends")
        self.tree.data(text)

    def _refuse(self, *_: object) -> None:
        raise self._error("it has a document type or defines entities", "remove the DOCTYPE; no tool needs one here")

    def _beyond(self, problem: str) -> InputError:
        return self._error(problem, "split it")

    def _error(self, problem: str, fix: str) -> InputError:
        return InputError(problem, file=self._file, field=f"line {self.parser.CurrentLineNumber}", fix=fix)


def _local(name: str) -> str:
    return name.rpartition(":")[2]
