"""Lists of points as CSV and XLSX: out with all that is known, in with what a person changed.

What may be changed is `low`, `high` (limits), `element` and `space` (the place, by GlobalId); all other columns are for
reading and are not looked at, except `key` and `id`, which say what point a row is about. An empty cell says nothing;
`-` takes what an operator set back. Rows of points that did not change are no change.
"""

import csv
import io
import zipfile
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import msgspec

from twin.commissioning.book import CommissioningBook
from twin.directory import Directory, PointView
from twin.times import iso
from wire.errors import InputError

__all__ = ["BYTES_MAX", "COLUMNS", "ROWS_MAX", "Edit", "edits_of", "read_list", "write_list"]

Form = Literal["csv", "xlsx"]
COLUMNS: Final = (
    "key", "id", "label", "unit", "kind", "point_class", "brick", "low", "high", "element", "space", "lifecycle",
    "verdict", "verified_by", "verified_at", "seen", "shown", "note",
)  # fmt: skip
ROWS_MAX: Final = 50_000
BYTES_MAX: Final = 16 << 20
CELL_CHARS_MAX: Final = 1_000
_UNPACKED_BYTES_MAX: Final = 256 << 20  # of a workbook, which is a zip
_BACK: Final = "-"
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  # a sheet would compute them


class Edit(msgspec.Struct, frozen=True):
    """What one row asks for; a field that is UNSET stays, None is taken back to what the catalogue or search says."""

    view: PointView
    low: float | msgspec.UnsetType | None = msgspec.UNSET
    high: float | msgspec.UnsetType | None = msgspec.UNSET
    element: str | msgspec.UnsetType | None = msgspec.UNSET
    space: str | msgspec.UnsetType | None = msgspec.UNSET


def write_list(views: Sequence[PointView], book: CommissioningBook, form: Form) -> bytes:
    """All columns of these points."""
    rows = [_row(view, book) for view in views]
    if form == "xlsx":
        return _workbook(rows)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows([_plain(cell) for cell in row] for row in rows)
    return ("\ufeff" + out.getvalue()).encode()  # Excel takes it for UTF-8 only with the mark


def read_list(data: bytes) -> list[dict[str, str]]:
    """The rows of a CSV or XLSX by column; InputError names the row and column that cannot be read."""
    if len(data) > BYTES_MAX:
        raise InputError(f"over {BYTES_MAX} bytes", field="body", fix="split the list")
    table = _from_workbook(data) if data[:2] == b"PK" else _from_csv(data)
    header = [name.strip().lower() for name in next(table, [])]
    if not {"key", "id"} & set(header):
        raise InputError("has no column key", field="row 1", fix="export a list first and change that")
    if doubled := next((name for name in header if name and header.count(name) > 1), None):
        raise InputError(f"has two columns {doubled}", field="row 1", fix="take one away")
    rows = []
    for number, cells in enumerate(table, start=2):
        if number > ROWS_MAX + 1:
            raise InputError(f"has more than {ROWS_MAX} rows", field="body", fix="split the list")
        if len(cells) > len(header) and any(cells[len(header) :]):
            raise InputError("has more cells than the header", field=f"row {number}", fix="quote texts with commas")
        if any(cells):
            rows.append({"row": str(number), **dict(zip(header, cells, strict=False))})
    return rows


def edits_of(rows: Iterable[dict[str, str]], directory: Directory) -> tuple[list[Edit], list[str]]:
    """What the rows change, and what is wrong with them, row by row."""
    edits: list[Edit] = []
    problems: list[str] = []
    seen: dict[int, str] = {}
    for row in rows:
        number, name = row["row"], row.get("key") or row.get("id", "")
        view = directory.find(name)
        if view is None:
            problems.append(f"row {number}: no point {name[:120]!r}")
        elif view.id in seen:
            problems.append(f"row {number}: {view.key} stands in row {seen[view.id]} already")
        else:
            seen[view.id] = number
            try:
                edit = _edit(row, view)
            except InputError as error:
                problems.append(f"row {number}, {error.field}: {error.problem}")
                continue
            if edit != Edit(view):
                edits.append(edit)
    return edits, problems


