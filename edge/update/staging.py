"""A manifest that passed every check, and its wheels under their hash: from the twin in parts, or out of a file.

Only wheels that are not here yet are fetched; one that broke off goes on where it ended. Nothing is used before the
whole of it has the hash that was signed.
"""

import asyncio
import hashlib
import os
import platform
import shutil
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from edge.parts import FileParts
from edge.update.prefix import Prefix
from wire.errors import InputError
from wire.software import (
    Bundle,
    Unsafe,
    Wheel,
    copy_checked,
    manifest_of,
    members,
    read_carried,
    read_manifest,
    target_name,
    wheel_name,
)

__all__ = [
    "check_space",
    "fetch_wheels",
    "fitting_name",
    "manifest_of_file",
    "missing",
    "verified_manifest",
    "wheels_of",
]

UNPACKED: Final = 5  # of a wheel's bytes: what it takes on the disk with its compiled files
SPARE_BYTES: Final = 64 << 20  # an agent goes on writing meanwhile
_FIX: Final = "publish the bundle again: aid4 fleet software publish BUNDLE --key targets.pem"
_turn = threading.Lock()  # one verification at a time writes the trust of this gateway


def fitting_name(version: str) -> str:
    """Under which name the manifest for this machine is signed."""
    return target_name(version, platform.machine(), f"{sys.version_info[0]}.{sys.version_info[1]}")


def verified_manifest(trust: Path, root: bytes, version: str, fetch: Callable[[str], Iterable[bytes] | None]) -> Bundle:
    """The manifest of a version for this machine, as the operator signed it. InputError; in a thread."""
    from inference.registry.client import verified_target

    name = fitting_name(version)
    with _turn:
        found = read_manifest(verified_target(trust, root, name, fetch, field="software", fix=_FIX), name)
    if target_name(found.version, found.arch, found.python) != name:
        raise InputError(f"{name} is of {found.version} for {found.arch}", field="software", fix="publish it again")
    return found


def manifest_of_file(trust: Path, root: bytes, file: Path) -> Bundle:
    """The manifest of a bundle, by the signatures beside it. InputError."""
    packed, found = manifest_of(file)
    here = fitting_name(found.version)
    if target_name(found.version, found.arch, found.python) != here:
        fix = f"aid4 edge bundle --arch {platform.machine()} --python {sys.version_info[0]}.{sys.version_info[1]}"
        raise InputError(f"is for {found.arch}, Python {found.python}: not this machine", file=str(file), fix=fix)
    carried = read_carried(file.with_name(file.name + ".tuf")).files
    offered = {name: text.encode() for name, text in carried.items()} | {f"targets/{here}": packed}

    def fetch(name: str) -> Iterator[bytes] | None:
        return iter([offered[name]]) if name in offered else None

    return verified_manifest(trust, root, found.version, fetch)


def wheels_of(prefix: Prefix, manifest: Bundle, file: Path) -> None:
    """Take the wheels that are missing out of a bundle. InputError for one that is not what was signed."""
    wanted = {f"wheels/{one.file}": one for one in missing(prefix, manifest)}
    try:
        for name, stream in members(file):
            if name in wanted:
                part = _part(prefix, wanted[name])
                copy_checked(stream, part, wanted[name], str(file))
                part.rename(_whole(prefix, wanted.pop(name)))
    except Unsafe as error:
        raise InputError(str(error), file=str(file), fix="bring a file of `aid4 edge bundle`") from error
    if wanted:
        raise InputError(f"{min(wanted)} is missing", file=str(file), fix="copy the bundle again")


def missing(prefix: Prefix, manifest: Bundle) -> list[Wheel]:
    """The wheels that are not here yet, with the bytes that were signed."""
    return [one for one in manifest.wheels if not _is_here(_whole(prefix, one), one)]


async def fetch_wheels(
    prefix: Prefix, wheels: list[Wheel], parts: FileParts, room: Callable[[int], Awaitable[None]]
) -> None:
    """Fetch one after the other; `room` lets live data go first. InputError, TimeoutError for a silent twin."""
    for wheel in wheels:
        part, name = _part(prefix, wheel), f"targets/{wheel_name(wheel.sha256)}"
        at = part.stat().st_size if part.exists() else 0
        if at > wheel.bytes:
            part.unlink()
            at = 0
        while at < wheel.bytes:
            answer = await parts.take(name, at)
            if answer.total != wheel.bytes or not answer.data:
                part.unlink(missing_ok=True)
                told = "has no such wheel" if answer.total < 0 else "sends another length than was signed"
                raise InputError(f"the twin {told}: {wheel.file}", field="software", fix="publish the bundle again")
            await asyncio.to_thread(_append, part, answer.data)
            at += len(answer.data)
            await room(len(answer.data))
        if not await asyncio.to_thread(_is_here, part, wheel):
            part.unlink(missing_ok=True)
            raise InputError(f"{wheel.file} is not what was signed", field="software", fix="publish the bundle again")
        part.rename(_whole(prefix, wheel))


def wheel_files(prefix: Prefix, manifest: Bundle, folder: Path) -> list[Path]:
    """The wheels by their own names, as links in `folder`: pip reads the name."""
    folder.mkdir(parents=True)
    found = []
    for one in manifest.wheels:
        path = folder / one.file
        path.symlink_to(_whole(prefix, one).resolve())
        found.append(path)
    return found


def check_space(prefix: Prefix, manifest: Bundle) -> None:
    """InputError when the disk has no room for the wheels and what is made of them."""
    here = sum(one.bytes for one in missing(prefix, manifest))
    need = here + UNPACKED * sum(one.bytes for one in manifest.wheels) + SPARE_BYTES
    free = shutil.disk_usage(prefix.folder).free
    if free < need:
        fix = f"free {(need - free) / 1e6:.0f} MB there: `aid4 edge doctor` says what takes it"
        text = f"{need / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free"
        raise InputError(text, file=str(prefix.folder), field="software", fix=fix)


def _whole(prefix: Prefix, wheel: Wheel) -> Path:
    return prefix.wheels / f"{wheel.sha256}.whl"


def _part(prefix: Prefix, wheel: Wheel) -> Path:
    return prefix.wheels / f"{wheel.sha256}.part"


def _is_here(path: Path, wheel: Wheel) -> bool:
    try:
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_size == wheel.bytes and (
                hashlib.file_digest(file, "sha256").hexdigest() == wheel.sha256
            )
    except OSError:
        return False


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)
