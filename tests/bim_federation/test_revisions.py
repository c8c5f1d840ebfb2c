"""Elements are found again in a re-exported model; the re-export is made from text and by the IFC library."""

import random
import re
import uuid
from pathlib import Path

import ifcopenshell
import pyarrow as pa
import pytest

from bim.global_id import compressed
from bim.open import load_tables, read_model
from bim.revisions.match import match
from bim.tables import ELEMENTS

SHARE = 50  # one in fifty moves, one in fifty goes
ROOT = re.compile(r"(#\d+\s*=\s*IFC\w+\s*\(\s*')([0-9A-Za-z_$]{22})'")


def with_new_ids(text: str, dice: random.Random) -> tuple[str, dict[str, str]]:
    """Every GlobalId of a file replaced, by its text alone; old to new."""
    new: dict[str, str] = {}

    def other(found: re.Match[str]) -> str:
        new.setdefault(found[2], compressed(uuid.UUID(int=dice.getrandbits(128))))
        return f"{found[1]}{new[found[2]]}'"

    return ROOT.sub(other, text), new


def elements(path: Path, out: Path) -> pa.Table:
    read_model(path, out)
    return load_tables(out)["elements"]


def worked_on(path: Path, dice: random.Random) -> tuple[set[str], set[str]]:
    """Some elements moved by metres, some deleted, by the library; their ids."""
    model = ifcopenshell.open(path)
    found = [
        one
        for one in model.by_type("IfcElement")
        if not one.is_a("IfcFeatureElement") and one.ObjectPlacement and one.ObjectPlacement.is_a("IfcLocalPlacement")
    ]
    dice.shuffle(found)
    count = max(3, len(found) // SHARE)
    for one in found[:count]:
        axes = one.ObjectPlacement.RelativePlacement
        x, y, z = axes.Location.Coordinates
        point = model.create_entity("IfcCartesianPoint", (x + dice.uniform(-9, 9), y + 1.0, z))
        placed = model.create_entity("IfcAxis2Placement3D", point, axes.Axis, axes.RefDirection)
        one.ObjectPlacement = model.create_entity("IfcLocalPlacement", one.ObjectPlacement.PlacementRelTo, placed)
    moved = {one.GlobalId for one in found[:count]}
    gone = {one.GlobalId for one in found[count : 2 * count]}
    for one in found[count : 2 * count]:
        model.remove(one)
    model.write(str(path))
    return moved, gone


@pytest.mark.parametrize("seed", [1])
@pytest.mark.parametrize(
    "name",
    [
        "ifc/Office_A_20110811.ifc",
        "ifc/duplex.ifc",
        "ifc/ISSUE_021_Mini_Project.ifc",
        "schependomlaan/design.ifc",
        "schependomlaan/sub_steel_BERNTS.ifc",
    ],
)
def test_a_real_model_keeps_its_elements_through_new_ids_moves_and_deletions(bim_data, part, tmp_path, name, seed):
    dice = random.Random(seed)
    again = tmp_path / "again.ifc"
    text, new = with_new_ids((bim_data / name).read_text("latin-1"), dice)
    again.write_text(text, "latin-1")
    _, gone = worked_on(again, dice)
    old = part(name).elements
    found = match(old, elements(again, tmp_path / "out"))
    pairs = {pair.old: pair.new for pair in found.pairs}
    assert {one: into for one, into in pairs.items() if into != new[one]} == {}, "no element became another one"
    # what points, tasks and alarms hang at
    carriers = old.filter(pa.compute.is_in(old["category"], pa.array(["element", "spatial", "group", "project"])))
    there = [one for one in carriers["id"].to_pylist() if new[one] not in gone]
    kept = sum(one in pairs for one in there)
    assert kept >= 0.99 * len(there), f"{kept} of {len(there)}"
    left = set(there) - pairs.keys()
    assert left <= set(found.removed)
    assert len(pairs) == len(set(pairs.values())) == len(found.pairs)


def row(one: str, **more: object) -> dict:
    blank = {f.name: [] if pa.types.is_list(f.type) else "" for f in ELEMENTS if not f.nullable}
    return blank | {"id": one, "step": 1, "has_shape": True, "type": "IfcPump", "category": "element"} | more


def at(x: float, y: float = 0.0, z: float = 0.0) -> dict:
    return {"x_m": x, "y_m": y, "z_m": z}


def table(*rows: dict) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=ELEMENTS)


