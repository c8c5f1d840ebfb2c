"""The whole agent against a real broker: what a source hands over arrives once, whatever dies in between."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from edge.agent import Agent, serve
from edge.cli import edge
from edge.config import load
from edge.epochs import epoch_folders, recover
from edge.health import read_status
from edge.segments import Disk
from wire.catalogue import from_batch
from wire.clock import SystemClock
from wire.messages import Command, DownHello, Health, Reply, Status, decode
from wire.records import unpack
from wire.schemas import CATALOGUE, READINGS

SOURCE = '[[source]]\nkind = "scripted"\nname = "{name}"\ndevice = "{name}"\n'


@asynccontextmanager
async def running(file: Path) -> AsyncIterator[Agent]:
    """An agent in this process, stopped at the end."""
    agent, stop = Agent(load(file), SystemClock()), asyncio.Event()
    task = asyncio.create_task(serve(agent, stop))
    try:
        yield agent
    finally:
        stop.set()
        await task


async def test_readings_arrive_once_and_as_they_were(
    lab: Any, broker: Any, peer: Any, scripted: Any, tmp_path: Path
) -> None:
    file = lab.write_config(tmp_path / "a", broker.port, SOURCE.format(name="one") + "count = 5000\nbatch = 100\n")
    async with running(file) as agent:
        await lab.eventually(lambda: len(peer.values()) == 5_000)
        assert peer.values() == [float(value) for value in range(5_000)]
        assert peer.duplicates == 0
        first = unpack(peer.records[agent.spool.epoch, 1])
        assert first[0].schema_id == CATALOGUE
        assert [point.key for point in from_batch(first[1])] == ["one/m0", "one/m1", "one/m2", "one/m3"]
        assert agent.health().spool.readings_accepted == 5_000
        await lab.eventually(lambda: agent.uplink.core.pending_records == 0)
    kinds = [kind for kind, _ in peer.others]
    assert "birth" in kinds
    status = [decode(Status, message.payload).online for kind, message in peer.others if kind == "status"]
    assert status[0] is True


async def test_ids_of_several_sources_are_kept_apart(
    lab: Any, broker: Any, peer: Any, scripted: Any, tmp_path: Path
) -> None:
    sources = "".join(SOURCE.format(name=f"dev{n}") + f"count = 200\nfirst = {n * 1_000}\n" for n in range(3))
    async with running(lab.write_config(tmp_path / "a", broker.port, sources)) as agent:
        await lab.eventually(lambda: len(peer.values()) == 600)
        keys = {point.id: point.key for point in agent.batcher.catalogue.points}
        for data in peer.records.values():
            header, batch = unpack(data)
            if header.schema_id == READINGS:
                for row in batch.to_pylist():
                    source, reading = divmod(int(row["value"]), 1_000)
                    assert keys[row["point"]] == f"dev{source}/m{reading % 4}"


async def test_a_source_that_dies_starts_again_and_never_stops_the_others(
    lab: Any, broker: Any, peer: Any, scripted: Any, tmp_path: Path
) -> None:
    sources = (
        SOURCE.format(name="sick")
        + 'count = 10\nthen = "fail"\n'
        + SOURCE.format(name="well")
        + "count = 300\nfirst = 1000\npause_s = 0.05\n"
    )
    async with running(lab.write_config(tmp_path / "a", broker.port, sources)) as agent:
        await lab.eventually(lambda: sum(value >= 1_000 for value in peer.values()) == 300)
        sick = agent.slots["sick"].health
        assert sick.errors["run"] >= 2
        assert sick.received >= 20  # it went on counting over its restarts
        assert "burnt down" in agent.health().sources["sick"].why
        assert agent.health().sources["well"].why == ""


async def test_the_backlog_of_a_dead_broker_and_of_an_earlier_start_is_drained(
    lab: Any, broker: Any, peer: Any, scripted: Any, tmp_path: Path
) -> None:
    source = SOURCE.format(name="one") + "count = {count}\nfirst = {first}\nbatch = 50\npause_s = 0.001\n"
    folder = tmp_path / "a"
    broker.kill()
    async with running(lab.write_config(folder, broker.port, source.format(count=1_000, first=0))) as agent:
        await lab.eventually(lambda: agent.spool.readings_accepted == 1_000)
    file = lab.write_config(folder, broker.port, source.format(count=1_000, first=1_000))
    async with running(file) as agent:
        await lab.eventually(lambda: agent.spool.readings_accepted == 1_000)
        broker.start()
        await lab.eventually(lambda: len(peer.values()) == 2_000)
        assert peer.values() == [float(value) for value in range(2_000)]
        assert len(peer.hellos[-1].epochs) == 2


async def test_a_silent_twin_is_probed_not_flooded_and_healed(
    lab: Any, broker: Any, peer: Any, scripted: Any, tmp_path: Path
) -> None:
    source = SOURCE.format(name="one") + "count = 3000\nbatch = 10\npause_s = 0.005\n"
    async with running(lab.write_config(tmp_path / "a", broker.port, source)) as agent:
        await lab.eventually(lambda: len(peer.values()) > 100)
        peer.silent = True
        await lab.eventually(lambda: agent.uplink.core._probing)
        peer.silent = False
        await lab.eventually(lambda: len(peer.values()) == 3_000)
        assert peer.values() == [float(value) for value in range(3_000)]


async def test_a_twin_restored_from_a_backup_is_healed(
    lab: Any, broker: Any, peer: Any, scripted: Any, tmp_path: Path
) -> None:
    source = SOURCE.format(name="one") + "count = 2000\nbatch = 10\n"
    async with running(lab.write_config(tmp_path / "a", broker.port, source)) as agent:
        await lab.eventually(lambda: agent.uplink.core.pending_records == 0 and len(peer.values()) == 2_000)
        kept = {key: data for key, data in peer.records.items() if key[1] < 20}
        peer.records, peer.boot = kept, 78
        peer.ranges = {epoch: type(ranges)([(1, 19)]) for epoch, ranges in peer.ranges.items()}
        peer.say("hello", DownHello(boot=78))
        await lab.eventually(lambda: len(peer.values()) == 2_000)
        assert peer.values() == [float(value) for value in range(2_000)]


async def test_a_reload_takes_new_sources_over_under_a_new_generation(
    lab: Any, broker: Any, peer: Any, scripted: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "a"
    one = SOURCE.format(name="one") + "count = 100\n"
    file = lab.write_config(folder, broker.port, one)
    async with running(file) as agent:
        await lab.eventually(lambda: len(peer.values()) == 100)
        lab.write_config(folder, broker.port, one + SOURCE.format(name="two") + "count = 100\nfirst = 100\n")
        agent.ask_reload()
        await lab.eventually(lambda: len(peer.values()) == 200)
        assert agent.spool.generation == 2
        file.write_text("site = \n")
        agent.ask_reload()
        await lab.eventually(lambda: "not TOML" in agent.health().host.get("notes", ""))
        assert set(agent.slots) == {"one", "two"}


def command(counter: int, **changes: Any) -> Command:
    now_us = time.time_ns() // 1_000
    fields = {
        "id": f"c{counter}",
        "point": "one/m0",
        "value": 21.5,
        "issued_us": now_us,
        "expires_us": now_us + 60_000_000,
    }
    return Command(counter=counter, **{**fields, **changes})


async def test_commands_are_carried_out_once_in_time_and_answered(
    lab: Any, broker: Any, peer: Any, scripted: Any, tmp_path: Path
) -> None:
    file = lab.write_config(tmp_path / "a", broker.port, SOURCE.format(name="one"))

    def replies() -> list[tuple[str, str]]:
        found = [decode(Reply, message.payload) for kind, message in peer.others if kind == "reply"]
        return [(reply.id, reply.status) for reply in found]

    async with running(file):
        await lab.eventually(lambda: peer.hellos)
        peer.say("cmd", command(1))
        peer.say("cmd", command(1, id="replayed"))
        peer.say("cmd", command(2, expires_us=1))
        peer.say("cmd", command(3, point="one/m1"))
        peer.say("cmd", command(4, point="one/nothing"))
        peer.say("cmd", command(5, value="fail"))
        await lab.eventually(lambda: len(replies()) == 8)
        expected = {
            ("c1", "accepted"), ("c1", "done"), ("replayed", "refused"), ("c2", "expired"), ("c3", "refused"),
            ("c4", "refused"), ("c5", "accepted"), ("c5", "failed"),
        }  # fmt: skip
        assert set(replies()) == expected
    peer.say("cmd", command(9, id="retained"), retain=True)
    async with running(file):
        await lab.eventually(lambda: ("retained", "refused") in replies())
        peer.say("cmd", command(5, id="after the restart"))
        await lab.eventually(lambda: ("after the restart", "refused") in replies())
    assert scripted == [("one/m0", 21.5)]


async def test_health_and_status_say_why_a_source_is_silent(
    lab: Any, broker: Any, peer: Any, scripted: Any, tmp_path: Path
) -> None:
    sources = SOURCE.format(name="dead") + 'count = 0\nthen = "fail"\n' + SOURCE.format(name="alive") + "count = 50\n"
    file = lab.write_config(tmp_path / "a", broker.port, sources)
    async with running(file):
        await lab.eventually(lambda: any(kind == "health" for kind, _ in peer.others))
    health = next(decode(Health, message.payload) for kind, message in peer.others if kind == "health")
    assert "burnt down" in health.sources["dead"].why
    assert health.uplink.connected
    result = CliRunner().invoke(edge, ["status", str(file)])
    assert "burnt down" in result.output
    assert "alive (scripted): running, 50 received, 50 sent" in result.output
    document = json.loads(CliRunner().invoke(edge, ["status", str(file), "--json"]).stdout)
    assert document["spool"]["readings_accepted"] == 50


async def test_doctor_tells_a_broker_that_acknowledges_from_a_twin_that_answers(
    lab: Any, broker: Any, peer: Any, scripted: Any, tmp_path: Path
) -> None:
    from edge.doctor import examine

    file = lab.write_config(tmp_path / "a", broker.port, SOURCE.format(name="one"))
    findings = {finding.what: finding for finding in await examine(load(file))}
    assert findings["twin"].good
    assert all(finding.good for finding in findings.values())
    peer.silent = True
    findings = {finding.what: finding for finding in await examine(load(file))}
    assert findings["broker"].good
    assert not findings["twin"].good
    assert findings["twin"].detail == "the broker acknowledges but the twin does not"
    (tmp_path / "a" / "password").chmod(0o644)
    (tmp_path / "a" / "password").write_text("wrong\n")
    findings = {finding.what: finding for finding in await examine(load(file))}
    assert not findings["password file"].good
    assert not findings["broker"].good


RUNNER = """
import asyncio, os, signal, sys
from pathlib import Path
sys.path[:0] = [{tests!r}]
import conftest
from edge.sources import BUILT_IN
BUILT_IN["scripted"] = "conftest:SOURCE"
conftest.JOURNAL = 1
from edge.agent import run_agent
from edge.config import load

