"""Software for gateways at the twin: signed manifests in the TUF repository, wheels by their hash, parts to nodes.

The twin holds what the operator signed elsewhere and can make none of it. Roll-outs are those of `twin.fleet`, in the
section `software`; a node that goes back to what it ran before the twin ever spoke is told an empty version.
"""

import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from inference.registry.repository import Repository
from twin.errors import ConflictError, NotFoundError
from twin.fleet.desk import FleetDesk
from twin.ingest import Ingest
from twin.models_rollout_desk import RolloutDesk
from twin.store import Store
from wire.errors import InputError
from wire.limits import FILE_PART_BYTES
from wire.messages import Fetch, FilePart
from wire.software import Bundle, read_manifest, release_order, target_name, wheel_name

__all__ = ["SECTION", "SoftwareDesk", "open_software", "software_body"]

SECTION: Final = "software"
_WHEELS = "targets/software/wheels/"
_HEX = frozenset("0123456789abcdef")


def software_body(version: str, trial_s: float = 600.0) -> dict[str, Any]:
    """What is wanted of a node, without its revision."""
    return {"version": version, "trial_s": trial_s}


def open_software(store: Store, ingest: Ingest | None, models: RolloutDesk, fleet: FleetDesk) -> "SoftwareDesk":
    """The desk of a twin; what nodes ask for that is no wheel is answered by `models`."""
    send = ingest.send if ingest else lambda _node, _kind, _message: False
    desk = SoftwareDesk(store.data_dir / "software", lambda: models.repository, send)
    fleet.add_section(SECTION, software_body(""))

    def answer(node: str, ask: Fetch) -> None:
        if not desk.answer(node, ask):
            models.answer(node, ask)

    if ingest is not None:
        ingest.on_fetch = answer
    return desk


class SoftwareDesk:
    """`repository` is that of the models: one root of trust for a site. `send(node, kind, message)` publishes."""

    def __init__(
        self, folder: Path, repository: Callable[[], Repository], send: Callable[[str, str, msgspec.Struct], bool]
    ) -> None:
        self._folder, self._repository, self._send = folder, repository, send

    # -- publishing

    def versions(self) -> list[dict[str, Any]]:
        """Every manifest that is published, newest version first, and how many of its wheels are still to come."""
        repository, found = self._repository(), list[dict[str, Any]]()
        for name in repository.listed():
            if name.startswith("software/") and (data := repository.read(f"targets/{name}")) is not None:
                one = read_manifest(data, name)
                total = sum(each.bytes for each in one.wheels)
                found.append(
                    {
                        "version": one.version, "arch": one.arch, "python": one.python, "extras": one.extras,
                        "wheels": len(one.wheels), "bytes": total, "missing": len(self._missing(one)),
                    }
                )  # fmt: skip
        return sorted(found, key=lambda one: release_order(one["version"]), reverse=True)

    def take_manifest(self, data: bytes, targets: bytes) -> dict[str, Any]:
        """A manifest and the targets.json that lists it; which wheels to send. InputError when they do not fit."""
        one = read_manifest(data, "manifest")
        self._repository().take_file(target_name(one.version, one.arch, one.python), data, targets)
        return {"version": one.version, "missing": self._missing(one)}

    async def take_wheel(self, sha256: str, chunks: AsyncIterator[bytes]) -> int:
        """A wheel that a manifest names, streamed to the disk; its size. NotFound, InputError."""
        size = self._sizes().get(sha256)
        if size is None:
            raise NotFoundError("no published manifest names this wheel", field="sha256", fix="publish its manifest")
        self._folder.mkdir(parents=True, exist_ok=True)
        fresh, digest, total = self._path(sha256).with_suffix(".part"), hashlib.sha256(), 0
        with fresh.open("wb") as file:
            async for chunk in chunks:
                total += len(chunk)
                if total > size:
                    break
                digest.update(chunk)
                file.write(chunk)
        if total != size or digest.hexdigest() != sha256:
            fresh.unlink()
            raise InputError("the wheel is not the one that was signed", field="body", fix="send it again")
        fresh.rename(self._path(sha256))
        return total

    def carried(self, days: float) -> dict[str, str]:
        """Signatures for a gateway that no network reaches, by name."""
        return {name: data.decode() for name, data in self._repository().carried(days).items()}

    def check(self, version: str) -> None:
        """NotFound for a version that is not published, Conflict for one whose wheels are not all here."""
        there = [one for one in self.versions() if one["version"] == version]
        if not there:
            raise NotFoundError(f"no software {version}", field="version", fix="GET /api/v1/software lists it")
        if all(one["missing"] for one in there):
            fix = "aid4 fleet software publish BUNDLE sends the rest"
            raise ConflictError(f"{there[0]['missing']} wheels of {version} are not here yet", field="version", fix=fix)

    # -- nodes

    def answer(self, node: str, ask: Fetch) -> bool:
        """Answer a node that asks for a wheel; False for any other file. What nodes ask is never older than a day."""
        if ask.name == "metadata/timestamp.json":
            self._repository().renew()
        if not ask.name.startswith(_WHEELS):
            return False
        total, data = -1, b""
        path = self._path(ask.name.removeprefix(_WHEELS).removesuffix(".whl"))
        if path.name == Path(wheel_name(path.stem)).name and set(path.stem) <= _HEX and path.exists():
            with path.open("rb") as file:
                total = path.stat().st_size
                file.seek(ask.offset)
                data = file.read(FILE_PART_BYTES)
        self._send(node, "file", FilePart(name=ask.name, offset=ask.offset, total=total, data=data))
        return True

    def _sizes(self) -> dict[str, int]:
        """sha256 -> bytes of every wheel that a manifest names."""
        repository, found = self._repository(), dict[str, int]()
        for name in repository.listed():
            if name.startswith("software/") and (data := repository.read(f"targets/{name}")) is not None:
                found |= {one.sha256: one.bytes for one in read_manifest(data, name).wheels}
        return found

    def _missing(self, one: Bundle) -> list[str]:
        return [each.sha256 for each in one.wheels if not self._path(each.sha256).exists()]

    def _path(self, sha256: str) -> Path:
        return self._folder / f"{Path(sha256).name}.whl"
