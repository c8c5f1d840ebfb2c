"""Trust in gateways: tokens and revocation for people; enrolment and renewal for gateways, which bring their proof."""

import asyncio
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from twin.access.desk import SlowDownError
from twin.api.allowed import address_of
from twin.api.errors import ProblemError, problem
from twin.api.operation import Call, NoQuery, Operation
from twin.errors import NotFoundError
from twin.times import iso
from twin.trust import TOKEN_MINUTES, CertificateView, TrustRefusedError
from wire.trust import EnrolAnswer, EnrolRequest, RenewRequest

__all__ = ["GATEWAY_OPERATIONS", "OPERATIONS"]

_Name = Annotated[str, Meta(min_length=1, max_length=64)]


class NewEnrolment(msgspec.Struct, forbid_unknown_fields=True):
    """A token for this node, good for so many minutes."""

    node: _Name
    minutes: Annotated[float, Meta(ge=1, le=1_440)] = TOKEN_MINUTES


class EnrolmentView(msgspec.Struct):
    """The token, shown this once, and what to type on the gateway; `replaces` tells that the node has a certificate,
    which ends when the token is used."""

    node: str
    token: str
    expires_at: str
    command: str
    replaces: bool


class Revocation(msgspec.Struct, forbid_unknown_fields=True):
    """Why, for the audit."""

    why: Annotated[str, Meta(max_length=500)] = ""


async def invite(call: Call[NoQuery, NewEnrolment]) -> EnrolmentView:
    """A one-time token for a gateway."""
    desk, body = call.twin.trust, call.body
    made = await asyncio.to_thread(desk.invite, body.node, call.by, minutes=body.minutes)
    door = desk.door or str(call.request.base_url).rstrip("/")
    command = f"aid4 edge enrol --twin {door} --token {made.token}"
    return EnrolmentView(made.node, made.token, str(iso(made.expires_us)), command, made.replaces)


async def revoke(call: Call[NoQuery, Revocation]) -> CertificateView:
    """End a node's trust: brokers cut it within seconds, and it cannot come back without a new token."""
    node = call.path["node"]
    await asyncio.to_thread(call.twin.trust.revoke, node, call.by, call.body.why)
    return call.twin.trust.views()[node]


async def show_ca(call: Call[NoQuery, None]) -> Response:
    """The certificate of the site's authority; whoever pins it compares its SHA-256 with the token's."""
    if not call.twin.trust.is_set_up:
        raise NotFoundError("this twin has no authority yet", fix="start it with --gateways, or make a token")
    pem = await asyncio.to_thread(lambda: call.twin.trust.authority.pem)
    return Response(pem, media_type="application/x-pem-file")


async def enrol(call: Call[NoQuery, EnrolRequest]) -> EnrolAnswer | Response:
    """A certificate for who brings a token."""
    body = call.body
    return await _signed(call, lambda desk, address: desk.enrol(body.token, body.csr, address))


async def renew(call: Call[NoQuery, RenewRequest]) -> EnrolAnswer | Response:
    """The next certificate for who has the key of the one of now."""
    body = call.body
    return await _signed(call, lambda desk, address: desk.renew(body.certificate, body.csr, body.proof, address))


async def _signed(call: Call[NoQuery, Any], work: Any) -> EnrolAnswer | Response:
    """Do it at the pace of one who guesses; 403 where it is refused, 429 after many refusals."""
    access, address = call.twin.access, address_of(call.request)
    keys = (("address", address),)
    try:
        access.check_pace(*keys)
        answer: EnrolAnswer = await asyncio.to_thread(work, call.twin.trust, address)
    except SlowDownError as slow:
        headers = {"Retry-After": f"{slow.wait_s:.0f}"}
        return problem(429, str(slow), fix="wait, then use a fresh token", headers=headers)
    except TrustRefusedError as error:
        access.throttle.failed(*keys)
        raise ProblemError(error.problem, field=error.field, fix=error.fix, status=403) from error
    host = _host(call.request)
    return msgspec.structs.replace(answer, brokers=[url.replace("{host}", host) for url in answer.brokers])


def _host(request: Request) -> str:
    """The name under which the gateway found us, for a URL."""
    try:
        name = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:
        name = ""
    return f"[{name}]" if ":" in name else name or "localhost"


GATEWAY_OPERATIONS = [
    Operation("GET", "/ca", show_ca, "the site's authority", answer=str, media=("application/x-pem-file",)),
    Operation("POST", "/enrol", enrol, "a certificate for a token", body=EnrolRequest, answer=EnrolAnswer),
    Operation("POST", "/renew", renew, "the next certificate", body=RenewRequest, answer=EnrolAnswer),
]
OPERATIONS = [
    *GATEWAY_OPERATIONS,
    Operation("POST", "/enrolments", invite, "a one-time token for a gateway", body=NewEnrolment,
              answer=EnrolmentView, status=201),
    Operation("POST", "/nodes/{node}/revoke", revoke, "end a node's trust", body=Revocation, answer=CertificateView),
]  # fmt: skip
