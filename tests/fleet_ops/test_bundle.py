"""`aid4 edge bundle`: what it holds, that damage is seen, that it installs, and that every wheel is there to be had.

The registry is asked, as at any installation in CI.
"""

import gzip
import hashlib
import io
import json
import platform
import random
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from aid4.cli import cli
from edge import bundle_wheel
from edge.bundle_wheel import own_wheel

ROOT = Path(__file__).resolve().parents[2]
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
WAIT_S = 600
PARTS = ("edge", "bacnet", "ocpp", "secsgem", "snmp")  # with the library of every source


def wheel(folder: Path, requires: list[str]) -> Path:
    """A wheel named aid4 that asks for these and says its version when it is called."""
    info = "aid4-0.1.0.dist-info"
    lines = ["Metadata-Version: 2.1", "Name: aid4", "Version: 0.1.0", *(f"Provides-Extra: {part}" for part in PARTS)]
    lines += [f"Requires-Dist: {one}" for one in requires]
    files = {
        "aid4/__init__.py": "def main():\n    import click\n    click.echo('aid4 ' + click.style('runs'))\n",
        f"{info}/METADATA": "\n".join(lines) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\naid4 = aid4:main\n",
    }
    path = folder / "aid4-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        for name, text in files.items():
            file.writestr(name, text)
        file.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD")))
    return path


