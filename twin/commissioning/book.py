"""Who verified which point when, and what was seen: rows are only added, the newest of a point counts.

A verification says `ok` (the value on site is the value in the twin), `wrong` (it is not, or it is another point), or
`withdrawn` (look again). `shown` is what the twin showed at that moment, kept as a text beside what the person saw.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Final, Literal

import duckdb
import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from twin.changes import write_audit
from twin.lookup import number
from twin.store import Store
from wire.clock import Clock

__all__ = ["BATCH_MAX", "CommissioningBook", "NewVerification", "Verdict", "Verification"]

BATCH_MAX: Final = 500  # points of one call: the largest device by far
Verdict = Literal["ok", "wrong", "withdrawn"]
_COLUMNS: Final = 'id, point, epoch_us("at"), "by", verdict, seen, shown, note'


class NewVerification(msgspec.Struct, forbid_unknown_fields=True):
    """What a person says of a point; `seen` is the value on the device's own display or meter."""

    point: Annotated[int, Meta(ge=0, le=2**32 - 1)]
    verdict: Verdict
    seen: Annotated[str, Meta(max_length=100)] = ""
    note: Annotated[str, Meta(max_length=500)] = ""


class Verification(msgspec.Struct, frozen=True):
    """One of them, kept."""

    id: int
    point: int
    at_us: int
    by: str
    verdict: Verdict
    seen: str
    shown: str
    note: str


class CommissioningBook:
    """All verifications; the newest of each point is in memory."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        with store.cursor() as cursor:
            rows = cursor.execute(
                f"SELECT {_COLUMNS} FROM verifications QUALIFY row_number() OVER (PARTITION BY point ORDER BY id DESC) = 1"  # noqa: S608, E501  (fixed names)
            ).fetchall()
        self._newest = {row[1]: Verification(*row) for row in rows}

    def of(self, point: int) -> Verification | None:
        """What counts for a point; None when nobody looked, or the last word was withdrawn."""
        found = self._newest.get(point)
        return None if found is None or found.verdict == "withdrawn" else found

    def is_verified(self, point: int) -> bool:
        """Whether it was seen and is right."""
        found = self._newest.get(point)
        return found is not None and found.verdict == "ok"

    def verified_us(self, points: Iterable[int]) -> int | None:
        """Since when all of these points are verified; None while one is not, or there is none."""
        newest = [self._newest.get(point) for point in points]
        times = [one.at_us for one in newest if one is not None and one.verdict == "ok"]
        return max(times) if times and len(times) == len(newest) else None

    def record(self, new: Sequence[NewVerification], shown: Sequence[str], by: str) -> list[Verification]:
        """Keep what a person says of points, all or none of it, with one line of the audit."""
        now_us = self._clock.wall_us()

        def work(connection: duckdb.DuckDBPyConnection) -> list[Verification]:
            first = number(connection, "SELECT coalesce(max(id), 0) + 1 FROM verifications")
            made = [
                Verification(first + place, one.point, now_us, by, one.verdict, one.seen, text, one.note)
                for place, (one, text) in enumerate(zip(new, shown, strict=True))
            ]
            for one in made:
                connection.execute(
                    "INSERT INTO verifications VALUES (?, ?, make_timestamptz(?::BIGINT), ?, ?, ?, ?, ?)",
                    [one.id, one.point, one.at_us, one.by, one.verdict, one.seen, one.shown, one.note],
                )
            detail = {"points": [one.point for one in made], "verdicts": [one.verdict for one in made]}
            write_audit(connection, by, "points verified", detail)
            return made

        made = self._store.writer.run(work)
        self._newest.update({one.point: one for one in made})
        return made

    def history(self, point: int, limit: int = 100) -> list[Verification]:
        """All that was said of a point, newest first."""
        with self._store.cursor() as cursor:
            rows = cursor.execute(
                f"SELECT {_COLUMNS} FROM verifications WHERE point = ? ORDER BY id DESC LIMIT ?",  # noqa: S608
                [point, limit],
            ).fetchall()
        return [Verification(*row) for row in rows]

    def since_us(self, groups: Iterable[Sequence[int]]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Points of devices whose points are all verified, and since when, for the plan's lifecycle."""
        points: list[int] = []
        times: list[int] = []
        for group in groups:
            if (since := self.verified_us(group)) is not None:
                points += group
                times += [since] * len(group)
        return np.array(points, np.uint32), np.array(times, np.int64)
