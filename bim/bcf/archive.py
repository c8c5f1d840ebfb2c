"""A .bcfzip from a stranger: its members in memory, within bounds that its own directory cannot talk away."""

import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Self

from wire.errors import InputError

__all__ = ["BCF_BYTES_MAX", "Archive"]

_MIB = 1 << 20
BCF_BYTES_MAX = 256 * _MIB  # snapshots make large files; a thousand topics take 200 MiB
_MEMBERS_MAX = 50_000
_MEMBER_BYTES_MAX = 64 * _MIB  # one viewpoint or snapshot
_UNPACKED_BYTES_MAX = 512 * _MIB
_RATIO_MAX = 200  # XML packs about 1:20; a bomb packs 1:1000
_SMALL_BYTES = 1 * _MIB  # what is smaller may pack better
_FIX = "export the issues again"
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


class Archive:
    """Reads members by name; an open file, use as a context manager. Raises InputError for everything amiss."""

    def __init__(self, path: Path) -> None:
        self.file = str(path)
        self._unpacked = 0
        try:
            info = path.stat()
        except (OSError, ValueError) as error:
            raise self._error(getattr(error, "strerror", None) or str(error), fix="give the path of a .bcf") from error
        if not stat.S_ISREG(info.st_mode):
            raise self._error("not a plain file", fix="give the path of a .bcf or .bcfzip file")
        if info.st_size > BCF_BYTES_MAX:
            raise self._error(f"more than {BCF_BYTES_MAX // _MIB} MiB", fix="export fewer topics at a time")
        try:
            self._zip = zipfile.ZipFile(path)
        except _DAMAGE as error:
            raise self._error(f"it is no zip archive: {error}") from error
        try:
            self._members = self._checked()
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    @property
    def names(self) -> list[str]:
        """Names of all members, folders left out, with forward slashes."""
        return list(self._members)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def read(self, name: str) -> bytes:
        """One member, never more of it than the bounds allow."""
        member = self._members.get(name)
        if member is None:
            raise self._error("there is no such member", field=name)
        bound = min(_MEMBER_BYTES_MAX, _UNPACKED_BYTES_MAX - self._unpacked)
        bound = min(bound, max(_SMALL_BYTES, member.compress_size * _RATIO_MAX))
        try:
            with self._zip.open(member) as packed:
                data = packed.read(bound + 1)
        except _DAMAGE as error:
            raise self._error(f"it is damaged: {error}", field=name) from error
        if len(data) > bound:
            raise self._error(f"it unpacks to more than {bound} bytes", field=name)
        self._unpacked += len(data)
        return data

    def _checked(self) -> dict[str, zipfile.ZipInfo]:
        infos = self._zip.infolist()
        if len(infos) > _MEMBERS_MAX:
            raise self._error(f"{len(infos)} members; at most {_MEMBERS_MAX} are read")
        members: dict[str, zipfile.ZipInfo] = {}
        for member in infos:
            name = member.filename.replace("\\", "/")
            path = PurePosixPath(name)
            if not path.parts or path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
                raise self._error("a member points out of the archive", field=name[:200])
            if member.flag_bits & 1:
                raise self._error("a member is encrypted", field=name[:200], fix="save it without a password")
            if not member.is_dir():
                if name in members:
                    raise self._error("a member stands in it twice", field=name[:200])
                members[name] = member
        return members

    def _error(self, problem: str, *, field: str = "", fix: str = _FIX) -> InputError:
        return InputError(problem, file=self.file, field=field, fix=fix)
