"""The audit read back: who, what, when, with which result."""

from typing import Any

import msgspec

from twin.lookup import number
from twin.store import Store
from twin.times import iso

__all__ = ["read_audit"]


def read_audit(
    store: Store,
    *,
    by: str,
    words: str,
    result: str,
    from_us: int | None,
    to_us: int | None,
    limit: int,
    offset: int,
) -> tuple[list[dict[str, Any]], int]:
    """Rows of a range, newest first, and how many there are; `words` all stand in who, what or detail."""
    tests, values = ["TRUE"], []
    for test, value in (('"by" = ?', by), ("starts_with(result, ?)", result)):
        if value:
            tests.append(test)
            values.append(value)
    for word in words.lower().split():
        tests.append("contains(lower(\"by\" || ' ' || what || ' ' || detail), ?)")
        values.append(word)
    for test, moment in (('epoch_us("at") >= ?', from_us), ('epoch_us("at") < ?', to_us)):
        if moment is not None:
            tests.append(test)
            values.append(moment)  # type: ignore[arg-type]
    where = " AND ".join(tests)
    with store.cursor() as cursor:
        total = number(cursor, f"SELECT count(*) FROM audit WHERE {where}", values)  # noqa: S608  (texts of ours)
        rows = cursor.execute(
            f'SELECT epoch_us("at"), "by", what, detail, result FROM audit WHERE {where} '  # noqa: S608
            'ORDER BY "at" DESC, rowid DESC LIMIT ? OFFSET ?',
            [*values, limit, offset],
        ).fetchall()
    names = ("at", "by", "what", "detail", "result")
    found = [dict(zip(names, row, strict=True)) for row in rows]
    return [row | {"at": iso(row["at"]), "detail": _plain(row["detail"])} for row in found], total


def _plain(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
