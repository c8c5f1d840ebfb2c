"""Ed25519 keys in PEM files that only their owner can read."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from wire.errors import InputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["load_key", "make_key", "public_pem"]

_BYTES_MAX = 4_096


def make_key(path: Path) -> "Ed25519PrivateKey":
    """A new key in a new file of mode 0600; InputError when there is one already."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    data = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise InputError(f"a key cannot be written: {error.strerror}", file=str(path), fix="name a new one") from error
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(fd)
    return key


def load_key(path: Path) -> "Ed25519PrivateKey":
    """The key of a PEM file; InputError when it is none, or when others may read it."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        if path.stat().st_mode & 0o077:
            raise InputError("others may read this key", file=str(path), fix=f"chmod 600 {path}")
        key = serialization.load_pem_private_key(path.read_bytes()[:_BYTES_MAX], None)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"no key that can be read: {error}", file=str(path), fix="aid4 model keys") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError("not an Ed25519 key", file=str(path), fix="aid4 model keys")
    return key


def public_pem(key: "Ed25519PrivateKey") -> str:
    """The public half."""
    from cryptography.hazmat.primitives import serialization

    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
