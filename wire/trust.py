"""How a gateway becomes trusted: a one-time token, a request for a certificate, and the answer.

The token names the site's authority by the SHA-256 of its certificate, so a gateway trusts the right twin without a
public authority. Times are microseconds since 1970 by the twin's clock: a gateway may have none when it enrols.
"""

import base64
import binascii
import re
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from wire.errors import InputError
from wire.limits import NAME_CHARS_MAX

__all__ = [
    "PROOF_PREFIX",
    "EnrolAnswer",
    "EnrolRequest",
    "RenewRequest",
    "make_token",
    "read_token",
]

PEM_CHARS_MAX: Final = 4_096  # a P-256 certificate of ours has 900
TOKEN_CHARS_MAX: Final = 128
PIN_BYTES: Final = 32
SECRET_BYTES: Final = 24
PROOF_PREFIX: Final = b"aid4 renew 1\n"  # signed with the key of now, followed by the request in DER
_MARK: Final = "aid4e1_"
_TOKEN: Final = re.compile(_MARK + r"[A-Za-z0-9_-]{75}")

_Pem = Annotated[str, Meta(max_length=PEM_CHARS_MAX)]


class EnrolRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /api/v1/enrol: a token and a PKCS#10 request (PEM) whose common name is the node."""

    token: Annotated[str, Meta(max_length=TOKEN_CHARS_MAX)]
    csr: _Pem


class RenewRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /api/v1/renew: the certificate of now, a request for the next one, and the request signed with the key of
    now (ECDSA with SHA-256, DER, base64)."""

    certificate: _Pem
    csr: _Pem
    proof: Annotated[str, Meta(max_length=200)]


class EnrolAnswer(msgspec.Struct, frozen=True):
    """A certificate, the authority behind it, and where to go with it."""

    site: Annotated[str, Meta(max_length=NAME_CHARS_MAX)]
    node: Annotated[str, Meta(max_length=NAME_CHARS_MAX)]
    serial: Annotated[str, Meta(max_length=64)]
    certificate: _Pem
    ca: _Pem
    not_before_us: int
    not_after_us: int
    renew_us: int
    now_us: int
    brokers: Annotated[list[Annotated[str, Meta(max_length=300)]], Meta(max_length=8)] = []  # URLs, the best first


def make_token(pin: bytes, secret: bytes) -> str:
    """A token of the authority's fingerprint and a secret."""
    if len(pin) != PIN_BYTES or len(secret) != SECRET_BYTES:
        raise ValueError("a token holds a SHA-256 and 24 random bytes")
    return _MARK + base64.urlsafe_b64encode(pin + secret).decode().rstrip("=")


def read_token(token: str) -> bytes:
    """The fingerprint that a token names; InputError when it is no token."""
    fix = "copy the whole command that the twin shows; it begins with aid4e1_"
    if not _TOKEN.fullmatch(token):
        raise InputError("this is no token for a gateway", field="--token", fix=fix)
    try:
        data = base64.urlsafe_b64decode(token.removeprefix(_MARK) + "=")
    except binascii.Error as error:
        raise InputError("this is no token for a gateway", field="--token", fix=fix) from error
    return data[:PIN_BYTES]
