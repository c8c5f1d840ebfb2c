"""From the operator's keys to a gateway over a real broker, and back: twin, agent and commands are real."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from aid4.broker import Broker
from aid4.broker_users import node_user, twin_user
from edge.agent import Agent
from edge.agent import serve as serve_agent
from edge.config import load
from inference.cli import model
from inference.registry.client import read_running
from inference.registry.figures import ScorerFacts
from twin.backup import backup, restore
from twin.core import Twin
from twin.server import Served, TwinConfig, serve
from twin.siteconfig import site_from_dict
from wire.clock import SystemClock
from wire.mqtt import LinkConfig

WAIT_S = 90.0
PATIENT = ("--rule", "tick_ms_max=1000000")  # a starved machine takes no model back for its slow ticks


async def until(condition: Callable[[], Any]) -> Any:
    async with asyncio.timeout(WAIT_S):
        while not (found := condition()):
            await asyncio.sleep(0.05)
        return found


@asynccontextmanager
async def running_twin(folder: Path, link: LinkConfig | None) -> AsyncIterator[Served]:
    site = site_from_dict({"name": "lab"}, file="test")
    async with serve(TwinConfig(folder, site=site, broker=link, port=0)) as served:
        yield served


@asynccontextmanager
async def running_agent(folder: Path, port: int, password: str) -> AsyncIterator[Agent]:
    folder.mkdir()
    (folder / "password").write_text(password)
    (folder / "edge.toml").write_text(
        f'site = "lab"\nnode = "gw"\n[broker]\nurl = "mqtt://127.0.0.1:{port}"\nuser = "gw"\n'
        'password_file = "password"\n[models]\nroot_file = "root.json"\n'
    )
    agent, stop = Agent(load(folder / "edge.toml"), SystemClock()), asyncio.Event()
    task = asyncio.create_task(serve_agent(agent, stop))
    try:
        yield agent
    finally:
        stop.set()
        await task


async def command(*given: object) -> Any:
    """`aid4 model …  --json`, in a thread: the twin answers from this loop."""
    done: Result = await asyncio.to_thread(CliRunner().invoke, model, [*map(str, given), "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    return json.loads(done.stdout)


async def test_a_model_goes_out_over_the_broker_and_comes_back_by_command(tmp_path: Path, trained: Path) -> None:
    users = [twin_user("lab"), node_user("lab", "gw")]
    with Broker(tmp_path / "broker", users) as broker:
        link = LinkConfig("127.0.0.1", broker.port, "twin", users[0].password)
        async with running_twin(tmp_path / "twin", link) as served:
            url, twin = ("--url", served.url), served.twin
            keys = tmp_path / "keys"
            await command("keys", "--out", keys, *url)
            async with running_agent(tmp_path / "edge", broker.port, users[1].password) as agent:
                await until(lambda: "gw" in twin.rollouts._told())
                await _publish(tmp_path, trained, "1", url, "--rule", "by_hand=true", *PATIENT)
                await until(lambda: twin.rollouts.figures("ahu").get("gw") and _refusal(twin))
                assert "root.json" in _refusal(twin), "a gateway without a root of trust takes nothing"
                (tmp_path / "edge" / "root.json").write_bytes((keys / "root.json").read_bytes())
                await until(lambda: _runs(agent) == {("1", "shadow")})
                await until(lambda: twin.rollouts.figures("ahu")["gw"].mode == "shadow")
                for stage in ("canary", "live"):
                    await command("promote", "ahu", *url)
                    await until(lambda stage=stage: _runs(agent) == {("1", stage)} or stage == "canary")
                await until(lambda: _runs(agent) == {("1", "live")})
                await _publish(tmp_path, trained, "2", url, "--node", "gw", *PATIENT)
                await until(lambda: _runs(agent) == {("1", "live"), ("2", "shadow")})
                told = await command("rollback", "ahu", "--why", "it cried wolf", *url)
                assert (told["diff"][0]["old"], told["diff"][0]["new"]) == ("2 shadow", "1 live")
                await until(lambda: _runs(agent) == {("1", "live")})
                status = await command("status", *url)
                assert status["items"][0]["rollout"]["version"] == "1"
                assert {one["version"] for one in status["items"][0]["versions"]} == {"1", "2"}
                await command("rollback", "ahu", *url)
                await until(lambda: _runs(agent) == set())
                audited = [row for row in _audit(twin) if "rollout" in row]
                assert len(audited) >= 8, "every step of a roll-out is audited"


def _refusal(twin: Twin) -> str:
    problems = [told.problem for _, models in twin.rollouts._told().values() for told in models.values()]
    return next((text for text in problems if text), "")


def _runs(agent: Agent) -> set[tuple[str, str]]:
    return {(one.version, one.mode) for one in read_running(agent.models.folder).models}


def _audit(twin: Twin) -> list[str]:
    with twin.store.cursor() as cursor:
        return [str(row[0]) for row in cursor.execute("SELECT detail FROM audit").fetchall()]


async def _publish(folder: Path, trained: Path, version: str, url: tuple[str, str], *more: str) -> None:
    bundle, key = folder / f"{version}.aid4model", folder / "keys" / "targets.pem"
    await command("pack", trained, "--id", "ahu", "--version", version, "--key", key, "--out", bundle)
    await command("publish", bundle, "--key", key, *more, *url)


@pytest.fixture
async def alone(tmp_path: Path, trained: Path) -> AsyncIterator[tuple[Twin, Path]]:
    """A twin without agents: its own scorer is the only node."""
    async with running_twin(tmp_path / "twin", None) as served:
        await command("keys", "--out", tmp_path / "keys", "--url", served.url)
        for version in ("1", "2"):
            rule = ("--rule", "shadow_s=0", "--rule", "canary_s=0", "--rule", "rows_min=10")
            await _publish(tmp_path, trained, version, ("--url", served.url), *rule)
            if version == "1":
                _score(served.twin, "1", rows=100)
                await _looks(served.twin, until_stage="live")
        yield served.twin, tmp_path


def _score(twin: Twin, version: str, *, rows: int, crashes: int = 0, tick_s: float = 0.01, median: int = 300) -> None:
    """Let the twin's own scorer say this of its models."""
    state = {"rows": 0}

    def facts() -> ScorerFacts:
        state["rows"] += rows
        figures = {f"model/ahu/ahu-1/{version}/rows": state["rows"], f"model/ahu/ahu-1/{version}/episodes": 0}
        return ScorerFacts(True, crashes * state["rows"] // rows, tick_s,
                           figures | {f"model/ahu/ahu-1/{version}/median_milli": median})  # fmt: skip

    twin.rollouts._scorer = facts


