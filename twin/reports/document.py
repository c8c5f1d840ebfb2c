"""A report as data: sections of figures, tables and charts, in one language, before anybody draws it."""

from typing import Literal

import msgspec

__all__ = ["Bars", "Chart", "Figure", "Lines", "Report", "Section", "Table"]


class Figure(msgspec.Struct, frozen=True):
    """One number with its name; `note` says what it is measured against, `mark` that it is not as it should be."""

    name: str
    value: str
    note: str = ""
    mark: bool = False


class Table(msgspec.Struct, frozen=True):
    """Rows of texts; `numeric` are the columns set flush right. `more` says how many rows were left out."""

    columns: list[str]
    rows: list[list[str]]
    numeric: list[int] = []
    more: str = ""


class Bars(msgspec.Struct, frozen=True, tag="bars"):
    """One bar a label and series."""

    title: str
    unit: str
    labels: list[str]
    series: dict[str, list[float]]


class Lines(msgspec.Struct, frozen=True, tag="lines"):
    """Lines over labels; None is a gap."""

    title: str
    unit: str
    labels: list[str]
    series: dict[str, list[float | None]]


Chart = Bars | Lines


class Section(msgspec.Struct, frozen=True):
    """A heading and what stands under it, in this order."""

    title: str
    text: str = ""
    figures: list[Figure] = []
    charts: list[Chart] = []
    tables: list[Table] = []


class Report(msgspec.Struct, frozen=True):
    """A whole report. `notes` say where its numbers come from."""

    kind: str
    language: Literal["en", "sk", "zh-TW"]
    title: str
    site: str
    day: str
    period: str
    made: str
    sections: list[Section]
    notes: list[str] = []