async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run_agent(load(Path({file!r})), stop)

asyncio.run(main())
"""


def start(file: Path) -> "subprocess.Popen[bytes]":
    root = Path(__file__).parents[2]
    script = RUNNER.format(tests=str(Path(__file__).parent), file=str(file))
    env = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=root, env=env)


def journal(process: "subprocess.Popen[bytes]", lines: int) -> list[tuple[int, int, int]]:
    """Read that many lines of what the process said was accepted: (first, count, refused)."""
    assert process.stdout is not None
    return [tuple(map(int, process.stdout.readline().split())) for _ in range(lines)]  # type: ignore[misc]


def stored(spool: Path) -> list[float]:
    """All values in all epochs of a spool."""
    values = []
    for folder in epoch_folders(spool):
        found = recover(folder, Disk())
        for _, data in found.epoch.read(1, found.epoch.head):
            header, batch = unpack(data)
            if header.schema_id == READINGS:
                values += batch["value"].to_pylist()
        found.epoch.close()
    return sorted(values)


def test_readings_accepted_before_a_kill_are_in_the_spool_after_it(lab: Any, tmp_path: Path) -> None:
    accepted: set[float] = set()
    for life in range(3):
        source = SOURCE.format(name="one") + f"count = 1000000\nfirst = {life * 1_000_000}\nbatch = 7\n"
        file = lab.write_config(tmp_path / "a", 9, source, "[flush.bulk]\nage_s = 0.01\nrows = 50")
        process = start(file)
        lines = journal(process, 100)
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
        lines += [tuple(map(int, line.split())) for line in rest.splitlines() if line.count(b" ") == 2]  # type: ignore[misc]
        for first, count, refused in lines:
            assert refused == 0
            accepted |= {float(value) for value in range(first, first + count)}
    values = stored(tmp_path / "a" / "spool")
    assert len(accepted) >= 2_100
    assert accepted <= set(values)
    assert len(values) == len(set(values))


def test_sigterm_stops_within_two_seconds_with_everything_handed_over_flushed(lab: Any, tmp_path: Path) -> None:
    source = SOURCE.format(name="one") + "count = 100\nbatch = 100\n"
    file = lab.write_config(tmp_path / "a", 9, source, "[flush.bulk]\nage_s = 60")
    process = start(file)
    deadline_s = time.monotonic() + 20
    while read_status(tmp_path / "a" / "spool" / "status.json") is None and time.monotonic() < deadline_s:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=2.0)
    assert process.returncode == 0
    assert out == b"0 100 0\n"  # accepted on the way out, not before
    assert stored(tmp_path / "a" / "spool") == [float(value) for value in range(100)]


def test_aid4_edge_run_refuses_a_wrong_file_with_its_fix(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    file.write_text('site = "s"\n')
    done = subprocess.run(
        [sys.executable, "-m", "aid4", "edge", "run", str(file)], capture_output=True, text=True, check=False,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 2
    assert f"{file}: node: is missing" in done.stderr
    assert "fix: write node" in done.stderr


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the kernel's own figures")
async def test_the_agent_stays_small(lab: Any, broker: Any, peer: Any, scripted: Any, tmp_path: Path) -> None:
    source = f'[[source]]\nkind = "mqtt"\nname = "m"\nurl = "mqtt://n:pn@127.0.0.1:{broker.port}"\n'
    source += 'topic = [{ pattern = "x/{device}", payload = "generic" }]\n'
    file = lab.write_config(tmp_path / "a", broker.port, source)
    root = Path(__file__).parents[2]
    process = subprocess.Popen([sys.executable, "-m", "aid4", "edge", "run", str(file)], cwd=root)
    try:
        await lab.eventually(lambda: any(kind == "health" for kind, _ in peer.others), 30.0)
        health = next(decode(Health, message.payload) for kind, message in peer.others if kind == "health")
        assert 0 < float(health.host["rss_bytes"]) < 120 * 2**20
    finally:
        process.terminate()
        assert process.wait(5.0) == 0
