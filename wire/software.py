"""Software of gateways as it travels: a manifest names every wheel with its hash; a bundle is a tar.gz that holds all.

The manifest is what is signed (a TUF target, `target_name`); wheels are known by their hash (`wheel_name`), so that a
gateway fetches only those it lacks. Beside a bundle `FILE.tuf` carries the signatures to where there is no network.
"""

import hashlib
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import msgspec
from msgspec import Meta

from wire.errors import InputError

__all__ = [
    "BUNDLE_BYTES_MAX", "FILES_MAX", "MANIFEST", "MANIFEST_BYTES_MAX", "SUMS", "Bundle", "Carried", "Unsafe", "Version",
    "VersionOrNone", "Wheel", "copy_checked", "manifest_of", "members", "read_carried", "read_manifest",
    "reading",
    "release_order", "target_name", "wheel_name",
]  # fmt: skip

BUNDLE_BYTES_MAX = 512 << 20
FILES_MAX = 512
MANIFEST_BYTES_MAX = 1 << 20
_PHASES = {"dev": 0, "a": 1, "b": 2, "rc": 3, "": 4, "post": 5}
CARRIED_BYTES_MAX = 32 << 20
SUMS, MANIFEST = "SHA256SUMS", "bundle.json"
Version = Annotated[str, Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,6}){0,3}(\.?[a-z]{1,6}[0-9]{1,6})?$")]
VersionOrNone = Annotated[str, Meta(pattern=r"^([0-9]{1,6}(\.[0-9]{1,6}){0,3}(\.?[a-z]{1,6}[0-9]{1,6})?)?$")]
_Hash = Annotated[str, Meta(pattern="^([0-9a-f]{64})?$")]
_File = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+!-]{0,200}$")]
_FIX = "make it again with `aid4 edge bundle`"


class Wheel(msgspec.Struct, frozen=True):
    """One wheel of a bundle; `bytes` and `sha256` are 0 and empty while it was only looked for."""

    name: Annotated[str, Meta(max_length=128)]
    version: Annotated[str, Meta(max_length=64)]
    file: _File
    bytes: Annotated[int, Meta(ge=0, le=BUNDLE_BYTES_MAX)] = 0
    sha256: _Hash = ""


class Bundle(msgspec.Struct, frozen=True):
    """What was packed, or would be. In `bundle.json` the last two are empty: they are the size and hash of the whole
    file. `install_sha256` is of the script for an installation by hand."""

    arch: Annotated[str, Meta(pattern="^[a-z0-9_]{1,32}$")]
    python: Annotated[str, Meta(pattern=r"^3\.[0-9]{1,2}$")]
    extras: Annotated[tuple[Annotated[str, Meta(max_length=64)], ...], Meta(max_length=64)]
    version: Version
    wheels: Annotated[tuple[Wheel, ...], Meta(min_length=1, max_length=FILES_MAX)]
    install_sha256: _Hash = ""
    bytes: int = 0
    sha256: str = ""


class Carried(msgspec.Struct, frozen=True):
    """`FILE.tuf`: signed metadata by name as the twin offers it, for a gateway that cannot ask the twin."""

    files: Annotated[dict[Annotated[str, Meta(max_length=200)], str], Meta(max_length=64)]


class Unsafe(Exception):  # noqa: N818 - a verdict on a file
    """A member that no bundle has."""


def target_name(version: str, arch: str, python: str) -> str:
    """Under which name a manifest is signed."""
    return f"software/{version}/{arch}-py{python}.json"


def wheel_name(sha256: str) -> str:
    """Under which name a gateway asks for a wheel."""
    return f"software/wheels/{sha256}.whl"


def release_order(version: str) -> tuple[int, ...]:
    """Versions in their order: 1.2.dev3 < 1.2rc1 < 1.2 < 1.2.post1 < 1.10."""
    digits = "0123456789"
    phase = "".join(sign for sign in version if sign.isalpha())
    numbers = version.rstrip(digits).removesuffix(phase).rstrip(".") if phase else version
    count = version[len(version.rstrip(digits)) :] if phase else ""
    parts = [int(part) for part in numbers.split(".")]
    return (*(parts + [0] * (4 - len(parts))), _PHASES.get(phase, 0), int(count or 0))


