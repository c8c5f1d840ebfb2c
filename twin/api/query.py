"""POST /query: users' SQL, answered as JSON or, by `Accept`, as an Arrow stream."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.responses import Response

from twin.api.arrow import ARROW_MEDIA
from twin.api.operation import Call, NoQuery, Operation
from wire.limits import SQL_CHARS_MAX, SQL_ROWS_DEFAULT, SQL_ROWS_MAX

__all__ = ["OPERATIONS"]


class SqlBody(msgspec.Struct, forbid_unknown_fields=True):
    """One SELECT or EXPLAIN over readings, states, points, elements, psets, bindings, events, nodes and gaps."""

    sql: Annotated[str, Meta(min_length=1, max_length=SQL_CHARS_MAX)]
    limit_rows: Annotated[int, Meta(ge=1, le=SQL_ROWS_MAX)] = SQL_ROWS_DEFAULT


class SqlColumn(msgspec.Struct):
    """A column of the answer; `type` is Arrow's name."""

    name: str
    type: str


class SqlAnswer(msgspec.Struct):
    """The rows; `truncated` when there were more than `limit_rows`."""

    columns: list[SqlColumn]
    rows: list[list[Any]]
    truncated: bool


async def run_query(call: Call[NoQuery, SqlBody]) -> Response:
    """Run it in a child process. The child encodes; the twin only passes bytes on."""
    arrow = ARROW_MEDIA in call.request.headers.get("accept", "")
    answer = await call.twin.sql.query(
        call.body.sql, limit_rows=call.body.limit_rows, form="arrow" if arrow else "json"
    )
    headers = {"X-Aid4-Rows": str(answer.rows), "X-Aid4-Truncated": str(answer.truncated).lower()}
    return Response(answer.body, headers=headers, media_type=ARROW_MEDIA if arrow else "application/json")


OPERATIONS = [
    Operation(
        "POST", "/query", run_query, "plain SQL over everything", body=SqlBody, answer=SqlAnswer,
        media=("application/json", ARROW_MEDIA),
    ),
]  # fmt: skip
