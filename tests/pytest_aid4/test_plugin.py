"""pytest-aid4 in an environment of its own: it finds its fixtures there, starts the command, and imports no room."""

import os
import subprocess
import sysconfig
import venv
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "packages" / "pytest-aid4"
AID4 = Path(sysconfig.get_path("scripts")) / "aid4"
LENT = ("py", "pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments")
ROOMS = ("aid4", "wire", "edge", "twin", "bim", "inference", "sim_devices", "drone_ingest")

THEIR_TESTS = (
    f"ROOMS = {ROOMS!r}\n"
    """
import socket, sys

def test_a_device_listens_at_its_address(aid4_device):
    pump = aid4_device("heat-pump")
    assert pump.kind == "modbus"
    with socket.create_connection((pump.host, pump.port), timeout=30):
        pass

def test_an_agent_keeps_what_a_device_says(aid4_device, aid4_agent):
    pump = aid4_device("heat-pump")
    agent = aid4_agent(pump.source)
    status = agent.until("readings are kept", lambda status: status["spool"]["readings_accepted"] > 10)
    assert status["sources"]["heat-pump"]["state"] == "running"
    assert agent.source("heat-pump")["received"] > 0

def test_a_park_shows_its_values(aid4_park):
    assert aid4_park.get("site")["name"] == "campus"
    key = "gw-1/room-lab/temperature"
    assert aid4_park.until("the laboratory is known", lambda: aid4_park.value(key)) is not None
    assert isinstance(aid4_park.alarms(), list)

def test_nothing_of_the_product_is_imported():
    assert not {name.partition(".")[0] for name in sys.modules} & set(ROOMS)
"""
)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with pytest and the plugin, and nothing of ours."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False, symlinks=True)
    found = folder / "bin" / "python"
    packages = Path(subprocess.run([found, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
                                   capture_output=True, check=True, text=True).stdout.strip())  # fmt: skip
    for here in {Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("platlib"))}:
        for one in here.iterdir():  # no network in a test: these are lent from our environment
            name = one.name.partition("-")[0].removesuffix(".py").lower()
            if name in LENT and not (packages / one.name).exists():
                (packages / one.name).symlink_to(one)
    mine = distribution("pytest-aid4").locate_file("")  # `make test` installs it by name
    (about,) = Path(str(mine)).glob("pytest_aid4-*.dist-info")
    (packages / about.name).symlink_to(about)
    (packages / "pytest_aid4").symlink_to(PACKAGE / "src" / "pytest_aid4")
    return found


def theirs(python: Path, folder: Path, tests: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "pytest.ini").write_text("[pytest]\n")  # not ours
    (folder / "test_theirs.py").write_text(tests)
    away = ("PYTHONPATH", "VIRTUAL_ENV", "PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST")
    env = {name: value for name, value in os.environ.items() if name not in away}
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--aid4-command={AID4}", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=env, timeout=500)


def left(folder: Path) -> list[str]:
    """Processes whose command line names the folder."""
    found = []
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = one.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


def test_a_park_an_agent_and_a_device_serve_other_peoples_tests(python: Path, tmp_path: Path) -> None:
    done = theirs(python, tmp_path, THEIR_TESTS, "--basetemp", str(tmp_path / "base"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
    assert left(tmp_path) == []


def test_a_test_that_fails_leaves_no_device_running(python: Path, tmp_path: Path) -> None:
    tests = 'def test_theirs(aid4_device):\n    aid4_device("battery")\n    assert False\n'
    done = theirs(python, tmp_path, tests, "--basetemp", str(tmp_path / "base"))
    assert done.returncode == 1
    assert "1 failed" in done.stdout
    assert left(tmp_path) == []


def test_a_device_that_is_not_there_is_told_in_the_commands_words(python: Path, tmp_path: Path) -> None:
    done = theirs(python, tmp_path, 'def test_theirs(aid4_device):\n    aid4_device("toaster")\n')
    assert done.returncode == 1
    assert "there is no device toaster" in done.stdout


def test_its_options_are_listed_with_their_defaults(python: Path, tmp_path: Path) -> None:
    told = theirs(python, tmp_path, "", "--help").stdout
    for option in ("--aid4-command", "--aid4-site", "--aid4-seed", "--aid4-speed", "--aid4-scenario"):
        assert option in told


def test_its_source_names_no_room() -> None:
    for path in (PACKAGE / "src").rglob("*.py"):
        for line in path.read_text().splitlines():
            words = line.split()
            if words[:1] in (["import"], ["from"]):
                assert words[1].partition(".")[0] not in ROOMS, f"{path.name}: {line}"
