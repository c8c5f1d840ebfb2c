"""Everything a gateway needs, in one file, for an installation without internet: wheels, `install.sh`, their sums.

A bundle is a tar.gz with one folder: `wheels/`, `install.sh`, `bundle.json` and `SHA256SUMS`, which names every other
file. The same wheels make the same bytes. The sums tell damage on the way, not forgery: that is what the signatures
beside it are for (`wire.software`, docs/updates.md). `make` asks the package registry that pip is configured with;
nothing else here leaves the machine.
"""

import gzip
import hashlib
import io
import json
import string
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from edge.update.prefix import BOOT
from wire.errors import InputError, UserError
from wire.software import BUNDLE_BYTES_MAX, FILES_MAX, MANIFEST, SUMS, Bundle, Unsafe, Wheel, members, reading

__all__ = ["Bundle", "Wheel", "check", "make", "platforms", "resolve"]

GLIBC_MINORS = range(28, 16, -1)  # 2.28 is older than every system with such a Python: Debian 10, JetPack 5
PIP_S_MAX = 1_800.0
INSTALL = Path(__file__).with_name("bundle_install.sh")


class _Member(NamedTuple):
    name: str
    data: bytes
    mode: int


def platforms(arch: str) -> list[str]:
    """The tags of wheels that run on a gateway of this kind, newest first."""
    older = ("manylinux2014", "manylinux2010", "manylinux1") if arch == "x86_64" else ("manylinux2014",)
    return [f"{tag}_{arch}" for tag in (*(f"manylinux_2_{minor}" for minor in GLIBC_MINORS), *older)]


def resolve(arch: str, python: str, extras: Sequence[str], wheel: Path, constraints: Path) -> Bundle:
    """Which wheels would be packed, without keeping them; UserError when one is missing."""
    with tempfile.TemporaryDirectory(prefix="aid4-bundle-") as scratch:
        report = Path(scratch) / "report.json"
        options = ("--dry-run", "--ignore-installed", "--target", scratch, "--report", str(report))
        _pip("install", *options, *_wanted(arch, python, extras, wheel, constraints))
        found = json.loads(report.read_bytes())["install"]
    wheels = [
        Wheel(one["metadata"]["name"], one["metadata"]["version"], one["download_info"]["url"].rsplit("/", 1)[1])
        for one in found
    ]
    return _bundle(arch, python, extras, wheel, wheels)


def make(arch: str, python: str, extras: Sequence[str], wheel: Path, constraints: Path, out: Path) -> Bundle:
    """Download the wheels, pack them with our own into `out`. UserError when one is missing or it gets too large."""
    with tempfile.TemporaryDirectory(prefix="aid4-bundle-") as scratch:
        options = ("--dest", scratch)
        _pip("download", *options, *_wanted(arch, python, extras, wheel, constraints))
        files = sorted(Path(scratch).glob("*.whl"))
        total = sum(file.stat().st_size for file in files)
        if total > BUNDLE_BYTES_MAX or len(files) > FILES_MAX - 3:
            fix = "name fewer --extras"
            raise UserError(f"{len(files)} wheels of {total >> 20} MiB are more than a bundle takes", fix=fix)
        packed = [_Member(f"wheels/{file.name}", file.read_bytes(), 0o644) for file in files]
    wheels = [_wheel(member) for member in packed]
    bundle = _bundle(arch, python, extras, wheel, wheels)
    script = _install(bundle).encode()
    bundle = msgspec.structs.replace(bundle, install_sha256=hashlib.sha256(script).hexdigest())
    packed = [*packed, _Member("install.sh", script, 0o755)]
    packed.append(_Member(MANIFEST, msgspec.json.format(msgspec.json.encode(bundle)) + b"\n", 0o644))
    sums = "".join(f"{hashlib.sha256(one.data).hexdigest()}  {one.name}\n" for one in packed)
    packed.append(_Member(SUMS, sums.encode(), 0o644))
    fresh = out.with_name(out.name + ".new")
    with fresh.open("wb") as written:
        _pack(written, f"aid4-{bundle.version}-{arch}-py{python}", packed)
    fresh.replace(out)
    with out.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return msgspec.structs.replace(bundle, bytes=out.stat().st_size, sha256=digest)


