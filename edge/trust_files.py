"""The gateway's key and certificate: one file, so that a power cut leaves a pair that belongs together.

Its first line says in JSON what the certificate says in DER, so that nothing of a running agent needs a library for it.
"""

from pathlib import Path
from typing import Final

import msgspec

from wire.errors import ConfigError
from wire.private_files import write_private
from wire.trust import EnrolAnswer

__all__ = ["FOLDER", "Held", "hold", "read_held", "write_held"]

FOLDER: Final = "trust"  # beside the configuration
_MARK: Final = b"# aid4 "
_BYTES_MAX: Final = 65_536


class Held(msgspec.Struct, frozen=True):
    """What the certificate in a file says of itself; times are microseconds since 1970 by the twin's clock."""

    site: str
    node: str
    serial: str
    not_before_us: int
    not_after_us: int
    renew_us: int


def write_held(path: Path, key_pem: bytes, answer: EnrolAnswer) -> Held:
    """Replace key and certificate; OSError."""
    held = Held(
        answer.site, answer.node, answer.serial, answer.not_before_us, answer.not_after_us, answer.renew_us
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(path, _line(held) + key_pem + answer.certificate.encode())
    return held


def hold(path: Path, held: Held) -> None:
    """Say in front of a pair that is there what it holds."""
    write_private(path, _line(held) + path.read_bytes())


def _line(held: Held) -> bytes:
    return _MARK + msgspec.json.encode(held) + b"\n"


def read_held(path: Path) -> Held | None:
    """What a file of ours holds; None for a certificate that came another way, ConfigError when it cannot be read."""
    try:
        with path.open("rb") as file:
            line = file.read(_BYTES_MAX).partition(b"\n")[0]
    except OSError as error:
        fix = "enrol this gateway: `aid4 twin enrolment NODE` at the twin says what to type"
        raise ConfigError(
            f"cannot be read: {error.strerror}", file=str(path), field="broker.cert_file", fix=fix
        ) from error
    if not line.startswith(_MARK):
        return None
    try:
        return msgspec.json.decode(line.removeprefix(_MARK), type=Held)
    except msgspec.MsgspecError:
        return None
