"""Trust in gateways: one-time tokens, certificates, renewal and revocation. Blocking; the API calls it in threads.

A token is bound to one node and used once. A certificate is short-lived and renewed by the gateway with a signature of
its key of now, also for a while after it ended, since a gateway may be off-line for weeks. One node has one lineage of
certificates: a new enrolment ends the one before, a revocation ends it for good.
"""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from twin.errors import ConflictError, NotFoundError
from twin.pki import SiteAuthority, key_pem, micros_of, new_key, read_request
from twin.pki_register import Enrolment, Lineage, Register, RegisterFile
from twin.times import iso
from wire.clock import Clock
from wire.errors import InputError
from wire.names import check_name
from wire.private_files import write_private
from wire.trust import PROOF_PREFIX, SECRET_BYTES, EnrolAnswer, make_token

__all__ = ["CertificateState", "CertificateView", "Made", "TrustDesk", "TrustRefusedError"]

FOLDER: Final = "pki"
CLIENT_DAYS: Final = 7.0
GRACE_US: Final = 45 * 86_400_000_000  # a gateway that was off-line for a month renews by itself when it is back
TOKEN_MINUTES: Final = 60.0
TOKENS_MAX: Final = 1_000
NODES_MAX: Final = 10_000
ISSUED_MAX: Final = 16  # certificates of one lineage that are not over; a gateway that renews well has two
RESERVED: Final = frozenset({"twin", "devices", "aid4-probe"})  # users of the broker that are no gateways
CertificateState = Literal["valid", "expiring", "expired", "revoked", "none"]
Note = Callable[[str, str, object, str], None]


class TrustRefusedError(InputError):
    """A token or certificate that is not, or no longer, good for what it was shown for."""


class CertificateView(msgspec.Struct, frozen=True):
    """The certificate of a node, as GET /nodes shows it; times are ISO 8601."""

    subject: str | None = None
    serial: str | None = None
    not_before: str | None = None
    not_after: str | None = None
    renew_at: str | None = None
    state: CertificateState = "none"


@dataclass(frozen=True, slots=True)
class Made:
    """A token that was just made, shown this once."""

    token: str
    node: str
    expires_us: int
    replaces: bool  # the node has a certificate that ends when the token is used