def check(file: Path) -> list[str]:
    """What is wrong with a bundle, one sentence each; empty when every file is there and as its sum says."""
    found: dict[str, str] = {}
    sums = b""
    try:
        for name, stream in members(file):
            with reading(file):
                if name == SUMS:
                    sums = stream.read(1 << 20)
                found[name] = "" if name == SUMS else hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
    except Unsafe as error:
        return [str(error)]
    except InputError as error:
        if not file.exists():
            raise
        return [error.problem]
    if not sums:
        return [f"has no {SUMS}"]
    lines = [line.partition("  ") for line in sums.decode(errors="replace").splitlines()]
    wanted = {name: digest for digest, _, name in lines if name}
    wrong = [f"{name} is missing" for name in sorted(wanted.keys() - found.keys())]
    wrong += [f"{name} has no sum" for name in sorted(found.keys() - wanted.keys() - {SUMS})]
    wrong += [f"{name} is damaged" for name in sorted(wanted.keys() & found.keys()) if wanted[name] != found[name]]
    return wrong


def _wanted(arch: str, python: str, extras: Sequence[str], wheel: Path, constraints: Path) -> list[str]:
    """What pip is asked for. It reads environment markers as of this machine: no edge extra has any on the machine."""
    chosen = [part for tag in platforms(arch) for part in ("--platform", tag)]
    bound = ["--constraint", str(constraints), "--python-version", python, "--implementation", "cp"]
    return [*chosen, *bound, "--only-binary", ":all:", f"{wheel.resolve()}[{','.join(extras)}]"]


def _pip(command: str, *arguments: str) -> None:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip", command, "--quiet", "--no-input", *arguments],
            capture_output=True, text=True, errors="replace", timeout=PIP_S_MAX, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        fix = "is the package registry reachable?"
        raise UserError(f"pip took longer than {PIP_S_MAX / 60:.0f} minutes", fix=fix) from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line and not line.startswith(("WARNING", "[notice]"))]
        fix = "is the package registry reachable, and does it have these wheels? name fewer --extras"
        raise UserError(f"pip finds no wheels: {' '.join(said)[:1_000]}", fix=fix)


def _wheel(member: _Member) -> Wheel:
    """A wheel's name and version from its file name, after it was seen to be a whole zip."""
    file = member.name.removeprefix("wheels/")
    try:
        zipfile.ZipFile(io.BytesIO(member.data)).infolist()
    except zipfile.BadZipFile as error:
        raise InputError("is no wheel", file=file, fix="clear pip's cache and try again") from error
    name, version = file.split("-")[:2]
    return Wheel(name, version, file, len(member.data), hashlib.sha256(member.data).hexdigest())


def _bundle(arch: str, python: str, extras: Sequence[str], wheel: Path, wheels: Sequence[Wheel]) -> Bundle:
    return Bundle(
        arch, python, tuple(extras), wheel.name.split("-")[1], tuple(sorted(wheels, key=lambda one: one.file))
    )


def _install(bundle: Bundle) -> str:
    filled: dict[str, Any] = {
        "arch": bundle.arch, "python": bundle.python, "version": bundle.version, "extras": ",".join(bundle.extras),
        "boot": BOOT.read_text(encoding="utf-8").rstrip("\n"),
    }  # fmt: skip
    return string.Template(INSTALL.read_text()).substitute(filled)


def _pack(file: IO[bytes], folder: str, packed: Sequence[_Member]) -> None:
    """Files only, without owner and time; wheels are compressed already."""
    with gzip.GzipFile("", "wb", 1, file, mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for member in packed:
            about = tarfile.TarInfo(f"{folder}/{member.name}")
            about.size, about.mode = len(member.data), member.mode
            tar.addfile(about, io.BytesIO(member.data))
