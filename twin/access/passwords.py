"""Passwords as argon2id digests (RFC 9106, second recommended option), and what a password must be like.

Length instead of composition rules, after NIST SP 800-63B.
"""

import functools
from typing import Any, Final

from wire.errors import InputError

__all__ = ["PASSWORD_CHARS_MAX", "check_password", "digest", "is_stale", "matches"]

PASSWORD_CHARS_MIN: Final = 12
PASSWORD_CHARS_MAX: Final = 256  # a longer one only costs time
_KINDS_MIN: Final = 5  # different characters


def check_password(password: str, name: str) -> None:
    """InputError when a password is too easy to guess."""
    fix = f"take {PASSWORD_CHARS_MIN} characters or more, best a few words that only you would put together"
    if not PASSWORD_CHARS_MIN <= len(password) <= PASSWORD_CHARS_MAX:
        problem = f"a password has {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters"
        raise InputError(problem, field="password", fix=fix)
    if len(set(password)) < _KINDS_MIN or name.lower() in password.lower():
        raise InputError("this password is easy to guess", field="password", fix=fix)


def digest(password: str) -> str:
    """The argon2id digest to keep; takes tens of milliseconds and 64 MiB on purpose."""
    return str(_hasher().hash(password))


def matches(kept: str, offered: str) -> bool:
    """Whether it is the password; for an account without one the same time passes and the answer is no."""
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        _hasher().verify(kept or _nobodys(), offered[:PASSWORD_CHARS_MAX])
    except (VerificationError, InvalidHashError):
        return False
    return bool(kept)


def is_stale(kept: str) -> bool:
    """Whether the digest was made with weaker settings than today's."""
    return bool(_hasher().check_needs_rehash(kept))


@functools.cache
def _hasher() -> Any:
    from argon2 import PasswordHasher, profiles

    return PasswordHasher.from_parameters(profiles.RFC_9106_LOW_MEMORY)


@functools.cache
def _nobodys() -> str:
    return digest("the password of nobody")
