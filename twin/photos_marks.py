"""Marks on photos, anchored to an element and a place on it; those of one kind at one place are a defect."""

import secrets
from typing import Any

import duckdb
import msgspec

from drone_ingest.photos.defects import Anchor, Book, Mark, mark
from twin.errors import NotFoundError
from twin.store import Store
from twin.times import iso

__all__ = ["PhotoMark", "PhotoMarks"]

_COLUMNS = (
    'm.id, m.photo, m.box_px, m.kind, m.note, m."by", m.anchor, epoch_us(m.known_from), epoch_us(p.ts), p.flight,'
    " p.name"
)
_LIVE = "m.known_to IS NULL AND p.known_to IS NULL"
_MARKS_MAX = 10_000  # of one element or photo


class PhotoMark(msgspec.Struct, frozen=True, kw_only=True):
    """One mark, as the API shows it: `box_px` on the photo, the rest in model metres."""

    id: str
    photo: str
    photo_name: str
    flight: str
    taken: str | None
    kind: str
    note: str
    by: str
    at: str | None
    box_px: tuple[float, float, float, float]
    element: str
    point_m: tuple[float, float, float]
    size_m: float


class PhotoMarks:
    """The table `photo_marks`. Any thread may call."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of_photo(self, photo: str) -> list[PhotoMark]:
        """Marks on one photo, the oldest first."""
        return [_shown(row) for row in self._rows("m.photo = $photo", {"photo": photo})]

    def defects(self, elements: list[str]) -> list[dict[str, Any]]:
        """Defects of an element (under any of its ids) with their marks over flights, in the order they were met."""
        rows = self._rows("m.element IN (SELECT unnest($elements))", {"elements": elements})
        shown = {row[0]: _shown(row) for row in rows}
        book, of = Book(), dict[str, list[PhotoMark]]()
        for row in sorted(rows, key=lambda row: row[8] if row[8] is not None else row[7]):
            at = iso(row[8] if row[8] is not None else row[7]) or ""
            made = Mark(
                photo=row[1], flight=row[9], at=at, box_px=tuple(row[2]), by=row[5], note=row[4],
                anchor=msgspec.json.decode(row[6], type=Anchor),
            )  # fmt: skip
            book, defect = mark(book, row[3], made)
            of.setdefault(defect, []).append(shown[row[0]])
        return [
            {"id": one.id, "kind": one.kind, "point_m": one.point_m, "size_m": round(one.size_m, 3),
             "growth_m": round(one.growth_m, 3), "marks": of[one.id]}
            for one in book.defects
        ]  # fmt: skip

    def put(
        self, photo: str, box_px: tuple[float, float, float, float], found: Anchor, *, kind: str, note: str, by: str
    ) -> PhotoMark:
        """Keep a mark."""
        made = f"m{secrets.token_hex(8)}"
        values = {
            "id": made, "photo": photo, "box": list(box_px), "element": found.element, "x": found.point_m[0],
            "y": found.point_m[1], "z": found.point_m[2], "size": found.size_m, "kind": kind, "note": note, "by": by,
            "anchor": msgspec.json.encode(found).decode(), "now": self._store.clock.wall_us(),
        }  # fmt: skip
        self._store.writer.run(
            lambda connection: connection.execute(
                "INSERT INTO photo_marks VALUES ($id, $photo, $box, $element, $x, $y, $z, $size, $anchor, $kind, $note,"
                " $by, make_timestamptz($now::BIGINT), NULL)",
                values,
            ).fetchall()
        )
        return next(one for one in self.of_photo(photo) if one.id == made)

    def remove(self, photo: str, made: str) -> None:
        """A mark is known no longer; NotFoundError."""
        now_us = self._store.clock.wall_us()

        def work(connection: duckdb.DuckDBPyConnection) -> int:
            found = connection.execute(
                "UPDATE photo_marks SET known_to = make_timestamptz($now::BIGINT) WHERE id = $id AND photo = $photo"
                " AND known_to IS NULL",
                {"now": now_us, "id": made, "photo": photo},
            ).fetchall()
            return int(found[0][0])

        if not self._store.writer.run(work):
            raise NotFoundError(f"no mark {made[:80]!r}", field="mark", fix="GET /api/v1/photos/{id}/marks lists them")

    def _rows(self, where: str, values: dict[str, Any]) -> list[Any]:
        sql = f"SELECT {_COLUMNS} FROM photo_marks m JOIN photos p ON p.id = m.photo WHERE {_LIVE} AND {where}"  # noqa: S608
        with self._store.cursor() as cursor:
            return cursor.execute(f"{sql} ORDER BY m.known_from, m.id LIMIT {_MARKS_MAX}", values).fetchall()


def _shown(row: Any) -> PhotoMark:
    found = msgspec.json.decode(row[6], type=Anchor)
    return PhotoMark(
        id=row[0], photo=row[1], photo_name=row[10], flight=row[9], taken=iso(row[8]), kind=row[3], note=row[4],
        by=row[5], at=iso(row[7]), box_px=tuple(row[2]), element=found.element, point_m=found.point_m,
        size_m=round(found.size_m, 4),
    )  # fmt: skip
