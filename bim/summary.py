"""What is known about a model once it was read: model.json of the child, and the parent's answer."""

from pathlib import Path

import msgspec

from bim.georeference import Georeference

__all__ = ["MODEL_JSON", "TABLE_FILES", "Counts", "LostElement", "ModelSummary", "UnitNames"]

MODEL_JSON = "model.json"
TABLE_FILES = {"elements": "elements.arrow", "psets": "psets.arrow", "relations": "relations.arrow"}


class LostElement(msgspec.Struct, frozen=True):
    """An element that the file has and the tables have not."""

    global_id: str
    step: int
    reason: str


class UnitNames(msgspec.Struct, frozen=True, kw_only=True):
    """Units of the file: how many metres its length unit has, and UCUM codes after conversion by kind."""

    length_m: float
    stated: bool
    by_kind: dict[str, str]


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How much of what."""

    instances: int  # of the file, all classes
    products: int
    with_shape: int
    elements: int  # category element
    storeys: int
    spaces: int
    spaces_with_footprint: int
    zones: int
    systems: int
    without_storey: int  # of category element
    in_space: int  # of category element
    properties: int
    relations: int
    lost: int
    types: dict[str, int]  # by IFC class


class ModelSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One model that was taken in; `out_dir` holds its tables."""

    file: str  # name without its folder
    bytes: int
    sha256: str
    schema: str
    application: str
    written: str  # time stamp of the file's header, as it stands there
    project: str
    units: UnitNames
    georeference: Georeference
    counts: Counts
    lost: list[LostElement]
    warnings: list[str]
    read_s: float
    memory_mib: int  # most that the child held
    out_dir: str = ""

    def table_path(self, name: str) -> Path:
        """Path of "elements", "psets" or "relations"."""
        return Path(self.out_dir) / TABLE_FILES[name]
