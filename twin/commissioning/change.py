"""The kind of change `points`: limits and places of many points at once, checked, shown, made and undone together."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import duckdb
import msgspec

from twin.change_kinds import BindingsChange, LimitsChange
from twin.changes import Preview, read_body
from twin.commissioning.lists import Edit

__all__ = ["PointsChange", "body_of"]


class PointsBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body: that of kind `limits`, and that of kind `bindings`."""

    limits: dict[str, Any] = {}
    bindings: dict[str, Any] = {}


class PointsChange:
    """Two kinds as one."""

    def __init__(self, refresh: Callable[[], None], limits: LimitsChange, bindings: BindingsChange) -> None:
        self.refresh = refresh
        self._parts: dict[str, LimitsChange | BindingsChange] = {"limits": limits, "bindings": bindings}

    async def preview(self, body: dict[str, Any]) -> Preview:
        """What both say."""
        checked: PointsBody = read_body(PointsBody, body)
        given = {"limits": checked.limits, "bindings": checked.bindings}
        parts = dict(
            zip(
                given,
                await asyncio.gather(*(self._parts[name].preview(own) for name, own in given.items())),
                strict=True,
            )
        )
        diff = [row for part in parts.values() for row in part.diff]
        problems = [text for part in parts.values() for text in part.problems]
        return Preview({name: part.body for name, part in parts.items()}, diff, problems)

    def apply(self, cursor: duckdb.DuckDBPyConnection, change: int, body: Any) -> Any:
        """Both, in one transaction."""
        return {name: part.apply(cursor, change, body[name]) for name, part in self._parts.items()}

    def revert(self, cursor: duckdb.DuckDBPyConnection, change: int, undo: Any) -> None:
        """Both back."""
        for name, part in self._parts.items():
            part.revert(cursor, change, undo[name])


def body_of(edits: Iterable[Edit]) -> dict[str, Any]:
    """The body that makes these edits true."""
    limits: dict[str, list[Any]] = {"set": [], "clear": []}
    places: dict[str, list[Any]] = {"set": [], "clear": []}
    for edit in edits:
        key, view = edit.view.key, edit.view
        low, high = edit.low, edit.high
        if low is not msgspec.UNSET or high is not msgspec.UNSET:
            kept = {
                "low": view.low if low is msgspec.UNSET else low,
                "high": view.high if high is msgspec.UNSET else high,
            }
            if low in (None, msgspec.UNSET) and high in (None, msgspec.UNSET):
                limits["clear"].append(key)
            else:
                limits["set"].append({"point": key, **kept})
        if None in (edit.element, edit.space):
            places["clear"].append(key)
        elif edit.element is not msgspec.UNSET or edit.space is not msgspec.UNSET:
            element = None if edit.element is msgspec.UNSET else edit.element
            space = None if edit.space is msgspec.UNSET else edit.space
            places["set"].append({"point": key, "element": element, "space": space})
    return {"limits": limits, "bindings": places}
