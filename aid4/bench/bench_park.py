"""What a bench of the spine runs: a broker with users in a folder of its own, an agent, a twin without its page."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Self

from aid4.bench.children import Children, python
from aid4.bench.counter import shared_counter
from aid4.broker import Broker
from aid4.broker_users import BrokerUser, node_user, twin_user

__all__ = ["NODE", "SITE", "BenchPark"]

SITE, NODE = "bench", "gw-1"


class BenchPark:
    """A broker with users in a folder of its own, and the children that a measurement needs."""

    def __init__(self, folder: Path, broker: Broker, children: Children) -> None:
        self.folder, self.broker, self.children = folder, broker, children
        self.users = {user.name: user for user in broker.users}
        self.counter_file = folder / "counter"

    @classmethod
    @contextmanager
    def open(cls, kind: Literal["nats", "mosquitto"] = "nats", also: Sequence[BrokerUser] = ()) -> Iterator[Self]:
        """A running broker with the twin, one node and the users in `also`; everything goes with it."""
        users = [twin_user(SITE), node_user(SITE, NODE), *also]
        with tempfile.TemporaryDirectory(prefix="aid4-bench-") as name:
            folder = Path(name)
            with (
                Broker(folder / "broker", users, kind=kind, unacked_max=20_000) as broker,
                Children(folder) as children,
            ):
                yield cls(folder, broker, children)

    def secret(self, name: str) -> Path:
        """A file with the password of a user."""
        path = self.folder / f"{name}.password"
        path.touch(mode=0o600)
        path.write_text(self.users[name].password)
        return path

    @contextmanager
    def twin(self) -> Iterator[None]:
        """A twin that counts what it commits; afterwards the database must hold as many rows."""
        user = self.users["twin"]
        arguments = (SITE, str(self.broker.port), user.name, user.password, str(self.counter_file))
        command = python("-m", "aid4.bench.lean_twin", str(self.folder / "twin"), *arguments)
        shared_counter(self.counter_file).close()
        self.children.start("twin", command)
        self.children.wait_for_line("twin", "ready")
        yield
        self.children.stop("twin", 60)

    @contextmanager
    def agent(self, source: str, rows: int = 10_000, spool: str = "keep_committed_s = 0") -> Iterator[None]:
        """An agent with the sources of a TOML text and records of at most `rows` readings."""
        config = self.folder / "edge.toml"
        config.write_text(
            f'site = "{SITE}"\nnode = "{NODE}"\n[broker]\nurl = "mqtt://127.0.0.1:{self.broker.port}"\n'
            f'user = "{NODE}"\npassword_file = "{self.secret(NODE)}"\n'
            f"[spool]\n{spool}\n[flush.bulk]\nrows = {rows}\n{source}"
        )
        self.children.start("agent", python("-m", "aid4", "edge", "run", str(config)))
        yield
        self.children.stop("agent", 30)
