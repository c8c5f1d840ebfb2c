"""Tokens, certificates and revocation, at the desk: what is signed, what is refused, what is remembered."""

import base64
import random
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from twin.errors import ConflictError, NotFoundError
from twin.pki import SiteAuthority
from twin.pki_register import RegisterFile
from twin.trust import GRACE_US, ISSUED_MAX, TrustDesk, TrustRefusedError
from wire.clock import SystemClock
from wire.errors import Aid4Error, InputError
from wire.trust import PROOF_PREFIX, read_token

DAY_US = 86_400_000_000


class MovedClock(SystemClock):
    """The machine's clock, moved."""

    ahead_us = 0

    def wall_us(self) -> int:
        return super().wall_us() + self.ahead_us


@pytest.fixture
def audit() -> list[tuple[Any, ...]]:
    return []


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def desk(tmp_path: Path, clock: MovedClock, audit: list[tuple[Any, ...]]) -> TrustDesk:
    return TrustDesk(tmp_path, "lab", clock, lambda *row: audit.append(row))


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def request_for(node: str, key: Any, *, names: list[str] = (), more: str = "") -> str:  # type: ignore[assignment]
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, node)]
    if more:
        parts.append(x509.NameAttribute(NameOID.COMMON_NAME, more))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(parts))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def proof_of(key: ec.EllipticCurvePrivateKey, csr: str) -> str:
    der = x509.load_pem_x509_csr(csr.encode()).public_bytes(serialization.Encoding.DER)
    return base64.b64encode(key.sign(PROOF_PREFIX + der, ec.ECDSA(hashes.SHA256()))).decode()


def enrolled(desk: TrustDesk, node: str = "gw-1") -> tuple[ec.EllipticCurvePrivateKey, str]:
    key = new_key()
    return key, desk.enrol(desk.invite(node, "eva").token, request_for(node, key), "10.0.0.9").certificate


def test_a_certificate_names_the_node_and_verifies_against_the_authority_alone(desk: TrustDesk) -> None:
    key, pem = enrolled(desk)
    certificate = x509.load_pem_x509_certificate(pem.encode())
    assert certificate.subject.rfc4514_string() == "CN=gw-1"
    assert certificate.public_key() == key.public_key()
    [use] = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert use.dotted_string == "1.3.6.1.5.5.7.3.2"  # client authentication, and nothing else
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    store = x509.verification.Store([x509.load_pem_x509_certificate(desk.authority.pem.encode())])
    verified = x509.verification.PolicyBuilder().store(store).build_client_verifier().verify(certificate, [])
    [name] = verified.subjects or []
    assert name.value.endswith(".gw-1")


def test_secrets_are_readable_by_their_owner_only_and_no_token_lies_in_the_clear(desk: TrustDesk) -> None:
    made = desk.invite("gw-1", "eva")
    assert desk.folder.stat().st_mode & 0o077 == 0
    for path in desk.folder.iterdir():
        assert made.token not in path.read_text()
        if path.suffix in {".key", ".json"}:
            assert path.stat().st_mode & 0o077 == 0
    (desk.folder / "ca.key").chmod(0o644)
    with pytest.raises(InputError, match="can be read by others"):
        SiteAuthority(desk.folder, "lab")


def test_a_token_names_the_authority_by_its_fingerprint(desk: TrustDesk) -> None:
    der = ssl.PEM_cert_to_DER_cert(desk.authority.pem)
    import hashlib

    assert read_token(desk.invite("gw-1", "eva").token) == hashlib.sha256(der).digest()


def test_a_token_works_once(desk: TrustDesk, audit: list[tuple[Any, ...]]) -> None:
    made = desk.invite("gw-1", "eva")
    desk.enrol(made.token, request_for("gw-1", new_key()), "10.0.0.9")
    with pytest.raises(TrustRefusedError, match="was used"):
        desk.enrol(made.token, request_for("gw-1", new_key()), "10.0.0.66")
    assert [(row[0], row[1], row[3]) for row in audit] == [
        ("eva", "enrolment", "done"), ("eva", "enrol", "done"), ("gateway", "enrol", "refused")
    ]  # fmt: skip


def test_a_token_expires_and_is_replaced_by_the_next(desk: TrustDesk, clock: MovedClock) -> None:
    first, second = desk.invite("gw-1", "eva"), desk.invite("gw-1", "eva", minutes=10)
    with pytest.raises(TrustRefusedError):
        desk.enrol(first.token, request_for("gw-1", new_key()), "a")
    clock.ahead_us = 10 * 60_000_000 + 1
    with pytest.raises(TrustRefusedError):
        desk.enrol(second.token, request_for("gw-1", new_key()), "a")


