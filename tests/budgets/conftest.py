"""A broker, and real `aid4` processes whose memory the kernel tells."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aid4.broker import Broker, free_port
from aid4.broker_users import BrokerUser, node_user, twin_user

SITE, NODE = "lab", "gw"
MIB = 1 << 20


class Processes:
    """`aid4` commands as child processes, with their output in a file each."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        self.folder, self.broker = folder, broker
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, *arguments: str, password: str = "") -> int:
        """Start `aid4 …`; its process id."""
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "aid4", *arguments], stdout=log, stderr=log, cwd=self.folder,
                env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2]),
                     "AID4_BROKER_PASSWORD": password},
            )  # fmt: skip
        self._running.append(process)
        return process.pid

    def twin(self, port: int) -> int:
        """Start a twin of the site that answers at `port`; its process id."""
        site = self.folder / "site"
        site.mkdir()
        (site / "site.toml").write_text(f'name = "{SITE}"\ntitle = "Lab"\ntime_zone = "UTC"\n')
        user = self.user("twin")
        address = f"mqtt://{user.name}@127.0.0.1:{self.broker.port}"
        return self.start(
            "twin", "twin", "serve", "--data-dir", str(self.folder / "twin"), "--site", str(site),
            "--port", str(port), "--broker", address, password=user.password,
        )  # fmt: skip

    def user(self, name: str) -> BrokerUser:
        """A user of the broker."""
        return next(user for user in self.broker.users if user.name == name)

    def said(self, name: str) -> str:
        """The last lines of a process's output."""
        return (self.folder / f"{name}.log").read_text(errors="replace")[-2_000:]

    def stop(self) -> None:
        """End all of them."""
        for process in self._running:
            process.terminate()
        for process in self._running:
            process.wait(20)


def memory_bytes(pid: int, field: str = "VmRSS") -> int:
    """What the kernel counts for a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1_024
    raise AssertionError(f"no {field} of process {pid}")


@pytest.fixture
def memory() -> type[object]:
    """How to read a process's memory."""

    class Memory:
        rss_bytes = staticmethod(memory_bytes)
        mib = MIB

        @staticmethod
        def libraries(pid: int) -> set[str]:
            """Files that are mapped into a process."""
            lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
            return {line.split(maxsplit=5)[5] for line in lines if line.count("/")}

    return Memory


@pytest.fixture
def port() -> int:
    """A free port for a twin."""
    return free_port()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """A broker with the users of a node, the twin and field devices, and room for processes."""
    users = [node_user(SITE, NODE), twin_user(SITE), BrokerUser("field", publish=("shop/#",), subscribe=("shop/#",))]
    with Broker(tmp_path / "broker", users) as broker:
        made = Processes(tmp_path, broker)
        try:
            yield made
        finally:
            made.stop()
