"""The authority's key on disk: readable by its owner only, and encrypted where a passphrase is given.

The passphrase comes from a file that is not on the same disk at rest: systemd's credential `aid4-ca-passphrase`
(`LoadCredentialEncrypted=`), else the file that `AID4_CA_PASSPHRASE_FILE` names. A key of before is encrypted in
place the first time that there is one.
"""

import os
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from wire.errors import InputError
from wire.private_files import write_private

__all__ = ["read_key", "write_key"]

CREDENTIAL: Final = "aid4-ca-passphrase"
VARIABLE: Final = "AID4_CA_PASSPHRASE_FILE"
PASSPHRASE_BYTES_MIN: Final = 8
_ENCRYPTED: Final = b"BEGIN ENCRYPTED PRIVATE KEY"


def write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Replace the file; InputError when a passphrase is named that cannot be used."""
    secret = _passphrase()
    how = serialization.BestAvailableEncryption(secret) if secret else serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    write_private(path, key.private_bytes(serialization.Encoding.PEM, form, how))


def read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key; InputError when others may read the file, or the passphrase is missing or wrong."""
    if path.stat().st_mode & 0o077:
        raise InputError("the authority's key can be read by others", file=str(path), fix=f"chmod 600 {path}")
    data, secret = path.read_bytes(), _passphrase()
    is_encrypted = _ENCRYPTED in data
    if is_encrypted and secret is None:
        fix = f"name the file with its passphrase in {VARIABLE}, or give systemd's credential {CREDENTIAL}"
        raise InputError("the authority's key is encrypted, and there is no passphrase", file=str(path), fix=fix)
    try:
        key = serialization.load_pem_private_key(data, password=secret if is_encrypted else None)
    except ValueError as error:
        fix = "give the passphrase with which it was encrypted, or restore ca.pem and ca.key together"
        raise InputError("the authority's key cannot be read with this passphrase", file=str(path), fix=fix) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise InputError("is no P-256 key", file=str(path), fix="restore ca.pem and ca.key together")
    if secret and not is_encrypted:
        write_key(path, key)
    return key


def _passphrase() -> bytes | None:
    """From the credential, else from the named file; None where neither is given."""
    folder, named = os.environ.get("CREDENTIALS_DIRECTORY"), os.environ.get(VARIABLE)
    path = Path(folder) / CREDENTIAL if folder else None
    if path is None or not path.exists():
        path = Path(named) if named else None
    if path is None:
        return None
    try:
        mode, secret = path.stat().st_mode, path.read_bytes().strip(b"\r\n")
    except OSError as error:
        fix = f"write the passphrase there, or unset {VARIABLE}"
        raise InputError(f"the passphrase cannot be read: {error.strerror}", file=str(path), fix=fix) from error
    if mode & 0o007 or len(secret) < PASSPHRASE_BYTES_MIN:
        fix = f"chmod 600 {path}, and at least {PASSPHRASE_BYTES_MIN} bytes"
        raise InputError("the passphrase is too short, or anybody can read it", file=str(path), fix=fix)
    return secret
