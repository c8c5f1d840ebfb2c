"""One HTTP operation as a row of a table: from it come the route, the checks of its input, and OpenAPI.

Query and body are msgspec structs with `forbid_unknown_fields`; a mistake is answered with the field and the fix.
"""

import difflib
import re
import typing
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from twin.api.allowed import admit, by_of, note_outcome
from twin.api.errors import ProblemError, TooLargeError, WrongMediaError, answer_error
from twin.api.permissions import rule_of
from wire.limits import API_BODY_BYTES_MAX, PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX, SEARCH_CHARS_MAX

if TYPE_CHECKING:
    from twin.core import Twin

__all__ = ["Call", "Limit", "NoQuery", "Offset", "Operation", "Search", "Time", "json_response", "micros", "route"]

Q = TypeVar("Q", bound=msgspec.Struct)
B = TypeVar("B")

Limit = Annotated[int, Meta(ge=1, le=PAGE_ITEMS_MAX, description=f"items a page, {PAGE_ITEMS_DEFAULT} by default")]
Offset = Annotated[int, Meta(ge=0, le=2**53, description="items to skip: `next` of the page before")]
Search = Annotated[str, Meta(max_length=SEARCH_CHARS_MAX)]
Time = Annotated[datetime, Meta(tz=True, description="ISO 8601 with an offset, best UTC with Z")]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AT = re.compile(r" - at `\$\.?([^`]*)`")


class NoQuery(msgspec.Struct, forbid_unknown_fields=True):
    """An operation without query parameters."""


@dataclass(frozen=True, slots=True)
class Call(Generic[Q, B]):
    """One request after its checks."""

    twin: "Twin"
    request: Request
    query: Q
    body: B

    @property
    def by(self) -> str:
        """Who calls, for journals."""
        return by_of(self.request)

    @property
    def path(self) -> dict[str, str]:
        """The path's parameters."""
        return self.request.path_params


@dataclass(frozen=True)
class Operation:
    """A row of the table. `answer` is what a success returns as JSON; `media` lists its other forms."""

    method: str
    path: str
    handler: Callable[[Any], Awaitable[Any]]
    summary: str
    query: type[msgspec.Struct] = NoQuery
    body: type[msgspec.Struct] | None = None
    answer: Any = None
    status: int = 200
    media: tuple[str, ...] = field(default=("application/json",))


def route(operation: Operation, twin: "Twin", prefix: str) -> Route:
    """The Starlette route of an operation: the caller's right, the input, the work, the audit."""
    rule = rule_of(operation.method, operation.path)

    async def endpoint(request: Request) -> Response:
        answered = await answer(request)
        note_outcome(twin, request, rule, answered.status_code)
        return answered

    async def answer(request: Request) -> Response:
        try:
            admit(twin, request, rule)
            query = read_query(operation.query, request.query_params.multi_items())
            body = await read_body(request, operation.body) if operation.body else None
            made = await operation.handler(Call(twin, request, query, body))
            return made if isinstance(made, Response) else json_response(made, operation.status)
        except Exception as error:  # noqa: BLE001  (every failure is answered as a problem document)
            return await answer_error(request, error)

    return Route(prefix + operation.path, endpoint, methods=[operation.method], name=operation.path)


def json_response(answer: Any, status: int = 200) -> Response:
    """JSON in which NaN and the infinities are null: msgspec's own rule."""
    return Response(msgspec.json.encode(answer), status, media_type="application/json")


def micros(moment: datetime) -> int:
    """Microseconds since 1970."""
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def read_query(kind: type[Q], items: list[tuple[str, str]]) -> Q:
    """Check a query string; ProblemError names the parameter that is unknown, twice there or not valid."""
    lists = {f.encode_name: _is_list(f.type) for f in msgspec.structs.fields(kind)}
    values: dict[str, Any] = {}
    for name, value in items:
        if name not in lists:
            raise ProblemError(f"no such parameter: {name[:80]!r}", field=name[:80], fix=_nearest(name, list(lists)))
        if lists[name]:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise ProblemError(f"{name} stands twice", field=name, fix="give it once")
        else:
            values[name] = value
    try:
        return msgspec.convert(values, type=kind, strict=False)
    except msgspec.ValidationError as error:
        raise _not_valid(error) from error


async def read_body(request: Request, kind: type[Q]) -> Q:
    """Check a JSON body; ProblemError, WrongMediaError or TooLarge when it is not what the operation reads."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise WrongMediaError(f"the body is {media or 'of no type'}", field="Content-Type", fix="send application/json")
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > API_BODY_BYTES_MAX:
            raise TooLargeError(f"a body has at most {API_BODY_BYTES_MAX} bytes", field="body", fix="split it up")
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise _not_valid(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(f"the body is no JSON: {error}", field="body", fix="send UTF-8 JSON") from error


def _is_list(kind: Any) -> bool:
    origin = typing.get_origin(kind)
    if origin is Annotated:
        return _is_list(typing.get_args(kind)[0])
    return origin is list


def _not_valid(error: msgspec.ValidationError) -> ProblemError:
    text = str(error)
    at = _AT.search(text)
    unknown = re.search(r"unknown field `([^`]*)`", text)
    name = at.group(1) if at else ""
    if unknown:
        name = f"{name}.{unknown.group(1)}".strip(".")
    missing = re.search(r"missing required field `([^`]*)`", text)
    if missing:
        name = f"{name}.{missing.group(1)}".strip(".")
    detail = _AT.sub("", text)
    fix = "leave it out" if unknown else "give it" if missing else detail[:1].lower() + detail[1:]
    return ProblemError(detail, field=name or "body", fix=fix)


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return f"use {', '.join(names)}" if names else "this call takes no parameters"
