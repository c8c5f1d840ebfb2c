"""TUF metadata as it is written: root and targets by the operator's offline keys, snapshot and timestamp by the twin.

`new_root` and `with_target` run where the offline keys are; `Repository` is the twin's side: it takes in what was
signed elsewhere after checking it against the root, and signs snapshot and timestamp again before they expire.
Versions follow the clock, so what is signed after a twin was restored from a backup is above all that it had offered.
"""

import hashlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference.registry.keys import load_key, make_key, public_pem
from inference.registry.package import Package, read_package, target_name
from wire.errors import InputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

__all__ = ["Repository", "empty_targets", "new_root", "target_keys", "with_file", "with_target", "without_target"]

METADATA_BYTES_MAX = 5_000_000  # what python-tuf's client takes of targets
_ROOT_LIFE, _TARGETS_LIFE = timedelta(days=3_650), timedelta(days=3_650)
_SNAPSHOT_LIFE, _TIMESTAMP_LIFE = timedelta(days=7), timedelta(days=2)
_RENEW_S = 6 * 3600.0  # a twin that is down for a day and a half still leaves valid metadata behind
_FIX = "see docs/inference.md, Roll-out"


def new_root(
    roots: "Sequence[Ed25519PrivateKey]", targets: "Ed25519PrivateKey", online_pem: str, *, before: bytes | None = None
) -> bytes:
    """root.json, signed by all `roots`, who must all sign the next one. `before` is the root that this one replaces."""
    from securesystemslib.signer import CryptoSigner
    from tuf.api.metadata import Metadata, Root

    root = Root(expires=_ends(_ROOT_LIFE), consistent_snapshot=True)
    if before is not None:
        root.version = Metadata[Root].from_bytes(before).signed.version + 1
    signers = [CryptoSigner(key) for key in roots]
    for signer in signers:
        root.add_key(signer.public_key, "root")
    root.roles["root"].threshold = len(signers)
    root.add_key(CryptoSigner(targets).public_key, "targets")
    for role in ("snapshot", "timestamp"):
        root.add_key(_public_key(online_pem), role)
    made = Metadata(root)
    for signer in signers:
        made.sign(signer, append=True)
    return made.to_bytes()


def empty_targets(key: "Ed25519PrivateKey") -> bytes:
    """The first targets.json, which lists nothing."""
    from tuf.api.metadata import Metadata, Targets

    return _signed(Metadata(Targets(expires=_ends(_TARGETS_LIFE))), key)


def with_target(targets: bytes, package: bytes, key: "Ed25519PrivateKey") -> tuple[bytes, Package]:
    """The next targets.json, which lists one more bundle; InputError when that version is there with other bytes."""
    read = read_package(package, [key.public_key()])
    return with_file(targets, target_name(read.header.id, read.header.version), package, key), read


def with_file(targets: bytes, name: str, data: bytes, key: "Ed25519PrivateKey") -> bytes:
    """The next targets.json, which lists one more file; InputError when it is there with other bytes."""
    from tuf.api.metadata import Metadata, TargetFile, Targets

    made = Metadata[Targets].from_bytes(targets)
    known = made.signed.targets.get(name)
    if known is not None and known.hashes.get("sha256") != hashlib.sha256(data).hexdigest():
        fix = "pack it with a higher version"
        raise InputError(f"{name} is published already, with other bytes", field="version", fix=fix)
    made.signed.targets[name] = TargetFile.from_data(name, data, ["sha256"])
    return _next(made, key)


def without_target(targets: bytes, model: str, version: str, key: "Ed25519PrivateKey") -> bytes:
    """The next targets.json, which lists a bundle no more: no gateway may load it again."""
    from tuf.api.metadata import Metadata, Targets

    made = Metadata[Targets].from_bytes(targets)
    if made.signed.targets.pop(target_name(model, version), None) is None:
        raise InputError(f"{model} {version} is not published", field="version", fix="aid4 model status")
    return _next(made, key)


