"""POST and DELETE /session: sign in with the token and get a cookie, sign out."""

from urllib.parse import parse_qs

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from twin.api.auth import COOKIE
from twin.api.errors import ProblemError, TooLargeError
from twin.api.operation import Call, NoQuery, Operation, json_response, read_body

__all__ = ["OPERATIONS"]

_LASTS_S = 30 * 86_400
_FORM_BYTES_MAX = 4_096  # one token


class SignIn(msgspec.Struct, forbid_unknown_fields=True):
    """The twin's token."""

    token: str


class Session(msgspec.Struct):
    """Whether somebody is signed in."""

    signed_in: bool


async def sign_in(call: Call[NoQuery, None]) -> Response:
    """Check the token and set a cookie that scripts cannot read; a form is sent back to the page."""
    state = call.request.app.state
    form = call.request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    token = await _form_token(call.request) if form else (await read_body(call.request, SignIn)).token
    if state.token is not None and not state.token.matches(token):
        fix = "see the file given to --token"
        raise ProblemError("this is not the twin's token", field="token", fix=fix, status=401)
    answer = RedirectResponse("/", 303) if form else json_response(Session(True))
    if state.token is not None:
        answer.set_cookie(COOKIE, token, max_age=_LASTS_S, httponly=True, secure=state.secure, samesite="strict")
    return answer


async def sign_out(_call: Call[NoQuery, None]) -> Response:
    """Forget the cookie."""
    answer = json_response(Session(False))
    answer.delete_cookie(COOKIE)
    return answer


async def _form_token(request: Request) -> str:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > _FORM_BYTES_MAX:
            raise TooLargeError("this form is too large", field="token", fix="send the token alone")
    fields = parse_qs(data.decode("ascii", "replace"))
    return fields.get("token", [""])[0]


OPERATIONS = [
    Operation("POST", "/session", sign_in, "sign in", answer=Session),
    Operation("DELETE", "/session", sign_out, "sign out", answer=Session),
]