class TrustDesk:
    """Of one site, with its folder `pki` below `data_dir`; `note` writes the audit, `days` is how long a gateway's
    certificate holds."""

    def __init__(self, data_dir: Path, site: str, clock: Clock, note: Note, *, days: float = CLIENT_DAYS) -> None:
        self.folder, self.site, self.days = data_dir / FOLDER, site, days
        self.brokers: list[str] = []  # where gateways are sent, as URLs; `{host}` is the name by which they found us
        self.door = ""  # where gateways enrol and renew, as a URL; empty for the twin's own address
        self._clock, self._note = clock, note
        self.register = RegisterFile(self.folder)

    @cached_property
    def authority(self) -> SiteAuthority:
        """Made on first use."""
        return SiteAuthority(self.folder, self.site)

    @property
    def is_set_up(self) -> bool:
        """Whether there is an authority; nobody makes one by asking for it from outside."""
        return (self.folder / "ca.pem").exists()

    # -- tokens

    def invite(self, node: str, by: str, *, minutes: float = TOKEN_MINUTES) -> Made:
        """A one-time token for `node`; the token before it no longer works."""
        check_name("node", node)
        if node in RESERVED:
            raise InputError(f"{node!r} is a name of the twin's own", field="node", fix="give the gateway another one")
        secret, now_us = secrets.token_bytes(SECRET_BYTES), self._clock.wall_us()
        token = make_token(self.authority.pin, secret)
        expires_us = now_us + round(minutes * 6e7)
        with self.register.change() as register:
            waiting = [one for one in register.enrolments if one.expires_us > now_us and one.node != node]
            if len(waiting) >= TOKENS_MAX:
                raise ConflictError("too many tokens wait to be used", field="node", fix="use them, or wait an hour")
            register.enrolments = [*waiting, Enrolment(_digest(token), node, by, now_us, expires_us)]
            before = register.of_node(node)
        self._note(by, "enrolment", {"node": node, "minutes": minutes}, "done")
        return Made(token, node, expires_us, before is not None and before.holds(now_us))

    def enrol(self, token: str, csr: str, address: str) -> EnrolAnswer:
        """Take a token and sign what comes with it; TrustRefusedError, InputError."""
        now_us, digest = self._clock.wall_us(), _digest(token)
        self._waiting(self.register.read(), digest, now_us, address)  # who guesses takes no lock
        name, key, _ = read_request(csr)
        with self.register.change() as register:
            found = self._waiting(register, digest, now_us, address)
            if name != found.node:
                self._note("gateway", "enrol", {"from": address, "node": found.node, "asked": name[:64]}, "refused")
                fix = f'set node = "{found.node}", or ask for a token for {name[:64]}'
                raise TrustRefusedError(f"this token is for {found.node}, not for {name[:64]}", field="node", fix=fix)
            register.enrolments.remove(found)
            old = register.of_node(found.node)
            lineage = self._begin(register, found.node, found.by, key, now_us, self.days)
        detail = {"from": address, "node": found.node, "serial": lineage.serial}
        if old is not None and not old.revoked_us:
            detail["replaces"] = old.serial
        self._note(found.by, "enrol", detail, "done")
        return self._answer(lineage)

    # -- renewal

    def renew(self, certificate: str, csr: str, proof: str, address: str) -> EnrolAnswer:
        """The next certificate of a gateway that shows the one of now and signs with its key."""
        shown, serial = self._shown(certificate)
        name, key, der = read_request(csr)
        node = str(shown.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
        try:
            signature = base64.b64decode(proof, validate=True)
            shown.public_key().verify(signature, PROOF_PREFIX + der, ec.ECDSA(hashes.SHA256()))  # type: ignore[call-arg, union-attr, arg-type]
        except (InvalidSignature, binascii.Error, ValueError, TypeError) as error:
            self._refuse(address, node, "the request is not signed with the key of this certificate")
            raise AssertionError from error
        if name != node:
            self._refuse(address, node, "a certificate is renewed for its own name only")
        now_us = self._clock.wall_us()
        with self.register.change() as register:
            lineage = next((one for one in register.lineages if serial in (one.serial, one.previous)), None)
            if lineage is None or lineage.node != node:
                known = any(serial == one for each in register.lineages for one, _ in each.issued)
                why = "an older copy of this certificate: two gateways may hold it" if known else "it is not known here"
                self._refuse(address, node, why)
            assert lineage is not None
            if lineage.revoked_us:
                self._refuse(address, node, "this certificate was revoked")
            if now_us > lineage.not_after_us + GRACE_US:
                self._refuse(address, node, "this certificate ended too long ago")
            if _key_of(lineage.pem) == _spki(key):
                return self._answer(lineage)  # the answer before this one was lost on its way
            issued = tuple(one for one in lineage.issued if one[1] > now_us)
            if len(issued) >= ISSUED_MAX:
                self._refuse(address, node, "it was renewed too often")
            days = (lineage.not_after_us - lineage.not_before_us) / 86_400e6
            fresh = self._certificate(node, lineage.id, lineage.by, key, min(days, self.days), issued, serial)
            register.put(fresh)
        self._note("gateway", "renew", {"from": address, "node": node, "serial": fresh.serial}, "done")
        return self._answer(fresh)

    # -- what people do

    def revoke(self, node: str, by: str, why: str) -> Lineage:
        """End a node's trust now and for good; brokers cut it within seconds. Its waiting token ends too."""
        now_us = self._clock.wall_us()
        with self.register.change() as register:
            lineage = register.of_node(node)
            waiting = [one for one in register.enrolments if one.node == node]
            register.enrolments = [one for one in register.enrolments if one.node != node]
            if lineage is None and not waiting:
                raise NotFoundError(f"no certificate was given to {node[:64]!r}", field="node", fix="GET /api/v1/nodes")
            if lineage is not None and not lineage.revoked_us:
                lineage = msgspec.structs.replace(lineage, revoked_us=now_us, revoked_by=by, why=why)
                register.put(lineage)
            self._list(register, now_us)
        self._note(by, "revoke", {"node": node, "serial": lineage.serial if lineage else None, "why": why}, "done")
        if lineage is None:
            raise NotFoundError(f"{node} has no certificate; its token no longer works", field="node")
        return lineage

    def issue_here(self, name: str, path: Path, *, days: float = CLIENT_DAYS) -> Path:
        """A certificate for a peer on this machine, key and certificate in one file; what is good there stays."""
        known = self.register.read().of_node(name)
        now_us = self._clock.wall_us()
        if known is not None and path.exists() and not known.revoked_us and now_us < known.renew_us:
            shown = x509.load_pem_x509_certificate(path.read_bytes())
            if f"{shown.serial_number:x}" == known.serial and self.authority.issued(shown):
                return path
        key = new_key()
        with self.register.change() as register:
            lineage = self._begin(register, name, "system", key.public_key(), now_us, days)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(path, key_pem(key) + lineage.pem.encode())
        return path

    def views(self) -> dict[str, CertificateView]:
        """The certificates of all nodes by name."""
        if not self.register.path.exists():
            return {}
        register, now_us = self.register.read(), self._clock.wall_us()
        names = {one.node for one in register.lineages} - RESERVED
        return {name: _view(one, now_us) for name in sorted(names) if (one := register.of_node(name))}

    # -- inside

    def _waiting(self, register: Register, digest: str, now_us: int, address: str) -> Enrolment:
        """The enrolment of a token that is good now; TrustRefusedError."""
        found = next((one for one in register.enrolments if one.digest == digest), None)
        if found is None or found.expires_us <= now_us:
            self._note("gateway", "enrol", {"from": address}, "refused")
            fix = "ask for a new one: `aid4 twin enrolment NODE`, or Enrol on the page of gateways"
            raise TrustRefusedError("this token was used, has expired or was replaced", field="token", fix=fix)
        return found

    def _begin(
        self, register: Register, node: str, by: str, key: ec.EllipticCurvePublicKey, now_us: int, days: float
    ) -> Lineage:
        """A new lineage of a node; the one before it is revoked, and what ended long ago forgotten."""
        register.lineages = [one for one in register.lineages if now_us < one.not_after_us + GRACE_US]
        old = register.of_node(node)
        if old is not None and not old.revoked_us:
            register.put(msgspec.structs.replace(old, revoked_us=now_us, revoked_by=by, why="enrolled anew"))
        if len(register.lineages) >= 2 * NODES_MAX:
            raise ConflictError(f"more than {NODES_MAX} gateways", field="node", fix="revoke those that are gone")
        lineage = self._certificate(node, secrets.token_hex(6), by, key, days, (), "")
        register.put(lineage)
        self._list(register, now_us)
        return lineage

    def _certificate(
        self,
        node: str,
        lineage: str,
        by: str,
        key: ec.EllipticCurvePublicKey,
        days: float,
        issued: tuple[tuple[str, int], ...],
        previous: str,
    ) -> Lineage:
        made = self.authority.sign_client(node, lineage, key, days, self._clock.wall_us())
        start_us, end_us = micros_of(made.not_valid_before_utc), micros_of(made.not_valid_after_utc)
        serial = f"{made.serial_number:x}"
        return Lineage(
            id=lineage, node=node, by=by, serial=serial, previous=previous, not_before_us=start_us,
            not_after_us=end_us, renew_us=start_us + (end_us - start_us) // 2,
            pem=made.public_bytes(serialization.Encoding.PEM).decode(), issued=(*issued, (serial, end_us)),
        )  # fmt: skip

    def _list(self, register: Register, now_us: int) -> None:
        self.authority.write_crl(register.revoked_serials(now_us))

    def _answer(self, lineage: Lineage) -> EnrolAnswer:
        return EnrolAnswer(
            site=self.site, node=lineage.node, serial=lineage.serial, certificate=lineage.pem, ca=self.authority.pem,
            not_before_us=lineage.not_before_us, not_after_us=lineage.not_after_us, renew_us=lineage.renew_us,
            now_us=self._clock.wall_us(), brokers=self.brokers,
        )  # fmt: skip

    def _shown(self, pem: str) -> tuple[x509.Certificate, str]:
        fix = "show the certificate that `aid4 edge enrol` wrote"
        if not self.is_set_up:
            raise TrustRefusedError("this twin never gave a certificate", field="certificate", fix=fix)
        try:
            shown = x509.load_pem_x509_certificate(pem.encode())
        except ValueError as error:
            raise InputError("this is no certificate", field="certificate", fix=fix) from error
        if not self.authority.issued(shown) or not isinstance(shown.public_key(), ec.EllipticCurvePublicKey):
            raise TrustRefusedError("this certificate is not of this site", field="certificate", fix=fix)
        return shown, f"{shown.serial_number:x}"

    def _refuse(self, address: str, node: str, why: str) -> None:
        self._note("gateway", "renew", {"from": address, "node": node, "why": why}, "refused")
        raise TrustRefusedError(why, field="certificate", fix="enrol the gateway anew: `aid4 twin enrolment NODE`")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def _spki(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _key_of(pem: str) -> bytes:
    key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _view(lineage: Lineage, now_us: int) -> CertificateView:
    left_us = lineage.not_after_us - now_us
    late = now_us > (lineage.renew_us + lineage.not_after_us) // 2  # past three quarters: renewal does not work
    state: CertificateState = (
        "revoked" if lineage.revoked_us
        else "expired" if left_us <= 0
        else "expiring" if late
        else "valid"
    )  # fmt: skip
    return CertificateView(
        f"CN={lineage.node}", lineage.serial, iso(lineage.not_before_us), iso(lineage.not_after_us),
        iso(lineage.renew_us), state,
    )  # fmt: skip
