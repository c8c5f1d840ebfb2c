"""What the commands of `aid4 bim` share: options, and a model that is read for as long as a command needs it."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pyarrow as pa

from bim.limits import MIB, ModelLimits
from bim.open import load_tables, read_model
from bim.summary import ModelSummary

__all__ = ["AS_JSON", "MODEL", "limits_of", "opened", "reader_bounds"]

MODEL = click.argument("file", type=click.Path(path_type=str))
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def reader_bounds(command: Callable[..., None]) -> Callable[..., None]:
    """Options for memory and time of the reading process."""
    default = ModelLimits()
    memory = click.option(
        "--memory-mib", default=default.memory_bytes // MIB, show_default=True, help="Memory of the reader."
    )
    seconds = click.option("--seconds", default=default.wall_s, show_default=True, help="Time of the reader.")
    return memory(seconds(command))


def limits_of(memory_mib: int, seconds: float) -> ModelLimits:
    """The bounds that these options name."""
    return ModelLimits(memory_bytes=memory_mib * MIB, wall_s=seconds, cpu_s=max(1, round(seconds)))


@contextmanager
def opened(file: str, memory_mib: int, seconds: float) -> Iterator[tuple[ModelSummary, dict[str, pa.Table]]]:
    """A model with its tables, in a folder that goes away again."""
    with tempfile.TemporaryDirectory(prefix="aid4-bim-") as folder:
        summary = read_model(file, Path(folder), limits_of(memory_mib, seconds))
        yield summary, load_tables(Path(folder))