async def _looks(twin: Twin, *, until_stage: str = "", until_version: str = "") -> None:
    for _ in range(20):
        twin.rollouts._judged_s = -1e9
        await twin.rollouts.look()
        one = twin.rollouts.rollouts.get("ahu")
        if (one is not None and until_stage == one.stage) or until_version == (one.version if one else "none"):
            return
    raise AssertionError(twin.rollouts.verdict("ahu"))


async def test_a_model_that_holds_goes_on_by_itself_and_is_what_the_twin_scores_with(alone: tuple[Twin, Path]) -> None:
    twin, _ = alone
    assert twin.rollouts.rollouts["ahu"].stage == "shadow"
    [(old, new)] = [sorted((file.version, file.mode) for file in await _local(twin))]
    assert (old, new) == (("1", "live"), ("2", "shadow"))
    _score(twin, "2", rows=100)
    await _looks(twin, until_stage="live")
    assert [(file.version, file.mode) for file in await _local(twin)] == [("2", "live")]


async def _local(twin: Twin) -> Any:
    await twin.rollouts.look()
    return twin.rollouts.local()


@pytest.mark.parametrize(
    ("spoilt", "why"),
    [({"crashes": 1}, "crashed"), ({"tick_s": 9.0}, "ms"), ({"median": 9_000}, "median")],
    ids=["crash", "latency", "drift"],
)
async def test_a_model_that_goes_wrong_is_taken_back_by_itself(
    alone: tuple[Twin, Path], spoilt: dict[str, Any], why: str
) -> None:
    twin, _ = alone
    _score(twin, "2", rows=100, **spoilt)
    await _looks(twin, until_version="1")
    one = twin.rollouts.rollouts["ahu"]
    assert (one.version, one.stage) == ("1", "live")
    assert why in one.why
    assert [(file.version, file.mode) for file in await _local(twin)] == [("1", "live")]


async def test_undo_of_a_roll_out_is_that_of_any_change(alone: tuple[Twin, Path]) -> None:
    twin, _ = alone
    newest = twin.changes.newest(1, 0)[0][0]
    assert newest.kind == "rollout"
    await twin.changes.revert(newest.id, by="test")
    assert (twin.rollouts.rollouts["ahu"].version, twin.rollouts.rollouts["ahu"].stage) == ("1", "live")


async def test_what_is_not_published_cannot_be_rolled_out(alone: tuple[Twin, Path]) -> None:
    twin, _ = alone
    change = await twin.changes.propose("rollout", {"model": "ahu", "version": "9"}, note="", by="test")
    assert "not published" in change.problems[0]


async def test_a_backup_holds_the_models_and_the_key_that_keeps_them_fresh(alone: tuple[Twin, Path]) -> None:
    twin, folder = alone
    await asyncio.to_thread(backup, twin.store, folder / "backup")
    await asyncio.to_thread(restore, folder / "backup", folder / "restored")
    async with running_twin(folder / "restored", None) as served:
        again = served.twin.rollouts
        assert again.versions() == twin.rollouts.versions()
        assert again.repository.online_pem == twin.rollouts.repository.online_pem
        assert again.repository.renew(force=True)
        await again.look()
        assert {(file.version, file.mode) for file in again.local()} == {("1", "live"), ("2", "shadow")}