def bundled(*arguments: str | Path) -> Any:
    done = CliRunner().invoke(cli, ["edge", "bundle", *map(str, arguments), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A bundle for this very machine that needs click alone, and what was said of it."""
    folder = tmp_path_factory.mktemp("bundle")
    out = folder / "here.tar.gz"
    thin = wheel(folder, ["click>=8.1", 'tzdata; extra == "edge"'])
    return out, bundled(
        "--arch", platform.machine(), "--python", HERE, "--extras", "edge", "--wheel", thin, "--out", out
    )


@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_wheels_of_every_edge_dependency_are_there_for_aarch64(python: str, tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    requires = [*project["dependencies"]]
    requires += [f'{one}; extra == "{name}"' for name in PARTS for one in extras[name]]
    thin, extras_asked = wheel(tmp_path, requires), ("--extras", ",".join(PARTS))
    found = bundled("--arch", "aarch64", "--python", python, "--wheel", thin, *extras_asked, "--dry-run")
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    pins = {name.lower().replace("_", "-"): version for name, version in pins.items()}
    tag = "cp" + python.replace(".", "")
    assert len(found["wheels"]) > 25
    for one in found["wheels"]:
        name = one["name"].lower().replace("_", "-")
        assert one["file"].endswith("-any.whl") or (
            "aarch64" in one["file"] and (tag in one["file"] or "abi3" in one["file"])
        )
        assert pins.get(name, one["version"]) == one["version"]
    asked = {
        one.split(">")[0].split("=")[0].lower()
        for one in (*project["dependencies"], *(one for part in PARTS for one in extras[part]))
    }
    assert asked <= {one["name"].lower().replace("_", "-") for one in found["wheels"]}


def test_a_bundle_holds_what_it_says_and_its_sums_agree_with_sha256(small: tuple[Path, Any]) -> None:
    out, said = small
    assert said["bytes"] == out.stat().st_size
    assert said["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    with tarfile.open(out) as tar:
        held = {name.partition("/")[2]: tar.extractfile(name).read() for name in tar.getnames()}
    assert {name for name in held if name.startswith("wheels/")} == {f"wheels/{one['file']}" for one in said["wheels"]}
    assert {one["name"] for one in said["wheels"]} == {"aid4", "click", "tzdata"}
    for one in said["wheels"]:
        data = held[f"wheels/{one['file']}"]
        assert (one["bytes"], one["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert set(held) - {f"wheels/{one['file']}" for one in said["wheels"]} == {
        "install.sh",
        "bundle.json",
        "SHA256SUMS",
    }
    assert bundled("--check", out) == {"file": str(out), "ok": True, "problems": []}


def test_it_installs_without_a_registry_and_runs(small: tuple[Path, Any], tmp_path: Path) -> None:
    subprocess.run(["tar", "xf", small[0], "-C", tmp_path], check=True)
    (folder,) = tmp_path.iterdir()
    env = {"PATH": "/usr/bin:/bin", "PYTHON": sys.executable, "PIP_CONFIG_FILE": "/dev/null", "HOME": str(tmp_path)}
    done = subprocess.run(["sh", folder / "install.sh"], env=env, capture_output=True, text=True, timeout=WAIT_S)
    assert done.returncode == 0, done.stderr
    said = subprocess.run([folder / "venv/bin/aid4"], capture_output=True, text=True, check=True, timeout=WAIT_S)
    assert said.stdout == "aid4 runs\n"
    next((folder / "wheels").glob("click*")).write_bytes(b"broken on the way")
    done = subprocess.run(["sh", folder / "install.sh"], env=env, capture_output=True, text=True, timeout=WAIT_S)
    assert done.returncode == 2
    assert "a file is damaged" in done.stderr


def test_it_does_not_install_on_another_kind_of_machine(small: tuple[Path, Any], tmp_path: Path) -> None:
    with tarfile.open(small[0]) as tar:
        name = next(name for name in tar.getnames() if name.endswith("/install.sh"))
        script = tar.extractfile(name).read().decode()
    (tmp_path / "SHA256SUMS").write_text(hashlib.sha256(b"").hexdigest() + "  empty\n")
    (tmp_path / "empty").touch()
    (tmp_path / "install.sh").write_text(script.replace(platform.machine(), "riscv64"))
    env = {"PATH": "/usr/bin:/bin", "PYTHON": sys.executable}
    done = subprocess.run(["sh", tmp_path / "install.sh"], env=env, capture_output=True, text=True, timeout=WAIT_S)
    assert done.returncode == 2
    assert "the bundle is for riscv64" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_a_bundle_cut_or_altered_anywhere_is_never_whole(small: tuple[Path, Any], tmp_path: Path) -> None:
    plain = gzip.decompress(small[0].read_bytes())
    chance = random.Random(7)
    file = tmp_path / "bad.tar.gz"
    for attempt in range(24):
        bad = bytearray(plain)
        if attempt % 2:
            del bad[chance.randrange(len(bad) - 20_000) :]
        else:
            with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
                member = chance.choice([one for one in tar.getmembers() if one.size])
            at = member.offset_data + chance.randrange(member.size)
            bad[at] ^= 1 << chance.randrange(8)
        file.write_bytes(gzip.compress(bytes(bad), 1))
        done = CliRunner().invoke(cli, ["edge", "bundle", "--check", str(file)])
        assert done.exit_code == 1, f"attempt {attempt}: {done.output}"


def test_what_is_no_bundle_is_refused_without_being_unpacked(tmp_path: Path) -> None:
    file = tmp_path / "evil.tar.gz"
    for name, kind in (
        ("top/../../passwd", tarfile.REGTYPE),
        ("/etc/passwd", tarfile.REGTYPE),
        ("top/x", tarfile.SYMTYPE),
    ):
        with tarfile.open(file, "w:gz") as tar:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
        done = CliRunner().invoke(cli, ["edge", "bundle", "--check", str(file), "--json"])
        assert done.exit_code == 1
        assert "no file of a bundle" in json.loads(done.stdout)["problems"][0]
    file.write_bytes(b"no tar at all")
    assert CliRunner().invoke(cli, ["edge", "bundle", "--check", str(file)]).exit_code == 1
    done = CliRunner().invoke(cli, ["edge", "bundle", "--check", str(tmp_path / "none")])
    assert done.exit_code == 2


def test_a_wheel_that_nobody_has_is_told_with_a_fix(tmp_path: Path) -> None:
    thin = wheel(tmp_path, ["numpy<0.5"])
    (free := tmp_path / "free.txt").touch()
    command = ["edge", "bundle", "--arch", "aarch64", "--extras", "edge", "--wheel", str(thin)]
    done = CliRunner().invoke(cli, [*command, "--constraints", str(free), "--out", str(tmp_path / "out.tar.gz")])
    assert done.exit_code == 2
    assert "numpy" in done.stderr
    assert "fix: is the package registry reachable" in done.stderr
    assert {*tmp_path.iterdir()} == {thin, free}


def test_our_own_wheel_has_the_agent_and_what_it_reads(tmp_path: Path) -> None:
    with zipfile.ZipFile(own_wheel(tmp_path)) as made:
        names = set(made.namelist())
    assert {"aid4/cli.py", "edge/agent.py", "edge/bundle_install.sh", "edge/page.html", "wire/limits.py"} <= names
    assert any(name.startswith("configs/profiles/modbus/") for name in names)
    assert not any("__pycache__" in name or name.startswith("tests/") for name in names)


def test_what_is_installed_is_packed_again_as_the_wheel_it_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = wheel(tmp_path, ["click>=8.1"])
    with zipfile.ZipFile(first) as file:
        held = {name: file.read(name) for name in file.namelist()}
        file.extractall(tmp_path / "site")
    info = tmp_path / "site" / "aid4-0.1.0.dist-info"
    (info / "INSTALLER").write_text("pip")
    record = info / "RECORD"
    record.write_text(record.read_text() + f"{info.name}/INSTALLER,,\n../../bin/aid4,,\naid4/__pycache__/x.pyc,,\n")
    monkeypatch.setattr(bundle_wheel, "checkout", lambda: None)
    monkeypatch.setattr(metadata, "distribution", lambda _name: metadata.Distribution.at(info))
    again = tmp_path / "again"
    again.mkdir()
    with zipfile.ZipFile(own_wheel(again)) as file:
        packed = {name: file.read(name) for name in file.namelist()}
    assert packed.keys() == held.keys()
    assert {name: data for name, data in packed.items() if not name.endswith("RECORD")} == {
        name: data for name, data in held.items() if not name.endswith("RECORD")
    }
    assert (
        subprocess.run(
            [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--target",
                again / "there",
                own_wheel(again),
            ],
            timeout=WAIT_S,
        ).returncode
        == 0
    )
