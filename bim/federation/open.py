"""Read the files of one site, each in a child process of its own, and make one model of them."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from bim.federation.merge import Federation, federate
from bim.federation.parts import Part, PartPlace
from bim.limits import ModelLimits
from bim.open import load_tables, read_model
from bim.summary import ModelSummary

__all__ = ["FederatedModel", "PartFile", "read_federation"]


class PartFile(msgspec.Struct, frozen=True):
    """A file to read; `name` is how it is called in the model (default: its own name)."""

    path: Path
    place: PartPlace | None = None
    name: str = ""


class FederatedModel(msgspec.Struct, frozen=True):
    """What was read of each file, and the one model of all."""

    summaries: list[ModelSummary]
    federation: Federation


def read_federation(
    files: Sequence[PartFile],
    limits: ModelLimits | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> FederatedModel:
    """Raises ModelError when one file cannot be read, InputError when they do not fit together."""
    summaries: list[ModelSummary] = []
    parts: list[Part] = []
    for file in files:
        progress(file.path.name)
        with tempfile.TemporaryDirectory(prefix="aid4-part-") as folder:
            summary = read_model(file.path, Path(folder), limits)
            tables = load_tables(Path(folder))
        summaries.append(summary)
        parts.append(
            Part(
                name=_unlike(file.name or summary.file, [part.name for part in parts]),
                sha256=summary.sha256,
                elements=tables["elements"],
                psets=tables["psets"],
                relations=tables["relations"],
                georeference=summary.georeference,
                place=file.place,
            )
        )
    return FederatedModel(summaries, federate(parts))


def _unlike(name: str, taken: Sequence[str]) -> str:
    """A name that tells two files of one name apart, by their order."""
    return name if name not in taken else _unlike(f"{name} ({len(taken) + 1})", taken)
