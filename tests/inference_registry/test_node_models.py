"""A gateway's side of the wire: parts in order, answers nobody asked for, a twin that is silent or lies."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import pytest

from edge.models import NodeModels
from inference.registry.client import read_running
from wire.limits import FILE_PART_BYTES
from wire.messages import Desired, Fetch, FilePart, decode, encode

World = Any  # of conftest.py
Ask = Callable[[Fetch], FilePart | None]


@asynccontextmanager
async def node(world: World, folder: Path, answer: Ask) -> AsyncIterator[NodeModels]:
    """A gateway whose questions `answer` answers; messages go through their encoding."""
    (folder / "root.json").write_bytes(world.root)

    def ask(question: Fetch) -> None:
        if (part := answer(decode(Fetch, encode(question)))) is not None:
            asyncio.get_running_loop().call_soon(made.part, decode(FilePart, encode(part)))

    made = NodeModels(folder / "models", folder / "root.json", ask)
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def honest(world: World, part_bytes: int = FILE_PART_BYTES) -> Ask:
    def answer(question: Fetch) -> FilePart:
        data = world.repository.read(question.name)
        total = -1 if data is None else len(data)
        part = b"" if data is None else data[question.offset : question.offset + part_bytes]
        return FilePart(question.name, question.offset, total, part)

    return answer


def wants(world: World, package: Any, revision: int, mode: str = "shadow") -> Desired:
    return Desired(revision, {"models": [msgspec.to_builtins(world.wanted(package, mode))]})


async def reached(made: NodeModels, revision: int) -> None:
    async with asyncio.timeout(60):
        while made.revision != revision:
            await asyncio.sleep(0.02)


async def test_a_file_comes_in_many_parts_and_is_whole(world: World, tmp_path: Path) -> None:
    package = world.publish()
    async with node(world, tmp_path, honest(world, 5_000)) as made:
        made.desired(wants(world, package, 7))
        await reached(made, 7)
        [running] = read_running(made.folder).models
        assert [(tmp_path / "models" / file).read_bytes() for file in running.files] == [*package.files.values()]
        assert made.figures()["ahu/1"].state == "idle", "nothing scores here, and the twin is told so"


async def test_late_words_of_the_twin_change_nothing(world: World, tmp_path: Path) -> None:
    package = world.publish()
    async with node(world, tmp_path, honest(world)) as made:
        made.desired(wants(world, package, 9, "live"))
        await reached(made, 9)
        made.desired(wants(world, package, 8, "shadow"))
        made.part(FilePart("metadata/timestamp.json", 0, 3, b"abc"))
        made.desired(wants(world, package, 10, "canary"))
        await reached(made, 10)
        assert [one.mode for one in read_running(made.folder).models] == ["canary"]


async def test_what_cannot_be_had_leaves_what_runs_and_says_why(world: World, tmp_path: Path) -> None:
    first, second = world.publish("1"), world.publish("2")
    async with node(world, tmp_path, honest(world)) as made:
        made.desired(wants(world, first, 1, "live"))
        await reached(made, 1)
        lie = msgspec.structs.replace(world.wanted(second, "live"), sha256="0" * 64)
        made.desired(Desired(2, {"models": [msgspec.to_builtins(lie)]}))
        await reached(made, 2)
        assert [(one.version, one.mode) for one in read_running(made.folder).models] == [("1", "live")]
        assert made.figures()["ahu/2"].state == "refused"
        made.desired(Desired(3, {"models": "nonsense"}))
        await reached(made, 3)
        assert [one.version for one in read_running(made.folder).models] == ["1"]
        assert "cannot be read" in made.figures()["*"].problem


@pytest.mark.parametrize("answer", [lambda _ask: None, lambda ask: FilePart(ask.name, ask.offset + 1, 9, b"x")])
async def test_a_twin_that_is_silent_or_answers_something_else_is_not_waited_for_without_end(
    world: World, tmp_path: Path, answer: Ask
) -> None:
    package = world.publish()
    with mock.patch("edge.parts.ANSWER_S", 0.05):
        async with node(world, tmp_path, answer) as made:
            made.desired(wants(world, package, 4))
            await reached(made, 4)
            assert made.figures()["ahu/1"].state == "refused"
            assert read_running(made.folder).models == []
