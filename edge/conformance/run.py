"""All promises of one source in turn, each against a fresh peer."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Literal, NamedTuple

from edge.conformance.bench import Bench
from edge.conformance.checks import CHECKS, applicable
from edge.conformance.taken import NotKeptError
from wire.errors import InputError

__all__ = ["Outcome", "load_bench", "run_checks", "run_one"]


class Outcome(NamedTuple):
    """What became of one promise; `not tried` when the bench cannot put it to the test."""

    check: str
    says: str
    result: Literal["kept", "broken", "not tried"]
    why: str = ""


def load_bench(target: str) -> type[Bench]:
    """The class that `module:Class` names, looked for in the working directory too."""
    module, _, name = target.partition(":")
    fix = "give it as module:Class, where the class derives from edge.conformance.Bench"
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"cannot be loaded: {error}", field=target, fix=fix) from error
    finally:
        sys.path.pop(0)
    if not (isinstance(found, type) and issubclass(found, Bench)):
        raise InputError("is no bench", field=target, fix=fix)
    return found


def run_checks(bench: type[Bench]) -> Iterator[Outcome]:
    """Try every promise that this bench can put to the test, one after the other."""
    for name, check in CHECKS.items():
        if not applicable(check, bench):
            yield Outcome(name, check.says, "not tried", f"the bench cannot: {check.needs}")
            continue
        with tempfile.TemporaryDirectory(prefix="aid4-conformance-") as folder:
            try:
                asyncio.run(run_one(name, bench(Path(folder))))
            except NotKeptError as error:
                yield Outcome(name, check.says, "broken", str(error))
            except Exception as error:  # noqa: BLE001 - a bench or a source of somebody else's may raise anything
                yield Outcome(name, check.says, "broken", f"{type(error).__name__}: {error}")
            else:
                yield Outcome(name, check.says, "kept")


async def run_one(name: str, bench: Bench) -> None:
    """Try one promise and take the peer off the net; NotKeptError says what was not kept."""
    try:
        await CHECKS[name].run(bench)
    finally:
        await bench.stop()
