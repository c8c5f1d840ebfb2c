"""A gateway's side: TUF checks what the transport brings, and only what passed every check is written for the scorer.

`<folder>/trust/` keeps the newest metadata seen, so that older ones are refused for ever; `<folder>/<id>/<version>/`
has the ONNX files of a verified bundle; `<folder>/models.json` says which of them run and how (`Running`).
"""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from inference.limits import MODELS_MAX, PACKAGE_BYTES_MAX, VERSIONS_KEPT
from inference.registry.package import read_package, target_name
from inference.registry.repository import target_keys
from wire.errors import InputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from tuf.ngclient import FetcherInterface

__all__ = ["Fetch", "ModelFolder", "Running", "RunningModel", "Wanted", "read_running", "verified_target"]

Fetch = Callable[[str], Iterable[bytes] | None]  # a name in the repository -> its bytes, None: there is none
Mode = Literal["shadow", "canary", "live"]
_TIMESTAMP_BYTES_MAX, _ROOT_BYTES_MAX, _META_BYTES_MAX = 16_384, 64_000, 2_000_000
_ROOTS_MAX = 32
_FIX = "publish the model again; see docs/inference.md, Roll-out"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `models` in `down/desired`."""

    id: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,63}$")]
    version: Annotated[str, Meta(pattern="^[0-9]{1,6}(\\.[0-9]{1,6}){0,3}$")]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    mode: Mode = "shadow"


class RunningModel(msgspec.Struct, frozen=True, kw_only=True):
    """One model that is to run; `files` are relative to the folder of `models.json`."""

    id: str
    version: str
    sha256: str
    mode: Mode
    files: list[str]


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """`models.json`. `revision` is that of the desired state that it follows."""

    revision: int = 0
    models: list[RunningModel] = []


def read_running(folder: Path) -> Running:
    """What is to run; nothing where there is no `models.json` that can be read."""
    try:
        return msgspec.json.decode((folder / "models.json").read_bytes(), type=Running)
    except (OSError, msgspec.MsgspecError):
        return Running()


class ModelFolder:
    """One node's models. `root` is the root.json that came with its enrolment, never over the wire."""

    def __init__(self, folder: Path, root: bytes) -> None:
        self.folder, self._root = folder, root
        self._trust = folder / "trust"

    def take(self, wanted: Wanted, fetch: Fetch) -> list[str]:
        """Have a bundle here, verified; gives its files. Raises InputError with the reason; nothing is then written."""
        where = self.folder / wanted.id / wanted.version
        if (files := self._kept(where, wanted)) is not None:
            return files
        package = read_package(self._fetched(wanted, fetch), self._keys(), wanted.id)
        if (package.header.id, package.header.version) != (wanted.id, wanted.version):
            raise InputError("the bundle is another one than its name says", field=wanted.id, fix=_FIX)
        if package.sha256 != wanted.sha256:
            raise InputError("the bundle is not the one that is wanted", field=wanted.id, fix=_FIX)
        temporary = self.folder / f".{wanted.id}-{wanted.version}.part"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        for name, data in package.files.items():
            (temporary / f"{name}.onnx").write_bytes(data)
        hashes = {f"{part.name}.onnx": part.sha256 for part in package.header.parts}
        (temporary / "verified.json").write_bytes(msgspec.json.encode({"sha256": package.sha256, "files": hashes}))
        where.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(where, ignore_errors=True)
        temporary.rename(where)
        return [f"{wanted.id}/{wanted.version}/{name}" for name in sorted(hashes)]

    def run(self, revision: int, models: list[RunningModel]) -> None:
        """Write `models.json` whole, and drop versions beyond the newest few that it does not name."""
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / ".models.json.part"
        temporary.write_bytes(msgspec.json.encode(Running(revision=revision, models=models[:MODELS_MAX])))
        temporary.replace(self.folder / "models.json")
        used = {(one.id, one.version) for one in models}
        for model in [path for path in self.folder.iterdir() if path.is_dir() and path.name != "trust"]:
            kept = sorted((p for p in model.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime, reverse=True)
            for old in kept[VERSIONS_KEPT:]:
                if (model.name, old.name) not in used:
                    shutil.rmtree(old, ignore_errors=True)

    def _kept(self, where: Path, wanted: Wanted) -> list[str] | None:
        """The files of a version that was verified before and is still whole."""
        try:
            known = msgspec.json.decode((where / "verified.json").read_bytes(), type=dict[str, str | dict[str, str]])
            files = known["files"]
            assert isinstance(files, dict)
            if known["sha256"] != wanted.sha256:
                return None
            for name, digest in files.items():
                if hashlib.sha256((where / name).read_bytes()).hexdigest() != digest:
                    return None
        except (OSError, msgspec.MsgspecError, KeyError, AssertionError):
            return None
        return [f"{wanted.id}/{wanted.version}/{name}" for name in sorted(files)]

    def _keys(self) -> "list[Ed25519PublicKey]":
        root = self._trust / "root.json"
        return target_keys(root.read_bytes() if root.exists() else self._root)

    def _fetched(self, wanted: Wanted, fetch: Fetch) -> bytes:
        name = target_name(wanted.id, wanted.version)
        return verified_target(self._trust, self._root, name, fetch, field=wanted.id)


def verified_target(trust: Path, root: bytes, name: str, fetch: Fetch, *, field: str, fix: str = _FIX) -> bytes:
    """A file of the repository after every check of python-tuf: root chain, timestamp, snapshot, targets, bytes.

    `trust` keeps the newest metadata seen, `root` is where trust begins. InputError says which check failed; `fix` is
    for what has no fix of its own.
    """
    from tuf.api.exceptions import BadVersionNumberError, DownloadError, ExpiredMetadataError, RepositoryError
    from tuf.ngclient import Updater, UpdaterConfig

    trust.mkdir(parents=True, exist_ok=True)
    config = UpdaterConfig(
        max_root_rotations=_ROOTS_MAX, root_max_length=_ROOT_BYTES_MAX, timestamp_max_length=_TIMESTAMP_BYTES_MAX,
        snapshot_max_length=_META_BYTES_MAX, targets_max_length=_META_BYTES_MAX, prefix_targets_with_hash=False,
        max_delegations=0,
    )  # fmt: skip
    download = trust.parent / ".download.part"
    try:
        updater = Updater(
            str(trust), "repo:metadata", str(trust.parent), "repo:targets", _fetcher(fetch), config, bootstrap=root
        )
        updater.refresh()
        target = updater.get_targetinfo(name)
        if target is None:
            raise InputError(f"{name} is not published", field=field, fix=fix)
        if target.length > PACKAGE_BYTES_MAX:
            raise InputError("the bundle is larger than any", field=field, fix=fix)
        updater.download_target(target, str(download))
        return download.read_bytes()
    except ExpiredMetadataError as error:
        newer = "is the clock right? else bring newer signatures: those of the twin last two days, carried ones longer"
        raise InputError(
            f"it does not pass the checks, the signatures have expired: {error}"[:300], field=field, fix=newer
        ) from error
    except BadVersionNumberError as error:
        newer = "bring newer signatures; these may be an old copy, and are refused for ever"
        raise InputError(
            f"it does not pass the checks, older signatures than were seen here: {error}"[:300], field=field, fix=newer
        ) from error
    except (RepositoryError, DownloadError, ValueError, OSError) as error:
        text = f"{type(error).__name__}: {error}"[:300]
        raise InputError(f"it does not pass the checks: {text}", field=field, fix=fix) from error
    finally:
        download.unlink(missing_ok=True)


def _fetcher(fetch: Fetch) -> "FetcherInterface":
    """python-tuf's interface over a plain function; made here, so that an idle gateway never loads the library."""
    from tuf.api.exceptions import DownloadHTTPError
    from tuf.ngclient import FetcherInterface

    class Fetcher(FetcherInterface):
        def _fetch(self, url: str) -> Iterator[bytes]:
            chunks = fetch(url.removeprefix("repo:"))
            if chunks is None:
                raise DownloadHTTPError("there is no such file", 404)
            return iter(chunks)

    return Fetcher()