def test_the_same_id_is_the_same_element_whatever_else_changed():
    found = match(table(row("a", name="P1", **at(0))), table(row("a", name="Pump one", **at(9))))
    assert [(p.old, p.new, p.how, p.confidence) for p in found.pairs] == [("a", "a", "GlobalId", 1.0)]


def test_an_id_that_was_given_to_another_thing_does_not_drag_bindings_there():
    new = row("a", name="Bench", type="IfcFurniture", **at(50))
    found = match(table(row("a", name="P1", **at(0))), table(new))
    assert found.pairs == []
    assert (found.removed, found.added) == (["a"], ["a"])


def test_copies_that_stay_are_told_apart_by_their_places():
    old = [row(f"o{i}", name="Lamp", shape="s", **at(i)) for i in range(20)]
    new = [row(f"n{i}", name="Lamp", shape="s", **at(i)) for i in reversed(range(20))]
    found = match(table(*old), table(*new))
    assert {p.old[1:]: p.new[1:] for p in found.pairs} == {str(i): str(i) for i in range(20)}


def test_copies_that_swapped_about_are_ambiguous_not_guessed():
    old = table(row("o1", name="Lamp", shape="s", **at(0)), row("o2", name="Lamp", shape="s", **at(4)))
    new = table(row("n1", name="Lamp", shape="s", **at(1.9)), row("n2", name="Lamp", shape="s", **at(2.1)))
    found = match(old, new)
    assert found.pairs == []
    assert {one.old: sorted(one.candidates) for one in found.ambiguous} == {"o1": ["n1", "n2"], "o2": ["n1", "n2"]}


def test_a_copy_that_moved_where_a_deleted_one_stood_is_not_taken_for_it():
    old = table(row("o1", name="Lamp", shape="s", **at(0)), row("o2", name="Lamp", shape="s", **at(1)))
    new = table(row("n1", name="Lamp", shape="s", **at(0.9)))
    found = match(old, new)
    assert found.pairs == []
    assert {one.old for one in found.ambiguous} == {"o1", "o2"}


def test_a_renamed_thing_in_its_place_is_itself():
    old, new = row("o", name="P1", shape="s", **at(3)), row("n", name="Pump 1", shape="s", **at(3))
    assert [(p.new, p.how) for p in match(table(old), table(new)).pairs] == [("n", "shape and place")]


def test_a_tag_finds_what_was_moved_renamed_and_redrawn():
    old, new = row("o", name="P1", tag="4711", shape="s", **at(3)), row("n", name="X", tag="4711", shape="t", **at(40))
    assert [(p.new, p.how) for p in match(table(old), table(new)).pairs] == [("n", "tag")]


def test_a_tag_that_several_have_finds_nothing():
    old = table(row("o", name="P1", tag="7", shape="s", **at(3)), row("p", name="P2", tag="7", shape="u", **at(4)))
    new = table(row("n", name="X", tag="7", shape="t", **at(40)))
    assert match(old, new).pairs == []


def test_a_new_thing_of_another_storey_is_no_old_one_that_moved():
    floors = [row(f"f{i}", name=f"Level {i}", type="IfcBuildingStorey", category="spatial") for i in (1, 2)]
    old = table(*floors, row("o", name="Lamp", type_name="Lamp", shape="s", storey="f1", **at(0)))
    new = table(*floors, row("n", name="Lamp", type_name="Lamp", shape="s", storey="f2", **at(0, 0, 3)))
    found = match(old, new)
    assert [p.old for p in found.pairs] == ["f1", "f2"]
    assert found.ambiguous[0].candidates == ["n"]


def test_nothing_and_everything():
    assert match(table(), table()).pairs == []
    found = match(table(), table(row("n", name="P")))
    assert (found.added, found.removed) == (["n"], [])
