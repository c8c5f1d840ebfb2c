"""Small real bundles: this very agent as a wheel, in any version, whole or broken; a `.pth` lends it its libraries."""

import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge import bundle as edge_bundle
from inference.registry.repository import Repository, empty_targets, new_root, with_file
from wire.software import Bundle, Carried, manifest_of, target_name

ROOT = Path(__file__).resolve().parents[2]
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
ARCH = os.uname().machine
ROOMS = ("aid4", "edge", "wire", "inference", "configs")
Patch = dict[str, tuple[str, str]]  # file -> what stands there, what shall


def wheel(folder: Path, name: str, version: str, files: dict[str, bytes], requires: str = "") -> Path:
    """A wheel of these files."""
    info = f"{name}-{version}.dist-info"
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    if requires:
        about += f'Provides-Extra: edge\nRequires-Dist: {requires}; extra == "edge"\n'
    tag = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    held = files | {f"{info}/METADATA": about.encode(), f"{info}/WHEEL": tag.encode()}
    if name == "aid4":
        held[f"{info}/entry_points.txt"] = b"[console_scripts]\naid4 = aid4.cli:main\n"
    held[f"{info}/RECORD"] = "".join(f"{one},,\n" for one in (*held, f"{info}/RECORD")).encode()
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for one, data in held.items():
            packed.writestr(zipfile.ZipInfo(one), data)
    return path


def own_files(patch: Patch) -> dict[str, bytes]:
    """This checkout's agent, with some lines put in place of others."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", *ROOMS, "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    names = [one for one in listed.stdout.decode().split("\0") if one]
    kept = [
        one
        for one in names
        if not one.startswith(("aid4/bench", "configs/sites", "configs/scenarios", "inference/diag"))
    ]
    found = {one: (ROOT / one).read_bytes() for one in kept if (ROOT / one).is_file()}
    for name, (old, new) in patch.items():
        assert old.encode() in found[name], f"{name} has changed: mend this test"
        found[name] = found[name].replace(old.encode(), new.encode(), 1)
    return found


@dataclass
class Shop:
    """Who builds and signs: keys, a twin's repository, bundles made by `aid4 edge bundle`'s own code."""

    folder: Path
    roots: list[Ed25519PrivateKey] = field(default_factory=lambda: [Ed25519PrivateKey.generate()])
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def __post_init__(self) -> None:
        self.repository = Repository(self.folder / "repository")
        self.root = new_root(self.roots, self.key, self.repository.online_pem)
        self.repository.take_root(self.root, empty_targets(self.key))
        (self.folder / "root.json").write_bytes(self.root)
        self.lent = self.folder / "lent"
        self.lent.mkdir()
        site = ROOT / f".venv/lib/python{HERE}/site-packages"
        where = next(one for one in [Path(one) for one in sys.path] if (one / "msgspec").exists())
        assert where.exists(), site
        # the libraries of the tests, without this checkout itself
        wheel(self.lent, "borrowed", "1", {"borrowed.pth": f"{where}\n".encode()})

    def bundle(self, version: str, patch: Patch | None = None, files: dict[str, bytes] | None = None) -> Path:
        """A bundle for this machine, not signed yet."""
        held = files if files is not None else own_files(patch or {})
        own = self.folder / f"wheel-{version}"
        own.mkdir(exist_ok=True)
        out = self.folder / f"{version}.tar.gz"
        made = wheel(own, "aid4", version, held, "borrowed")
        (free := self.folder / "free.txt").touch()
        edge_bundle.make(ARCH, HERE, ("edge",), made, free, out)
        return out

    def sign(self, file: Path, days: float = 14) -> Bundle:
        """List it in the targets, and write the signatures beside it."""
        data, manifest = manifest_of(file)
        name = target_name(manifest.version, manifest.arch, manifest.python)
        self.repository.take_file(name, data, with_file(self.repository.targets or b"", name, data, self.key))
        self.carry(file, days)
        return manifest

    def carry(self, file: Path, days: float = 14) -> None:
        """The signatures as they are now."""
        texts = {name: data.decode() for name, data in self.repository.carried(days).items()}
        file.with_name(file.name + ".tuf").write_bytes(msgspec.json.encode(Carried(texts)))


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Its wheels are the only ones that pip finds: no registry is asked."""
    (tmp_path / "shop").mkdir()
    made = Shop(tmp_path / "shop")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(made.lent))
    return made
