"""An operator with offline keys, a twin's repository, and a gateway that trusts the root it was enrolled with."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from inference.bundle import AlarmPolicy
from inference.fitted import fit
from inference.registry.client import ModelFolder, Wanted
from inference.registry.package import Package, pack
from inference.registry.repository import Repository, empty_targets, new_root, with_target

CHANNELS = ("gw/ahu-1/supply", "gw/ahu-1/valve")


@dataclass
class World:
    """`publish` packs and signs as the operator; `fetch` is an honest transport that tests spoil."""

    folder: Path
    trained: Path
    roots: list[Ed25519PrivateKey] = field(default_factory=lambda: [Ed25519PrivateKey.generate() for _ in range(2)])
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def __post_init__(self) -> None:
        self.repository = Repository(self.folder / "twin")
        self.root = new_root(self.roots, self.key, self.repository.online_pem)
        self.repository.take_root(self.root, empty_targets(self.key))
        self.gateway = ModelFolder(self.folder / "gateway", self.root)

    def publish(self, version: str = "1", model: str = "ahu") -> Package:
        data = pack(self.trained, model=model, version=version, key=self.key)
        targets, _ = with_target(self.repository.targets or b"", data, self.key)
        return self.repository.take_package(data, targets)

    def wanted(self, package: Package, mode: str = "shadow") -> Wanted:
        header = package.header
        return Wanted(id=header.id, version=header.version, sha256=package.sha256, mode=mode)  # type: ignore[arg-type]

    def fetch(self, name: str) -> Iterator[bytes] | None:
        data = self.repository.read(name)
        return None if data is None else iter([data[at : at + 10_000] for at in range(0, len(data), 10_000)])

    @staticmethod
    def replay(copy: dict[str, bytes]) -> Callable[[str], Iterator[bytes] | None]:
        """A transport that plays an old copy back."""
        return lambda name: iter([copy[name]]) if name in copy else None

    def copy(self) -> dict[str, bytes]:
        """Everything that the repository offers now."""
        root = self.repository.folder
        paths = [p for p in root.rglob("*") if p.is_file() and p.suffix != ".pem"]
        return {str(p.relative_to(root)): p.read_bytes() for p in paths}


@pytest.fixture(scope="session")
def model_bytes() -> bytes:
    values = np.random.default_rng(1).standard_normal((400, 2)).cumsum(axis=0)
    return fit(values, CHANNELS, pooled=True, alarm=AlarmPolicy(budget_per_day=0.02)).to_bytes()


@pytest.fixture(scope="session")
def trained(model_bytes: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `aid4 model train` writes, of one asset."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "ahu-1.onnx").write_bytes(model_bytes)
    digest = hashlib.sha256(model_bytes).hexdigest()
    one = {
        "file": "ahu-1.onnx", "asset": "ahu-1", "kind": "asset", "channels": CHANNELS, "rows": 400, "row_s": 60.0,
        "data_sha256": "a" * 64, "sha256": digest, "bytes": len(model_bytes), "metrics": {"score_median": 0.3},
    }  # fmt: skip
    report = {"models": [one], "data_sha256": "b" * 64, "budget_per_day": 0.02, "row_s": 60.0, "left_out": {}}
    (folder / "training.json").write_text(json.dumps(report | {"from_us": 0, "to_us": 1}))
    return folder


@pytest.fixture
def world(tmp_path: Path, trained: Path) -> World:
    return World(tmp_path, trained)
