"""`aid4 broker run` and `aid4 twin serve` as two processes of a site; the commands that let a gateway in and out."""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.config import load
from edge.link import link_config
from wire.mqtt import Link

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 120.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(*arguments: str, until: str) -> Iterator[list[str]]:
    """A command of ours in a process of its own, until it has said this; what it said till then."""
    process = subprocess.Popen(
        [sys.executable, "-m", "aid4", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said: list[str] = []
    for line in process.stdout:
        said.append(line)
        if until in line:
            break
    else:
        pytest.fail("".join(said))
    try:
        yield said
    finally:
        process.terminate()
        process.communicate(timeout=60)


def typed(*arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "aid4", *arguments, "--json"], cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def eventually(condition: Any) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_site_of_two_processes_lets_a_gateway_in_and_cuts_it(tmp_path: Path) -> None:
    data, port = str(tmp_path / "twin"), free_port()
    broker = ("broker", "run", "--twin-data", data, "--site", "farm", "--listen", "127.0.0.1", "--port", str(port))
    twin = (
        "twin", "serve", "--data-dir", data, "--port", "0", "--site-ca", "--site", str(ROOT / "configs/sites/farm"),
        "--broker", f"mqtts://127.0.0.1:{port}", "--gateways", "127.0.0.1:0",
        "--gateway-broker", f"mqtts://{{host}}:{port}",
    )  # fmt: skip
    with running(*broker, until="takes certificates"), running(*twin, until="gateways enrol at") as said:
        url = said[0].split()[-1]
        invitation = typed("twin", "enrolment", "gw-1", "--url", url)
        config = tmp_path / "gw" / "edge.toml"
        config.parent.mkdir()
        config.write_text('site = "farm"\nnode = "gw-1"\n')
        words = invitation["command"].split(" ")[1:]
        assert typed("edge", "enrol", str(config), *words[2:])["broker"] == f"mqtts://127.0.0.1:{port}"
        async with Link(link_config(load(config))) as link:
            await eventually(lambda: link.connected)
            assert typed("twin", "certificates", "--url", url)["gw-1"]["state"] == "valid"
            assert typed("twin", "revoke", "gw-1", "--why", "sold", "--url", url)["state"] == "revoked"
            await eventually(lambda: not link.connected)
            await eventually(lambda: "authorized" in link.stats.last_error)
    stopped = typed("twin", "certificates", "--data-dir", data)
    assert stopped["gw-1"]["state"] == "revoked"
    door = "https://twin.farm:8481"
    again = typed("twin", "enrolment", "gw-2", "--data-dir", data, "--door", door)
    assert again["command"].startswith(f"aid4 edge enrol --twin {door} --token aid4e1_")