def _edit(row: dict[str, str], view: PointView) -> Edit:
    wanted: dict[str, Any] = {}
    for name in ("low", "high"):
        text = row.get(name, "").strip()
        if text == _BACK:
            wanted[name] = None
        elif text and (value := _number(text, name)) != getattr(view, name):
            wanted[name] = value
    for name in ("element", "space"):
        text = row.get(name, "").strip()
        if text and text != (getattr(view, name) or _BACK):
            wanted[name] = None if text == _BACK else text
    return Edit(view, **wanted)


def _number(text: str, name: str) -> float:
    try:
        value = float(text.replace("\u2212", "-").replace(",", "."))  # a comma is the decimal point of half of Europe
    except ValueError:
        raise InputError(f"{text[:40]!r} is no number", field=name) from None
    if value - value != 0.0:
        raise InputError(f"{text[:40]!r} is no limit", field=name)
    return value


def _row(view: PointView, book: CommissioningBook) -> list[str | float | int]:
    found = book.of(view.id)
    own: list[str | float | int] = [
        view.key, view.id, view.label, view.unit, view.kind, view.point_class, view.brick,
        "" if view.low is None else view.low, "" if view.high is None else view.high, view.element or "",
        view.space or "", view.lifecycle,
    ]  # fmt: skip
    if found is None:
        return [*own, "", "", "", "", "", ""]
    return [*own, found.verdict, found.by, iso(found.at_us) or "", found.seen, found.shown, found.note]


def _plain(cell: str | float) -> str | float:
    """A text that a sheet would take for a formula is marked as a text."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _workbook(rows: list[list[str | float | int]]) -> bytes:
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    book = Workbook(write_only=True)
    sheet = book.create_sheet("points")
    sheet.freeze_panes = "B2"
    for column, width in zip("ABC", (44, 8, 44), strict=True):
        sheet.column_dimensions[column].width = width
    heads = []
    for name in COLUMNS:
        cell = WriteOnlyCell(sheet, value=name)
        cell.font = Font(bold=True)
        heads.append(cell)
    sheet.append(heads)
    for row in rows:
        sheet.append([_text_cell(sheet, cell) if isinstance(cell, str) else cell for cell in row])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _text_cell(sheet: Any, text: str) -> Any:
    """A cell that is a text whatever it begins with, without the signs that XML cannot hold."""
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    cell = WriteOnlyCell(sheet, value=ILLEGAL_CHARACTERS_RE.sub("", text))
    cell.data_type = "s"
    return cell


def _from_csv(data: bytes) -> Any:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("is not UTF-8", field="body", fix="save it as CSV UTF-8, or as XLSX") from error
    head = text.partition("\n")[0]
    separator = ";" if head.count(";") > head.count(",") else ","
    try:
        for row in csv.reader(io.StringIO(text), delimiter=separator):
            yield [_unmarked(cell) for cell in row]
    except csv.Error as error:
        raise InputError(f"is no CSV: {error}", field="body", fix="save it as CSV UTF-8") from error


def _from_workbook(data: bytes) -> Any:
    from openpyxl import load_workbook

    fix = "save it as XLSX with one sheet"
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > _UNPACKED_BYTES_MAX:
            raise InputError(f"unpacks to {size >> 20} MiB", field="body", fix=fix)
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        for row in book.worksheets[0].iter_rows(values_only=True, max_row=ROWS_MAX + 2, max_col=100):
            yield [_cell(value) for value in row]
    except InputError:
        raise
    except Exception as error:  # a damaged workbook fails in openpyxl in many ways
        raise InputError(f"is no workbook that can be read: {error}"[:300], field="body", fix=fix) from error


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return _unmarked(str(value))


def _unmarked(text: str) -> str:
    cut = text[:CELL_CHARS_MAX]
    return cut[1:] if cut[:1] == "'" and cut[1:].startswith(_FORMULA) else cut
