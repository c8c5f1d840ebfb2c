"""AID4's own wheel, and the versions to go with it: of this checkout, or as it is installed here."""

import base64
import csv
import fnmatch
import hashlib
import io
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

from wire.errors import UserError

__all__ = ["checkout", "constraints_here", "own_wheel"]

BUILD_S_MAX = 600.0
NAME = "aid4"


def checkout() -> Path | None:
    """The folder of the sources when AID4 runs from them."""
    root = Path(__file__).resolve().parents[1]
    return root if (root / "pyproject.toml").is_file() else None


def constraints_here(folder: Path) -> Path:
    """The versions that were tested together: the checkout's, or of what is installed here; written into `folder`."""
    root = checkout()
    if root is not None and (root / "constraints.txt").is_file():
        return root / "constraints.txt"
    found = sorted({f"{one.metadata['Name']}=={one.version}" for one in metadata.distributions()})
    file = folder / "constraints.txt"
    file.write_text("\n".join(line for line in found if not line.startswith((NAME, "pip=="))) + "\n")
    return file


def own_wheel(folder: Path) -> Path:
    """AID4 as a wheel in `folder`: built from the checkout, else packed again from what pip wrote down of it."""
    root = checkout()
    return _packed_again(folder) if root is None else _built(root, folder)


def _built(root: Path, folder: Path) -> Path:
    """Built from a copy, so that nothing is written into the checkout."""
    source = folder / "source"
    source.mkdir()
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    rooms = project["tool"]["setuptools"]["packages"]["find"]["include"]
    for path in root.iterdir():
        if path.is_dir() and any(fnmatch.fnmatch(path.name, room) for room in rooms) and path.suffix != ".egg-info":
            shutil.copytree(path, source / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        elif path.name in {"pyproject.toml", "README.md", "LICENSE"}:
            shutil.copy(path, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(source)]
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", timeout=BUILD_S_MAX, stdin=subprocess.DEVNULL,
        check=False,
    )  # fmt: skip
    shutil.rmtree(source)
    found = sorted(folder.glob(f"{NAME}-*.whl"))
    if done.returncode or not found:
        fix = "give one with --wheel, as `pip wheel --no-deps .` makes it"
        raise UserError(f"its wheel cannot be built: {done.stderr[-500:]}", file=str(root), fix=fix)
    return found[0]


def _packed_again(folder: Path) -> Path:
    """The installed files are those of the wheel; what pip made of them here is left out."""
    installed = metadata.distribution(NAME)
    out = folder / f"{NAME}-{installed.version}-py3-none-any.whl"
    made = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
    record = io.StringIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path in installed.files or ():
            name = path.as_posix()
            own = path.parent.name.endswith(".dist-info") and path.name in made
            if own or ".." in path.parts or "__pycache__" in path.parts:
                continue
            data = Path(str(path.locate())).read_bytes()
            wheel.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            csv.writer(record, lineterminator="\n").writerow((name, f"sha256={digest}", len(data)))
        info = f"{NAME}-{installed.version}.dist-info/RECORD"
        csv.writer(record, lineterminator="\n").writerow((info, "", ""))
        wheel.writestr(zipfile.ZipInfo(info), record.getvalue())
    return out