def test_a_token_is_for_one_name_and_a_wrong_one_does_not_use_it_up(desk: TrustDesk) -> None:
    made = desk.invite("gw-1", "eva")
    with pytest.raises(TrustRefusedError, match="for gw-1, not for gw-2") as caught:
        desk.enrol(made.token, request_for("gw-2", new_key()), "a")
    assert 'node = "gw-1"' in caught.value.fix
    desk.enrol(made.token, request_for("gw-1", new_key()), "a")


@pytest.mark.parametrize("name", ["twin", "devices", "aid4-probe", "gw.1", "../ca", "", "gw 1", "x" * 65, "gw-1\n"])
def test_names_that_are_no_gateways_get_no_token(desk: TrustDesk, name: str) -> None:
    with pytest.raises((InputError, Aid4Error)):
        desk.invite(name, "eva")


def test_a_request_for_more_than_its_name_is_refused(desk: TrustDesk) -> None:
    made, key = desk.invite("gw-1", "eva"), new_key()
    forged = request_for("gw-1", key).replace("A", "B", 3)
    for csr in (
        request_for("gw-1", key, names=["twin"]),
        request_for("gw-1", key, more="twin"),
        request_for("gw-1", rsa.generate_private_key(65_537, 2_048)),
        request_for("gw-1", ec.generate_private_key(ec.SECP384R1())),
        forged, "", "-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n",
    ):  # fmt: skip
        with pytest.raises(InputError):
            desk.enrol(made.token, csr, "a")
    assert desk.register.read().lineages == []


def test_broken_requests_are_refused_and_nothing_else_happens(desk: TrustDesk) -> None:
    made, rng = desk.invite("gw-1", "eva"), random.Random(7)
    good = x509.load_pem_x509_csr(request_for("gw-1", new_key()).encode()).public_bytes(serialization.Encoding.DER)
    for _ in range(300):
        data = bytearray(good)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        broken = bytes(data[: rng.randint(0, len(data))] if rng.random() < 0.3 else data)
        body = base64.b64encode(broken).decode()
        text = f"-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n"
        with pytest.raises(InputError):
            desk.enrol(made.token, text, "a")
    assert desk.register.read().lineages == []


def test_renewal_gives_a_new_certificate_of_the_same_name_to_who_has_the_key(desk: TrustDesk) -> None:
    key, pem = enrolled(desk)
    fresh = new_key()
    csr = request_for("gw-1", fresh)
    answer = desk.renew(pem, csr, proof_of(key, csr), "a")
    one, two = (x509.load_pem_x509_certificate(text.encode()) for text in (pem, answer.certificate))
    assert two.public_key() == fresh.public_key()
    assert one.serial_number != two.serial_number
    names = [c.extensions.get_extension_for_class(x509.SubjectAlternativeName).value for c in (one, two)]
    assert names[0] == names[1]  # so the broker's table stays as it is
    assert desk.renew(pem, csr, proof_of(key, csr), "a").serial == answer.serial  # the answer was lost: the same again


def test_renewal_without_the_key_or_for_another_name_is_refused(desk: TrustDesk, tmp_path: Path) -> None:
    key, pem = enrolled(desk)
    csr, other = request_for("gw-1", new_key()), request_for("gw-2", new_key())
    stranger = TrustDesk(tmp_path / "other", "lab", SystemClock(), lambda *_: None)
    _, foreign = enrolled(stranger)
    for shown, asked, proof in (
        (pem, csr, proof_of(new_key(), csr)),
        (pem, csr, proof_of(key, other)),
        (pem, csr, "AAAA"),
        (pem, csr, "%"),
        (pem, other, proof_of(key, other)),
        (foreign, csr, proof_of(key, csr)),
        (desk.authority.pem, csr, proof_of(key, csr)),
        ("", csr, ""),
    ):
        with pytest.raises(InputError):
            desk.renew(shown, asked, proof, "a")
    assert len(desk.register.read().lineages[0].issued) == 1


def test_an_old_copy_of_a_certificate_cannot_be_renewed(desk: TrustDesk, audit: list[tuple[Any, ...]]) -> None:
    first, pem = enrolled(desk)
    key, shown = first, pem
    for _ in range(2):
        fresh = new_key()
        csr = request_for("gw-1", fresh)
        shown, key = desk.renew(shown, csr, proof_of(key, csr), "a").certificate, fresh
    csr = request_for("gw-1", new_key())
    with pytest.raises(TrustRefusedError, match="two gateways may hold it"):
        desk.renew(pem, csr, proof_of(first, csr), "10.0.0.66")
    assert audit[-1][3] == "refused"
    assert audit[-1][2]["from"] == "10.0.0.66"


