"""From what a person gave us to a plain IFC file that the library can read, within bounds.

A path is a plain file on this machine; addresses are refused, nothing is ever fetched. An .ifczip is unpacked
here, counted while unpacking. Addenda that the library does not know by name are read as the schema they amend.
"""

import hashlib
import re
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bim.errors import SPLIT, ModelError
from bim.limits import MIB, ModelLimits
from bim.step_text import StepError, StepText, look_at

__all__ = ["SCHEMAS", "PlainModel", "check_path", "plain_model", "sha256_of"]

SCHEMAS = ("IFC2X3", "IFC4", "IFC4X3_ADD2")
_READ_AS = {
    "IFC2X3_TC1": "IFC2X3",
    "IFC2X3_FINAL": "IFC2X3",
    "IFC4_ADD1": "IFC4",
    "IFC4_ADD2": "IFC4",
    "IFC4X3": "IFC4X3_ADD2",
    "IFC4X3_TC1": "IFC4X3_ADD2",
    "IFC4X3_ADD1": "IFC4X3_ADD2",
}
_ADDRESS = re.compile(r"\A[a-zA-Z][a-zA-Z0-9+.-]+:/{1,2}")
_CHUNK_BYTES = 1 * MIB
_PLAIN_NAME = "model.ifc"
_SAVE_PLAIN = "save the model as a plain .ifc file"


@dataclass(frozen=True, slots=True)
class PlainModel:
    """A readable file, what its text says, and what was done to get there."""

    path: Path
    text: StepText
    warnings: list[str]


def check_path(given: str | Path, limits: ModelLimits) -> Path:
    """The file behind a path that a person gave; raises ModelError for anything but a plain file within bounds."""
    name = str(given)
    if _ADDRESS.match(name):
        raise ModelError("reference", "models are not fetched", file=name, fix="download it and give the file's path")
    path = Path(given)
    try:
        info = path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelError("missing", reason, file=name, fix="give the path of an .ifc or .ifczip file") from error
    if not stat.S_ISREG(info.st_mode):
        raise ModelError("missing", "not a plain file", file=name, fix="give the path of an .ifc or .ifczip file")
    if info.st_size > limits.file_bytes:
        problem = f"{info.st_size // MIB} MiB; the bound is {limits.file_bytes // MIB} MiB"
        raise ModelError("too_big", problem, file=name, fix=SPLIT)
    return path


def sha256_of(path: Path) -> str:
    """Content hash of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def plain_model(path: Path, work_dir: Path, limits: ModelLimits) -> PlainModel:
    """Unpack if packed, look at the text, and settle the schema; raises ModelError."""
    warnings: list[str] = []
    shown = str(path)
    if _is_zip(path):
        path = _unpack(path, work_dir / _PLAIN_NAME, limits)
        warnings.append("unpacked from an archive")
    try:
        text = look_at(path)
    except StepError as fault:
        fix = "export it again" if fault.reason == "truncated" else _SAVE_PLAIN
        raise ModelError(fault.reason, fault.problem, file=shown, fix=fix) from fault
    if text.schema in SCHEMAS:
        return PlainModel(path, text, warnings)
    read_as = _READ_AS.get(text.schema)
    if read_as is None:
        raise _unreadable(text.schema, shown)
    warnings.append(f"the schema {text.schema} is read as {read_as}")
    return PlainModel(_renamed_schema(path, text.schema, read_as, work_dir), text, warnings)


def _unreadable(schema: str, shown: str) -> ModelError:
    if not schema.startswith("IFC"):
        return ModelError("not_ifc", f"its schema is {schema!r}, not IFC", file=shown, fix=_SAVE_PLAIN)
    problem = f"the schema {schema} cannot be read; IFC2X3, IFC4 and IFC4X3 can"
    return ModelError("schema", problem, file=shown, fix="export the model as IFC4 or IFC4X3 (ISO 16739-1:2024)")


def _renamed_schema(path: Path, schema: str, read_as: str, work_dir: Path) -> Path:
    """A copy whose header names the schema that is read."""
    data = path.read_bytes()
    place = re.search(rb"FILE_SCHEMA\s*\(\s*\(\s*'\s*(" + re.escape(schema.encode()) + rb")\s*'", data, re.IGNORECASE)
    assert place is not None, "look_at found this schema in the same bytes"
    target = work_dir / _PLAIN_NAME
    target.write_bytes(data[: place.start(1)] + read_as.encode() + data[place.end(1) :])
    return target


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _unpack(path: Path, target: Path, limits: ModelLimits) -> Path:
    """The one .ifc member of an archive, never more of it than the bounds allow."""
    shown = str(path)
    bound = min(limits.unpacked_bytes, path.stat().st_size * limits.unpacked_ratio)
    try:
        with zipfile.ZipFile(path) as archive:
            member = _ifc_member(archive, shown)
            with archive.open(member) as packed, target.open("wb") as plain:
                written = 0
                while chunk := packed.read(_CHUNK_BYTES):
                    written += len(chunk)
                    if written > bound:
                        problem = f"{member.filename!r} unpacks to more than {bound} bytes"
                        raise ModelError("bomb", problem, file=shown, fix=_SAVE_PLAIN)
                    plain.write(chunk)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ModelError("malformed", f"the archive is damaged: {error}", file=shown, fix=_SAVE_PLAIN) from error
    return target


def _ifc_member(archive: zipfile.ZipFile, shown: str) -> zipfile.ZipInfo:
    members = [member for member in archive.infolist() if not member.is_dir()]
    models = [member for member in members if member.filename.lower().endswith(".ifc")]
    if len(models) != 1:
        problem = f"the archive holds {len(models)} .ifc files; exactly one is read"
        raise ModelError("not_ifc", problem, file=shown, fix=_SAVE_PLAIN)
    name = PurePosixPath(models[0].filename.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts:
        problem = f"the archive's member {models[0].filename!r} points out of the archive"
        raise ModelError("reference", problem, file=shown, fix=_SAVE_PLAIN)
    return models[0]
