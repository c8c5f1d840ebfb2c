"""One file of a federated model, and what became of it."""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import pyarrow as pa
from msgspec import Meta

from bim.georeference import Georeference

__all__ = ["Part", "PartPlace", "Row", "combined_sha256"]

Row = dict[str, Any]  # one row of elements.arrow
_Metres = Annotated[float, Meta(ge=-2e7, le=2e7)]  # a bound of every projected coordinate


class PartPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a person says that a file lies in the first one: turned about its origin, counter-clockwise, then moved."""

    offset_m: tuple[_Metres, _Metres, _Metres] = (0.0, 0.0, 0.0)
    rotate_deg: Annotated[float, Meta(ge=-360, le=360)] = 0.0


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was read; `place` is None where the files themselves must say how they fit."""

    name: str
    sha256: str
    elements: pa.Table
    psets: pa.Table
    relations: pa.Table
    georeference: Georeference
    place: PartPlace | None = None


def combined_sha256(parts: Sequence[tuple[str, PartPlace | None]]) -> str:
    """What identifies a model of these files at these places: of one file without a place, its own hash."""
    if len(parts) == 1 and parts[0][1] is None:
        return parts[0][0]
    return hashlib.sha256(msgspec.json.encode(list(parts))).hexdigest()
