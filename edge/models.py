"""Models of this gateway: what the twin wants is fetched in parts, checked as TUF does, and left for the scorer.

The folder `models` of the spool holds verified bundles and `models.json` (see `inference.registry.client`). A model
that does not pass the checks changes nothing: what ran goes on, and the twin is told why. The checks are loaded when
the first model is wanted, in a thread; an agent without models pays nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from edge.parts import FileParts
from wire.errors import InputError
from wire.messages import Desired, Fetch, FilePart, ModelFigures

if TYPE_CHECKING:
    from inference.registry.client import RunningModel, Wanted
    from inference.registry.figures import FiguresKeeper, ScorerFacts
    from inference.runtime.frames import ModelFile

__all__ = ["NodeModels", "read_root"]

AGAIN_S_MIN, AGAIN_S_MAX = 5.0, 600.0  # a model that could not be had is tried again
MODELS_MAX: Final = 64
_EMPTY: Final = 0


class NodeModels:
    """`desired` and `part` take what the twin says; `run` until cancelled; `figures` tell how things are.

    `root_file` is the root.json of this gateway's enrolment; `ask` publishes; `scorer` gives the counters of the
    process that scores, None where nothing does.
    """

    def __init__(self, folder: Path, root_file: Path | None, ask: Callable[[Fetch], None]) -> None:
        self.folder, self._root_file, self.parts = folder, root_file, FileParts(ask)
        self.part = self.parts.part
        self.scorer: Callable[[], ScorerFacts | None] = lambda: None
        self.changed: Callable[[], None] = lambda: None  # after models.json was written
        self.revision = _EMPTY
        self._wanted: Desired | None = None
        self._wake = asyncio.Event()
        self._problems: dict[str, ModelFigures] = {}
        self._keeper: FiguresKeeper | None = None

    def desired(self, desired: Desired) -> None:
        """The state to reach; an older revision than the newest heard is a late message."""
        if self._wanted is None or desired.revision > self._wanted.revision:
            self._wanted = desired
            self._wake.set()

    def figures(self) -> dict[str, ModelFigures]:
        """By `id/version`, for up/health."""
        if self.revision == _EMPTY and not self._problems:
            return {}
        from inference.registry.client import read_running
        from inference.registry.figures import FiguresKeeper

        self._keeper = self._keeper or FiguresKeeper()
        return self._keeper.take(read_running(self.folder), self.scorer()) | self._problems

    def files(self) -> list[ModelFile]:
        """The verified bundles that a scorer on this gateway shall use."""
        if not (self.folder / "models.json").exists():
            return []
        from inference.registry.client import read_running
        from inference.runtime.frames import ModelFile

        return [
            ModelFile(
                path=str(self.folder / file), id=f"{one.id}/{Path(file).stem}", version=one.version, mode=one.mode
            )
            for one in read_running(self.folder).models
            for file in one.files
        ]

    async def run(self) -> None:
        """Reach what is wanted, again and again until it is reached."""
        wait_s: float | None = None
        while True:
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
                wait_s = AGAIN_S_MIN
            except TimeoutError:
                wait_s = min(2 * (wait_s or AGAIN_S_MIN), AGAIN_S_MAX)
            self._wake.clear()
            if self._wanted is not None and await self._reach(self._wanted):
                wait_s = None

    async def _reach(self, desired: Desired) -> bool:
        """Take all models that are wanted; True when each is there. Those that are run at once."""
        try:
            reached, problems = await asyncio.to_thread(self._take, desired, asyncio.get_running_loop())
        except ModuleNotFoundError as missing:
            text = f"needs {missing.name}: pip install 'aid4[inference]'"
            problems = {"*": ModelFigures("", "", "refused", text)}
            reached = False
        except (InputError, OSError) as error:
            problems, reached = {"*": ModelFigures("", "", "refused", str(error)[:500])}, False
        self._problems, self.revision = problems, desired.revision
        self.changed()
        return reached

    def _take(self, desired: Desired, loop: asyncio.AbstractEventLoop) -> tuple[bool, dict[str, ModelFigures]]:
        """In a thread: verify, write, and say what could not be had."""
        from inference.registry.client import ModelFolder, RunningModel, read_running

        wanted = _wanted_of(desired.state)
        running, problems = list[RunningModel](), dict[str, ModelFigures]()
        root = read_root(self._root_file) if wanted else b""
        folder = ModelFolder(self.folder, root)
        before: dict[tuple[str, str], RunningModel] = {
            (one.id, one.mode): one for one in read_running(self.folder).models
        }
        for one in wanted:
            try:
                files = folder.take(one, lambda name: self._fetch(name, loop))
                running.append(
                    RunningModel(id=one.id, version=one.version, sha256=one.sha256, mode=one.mode, files=files)
                )
            except InputError as error:
                key = f"{one.id}/{one.version}"
                problems[key] = ModelFigures(one.version, one.mode, "refused", error.problem[:500])
                running += _kept(before, one, wanted)
        folder.run(desired.revision, running)
        return not problems, problems

    def _fetch(self, name: str, loop: asyncio.AbstractEventLoop) -> Iterator[bytes] | None:
        """The parts of a file, one after the other; None when the twin has no such file."""
        first = self._part(name, 0, loop)
        return None if first.total < 0 else self._parts(first, loop)

    def _parts(self, part: FilePart, loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
        at = 0
        while part.data:
            yield part.data
            at += len(part.data)
            if at >= part.total:
                return
            part = self._part(part.name, at, loop)

    def _part(self, name: str, offset: int, loop: asyncio.AbstractEventLoop) -> FilePart:
        return asyncio.run_coroutine_threadsafe(self.parts.take(name, offset), loop).result()


def _wanted_of(state: dict[str, Any]) -> list[Wanted]:
    from inference.registry.client import Wanted

    try:
        return msgspec.convert(state.get("models", []), type=list[Wanted])[:MODELS_MAX]
    except msgspec.ValidationError as error:
        raise InputError(
            f"the desired state cannot be read: {error}", field="models", fix="upgrade the agent"
        ) from error


def _kept(before: dict[tuple[str, str], RunningModel], one: Wanted, wanted: list[Wanted]) -> list[RunningModel]:
    """What ran in this role goes on when its successor cannot be had, unless it is wanted in another role."""
    old = before.get((one.id, one.mode))
    named = {(each.id, each.version) for each in wanted}
    return [old] if old is not None and (old.id, old.version) not in named else []


def read_root(file: Path | None) -> bytes:
    """The root of trust that was brought to this gateway by hand; InputError."""
    if file is None:
        fix = "set models.root_file in edge.toml to the root.json of `aid4 model keys`"
        raise InputError("this gateway has no root of trust", field="models.root_file", fix=fix)
    try:
        return file.read_bytes()
    except OSError as error:
        fix = "bring the root.json of `aid4 model keys` there"
        raise InputError(
            f"cannot be read: {error.strerror}", file=str(file), field="models.root_file", fix=fix
        ) from error
