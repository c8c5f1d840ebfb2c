"""Real brokers on loopback: nats-server from its wheel, mosquitto from Debian."""

import asyncio
import shutil
import signal
import socket
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from wire.mqtt import LinkConfig

USER, PASSWORD = "n1", "secret-of-n1"


class RealBroker:
    """One broker process with one user, that can be killed, frozen and started again on its port."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.folder = kind, folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        path = self.folder / "broker.conf"
        if self.kind == "nats":
            shutil.rmtree(self.folder / "js", ignore_errors=True)
            path.write_text(
                f'server_name: t\nhost: 127.0.0.1\nport: -1\njetstream {{ store_dir: "{self.folder}/js" }}\n'
                f"mqtt {{ host: 127.0.0.1, port: {self.port} }}\n"
                f'authorization {{ users: [ {{ user: {USER}, password: "{PASSWORD}" }} ] }}\n'
            )
            return [str(Path(sysconfig.get_path("scripts")) / "nats-server"), "-c", str(path)]
        passwords = self.folder / "passwords"
        passwords.touch(mode=0o600)
        subprocess.run(["mosquitto_passwd", "-b", str(passwords), USER, PASSWORD], check=True)
        path.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n"
            f"persistence false\nuser root\nmax_packet_size 1048576\nmax_queued_messages 5000\n"
        )
        return ["/usr/sbin/mosquitto", "-c", str(path)]

    def start(self) -> None:
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        log.close()

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def config(self, transport: str, **changes: object) -> LinkConfig:
        values = {"host": "127.0.0.1", "port": self.port, "user": USER, "password": PASSWORD}
        return LinkConfig(**{**values, "transport": transport, "keepalive_s": 1.0, **changes})


@pytest.fixture(params=["nats", "mosquitto"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RealBroker]:
    if request.param == "mosquitto" and not Path("/usr/sbin/mosquitto").exists():
        pytest.fail("mosquitto is missing: apt-get install mosquitto")
    real = RealBroker(request.param, tmp_path)
    real.start()
    yield real
    real.kill()


@pytest.fixture(params=["fast", "paho"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def eventually(condition: object, bound_s: float = 60.0) -> None:
    """Wait until `condition()` holds; the bound only ends a broken test."""
    async with asyncio.timeout(bound_s):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.01)
