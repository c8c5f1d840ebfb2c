"""Real twins in threads of their own, asked over HTTP, that take in real files of drones."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.twin_plan.conftest import Running, running

WAIT_S = 120.0  # for an event; far more than any of them takes on a busy machine
ENDED = ("done", "refused", "failed")


class Drones(Running):
    """A served twin, and how drones talk to it."""

    def send(self, data: bytes | Path, name: str = "", status: int = 202, **params: Any) -> Any:
        """Upload a file; the answer."""
        name = name or (data.name if isinstance(data, Path) else "")
        content = data.read_bytes() if isinstance(data, Path) else data
        answer = self.client.post("/uploads", params={"name": name, **params}, content=content)
        assert answer.status_code == status, answer.text
        return answer.json()

    def commit(self, group: str, status: int = 202, **params: Any) -> Any:
        """Commit a group; the answer."""
        answer = self.client.post(f"/uploads/{group}/commit", params=params)
        assert answer.status_code == status, answer.text
        return answer.json()

    def ended(self, upload: str) -> dict[str, Any]:
        """The upload once it is done, refused or failed."""
        return until(lambda: one if (one := self.get(f"/uploads/{upload}"))["state"] in ENDED else None)


def until(look: Callable[[], Any]) -> Any:
    """What `look` gives once it gives something."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if (found := look()) is not None:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {WAIT_S} s")


@contextmanager
def flying(data_dir: Path, **site: Any) -> Iterator[Drones]:
    """A twin until the block ends."""
    with running(data_dir, site) as found:
        assert found.model_problem is None
        drones = Drones(found.twin, found.url, None, None)
        with drones.client:
            yield drones


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[Drones]:
    """A twin without a model."""
    with flying(tmp_path / "data") as found:
        yield found


@pytest.fixture(scope="session")
def logs(shared_data: Path) -> Path:
    """Real files of drones."""
    return shared_data / "drone"
