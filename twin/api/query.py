"""POST /query: users' SQL, by `Accept` as JSON, Arrow stream, CSV or Parquet; the tables there are; saved queries."""

import asyncio
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from twin.api.allowed import person_of
from twin.api.arrow import ARROW_MEDIA
from twin.api.errors import ProblemError
from twin.api.operation import Call, NoQuery, Operation
from twin.errors import NotFoundError
from twin.saved_queries import QueryText, SavedQuery
from twin.sql import Answer
from twin.sql_tables import table_columns
from wire.limits import SQL_CHARS_MAX, SQL_ROWS_DEFAULT, SQL_ROWS_MAX

__all__ = ["OPERATIONS"]

_JSON: Final = "application/json"
_FORMS: Final = {ARROW_MEDIA: "arrow", "text/csv": "csv", "application/vnd.apache.parquet": "parquet"}


class SqlBody(msgspec.Struct, forbid_unknown_fields=True):
    """One SELECT or EXPLAIN over the tables of GET /query/tables."""

    sql: Annotated[str, Meta(min_length=1, max_length=SQL_CHARS_MAX)]
    limit_rows: Annotated[int, Meta(ge=1, le=SQL_ROWS_MAX)] = SQL_ROWS_DEFAULT


class SqlColumn(msgspec.Struct):
    """A column; `type` is Arrow's name in an answer, DuckDB's in the list of tables."""

    name: str
    type: str


class SqlAnswer(msgspec.Struct):
    """The rows; `truncated` when there were more than `limit_rows`."""

    columns: list[SqlColumn]
    rows: list[list[Any]]
    truncated: bool


class SqlTable(msgspec.Struct):
    """A table that a query may name."""

    name: str
    columns: list[SqlColumn]


class SqlTablesList(msgspec.Struct):
    """All tables by name."""

    items: list[SqlTable]


class SavedList(msgspec.Struct):
    """Saved queries by name."""

    items: list[SavedQuery]


async def run_query(call: Call[NoQuery, SqlBody]) -> Response:
    """Run it in a child process, which encodes the answer; the query ends when whoever asked goes away."""
    accept = call.request.headers.get("accept", "")
    media = next((one for one in _FORMS if one in accept), _JSON)
    answer = await _unless_gone(call, _FORMS.get(media, "json"))
    headers = {"X-Aid4-Rows": str(answer.rows), "X-Aid4-Truncated": str(answer.truncated).lower()}
    return Response(answer.body, headers=headers, media_type=media)


async def list_tables(call: Call[NoQuery, None]) -> SqlTablesList:
    """What a query may name."""

    def read() -> dict[str, list[tuple[str, str]]]:
        with call.twin.store.cursor() as cursor:
            return table_columns(cursor)

    found = await asyncio.to_thread(read)
    tables = [SqlTable(name, [SqlColumn(*column) for column in found[name]]) for name in sorted(found)]
    return SqlTablesList(tables)


async def list_saved(call: Call[NoQuery, None]) -> SavedList:
    """One's own and the shared ones."""
    return SavedList(await asyncio.to_thread(call.twin.saved.seen_by, call.by))


async def save(call: Call[NoQuery, QueryText]) -> SavedQuery:
    """Keep a query."""
    return await asyncio.to_thread(call.twin.saved.add, call.body, call.by)


async def change_saved(call: Call[NoQuery, QueryText]) -> SavedQuery:
    """Replace a query of one's own; an admin may change shared ones."""
    change = call.twin.saved.change
    return await asyncio.to_thread(change, _id(call), call.body, call.by, is_admin=_is_admin(call))


async def drop_saved(call: Call[NoQuery, None]) -> SavedList:
    """Delete a query of one's own; an admin may delete shared ones."""
    await asyncio.to_thread(call.twin.saved.drop, _id(call), call.by, is_admin=_is_admin(call))
    return await list_saved(call)


async def _unless_gone(call: Call[NoQuery, SqlBody], form: str) -> Answer:
    body = call.body
    work = asyncio.create_task(call.twin.sql.query(body.sql, limit_rows=body.limit_rows, form=form), name="sql.asked")
    left = asyncio.create_task(_gone(call.request), name="sql.gone")
    try:
        await asyncio.wait({work, left}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise ProblemError("whoever asked has gone", status=499)
        return work.result()
    finally:
        for task in (work, left):
            task.cancel()
        await asyncio.gather(work, left, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _is_admin(call: Call[Any, Any]) -> bool:
    person = person_of(call.request)
    return person is not None and person.may("administer", call.twin.site.name)


def _id(call: Call[Any, Any]) -> int:
    text = call.path["id"]
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise NotFoundError(f"no saved query {text[:20]!r}", field="id", fix="GET /api/v1/queries lists them")
    return int(text)


OPERATIONS = [
    Operation(
        "POST", "/query", run_query, "plain SQL over everything", body=SqlBody, answer=SqlAnswer,
        media=(_JSON, *_FORMS),
    ),
    Operation("GET", "/query/tables", list_tables, "what a query may name", answer=SqlTablesList),
    Operation("GET", "/queries", list_saved, "saved queries", answer=SavedList),
    Operation("POST", "/queries", save, "save a query", body=QueryText, answer=SavedQuery, status=201),
    Operation("POST", "/queries/{id}", change_saved, "change a saved query", body=QueryText, answer=SavedQuery),
    Operation("DELETE", "/queries/{id}", drop_saved, "delete a saved query", answer=SavedList),
]  # fmt: skip
