"""Which gateways a site trusts: enrolments that wait and the lineages of certificates, in one file beside the
authority's key.

It is not in the twin's database: a database restored from last night would trust again what was revoked since, and a
broker must read it while the twin is down. Every change is one locked read, change and durable replacement.
"""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from wire.errors import Aid4Error
from wire.private_files import write_private

__all__ = ["Enrolment", "Lineage", "Register", "RegisterFile"]

FILE: Final = "register.json"


class Enrolment(msgspec.Struct, frozen=True):
    """A one-time token that was given out, by the digest of its text."""

    digest: str
    node: str
    by: str
    created_us: int
    expires_us: int


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """One enrolment of a node and every certificate that came of it; `issued` are (serial, end) of those not over."""

    id: str
    node: str
    by: str
    serial: str
    previous: str = ""
    not_before_us: int
    not_after_us: int
    renew_us: int
    pem: str
    issued: tuple[tuple[str, int], ...] = ()
    revoked_us: int = 0
    revoked_by: str = ""
    why: str = ""

    @property
    def identity(self) -> str:
        """The certificate's DNS name, which is its user name at nats-server."""
        return f"{self.id}.{self.node}"

    def holds(self, now_us: int) -> bool:
        """Whether its newest certificate is good now."""
        return not self.revoked_us and now_us < self.not_after_us


class Register(msgspec.Struct):
    """The whole file."""

    enrolments: list[Enrolment] = []
    lineages: list[Lineage] = []

    def of_node(self, node: str) -> Lineage | None:
        """The lineage of a node that was not revoked, else its newest."""
        own = [one for one in self.lineages if one.node == node]
        return next((one for one in own if not one.revoked_us), own[-1] if own else None)

    def put(self, lineage: Lineage) -> None:
        """Add one, or replace the one of its id."""
        self.lineages = [one for one in self.lineages if one.id != lineage.id] + [lineage]

    def revoked_serials(self, now_us: int) -> list[int]:
        """Serial numbers for the revocation list: revoked and not over yet."""
        return [int(s, 16) for one in self.lineages if one.revoked_us for s, end_us in one.issued if end_us > now_us]


class RegisterFile:
    """The file in its folder; several processes may use it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._lock = folder / "register.lock"
        self._seen: tuple[tuple[int, int], Register] | None = None

    @property
    def version(self) -> tuple[int, int]:
        """Changes with every change."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return (0, 0)
        return (found.st_ino, found.st_mtime_ns)

    def read(self) -> Register:
        """What is there now; do not change it."""
        version = self.version
        if self._seen is None or self._seen[0] != version:
            self._seen = (version, self._load())
        return self._seen[1]

    @contextlib.contextmanager
    def change(self) -> Iterator[Register]:
        """The register to change, written when the block ends well."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._lock.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            register = self._load()
            yield register
            write_private(self.path, msgspec.json.encode(register))

    def _load(self) -> Register:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Register)
        except FileNotFoundError:
            return Register()
        except msgspec.MsgspecError as error:
            raise Aid4Error(f"{self.path} is broken: {error}; restore the folder pki from its copy") from error
