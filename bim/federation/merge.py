"""Federation itself: parts in the order of their authority, into one set of tables."""

from collections.abc import Sequence

import msgspec
import numpy as np
import pyarrow as pa

from bim.federation.alignment import Alignment, align, moved
from bim.federation.duplicates import Duplicate, compare
from bim.federation.parts import Part, Row, combined_sha256
from bim.federation.places import MergedPlace, merge_places
from bim.footprint import Footprint, SpaceFinder
from bim.georeference import Georeference
from bim.tables import ELEMENTS, PSETS, RELATIONS, table_of
from wire.errors import InputError

__all__ = ["PARTS_MAX", "Federation", "PartReport", "federate"]

PARTS_MAX = 64  # files of one site; a large project has twenty
_REFERENCES = ("parent", "storey", "space")
# what a building is made of: its origin lies on an edge, and the room around it says nothing
_SHELL = (
    "IfcWall", "IfcSlab", "IfcBeam", "IfcColumn", "IfcMember", "IfcPlate", "IfcFooting", "IfcPile", "IfcRoof",
    "IfcStair", "IfcRamp", "IfcRailing", "IfcCovering", "IfcCurtainWall", "IfcDoor", "IfcWindow", "IfcReinforcing",
    "IfcTendon", "IfcBuildingElementPart", "IfcBuildingElementComponent", "IfcElementAssembly", "IfcDiscreteAccessory",
    "IfcFastener", "IfcMechanicalFastener", "IfcChimney", "IfcShadingDevice", "IfcVirtualElement", "IfcCivilElement",
    "IfcGeographicElement", "IfcEarthworks", "IfcCourse", "IfcPavement", "IfcKerb", "IfcRail", "IfcTrackElement",
)  # fmt: skip


class PartReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one file."""

    file: str
    sha256: str
    elements: int  # rows that it brought
    merged: int  # rows that the model had already
    placed_in_spaces: int  # elements that a space of another file holds, by position


class Federation(msgspec.Struct, frozen=True, kw_only=True):
    """One model; the tables are those of bim/tables.py, `source` names the file of each element."""

    elements: pa.Table
    psets: pa.Table
    relations: pa.Table
    georeference: Georeference
    sha256: str
    parts: list[PartReport]
    alignments: list[Alignment]
    places: list[MergedPlace]
    duplicates: list[Duplicate]
    warnings: list[str]


def federate(parts: Sequence[Part]) -> Federation:
    """Merge parts; raises InputError for none, too many, two of one name, or files of two different maps."""
    _check(parts)
    model = _Model(parts[0])
    for part in parts:
        model.take(part)
    return model.whole(parts)


def _check(parts: Sequence[Part]) -> None:
    if not 1 <= len(parts) <= PARTS_MAX:
        raise InputError(f"{len(parts)} files; 1 to {PARTS_MAX} make a model", field="files", fix="name the files once")
    hashes = [part.sha256 for part in parts]
    for part in parts:
        if hashes.count(part.sha256) > 1 and part.place is None:
            raise InputError("this file is named twice", file=part.name, field="files", fix="name each file once")


class _Model:
    """The model while it grows."""

    def __init__(self, first: Part) -> None:
        self._first = first
        self.rows: list[Row] = []
        self._by_id: dict[str, Row] = {}
        self.alignments: list[Alignment] = []
        self.places: list[MergedPlace] = []
        self.duplicates: list[Duplicate] = []
        self._brought: dict[str, tuple[int, int]] = {}
        self._psets: list[pa.Table] = []
        self._relations: list[pa.Table] = []
        self._values: set[tuple[str, str, str]] = set()
        self._pairs: set[tuple[str, str, str]] = set()

    def take(self, part: Part) -> None:
        """Add one part."""
        rows: list[Row] = part.elements.to_pylist()
        if part is self._first:
            eye = np.eye(4).ravel().tolist()
            self.alignments.append(
                Alignment(
                    part=part.name, how="first file", confidence=1.0, matrix=eye, offset_m=[0.0] * 3, rotate_deg=0.0
                )
            )
        else:
            alignment = align(self._first, part, self.rows, rows)
            self.alignments.append(alignment)
            matrix = np.array(alignment.matrix).reshape(4, 4)
            rows = [moved(row, matrix) for row in rows]
        renamed, gone = self._rename(part, rows)
        for row in rows:
            if row["id"] in gone:
                continue
            own = row | {name: renamed.get(row[name], row[name]) for name in ("id", *_REFERENCES)}
            own["source"] = part.name
            self.rows.append(own)
            self._by_id[own["id"]] = own
        self._brought[part.name] = (len(rows) - len(gone), len(gone))
        self._take_psets(part.psets, renamed)
        self._take_relations(part.relations, renamed)

    def whole(self, parts: Sequence[Part]) -> Federation:
        """The model with every part in it."""
        held = self._place_in_spaces()
        reports = [
            PartReport(
                file=part.name,
                sha256=part.sha256,
                elements=self._brought[part.name][0],
                merged=self._brought[part.name][1],
                placed_in_spaces=held.get(part.name, 0),
            )
            for part in parts
        ]
        clashes = sum(one.verdict == "clash" for one in self.duplicates)
        warnings = [f"{one.part}: {text}" for one in self.alignments for text in one.warnings]
        if clashes:
            warnings.append(
                f"{clashes} GlobalIds stand for different elements in two files; the later ones got new ids"
            )
        return Federation(
            elements=table_of(self.rows, ELEMENTS),
            psets=pa.concat_tables(self._psets).combine_chunks(),
            relations=pa.concat_tables(self._relations).combine_chunks(),
            georeference=self._first.georeference,
            sha256=combined_sha256([(part.sha256, part.place) for part in parts]),
            parts=reports,
            alignments=self.alignments,
            places=self.places,
            duplicates=self.duplicates,
            warnings=warnings,
        )

    def _rename(self, part: Part, rows: list[Row]) -> tuple[dict[str, str], set[str]]:
        """New ids by old, and the old ids of rows that the model has already."""
        renamed: dict[str, str] = {}
        gone: set[str] = set()
        for row in rows:
            known = self._by_id.get(row["id"])
            if known is None:
                continue
            verdict = compare(known, row, part.name)
            self.duplicates.append(verdict)
            if verdict.verdict == "same":
                gone.add(row["id"])
            else:
                renamed[row["id"]] = verdict.kept
        if part is not self._first:
            merged = merge_places(part.name, self.rows, rows)
            self.places += merged
            renamed |= {one.id: one.into for one in merged}
            gone |= {one.id for one in merged}
        return renamed, gone

    def _take_psets(self, psets: pa.Table, renamed: dict[str, str]) -> None:
        """Properties of elements that are in the model already come in where it lacks them."""
        elements = [renamed.get(one, one) for one in psets["element"].to_pylist()]
        names = zip(elements, psets["pset"].to_pylist(), psets["name"].to_pylist(), strict=True)
        fresh = [key not in self._values for key in names]
        table = psets.set_column(0, PSETS.field("element"), pa.array(elements, pa.string()))
        kept = table.filter(pa.array(fresh, pa.bool_()))
        self._values.update(zip(*(kept[name].to_pylist() for name in ("element", "pset", "name")), strict=True))
        self._psets.append(kept)

    def _take_relations(self, relations: pa.Table, renamed: dict[str, str]) -> None:
        ends = [[renamed.get(one, one) for one in relations[name].to_pylist()] for name in ("source", "target")]
        rows = dict.fromkeys(zip(relations["kind"].to_pylist(), *ends, strict=True))
        kept = [row for row in rows if row[1] != row[2] and row not in self._pairs]
        self._pairs.update(kept)
        columns = [pa.array([row[index] for row in kept], pa.string()) for index in range(3)]
        self._relations.append(pa.Table.from_arrays(columns, schema=RELATIONS))

    def _place_in_spaces(self) -> dict[str, int]:
        """Things that stand in a room of another file: how many of each part."""
        rooms = [row for row in self.rows if row["footprint_m"]]
        outlines = {
            row["id"]: Footprint(np.array(row["footprint_m"]).reshape(-1, 2), row["z_min_m"], row["z_max_m"])
            for row in rooms
        }
        finder, storeys = SpaceFinder(outlines), {row["storey"] for row in rooms}
        held: dict[str, int] = {}
        for row in self.rows:
            if row["space"] is not None or row["x_m"] is None or not _stands_in_rooms(row):
                continue
            found = finder.at(row["x_m"], row["y_m"], row["z_m"])
            room = None if found is None else self._by_id[found]
            if (
                room is None
                or room["source"] == row["source"]
                or (row["storey"] in storeys and row["storey"] != room["storey"])
            ):
                continue
            row["space"], row["space_how"] = room["id"], "position"
            if row["storey"] is None:
                row["storey"], row["storey_how"] = room["storey"], "space" if room["storey"] else ""
            held[row["source"]] = held.get(row["source"], 0) + 1
        return held


def _stands_in_rooms(row: Row) -> bool:
    return row["category"] == "element" and not str(row["type"]).startswith(_SHELL)
