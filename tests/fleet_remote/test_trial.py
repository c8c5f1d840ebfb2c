"""A trial on a gateway: a new source may be silent and is named, and a twin that is not heard is waited for."""

import asyncio
from pathlib import Path

import pytest

from edge.remote import config
from edge.remote.config import NodeConfig
from edge.remote.layer import Kept, Layer, Trial, read_kept, write_kept
from edge.sources import SourceHealth
from wire.clock import SystemClock
from wire.messages import SectionFigures


async def settled(folder: Path, trial: Trial, *, hears_after: int, health: SourceHealth) -> NodeConfig:
    """After its trial; the twin is heard after so many looks."""
    write_kept(folder, Kept(Layer(7, "", "x"), Layer(), trial, SectionFigures(7, 7, "trying")))
    looks, done = list[int](), asyncio.Event()
    node = NodeConfig(
        folder / "edge.toml", folder, SystemClock(), sources=lambda: {"meter": health},
        heard=lambda: int(len(looks) >= hears_after and hears_after > 0), restart=lambda: None,
    )  # fmt: skip
    node.waiting, node.settled = lambda: looks.append(1), done.set
    task = asyncio.create_task(node.run())
    async with asyncio.timeout(60):
        await done.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return node


@pytest.mark.parametrize("strict", [False, True])
async def test_a_new_source_that_says_nothing_is_named_and_taken_back_only_when_strict(
    tmp_path: Path, strict: bool
) -> None:
    trial = Trial(0.0, fresh=["meter"], strict=strict)
    node = await settled(tmp_path, trial, hears_after=1, health=SourceHealth())
    kept = read_kept(tmp_path)
    assert node.figures() == kept.figures
    if strict:
        assert (kept.figures.state, kept.running.revision) == ("rolled_back", 0)
        assert "from what is new: meter" in kept.figures.problem
    else:
        assert (kept.figures.state, kept.figures.problem) == ("running", "source meter has said nothing since")
        assert kept.spoke([]).figures.problem == ""


async def test_a_twin_that_is_heard_late_keeps_the_layer_and_one_that_never_is_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "LOOK_S", 0.01)
    await settled(tmp_path, Trial(0.0), hears_after=5, health=SourceHealth())
    assert read_kept(tmp_path).figures.state == "running"
    monkeypatch.setattr(config, "UNHEARD_S_MAX", 0.05)
    await settled(tmp_path, Trial(0.0), hears_after=0, health=SourceHealth())
    figures = read_kept(tmp_path).figures
    assert (figures.state, figures.revision) == ("rolled_back", 0)
    assert "the twin was not heard" in figures.problem
