"""The park as a process: on loopback only, light, found again after a restart, gone at once when told."""

import asyncio
import json
import resource
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from sim_devices.cli import sim
from sim_devices.park import Park
from wire.device_tables import read_devices

ROOT = Path(__file__).resolve().parents[2]


@asynccontextmanager
async def _process(
    *arguments: str, ports_file: Path
) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, Any]]]:
    command = [sys.executable, "-m", "sim_devices.park", "--ports-file", str(ports_file), *arguments]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(90):
            while not ports_file.exists() or json.loads(ports_file.read_text())["pid"] != process.pid:
                await asyncio.sleep(0.05)
        yield process, json.loads(ports_file.read_text())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _children_cpu_s() -> float:
    """Computing time of the children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


async def test_it_listens_on_loopback_only_stays_small_and_has_little_left_to_do_when_told_to_stop(
    tmp_path: Path,
) -> None:
    async with _process(ports_file=tmp_path / "ports.json") as (process, document):
        own = psutil.Process(process.pid)
        family = [own, *own.children(recursive=True)]  # a library that never ends its threads has a child of its own
        tcp = [c for one in family for c in one.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        listening = [*tcp, *(c for one in family for c in one.net_connections("udp"))]
        assert {connection.laddr.ip for connection in listening} == {"127.0.0.1"}
        ports = set(document["ports"].values()) - {0}  # some devices call, or speak through the broker
        assert ports <= {connection.laddr.port for connection in listening}
        rss_mib = psutil.Process(process.pid).memory_info().rss / 2**20
        assert rss_mib < 360, f"{rss_mib:.0f} MiB for all protocols of the campus in one process"
        used_s = sum(sum(one.cpu_times()[:2]) for one in family)
        before_s = _children_cpu_s()
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
        assert _children_cpu_s() - before_s - used_s < 3.0  # on a machine of its own it is gone in half a second


async def test_a_park_that_is_started_again_is_found_where_it_was(tmp_path: Path) -> None:
    ports_file = tmp_path / "ports.json"
    async with _process("--device", "ahu-1", ports_file=ports_file) as (process, first):
        process.kill()
        await process.wait()
    async with _process("--device", "ahu-1", ports_file=ports_file) as (_, second):
        assert second["ports"] == first["ports"]
        assert second["source"] == first["source"]


async def test_leaving_the_context_frees_the_ports_and_leaves_no_task(site_dir: Path) -> None:
    before = len(asyncio.all_tasks())
    async with Park(site_dir, seed=7) as park:
        ports = [server.port for server in park.servers if server.port]
    await asyncio.sleep(0.05)
    assert len(asyncio.all_tasks()) == before
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


def test_the_list_counts_every_point_of_the_table() -> None:
    listed = CliRunner().invoke(sim, ["list", "--json"])
    rows = json.loads(listed.stdout)["devices"]
    drones = [row for row in rows if row["kind"] == "drone"]
    devices = [row for row in rows if row not in drones]
    table = read_devices(ROOT / "configs/sites/campus")
    live = [device for device in table["device"] if not device.get("planned")]
    assert [row["device"] for row in drones] == [drone["name"] for drone in table["drone"]]
    assert len(devices) == len(live) >= 90
    assert sum(len(device["points"]) for device in devices) == sum(
        len(table["kind"][device["kind"]]["metrics"]) for device in live
    )
    assert {device["protocol"] for device in rows} >= {
        "modbus", "sunspec", "bacnet", "opcua", "mtconnect", "ocpp", "mqtt", "mavlink", "snmp", "remote-id",
    }  # fmt: skip
    assert sum(len(device["points"]) for device in rows) >= 1_950, "what gateways and links say of themselves is more"


def test_a_recording_has_the_faults_in_it_and_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    faults = tmp_path / "gap.toml"
    gap = 'what = "gap"\ndevice = "mill-1"\nmetric = "vibration"\nfrom_s = 1200\nto_s = 1500'
    faults.write_text(f'title = "an accelerometer says nothing"\n[[fault]]\n{gap}\n')

    def record(name: str) -> bytes:
        out = tmp_path / name
        arguments = ["record", "--out", str(out), "--for", "1300", "--step-s", "10", "--scenario", str(faults)]
        done = CliRunner().invoke(sim, [*arguments, "--labels", str(tmp_path / "labels.json")])
        assert done.exit_code == 0, done.output
        return out.read_bytes()

    first = record("a.csv")
    assert first == record("b.csv")
    header, *rows = [line.split(",") for line in first.decode().splitlines()]
    column = header.index("mill-1/vibration")
    gap_s = [10 * number for number, row in enumerate(rows, start=1) if row[column] == ""]
    assert gap_s == list(range(1200, 1301, 10))
    assert len(json.loads((tmp_path / "labels.json").read_text())["labels"]) == 1


@pytest.mark.parametrize(
    "arguments",
    [["record", "--out", "x.csv", "--step-s", "0"], ["record", "--out", "x.csv", "--from", "noon"],
     ["run", "--broker", "nowhere"], ["run", "--device", "nobody"], ["scenario", "show", "nothing"]],
)  # fmt: skip
def test_wrong_arguments_are_refused_with_a_fix(arguments: list[str]) -> None:
    refused = CliRunner().invoke(sim, arguments)
    assert refused.exception is not None
    assert getattr(refused.exception, "fix", "")