def test_a_gateway_that_was_off_line_for_a_month_renews_and_one_of_a_quarter_enrols_anew(
    desk: TrustDesk, clock: MovedClock
) -> None:
    key, pem = enrolled(desk)
    clock.ahead_us = 30 * DAY_US
    csr = request_for("gw-1", new_key())
    assert desk.views()["gw-1"].state == "expired"
    desk.renew(pem, csr, proof_of(key, csr), "a")
    clock.ahead_us += GRACE_US + 8 * DAY_US
    csr = request_for("gw-1", new_key())
    with pytest.raises(TrustRefusedError, match="too long ago"):
        desk.renew(pem, csr, proof_of(key, csr), "a")


def test_renewing_without_end_is_bounded(desk: TrustDesk) -> None:
    key, pem = enrolled(desk)
    for _ in range(ISSUED_MAX - 1):
        fresh = new_key()
        csr = request_for("gw-1", fresh)
        pem, key = desk.renew(pem, csr, proof_of(key, csr), "a").certificate, fresh
    csr = request_for("gw-1", new_key())
    with pytest.raises(TrustRefusedError, match="too often"):
        desk.renew(pem, csr, proof_of(key, csr), "a")


def test_a_revoked_node_stays_revoked_over_restarts_and_an_older_database(desk: TrustDesk, tmp_path: Path) -> None:
    key, pem = enrolled(desk)
    desk.revoke("gw-1", "eva", "stolen")
    again = TrustDesk(tmp_path, "lab", SystemClock(), lambda *_: None)
    csr = request_for("gw-1", new_key())
    with pytest.raises(TrustRefusedError, match="revoked"):
        again.renew(pem, csr, proof_of(key, csr), "a")
    assert again.views()["gw-1"].state == "revoked"
    crl = x509.load_pem_x509_crl((desk.folder / "crl.pem").read_bytes())
    serial = x509.load_pem_x509_certificate(pem.encode()).serial_number
    assert [one.serial_number for one in crl] == [serial]
    assert crl.is_signature_valid(x509.load_pem_x509_certificate(desk.authority.pem.encode()).public_key())


def test_a_new_enrolment_ends_the_certificate_before_it(desk: TrustDesk) -> None:
    _, old = enrolled(desk)
    assert desk.invite("gw-1", "eva").replaces
    _, fresh = enrolled(desk)
    crl = x509.load_pem_x509_crl((desk.folder / "crl.pem").read_bytes())
    serials = [x509.load_pem_x509_certificate(pem.encode()).serial_number for pem in (old, fresh)]
    assert [one.serial_number for one in crl] == serials[:1]
    assert desk.views()["gw-1"].state == "valid"
    assert len({one.identity for one in desk.register.read().lineages}) == 2


def test_revoking_ends_a_token_that_waits_and_says_when_there_is_nothing(desk: TrustDesk) -> None:
    made = desk.invite("gw-1", "eva")
    with pytest.raises(NotFoundError, match="token no longer works"):
        desk.revoke("gw-1", "eva", "")
    with pytest.raises(TrustRefusedError):
        desk.enrol(made.token, request_for("gw-1", new_key()), "a")
    with pytest.raises(NotFoundError):
        desk.revoke("gw-9", "eva", "")


def test_tokens_that_wait_are_bounded(desk: TrustDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twin.trust.TOKENS_MAX", 3)
    for number in range(3):
        desk.invite(f"gw-{number}", "eva")
    with pytest.raises(ConflictError):
        desk.invite("gw-9", "eva")
    desk.invite("gw-2", "eva")  # replaces its own


def test_a_certificate_that_is_not_renewed_in_time_shows(desk: TrustDesk, clock: MovedClock) -> None:
    enrolled(desk)
    shown = []
    for days in (0, 4, 6, 8):
        clock.ahead_us = days * DAY_US
        shown.append(desk.views()["gw-1"].state)
    assert shown == ["valid", "valid", "expiring", "expired"]


def test_a_peer_on_this_machine_keeps_its_certificate_while_it_is_good(desk: TrustDesk, tmp_path: Path) -> None:
    path = desk.issue_here("twin", tmp_path / "twin.pem")
    before = path.read_bytes()
    assert desk.issue_here("twin", path).read_bytes() == before
    assert path.stat().st_mode & 0o077 == 0
    desk.revoke("twin", "eva", "")
    assert desk.issue_here("twin", path).read_bytes() != before
    assert "twin" not in desk.views()


def test_a_broken_register_is_told_and_not_taken_for_an_empty_one(desk: TrustDesk) -> None:
    enrolled(desk)
    desk.register.path.write_text('{"lineages": [')
    with pytest.raises(Aid4Error, match="is broken"):
        RegisterFile(desk.folder).read()