def read_manifest(data: bytes, name: str) -> Bundle:
    """A manifest, every wheel with its hash and no file named twice; InputError."""
    if len(data) > MANIFEST_BYTES_MAX:
        raise InputError("a manifest without end", file=name, fix=_FIX)
    try:
        found = msgspec.json.decode(data, type=Bundle)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        detail, _, at = str(error).partition(" - at `$")
        raise InputError(detail[:300], file=name, field=at.strip("`."), fix=_FIX) from error
    if any(not one.sha256 or not one.bytes or not one.file.endswith(".whl") for one in found.wheels):
        raise InputError("a wheel has no hash", file=name, field="wheels", fix=_FIX)
    if len({one.file for one in found.wheels}) != len(found.wheels):
        raise InputError("two wheels have one name", file=name, field="wheels", fix=_FIX)
    if sum(one.bytes for one in found.wheels) > BUNDLE_BYTES_MAX:
        raise InputError(f"more than {BUNDLE_BYTES_MAX >> 20} MiB of wheels", file=name, field="wheels", fix=_FIX)
    return found


def read_carried(file: Path) -> Carried:
    """The signatures beside a bundle; InputError."""
    fix = f"aid4 fleet software publish {file.name.removesuffix('.tuf')} writes it; bring both files"
    try:
        if file.stat().st_size > CARRIED_BYTES_MAX:
            raise InputError("signatures without end", file=str(file), fix=fix)
        return msgspec.json.decode(file.read_bytes(), type=Carried)
    except FileNotFoundError as error:
        raise InputError("the signatures of this bundle are not there", file=str(file), fix=fix) from error
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}"[:300], file=str(file), fix=fix) from error


def members(file: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Name below the one folder, and the bytes, of each file of a bundle; nothing is written to the disk.

    InputError when there is no such file or it breaks off, Unsafe for what no bundle has.
    """
    with reading(file), tarfile.open(file, "r:gz") as tar:
        yield from _members(tar)


@contextmanager
def reading(file: Path | str) -> Iterator[None]:
    """Around every read of a member: InputError for a bundle that is not there or breaks off."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError("is not there", file=str(file), fix="name a file that `aid4 edge bundle` wrote") from error
    except (OSError, EOFError, tarfile.TarError, zlib.error, ValueError) as error:
        raise InputError(f"cannot be read to its end: {error}", file=str(file), fix="copy the bundle again") from error


def _members(tar: tarfile.TarFile) -> Iterator[tuple[str, IO[bytes]]]:
    total = 0
    for count, member in enumerate(tar, 1):
        top, _, name = member.name.partition("/")
        total += member.size
        if count > FILES_MAX or total > BUNDLE_BYTES_MAX + (1 << 20):
            raise Unsafe(f"is larger than {FILES_MAX} files or {BUNDLE_BYTES_MAX >> 20} MiB")
        if not member.isreg() or not top or not name or ".." in member.name.split("/") or member.name[0] == "/":
            raise Unsafe(f"{member.name[:80]!r} is no file of a bundle")
        stream = tar.extractfile(member)
        assert stream is not None, "a regular file has bytes"
        yield name, stream


def manifest_of(file: Path) -> tuple[bytes, Bundle]:
    """The manifest of a bundle, as its bytes were packed and read; InputError."""
    try:
        for name, stream in members(file):
            if name == MANIFEST:
                with reading(file):
                    data = stream.read(MANIFEST_BYTES_MAX + 1)
                return data, read_manifest(data, f"{file}: {MANIFEST}")
    except Unsafe as error:
        raise InputError(str(error), file=str(file), fix=_FIX) from error
    raise InputError(f"has no {MANIFEST}", file=str(file), fix=_FIX)


def copy_checked(stream: IO[bytes], to: Path, wheel: Wheel, name: str) -> None:
    """Write a wheel to the disk, durable; InputError when its bytes are not those of the manifest."""
    digest, total = hashlib.sha256(), 0
    with to.open("wb") as out:
        while chunk := _chunk(stream, name):
            total += len(chunk)
            digest.update(chunk)
            out.write(chunk)
            if total > wheel.bytes:
                break
    if total != wheel.bytes or digest.hexdigest() != wheel.sha256:
        to.unlink(missing_ok=True)
        raise InputError(f"{wheel.file} is not what was signed", file=name, fix="copy the bundle again")


def _chunk(stream: IO[bytes], name: str) -> bytes:
    with reading(name):
        return stream.read(1 << 20)
