"""The authority's key on disk: encrypted where there is a passphrase, never taken from a file that others can read."""

from pathlib import Path

import pytest

from twin.pki import SiteAuthority
from wire.errors import InputError


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file with a passphrase."""
    path = tmp_path / "passphrase"
    path.touch(mode=0o600)
    path.write_text("correct horse\n")
    return path


def test_a_key_is_encrypted_from_the_first_byte_where_there_is_a_passphrase(
    tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AID4_CA_PASSPHRASE_FILE", str(secret))
    made = SiteAuthority(tmp_path / "pki", "lab")
    assert b"ENCRYPTED PRIVATE KEY" in (tmp_path / "pki" / "ca.key").read_bytes()
    assert SiteAuthority(tmp_path / "pki", "lab").pin == made.pin
    secret.write_text("wrong horse\n")
    with pytest.raises(InputError, match="cannot be read with this passphrase"):
        SiteAuthority(tmp_path / "pki", "lab")
    monkeypatch.delenv("AID4_CA_PASSPHRASE_FILE")
    with pytest.raises(InputError, match="there is no passphrase"):
        SiteAuthority(tmp_path / "pki", "lab")


def test_a_key_of_before_is_encrypted_in_place_and_signs_on(
    tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin, key = SiteAuthority(tmp_path / "pki", "lab").pin, tmp_path / "pki" / "ca.key"
    assert b"ENCRYPTED" not in key.read_bytes()
    (tmp_path / "aid4-ca-passphrase").write_bytes(secret.read_bytes())
    (tmp_path / "aid4-ca-passphrase").chmod(0o400)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))  # as systemd gives it
    assert SiteAuthority(tmp_path / "pki", "lab").pin == pin
    assert b"ENCRYPTED PRIVATE KEY" in key.read_bytes()
    assert key.stat().st_mode & 0o777 == 0o600
    SiteAuthority(tmp_path / "pki", "lab").write_crl([7])


@pytest.mark.parametrize("damage", ["short", "open", "missing", "wide key"])
def test_a_passphrase_or_key_that_is_not_safe_is_refused_with_the_fix(
    tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setenv("AID4_CA_PASSPHRASE_FILE", str(secret))
    SiteAuthority(tmp_path / "pki", "lab")
    if damage == "short":
        secret.write_text("short")
    elif damage == "open":
        secret.chmod(0o644)
    elif damage == "missing":
        secret.unlink()
    else:
        (tmp_path / "pki" / "ca.key").chmod(0o640)
    with pytest.raises(InputError) as refused:
        SiteAuthority(tmp_path / "pki", "lab")
    assert refused.value.fix
    assert refused.value.file
