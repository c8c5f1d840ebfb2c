"""The site's own certificate authority: one P-256 key under the twin's data, which signs for gateways and servers.

The key is made on first use, readable by its owner only, and never leaves the folder. A certificate's common name is
the node; its one DNS name, `<lineage>.<node>`, tells enrolments of one name apart, and is the user name that
nats-server maps it to. mosquitto takes the common name and the revocation list.
"""

import datetime as dt
import hashlib
import ipaddress
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from twin.pki_key import read_key, write_key
from wire.errors import InputError
from wire.private_files import write_private

__all__ = ["SiteAuthority", "local_names", "new_key", "read_request"]

CA_YEARS: Final = 20.0  # a compromise ends an authority, not a birthday: see docs/fleet.md
SERVER_DAYS: Final = 90.0  # issued anew at each start, and while running when a third is left
BACKDATED: Final = dt.timedelta(minutes=5)  # for peers whose clocks are a little behind
CRL_YEARS: Final = 20.0  # mosquitto refuses everybody under a list that is out of date
_DAY = dt.timedelta(days=1)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_CURVE = ec.SECP256R1


class SiteAuthority:
    """The authority in one folder (`ca.pem`, `ca.key`, `crl.pem`); a context of nothing, safe to open twice."""

    def __init__(self, folder: Path, site: str) -> None:
        self.folder, self.site = folder, site
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        self.ca_file, self.crl_file = folder / "ca.pem", folder / "crl.pem"
        key_file = folder / "ca.key"
        if not key_file.exists():
            self._make(key_file)
        self._key = read_key(key_file)
        self.certificate = x509.load_pem_x509_certificate(self.ca_file.read_bytes())
        if self.certificate.public_key() != self._key.public_key():
            fix = "restore ca.pem and ca.key together"
            raise InputError("the authority's certificate and key do not belong together", file=str(folder), fix=fix)
        if not self.crl_file.exists():
            self.write_crl([])

    @property
    def pem(self) -> str:
        """The authority's certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def pin(self) -> bytes:
        """Its SHA-256, which tokens name."""
        return hashlib.sha256(self.certificate.public_bytes(serialization.Encoding.DER)).digest()

    def sign_client(
        self, node: str, lineage: str, key: ec.EllipticCurvePublicKey, days: float, now_us: int
    ) -> x509.Certificate:
        """A certificate with which `node` signs in at the broker."""
        now, names = _EPOCH + dt.timedelta(microseconds=now_us), [x509.DNSName(f"{lineage}.{node}")]
        return self._sign(node, key, now, days, names, ExtendedKeyUsageOID.CLIENT_AUTH)

    def server_file(self, name: str, hosts: Iterable[str]) -> Path:
        """Key and certificate of a server of this site under these host names and addresses, in one fresh file."""
        key, names = new_key(), [_general(host) for host in dict.fromkeys(hosts)]
        use, now = ExtendedKeyUsageOID.SERVER_AUTH, dt.datetime.now(dt.UTC)
        certificate = self._sign(f"{self.site} {name}"[:64], key.public_key(), now, SERVER_DAYS, names, use)
        path = self.folder / f"{name}-server.pem"
        write_private(path, key_pem(key) + certificate.public_bytes(serialization.Encoding.PEM))
        return path

    def issued(self, certificate: x509.Certificate) -> bool:
        """Whether it is one of ours, by its signature; not whether it still holds."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def write_crl(self, serials: Iterable[int]) -> None:
        """The revocation list, for brokers that read one."""
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateRevocationListBuilder(
            issuer_name=self.certificate.subject, last_update=now - BACKDATED, next_update=now + CRL_YEARS * 365 * _DAY
        )
        for serial in sorted(serials):
            revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
            builder = builder.add_revoked_certificate(revoked)
        data = builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        write_private(self.crl_file, data)

    def _make(self, key_file: Path) -> None:
        """The key last: without it the next start makes both anew."""
        key, now = new_key(), dt.datetime.now(dt.UTC)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"AID4 {self.site}"[:64])])
        usage = x509.KeyUsage(
            digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        certificate = (
            _builder(name, name, key.public_key(), now, CA_YEARS * 365)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        write_private(self.ca_file, certificate.public_bytes(serialization.Encoding.PEM))
        self.crl_file.unlink(missing_ok=True)
        write_key(key_file, key)

    def _sign(
        self,
        name: str,
        key: ec.EllipticCurvePublicKey,
        now: dt.datetime,
        days: float,
        names: Sequence[x509.GeneralName],
        usage: x509.ObjectIdentifier,
    ) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return (
            _builder(subject, self.certificate.subject, key, now, days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )


def new_key() -> ec.EllipticCurvePrivateKey:
    """A fresh P-256 key."""
    return ec.generate_private_key(_CURVE())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A key as PEM, not encrypted: the file's permissions guard it."""
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def read_request(pem: str) -> tuple[str, ec.EllipticCurvePublicKey, bytes]:
    """(common name, key, DER) of a PKCS#10 request; InputError when it is broken, asks for more than a name, or is not
    signed by its own P-256 key."""
    fix = "make it with `aid4 edge enrol`"
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        names = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        key, extensions = request.public_key(), list(request.extensions)
        good = request.is_signature_valid
    except (ValueError, TypeError, x509.UnsupportedGeneralNameType, x509.DuplicateExtension) as error:
        raise InputError("this is no request for a certificate", field="csr", fix=fix) from error
    except Exception as error:
        raise InputError(f"this request cannot be read: {error}", field="csr", fix=fix) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, _CURVE) or not good:
        raise InputError("a request has a P-256 key that signed it", field="csr", fix=fix)
    if len(names) != 1 or len(list(request.subject)) != 1 or extensions:
        raise InputError("a request names one node and nothing else", field="csr", fix=fix)
    return str(names[0].value), key, request.public_bytes(serialization.Encoding.DER)


def local_names(host: str = "", more: Iterable[str] = ()) -> list[str]:
    """Under what others may reach a server that listens on `host`: given names, this machine's, its addresses."""
    found = [*more, *(part for part in (host,) if part and not _is_any(part))]
    found += [socket.gethostname(), "localhost", "127.0.0.1", "::1"]
    for family, far in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:  # sends nothing: asks for the route only
                probe.connect((far, 9))
                found.append(str(probe.getsockname()[0]).partition("%")[0])
        except OSError:
            continue
    return list(dict.fromkeys(found))


def micros_of(moment: dt.datetime) -> int:
    """Microseconds since 1970."""
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: dt.datetime, days: float
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + days * _DAY)
    )


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _is_any(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
