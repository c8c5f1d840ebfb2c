"""Errors as RFC 9457 problem documents that name the field and the fix."""

import uuid

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from twin.errors import ConflictError, NotFoundError
from twin.sql import SqlBusyError, SqlFailedError
from wire.errors import Aid4Error, UserError

__all__ = ["ProblemError", "ProblemDocument", "TooLargeError", "WrongMediaError", "answer_error", "problem"]

_log = structlog.get_logger("twin.api")
_TITLES = {
    400: "The request is not valid",
    401: "Sign-in needed",
    403: "Not allowed",
    404: "Not found",
    405: "No such method here",
    408: "Too slow",
    409: "Not possible now",
    413: "Too large",
    415: "Wrong media type",
    422: "Cannot be done",
    429: "Too many requests",
    500: "The twin failed",
    503: "Not available now",
}


class ProblemDocument(msgspec.Struct, frozen=True):
    """The body of every error answer, as application/problem+json."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None
    fix: str | None = None


class ProblemError(Aid4Error):
    """An error answer with its status. `field` and `fix` may be empty."""

    status = 400

    def __init__(self, detail: str, *, field: str = "", fix: str = "", status: int | None = None) -> None:
        self.detail, self.field, self.fix = detail, field, fix
        self.status = status or type(self).status
        super().__init__(detail)


class TooLargeError(ProblemError):
    """A body over its bound."""

    status = 413


class WrongMediaError(ProblemError):
    """A body that is not what the operation reads."""

    status = 415


def problem(
    status: int, detail: str, *, field: str = "", fix: str = "", headers: dict[str, str] | None = None
) -> Response:
    """One problem document as a response."""
    title = _TITLES.get(status, "Error")
    document = ProblemDocument("about:blank", title, status, detail, field or None, fix or None)
    return Response(msgspec.json.encode(document), status, headers, "application/problem+json")


async def answer_error(_request: Request, error: Exception) -> Response:
    """The answer to whatever a handler raised. What was not foreseen is logged under the id that it shows."""
    match error:
        case ProblemError():
            return problem(error.status, error.detail, field=error.field, fix=error.fix)
        case UserError():
            status = 404 if isinstance(error, NotFoundError) else 409 if isinstance(error, ConflictError) else 400
            return problem(status, error.problem, field=error.field, fix=error.fix)
        case SqlBusyError():
            return problem(429, str(error), fix="ask again in a moment", headers={"Retry-After": "1"})
        case SqlFailedError():
            return problem(422, str(error), field="sql", fix="narrow the query by time or point, or aggregate")
        case HTTPException():
            headers = dict(error.headers) if error.headers else None
            return problem(error.status_code, error.detail, fix=_http_fix(error), headers=headers)
    name = uuid.uuid4().hex[:12]
    _log.error("request failed", id=name, exc_info=error)
    return problem(500, f"not foreseen; the twin's log has it under {name}", fix="report it with this id")


def _http_fix(error: HTTPException) -> str:
    if error.status_code == 404:
        return "GET /openapi.json lists what there is"
    return f"use {error.headers['Allow']}" if error.headers and "Allow" in error.headers else ""