def target_keys(root: bytes) -> "list[Ed25519PublicKey]":
    """The keys that may sign bundles, of a root.json."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from tuf.api.metadata import Metadata, Root

    signed = Metadata[Root].from_bytes(root).signed
    keys = [signed.keys[keyid].keyval["public"] for keyid in signed.roles["targets"].keyids]
    return [Ed25519PublicKey.from_public_bytes(bytes.fromhex(one)) for one in keys]


class Repository:
    """The twin's repository in a folder: `metadata/`, `targets/`, `online.pem`. Any one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._meta, self._targets = folder, folder / "metadata", folder / "targets"
        for path in (self._meta, self._targets):
            path.mkdir(parents=True, exist_ok=True)
        key = folder / "online.pem"
        self._key = load_key(key) if key.exists() else make_key(key)
        self.online_pem = public_pem(self._key)

    @property
    def root(self) -> bytes | None:
        """The newest root.json; None before anyone brought one."""
        versions = sorted(int(path.name.partition(".")[0]) for path in self._meta.glob("[0-9]*.root.json"))
        return (self._meta / f"{versions[-1]}.root.json").read_bytes() if versions else None

    @property
    def targets(self) -> bytes | None:
        """The newest targets.json."""
        versions = sorted(int(path.name.partition(".")[0]) for path in self._meta.glob("[0-9]*.targets.json"))
        return (self._meta / f"{versions[-1]}.targets.json").read_bytes() if versions else None

    def versions(self) -> dict[str, dict[str, str]]:
        """id -> version -> sha256 of everything that may be rolled out."""
        from tuf.api.metadata import Metadata, Targets

        found: dict[str, dict[str, str]] = {}
        if self.targets is not None:
            for name, file in Metadata[Targets].from_bytes(self.targets).signed.targets.items():
                if not name.endswith(".aid4model"):
                    continue  # software of gateways
                model, _, rest = name.partition("/")
                found.setdefault(model, {})[rest.removesuffix(".aid4model")] = file.hashes["sha256"]
        return found

    def take_root(self, data: bytes, targets: bytes) -> None:
        """The first root, or the next one that the one before signed; InputError for any other."""
        from tuf.api.metadata import Metadata, Root

        made = _read(data, Root, "root.json")
        before = self.root
        try:
            made.verify_delegate("root", made)
            if before is not None:
                old = Metadata[Root].from_bytes(before)
                if made.signed.version != old.signed.version + 1:
                    raise InputError("not the next root", field="root", fix=_FIX)
                old.verify_delegate("root", made)
        except Exception as error:
            raise _refusal("root.json", error) from error
        if self._public_id() not in made.signed.roles["timestamp"].keyids:
            raise InputError("the root does not name this twin's own key", field="root", fix="aid4 model keys --url")
        self._check_targets(data, targets)
        _write(self._meta / f"{made.signed.version}.root.json", data)
        self._take_targets(targets)

    def take_package(self, package: bytes, targets: bytes) -> Package:
        """A bundle and the targets.json that lists it, both signed offline; InputError when they do not fit."""
        read = read_package(package, target_keys(self._rooted()))
        self.take_file(target_name(read.header.id, read.header.version), package, targets)
        return read

    def take_file(self, name: str, data: bytes, targets: bytes) -> None:
        """Any other target, with the targets.json that lists it; InputError when they do not fit."""
        from tuf.api.metadata import Metadata, Targets

        self._check_targets(self._rooted(), targets)
        listed = Metadata[Targets].from_bytes(targets).signed.targets.get(name)
        digest = hashlib.sha256(data).hexdigest()
        if listed is None or listed.hashes.get("sha256") != digest or listed.length != len(data):
            raise InputError(f"targets.json does not list {name} as it is", field="targets", fix="publish it again")
        path = self._targets / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, data)
        self._take_targets(targets)

    def take_targets(self, targets: bytes) -> None:
        """A targets.json alone: something was withdrawn."""
        self._check_targets(self._rooted(), targets)
        self._take_targets(targets)

    def listed(self) -> dict[str, str]:
        """Name -> sha256 of every target, models or not."""
        from tuf.api.metadata import Metadata, Targets

        if self.targets is None:
            return {}
        signed = Metadata[Targets].from_bytes(self.targets).signed
        return {name: file.hashes["sha256"] for name, file in signed.targets.items()}

    def carried(self, days: float) -> dict[str, bytes]:
        """Metadata for a gateway that no network reaches, good for so many days; online it is signed anew at once."""
        from tuf.api.metadata import Metadata, Timestamp

        self._rooted()
        self.renew(force=True, life=timedelta(days=days))
        timestamp = (self._meta / "timestamp.json").read_bytes()
        version = Metadata[Timestamp].from_bytes(timestamp).signed.snapshot_meta.version
        paths = [*self._meta.glob("[0-9]*.root.json"), self._meta / f"{version}.snapshot.json"]
        found = {f"metadata/{path.name}": path.read_bytes() for path in paths}
        found["metadata/timestamp.json"] = timestamp
        assert self.targets is not None, "take_root brings targets too"
        targets = Metadata[Any].from_bytes(self.targets).signed.version
        found[f"metadata/{targets}.targets.json"] = self.targets
        self.renew(force=True)
        return found

    def renew(self, *, force: bool = False, life: timedelta | None = None) -> bool:
        """Sign snapshot and timestamp again when they are old; True when it did. `life` is theirs, if not the usual."""
        from tuf.api.metadata import Metadata, MetaFile, Snapshot, Targets, Timestamp

        path = self._meta / "timestamp.json"
        if self.targets is None:
            return False
        fresh = path.exists() and time.time() - path.stat().st_mtime < _RENEW_S
        if fresh and not force:
            return False
        before = Metadata[Timestamp].from_bytes(path.read_bytes()).signed.version if path.exists() else 0
        version = max(before + 1, int(time.time()))
        targets = Metadata[Targets].from_bytes(self.targets).signed.version
        snapshot = Snapshot(version, expires=_ends(life or _SNAPSHOT_LIFE), meta={"targets.json": MetaFile(targets)})
        _write(self._meta / f"{version}.snapshot.json", _signed(Metadata(snapshot), self._key))
        timestamp = Timestamp(version, expires=_ends(life or _TIMESTAMP_LIFE), snapshot_meta=MetaFile(version))
        _write(path, _signed(Metadata(timestamp), self._key))
        old = sorted(self._meta.glob("[0-9]*.snapshot.json"), key=lambda one: int(one.name.partition(".")[0]))
        for gone in old[:-8]:
            gone.unlink(missing_ok=True)
        return True

    def read(self, name: str) -> bytes | None:
        """A file that gateways may ask for: `metadata/…json` or `targets/…aid4model`; None for any other."""
        if not name.startswith(("metadata/", "targets/")) or ".." in name.split("/"):
            return None
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.folder.resolve()) or path.suffix not in (".json", ".aid4model"):
            return None
        try:
            return path.read_bytes()
        except OSError:
            return None

    def _rooted(self) -> bytes:
        root = self.root
        if root is None:
            raise InputError("this twin has no root of trust", field="root", fix="aid4 model keys --url")
        return root

    def _public_id(self) -> str:
        return str(_public_key(self.online_pem).keyid)

    def _check_targets(self, root: bytes, targets: bytes) -> None:
        from tuf.api.metadata import Metadata, Root, Targets

        made = _read(targets, Targets, "targets.json")
        try:
            Metadata[Root].from_bytes(root).verify_delegate("targets", made)
        except Exception as error:
            raise _refusal("targets.json", error) from error
        before = self.targets
        if before is not None and before != targets:
            old = Metadata[Targets].from_bytes(before).signed.version
            if made.signed.version <= old:
                fix = "somebody else published meanwhile: publish again"
                raise InputError(f"targets {made.signed.version} are not newer than {old}", field="targets", fix=fix)

    def _take_targets(self, targets: bytes) -> None:
        from tuf.api.metadata import Metadata, Targets

        version = Metadata[Targets].from_bytes(targets).signed.version
        _write(self._meta / f"{version}.targets.json", targets)
        self.renew(force=True)


