"""The kinds of change whose effect is a row of `settings`: places of points, limits of points, the site's fields."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import duckdb
import msgspec
from msgspec import Meta

from twin.bindings import Binding, Fixed
from twin.changes import DiffRow, Preview, read_body
from twin.directory import Directory, Limits
from twin.errors import ConflictError
from twin.lookup import first
from twin.model import Model
from twin.siteconfig import SiteConfig, site_from_dict

__all__ = ["BindingsChange", "LimitsChange", "SettingChange", "SiteChange", "read_settings"]

_POINTS_MAX = 50_000
PointName = Annotated[str, Meta(max_length=250)] | int
Assignments = dict[str, Any]  # name -> value, None takes the row away


class Place(msgspec.Struct, forbid_unknown_fields=True):
    """Where a point belongs; both null: nowhere."""

    point: PointName
    element: str | None = None
    space: str | None = None


class PlacesBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of kind `bindings`; `clear` gives points back to the automatic search."""

    set: Annotated[list[Place], Meta(max_length=_POINTS_MAX)] = []
    clear: Annotated[list[PointName], Meta(max_length=_POINTS_MAX)] = []


class PointLimits(msgspec.Struct, forbid_unknown_fields=True):
    """Limits of one point in its unit."""

    point: PointName
    low: float | None = None
    high: float | None = None


class LimitsBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of kind `limits`; `clear` gives points back the catalogue's limits."""

    set: Annotated[list[PointLimits], Meta(max_length=_POINTS_MAX)] = []
    clear: Annotated[list[PointName], Meta(max_length=_POINTS_MAX)] = []


class SiteBody(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The body of kind `site`: the fields that are given replace those of the configuration file."""

    title: str | msgspec.UnsetType = msgspec.UNSET
    time_zone: str | msgspec.UnsetType = msgspec.UNSET
    languages: list[str] | msgspec.UnsetType = msgspec.UNSET
    crs: str | msgspec.UnsetType | None = msgspec.UNSET
    bounds: tuple[float, float, float, float] | msgspec.UnsetType | None = msgspec.UNSET


def read_settings(cursor: duckdb.DuckDBPyConnection, kind: str) -> dict[str, Any]:
    """name -> value of one kind."""
    rows = cursor.execute("SELECT name, value FROM settings WHERE kind = ?", [kind]).fetchall()
    return {name: msgspec.json.decode(value) for name, value in rows}


class SettingChange:
    """What the three kinds share: a body becomes assignments, and an undo is what stood there before."""

    kind = ""

    def __init__(self, refresh: Callable[[], None]) -> None:
        self.refresh = refresh

    def apply(self, cursor: duckdb.DuckDBPyConnection, change: int, body: Any) -> Any:
        """Write the rows; returns those that stood there before."""
        undo: dict[str, Any] = {}
        for name, value in body.items():
            undo[name] = _replace(cursor, self.kind, name, value, change)
        return undo

    def revert(self, cursor: duckdb.DuckDBPyConnection, change: int, undo: Any) -> None:
        """Write back what stood there; Conflict when a later change wrote the same name."""
        for name, (value, before) in undo.items():
            row = first(cursor, "SELECT change FROM settings WHERE kind = ? AND name = ?", [self.kind, name])
            if row and row[0] != change:
                raise ConflictError(f"change {row[0]} came after and also sets {name}", fix=f"revert {row[0]} first")
            _replace(cursor, self.kind, name, value, before)


def _replace(
    cursor: duckdb.DuckDBPyConnection, kind: str, name: str, value: Any, change: int | None
) -> tuple[Any, int | None]:
    row = first(cursor, "DELETE FROM settings WHERE kind = ? AND name = ? RETURNING value, change", [kind, name])
    if value is not None:
        text = msgspec.json.encode(value).decode()
        cursor.execute("INSERT INTO settings VALUES (?, ?, ?, ?)", [kind, name, text, change])
    return (msgspec.json.decode(row[0]), row[1]) if row else (None, None)


class BindingsChange(SettingChange):
    """Fixes the places of points. `search` finds a place the automatic way."""

    kind = "bindings"

    def __init__(
        self,
        refresh: Callable[[], None],
        directory: Callable[[], Directory],
        model: Callable[[], Model],
        search: Callable[[str], Binding | None],
    ) -> None:
        super().__init__(refresh)
        self._directory, self._model, self._search = directory, model, search

    async def preview(self, body: dict[str, Any]) -> Preview:
        """Old and new place of each point; unknown points and places are problems."""
        return await asyncio.to_thread(self._preview, read_body(PlacesBody, body))

    def _preview(self, body: PlacesBody) -> Preview:
        directory, model = self._directory(), self._model()
        kept: Assignments = {}
        diff: list[DiffRow] = []
        problems: list[str] = []
        for place in body.set:
            view = directory.find(str(place.point))
            if view is None:
                problems.append(f"no point {place.point!r}")
                continue
            unknown = [p for p in (place.element, place.space) if p is not None and p not in model]
            problems += [f"{view.key}: the model has no element {name!r}" for name in unknown]
            kept[view.key] = Fixed(place.element, place.space, "set by an operator")
            diff.append(_place_row(view, place.element or place.space))
        for name in body.clear:
            view = directory.find(str(name))
            if view is None:
                problems.append(f"no point {name!r}")
                continue
            kept[view.key] = None
            found = self._search(view.key)
            diff.append(_place_row(view, found.element if found else None))
        return Preview(kept, [row for row in diff if row.old != row.new], problems)


class LimitsChange(SettingChange):
    """Sets limits of points."""

    kind = "limits"

    def __init__(self, refresh: Callable[[], None], directory: Callable[[], Directory]) -> None:
        super().__init__(refresh)
        self._directory = directory

    async def preview(self, body: dict[str, Any]) -> Preview:
        """Old and new limits of each point; unknown points and a low above the high are problems."""
        checked: LimitsBody = read_body(LimitsBody, body)
        directory = self._directory()
        kept: Assignments = {}
        diff: list[DiffRow] = []
        problems: list[str] = []
        wanted = [(row.point, Limits(row.low, row.high)) for row in checked.set]
        for name, limits in [*wanted, *((name, None) for name in checked.clear)]:
            view = directory.find(str(name))
            if view is None:
                problems.append(f"no point {name!r}")
                continue
            if limits and limits.low is not None and limits.high is not None and limits.low >= limits.high:
                problems.append(f"{view.key}: low {limits.low:g} is not below high {limits.high:g}")
            kept[view.key] = limits
            new = [limits.low, limits.high] if limits else None
            diff.append(DiffRow("replace", f"/limits/{view.key}", [view.low, view.high], new))
        return Preview(kept, diff, problems)


class SiteChange(SettingChange):
    """Sets fields of the site."""

    kind = "site"

    def __init__(self, refresh: Callable[[], None], site: Callable[[], SiteConfig]) -> None:
        super().__init__(refresh)
        self._site = site

    async def preview(self, body: dict[str, Any]) -> Preview:
        """Old and new value of each field, checked as the configuration file would be."""
        kept = msgspec.to_builtins(read_body(SiteBody, body))
        old = msgspec.to_builtins(self._site())
        site_from_dict({**old, **kept, "rules": []}, file="body")
        diff = [DiffRow("replace", f"/site/{name}", old.get(name), value) for name, value in kept.items()]
        return Preview(kept, diff, [])


def _place_row(view: Any, new: str | None) -> DiffRow:
    old = view.element or view.space
    op = "add" if old is None else "remove" if new is None else "replace"
    return DiffRow(op, f"/bindings/{view.key}", old, new)
