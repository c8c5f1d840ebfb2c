"""The built page, Node to drive a browser, and a lab twin that can be killed."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "web"
TILES_SECONDS_MAX = 240
CHECK_SECONDS_MAX = 600  # drawn in software, on the cores of a small machine

Checked = Callable[..., str]


class LabTwin:
    """tests/web/lab_twin.py as a process on a port that stays the same over restarts."""

    def __init__(self, data_dir: Path) -> None:
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._data_dir = data_dir
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start and wait until it answers."""
        command = [sys.executable, str(Path(__file__).with_name("lab_twin.py")), str(self._data_dir), str(self.port)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        log = (self._data_dir.parent / "lab_twin.log").open("a")
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("http"), (self._data_dir.parent / "lab_twin.log").read_text()[-3000:]

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None


def _free_port() -> int:
    """Below the ports that the kernel gives to outgoing connections, which else may take it while the twin is down."""
    for port in random.sample(range(20_000, 32_000), 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no free port between 20,000 and 32,000")


@pytest.fixture(scope="session")
def node() -> str:
    """Node, with the page's tools installed and the page built, as `make test` does."""
    found = shutil.which("node")
    wanted = {
        "node": found,
        "web/node_modules (npm ci)": (WEB / "node_modules" / "playwright-core").is_dir(),
        "twin/static (make test builds it)": (ROOT / "twin" / "static" / "index.html").is_file(),
    }
    missing = [name for name, there in wanted.items() if not there]
    if missing:
        message = f"the page cannot be opened without {', '.join(missing)}"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    return str(found)


@pytest.fixture(scope="session")
def checked(node: str, chromium: Path) -> Checked:
    """Run one check of web/e2e in a real Chromium against the page at an address; what it printed, once it passed.

    Its promise holds, nothing was logged as an error, and no other host was asked. More words go to its environment.
    """

    def run(url: str, check: str, **more: str) -> str:
        done = subprocess.run(
            [node, "e2e/run.mjs", url, check], cwd=WEB, env=os.environ | {"CHROMIUM": str(chromium)} | more,
            capture_output=True, text=True, timeout=CHECK_SECONDS_MAX, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@contextlib.contextmanager
def park(folder: Path, *more: str) -> Iterator[str]:
    """An `aid4 run` of the campus with everything in it; the address of its page."""
    command = [sys.executable, "-m", "aid4", "run", "--data-dir", str(folder / "park"), "--port", "0", *more]
    with (folder / "run.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("page"):
            yield line.split()[1].rstrip("/")
            break
    else:
        pytest.fail((folder / "run.log").read_text()[-3000:])
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)


def until_drawn(url: str) -> None:
    """Wait until the model is drawn."""
    end = time.monotonic() + TILES_SECONDS_MAX
    while _status(f"{url}/api/v1/tiles") != HTTPStatus.OK:
        assert time.monotonic() < end, "the tiles of the campus were not built in time"
        time.sleep(0.5)


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:  # no model yet
        return error.code


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabTwin]:
    """A twin with a small lab, two hours of history and live values."""
    twin = LabTwin(tmp_path_factory.mktemp("web") / "data")
    twin.start()
    yield twin
    twin.kill()