def _read(data: bytes, kind: Any, name: str) -> Any:
    from tuf.api.metadata import Metadata

    if len(data) > METADATA_BYTES_MAX:
        raise InputError("metadata without end", field=name, fix=_FIX)
    try:
        made = Metadata.from_bytes(data)
    except Exception as error:
        raise _refusal(name, error) from error
    if not isinstance(made.signed, kind):
        raise InputError(f"this is no {name}", field=name, fix=_FIX)
    return made


def _refusal(name: str, error: Exception) -> InputError:
    return error if isinstance(error, InputError) else InputError(str(error)[:300], field=name, fix=_FIX)


def _next(made: Any, key: "Ed25519PrivateKey") -> bytes:
    made.signed.version = max(made.signed.version + 1, int(time.time()))  # above what a lost twin may have offered
    made.signed.expires = _ends(_TARGETS_LIFE)
    return _signed(made, key)


def _signed(made: Any, key: "Ed25519PrivateKey") -> bytes:
    from securesystemslib.signer import CryptoSigner

    made.sign(CryptoSigner(key))
    data: bytes = made.to_bytes()
    return data


def _public_key(pem: str) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.signer import SSlibKey

    try:
        return SSlibKey.from_crypto(load_pem_public_key(pem.encode()))
    except (ValueError, TypeError) as error:
        raise InputError("no public key", field="online", fix="ask the twin for it") from error


def _ends(life: timedelta) -> datetime:
    return (datetime.now(UTC) + life).replace(microsecond=0)


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(data)
    temporary.replace(path)
