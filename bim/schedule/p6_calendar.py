"""The calendar text of P6: lists `(0||name(key|value|…)(children))`; weekday 1 is Sunday, days are serial numbers."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from bim.schedule.rows import WorkTime
from bim.schedule.times import minute_of_day, serial_date

__all__ = ["read_calendar_text"]

_DEPTH_MAX = 16  # real ones are six deep
_TOKEN = re.compile(r"\(|\)|[^()]+")


@dataclass(slots=True)
class _Node:
    name: str = ""
    values: dict[str, str] = field(default_factory=dict)
    children: list["_Node"] = field(default_factory=list)


def read_calendar_text(text: str, calendar: str, line: int) -> list[WorkTime]:
    """Weekdays and exceptions of one calendar; raises ValueError with what cannot be read."""
    if not text.strip():
        return []
    root = _parse(text)
    found: list[WorkTime] = []
    for node in _walk(root):
        if node.name == "DaysOfWeek":
            for day in node.children:
                number = int(day.name)
                if not 1 <= number <= 7:
                    raise ValueError(f"weekday {number} is not 1 to 7")
                weekday = (number - 2) % 7  # 1 is Sunday
                found.append(WorkTime(calendar=calendar, weekday=weekday, minutes=_shifts(day), line=line))
        elif node.name == "Exceptions":
            for one in node.children:
                if "d" in one.values:
                    day_of = serial_date(one.values["d"])
                    found.append(
                        WorkTime(calendar=calendar, first=day_of, last=day_of, minutes=_shifts(one), line=line)
                    )
    return found


def _shifts(node: _Node) -> list[int]:
    """Opening and closing minutes of a day, in order."""
    pairs = [
        (minute_of_day(shift.values["s"]), minute_of_day(shift.values["f"], closing=True))
        for shift in node.children
        if "s" in shift.values and "f" in shift.values
    ]
    return [minute for pair in sorted(pairs) for minute in pair]


def _walk(node: _Node) -> Iterator[_Node]:
    yield node
    for child in node.children:
        yield from _walk(child)


def _parse(text: str) -> _Node:
    """One node: `(0||name(values)(children))`; spaces and line breaks between are of no meaning."""
    tokens = _TOKEN.findall(text.replace("\n", "").replace("\r", ""))
    node, rest = _node(tokens, 0, 0)
    if any(token.strip() for token in tokens[rest:]):
        raise ValueError("the calendar's text goes on after its end")
    return node


def _node(tokens: list[str], at: int, depth: int) -> tuple[_Node, int]:
    if depth > _DEPTH_MAX:
        raise ValueError(f"the calendar's text is nested deeper than {_DEPTH_MAX}")
    at = _expect(tokens, at, "(")
    node = _Node(name=tokens[at].rpartition("||")[2].strip() if at < len(tokens) else "")
    at = _expect(tokens, at + 1, "(")
    if at < len(tokens) and tokens[at] not in "()":
        parts = [part.strip() for part in tokens[at].split("|")]
        node.values = dict(zip(parts[::2], parts[1::2], strict=False))
        at += 1
    at = _expect(tokens, _expect(tokens, at, ")"), "(")
    at = _skip(tokens, at)
    while at < len(tokens) and tokens[at] == "(":
        child, at = _node(tokens, at, depth + 1)
        node.children.append(child)
        at = _skip(tokens, at)
    return node, _expect(tokens, _expect(tokens, at, ")"), ")")


def _skip(tokens: list[str], at: int) -> int:
    while at < len(tokens) and not tokens[at].strip():
        at += 1
    return at


def _expect(tokens: list[str], at: int, what: str) -> int:
    at = _skip(tokens, at)
    if at >= len(tokens) or tokens[at] != what:
        shown = tokens[at][:20] if at < len(tokens) else "its end"
        raise ValueError(f"the calendar's text has {shown!r} where {what!r} is expected")
    return at + 1
