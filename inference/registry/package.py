"""A signed bundle, `*.aid4model`: magic, length, header (JSON), Ed25519 signature of all before, then the ONNX files.

The header names each file with its place, size, hash, channels, metrics and the fingerprint of what it was learned
from; so the signature covers everything. Nothing is unpacked, nothing is executed: parts are slices of the bytes.
"""

import hashlib
import re
import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from inference.limits import BUNDLE_BYTES_MAX, PACKAGE_BYTES_MAX, PACKAGE_HEADER_BYTES_MAX, PACKAGE_PARTS_MAX
from inference.registry.onnx_check import check_onnx
from wire.errors import InputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

__all__ = ["Package", "PackageHeader", "Part", "pack", "read_package", "target_name"]

MAGIC = b"AID4MODEL1\n"
_SIGNATURE_BYTES = 64
_NAME = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,63}$")]
_VERSION = Annotated[str, Meta(pattern="^[0-9]{1,6}(\\.[0-9]{1,6}){0,3}$")]
_HASH = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
_FIX = "pack it again with `aid4 model pack`"


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ONNX file of a bundle."""

    name: _NAME
    offset: Annotated[int, Meta(ge=0, le=PACKAGE_BYTES_MAX)]
    bytes: Annotated[int, Meta(ge=1, le=BUNDLE_BYTES_MAX)]
    sha256: _HASH
    channels: Annotated[list[Annotated[str, Meta(max_length=250)]], Meta(max_length=1_000)]
    data_sha256: _HASH
    metrics: dict[str, float] = {}


class PackageHeader(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was signed."""

    id: _NAME
    version: _VERSION
    made: Annotated[str, Meta(max_length=40)]
    data_sha256: _HASH
    parts: Annotated[list[Part], Meta(min_length=1, max_length=PACKAGE_PARTS_MAX)]


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle that was verified: its header, its own hash, and the ONNX files by name."""

    header: PackageHeader
    sha256: str
    files: dict[str, bytes]


def target_name(model: str, version: str) -> str:
    """Where a bundle lies in the repository."""
    return f"{model}/{version}.aid4model"


def pack(folder: Path, *, model: str, version: str, key: "Ed25519PrivateKey", now: datetime | None = None) -> bytes:
    """The signed bundle of a folder that `aid4 model train` wrote; InputError for what may not be in one."""
    report = _report(folder)
    parts, blobs, offset = list[Part](), list[bytes](), 0
    for one in report["models"]:
        data = _part_bytes(folder, str(one["file"]))
        if hashlib.sha256(data).hexdigest() != one["sha256"]:
            raise InputError("the file is not the one that was trained", file=str(folder / one["file"]), fix="train")
        check_onnx(data, str(one["file"]))
        name = re.sub(r"\.onnx$", "", one["file"])
        parts.append(
            Part(
                name=name, offset=offset, bytes=len(data), sha256=one["sha256"], channels=one["channels"],
                data_sha256=one["data_sha256"], metrics=one["metrics"],
            )
        )  # fmt: skip
        blobs.append(data)
        offset += len(data)
    header = _checked(
        {
            "id": model, "version": version, "made": (now or datetime.now(UTC)).isoformat(timespec="seconds"),
            "data_sha256": report["data_sha256"], "parts": msgspec.to_builtins(parts),
        }
    )  # fmt: skip
    text = msgspec.json.encode(header)
    head = MAGIC + struct.pack(">I", len(text)) + text
    whole = b"".join([head, key.sign(head), *blobs])
    if len(whole) > PACKAGE_BYTES_MAX:
        fix = "train fewer assets into one bundle (--asset)"
        raise InputError(f"a bundle of {len(whole):,} bytes; at most {PACKAGE_BYTES_MAX:,}", file=str(folder), fix=fix)
    return whole


def read_package(data: bytes, keys: "Sequence[Ed25519PublicKey]", name: str = "") -> Package:
    """Verify a bundle with any of the keys; InputError when anything about it is not as signed."""
    from cryptography.exceptions import InvalidSignature

    if len(data) > PACKAGE_BYTES_MAX:
        raise InputError(f"a bundle of more than {PACKAGE_BYTES_MAX:,} bytes", file=name, fix=_FIX)
    start = len(MAGIC) + 4
    if data[: len(MAGIC)] != MAGIC or len(data) < start:
        raise InputError("not a bundle of models", file=name, fix=_FIX)
    (size,) = struct.unpack(">I", data[len(MAGIC) : start])
    body = start + size + _SIGNATURE_BYTES
    if size > PACKAGE_HEADER_BYTES_MAX or body > len(data):
        raise InputError("the bundle is cut short", file=name, fix=_FIX)
    head, signature = data[: start + size], data[start + size : body]
    for key in keys:
        try:
            key.verify(signature, head)
            break
        except InvalidSignature:
            continue
    else:
        raise InputError("the bundle is not signed by anyone trusted here", file=name, fix="sign with the targets key")
    header = _checked(head[start:], name)
    return Package(
        header=header, sha256=hashlib.sha256(data).hexdigest(), files=dict(_parts(header, data[body:], name))
    )


def _parts(header: PackageHeader, body: bytes, name: str) -> Iterable[tuple[str, bytes]]:
    at = 0
    for part in header.parts:
        data = body[part.offset : part.offset + part.bytes]
        if part.offset != at or hashlib.sha256(data).hexdigest() != part.sha256:
            raise InputError(f"{part.name} is not what was signed", file=name, fix=_FIX)
        check_onnx(data, f"{name}:{part.name}")
        at += part.bytes
        yield part.name, data
    if at != len(body):
        raise InputError("the bundle goes on after its end", file=name, fix=_FIX)


def _checked(header: dict[str, Any] | bytes, name: str = "") -> PackageHeader:
    try:
        if isinstance(header, bytes):
            found = msgspec.json.decode(header, type=PackageHeader)
        else:
            found = msgspec.convert(header, type=PackageHeader)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        detail, _, at = str(error).partition(" - at `$")
        raise InputError(detail, file=name, field=at.strip("`."), fix="ids are a-z 0-9 _ -, versions 1.2.3") from error
    if len({part.name for part in found.parts}) != len(found.parts):
        raise InputError("two parts have one name", file=name, field="parts", fix=_FIX)
    return found


def _report(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = msgspec.json.decode((folder / "training.json").read_bytes())
        return {"models": list(found["models"]), "data_sha256": found["data_sha256"]}
    except (OSError, msgspec.MsgspecError, KeyError, TypeError) as error:
        fix = "give a folder that `aid4 model train` wrote"
        raise InputError("no training.json that can be read", file=str(folder), fix=fix) from error


def _part_bytes(folder: Path, file: str) -> bytes:
    if Path(file).name != file or not file.endswith(".onnx"):
        raise InputError(f"{file[:100]!r} is no file of the folder", file=str(folder), field="file", fix="train again")
    try:
        return (folder / file).read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=str(folder / file), fix="train again") from error
