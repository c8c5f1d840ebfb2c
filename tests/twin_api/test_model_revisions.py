"""A model re-exported with new GlobalIds: points, decisions and bookmarks follow, and a revert brings the old back."""

import asyncio
import random
import re
import uuid
from pathlib import Path
from typing import Any

import pytest

from bim.global_id import compressed
from twin.model_names import aliases_of
from twin.siteconfig import load_site
from wire.catalogue import Point
from wire.errors import UserError

ROOT = re.compile(r"(#\d+\s*=\s*IFC\w+\s*\(\s*')([0-9A-Za-z_$]{22})'")


def with_new_ids(path: Path, seed: int) -> tuple[bytes, dict[str, str]]:
    """By text alone; old to new."""
    dice, new = random.Random(seed), dict[str, str]()

    def other(found: re.Match[str]) -> str:
        new.setdefault(found[2], compressed(uuid.UUID(int=dice.getrandbits(128))))
        return f"{found[1]}{new[found[2]]}'"

    return ROOT.sub(other, path.read_text("latin-1")).encode("latin-1"), new


async def uploaded(park: Any, data: bytes, name: str = "again.ifc") -> str:
    answer = await park.client.post(f"/api/v1/uploads?name={name}", content=data)
    return str(answer.json()["id"])


async def test_points_and_decisions_follow_elements_to_their_new_ids(empty: Any, shared_data: Path) -> None:
    file = shared_data / "bim" / "ifc" / "duplex.ifc"
    await empty.twin.bring_model(file)
    rows = empty.twin.model.elements.to_pylist()
    things = [row["id"] for row in rows if row["category"] == "element"][:40]
    rooms = [row["id"] for row in rows if row["type"] == "IfcSpace"]
    points = [Point(id=i, device=f"d{i}", metric="m", element_hint=one) for i, one in enumerate(things)]
    points.append(Point(id=90, device="free", metric="m"))
    await asyncio.to_thread(empty.feed.catalogue, points)
    decision = {"set": [{"point": "gw/free/m", "element": rooms[3]}]}
    fixed = await empty.post("/changes", {"kind": "bindings", "body": decision})
    await empty.post(f"/changes/{fixed['id']}/activate", None, 200)

    async def places() -> dict[str, Any]:
        return {p["key"]: (p["element"], p["binding"]["how"]) for p in (await empty.get("/points", limit=100))["items"]}

    before = await places()
    data, new = with_new_ids(file, 3)
    change = await empty.post("/changes", {"kind": "model", "body": {"upload": await uploaded(empty, data)}})
    paths = {row["path"]: row for row in change["diff"]}
    summary = paths["/model"]["new"]
    assert (summary["added"], summary["removed"], summary["ambiguous"], summary["moved"]) == (0, 0, 0, 0)
    assert summary["reguided"] == summary["elements"] == 296
    renamed = paths[f"/elements/{new[things[0]]}/id"]
    assert renamed["old"] == things[0]
    assert renamed["new"]["confidence"] > 0.9
    assert (await places()) == before, "a preview changes nothing"

    await empty.post(f"/changes/{change['id']}/activate", None, 200)
    after = await places()
    assert {key: element for key, (element, _) in after.items()} == {k: new[e] for k, (e, _) in before.items()}
    assert after["gw/free/m"] == (new[rooms[3]], "config")
    old_name = await empty.get(f"/elements/{things[0]}")
    assert old_name["id"] == new[things[0]], "a bookmark of yesterday still opens"
    assert [p["key"] for p in old_name["points"]] == ["gw/d0/m"]

    third, newer = with_new_ids(file, 4)
    change3 = await empty.post("/changes", {"kind": "model", "body": {"upload": await uploaded(empty, third)}})
    await empty.post(f"/changes/{change3['id']}/activate", None, 200)
    assert {k: e for k, (e, _) in (await places()).items()} == {k: newer[e] for k, (e, _) in before.items()}

    await empty.post(f"/changes/{change3['id']}/revert", None, 200)
    await empty.post(f"/changes/{change['id']}/revert", None, 200)
    assert await places() == before
    assert (await empty.get(f"/elements/{newer[things[0]]}"))["id"] == things[0]


async def test_several_files_become_one_live_model_and_are_taken_back(empty: Any, shared_data: Path) -> None:
    folder = shared_data / "bim" / "ifc"
    names = ("duplex.ifc", "Duplex_Electrical.ifc")
    ids = [await uploaded(empty, (folder / name).read_bytes(), name) for name in names]
    parts = [{"upload": one, "name": name} for one, name in zip(ids, names, strict=True)]
    change = await empty.post("/changes", {"kind": "model", "body": {"parts": parts}})
    await empty.post(f"/changes/{change['id']}/activate", None, 200)
    rows = (await empty.post("/query", {"sql": "select source, count(*) from elements group by 1 order by 1"}, 200))[
        "rows"
    ]
    assert rows == [["Duplex_Electrical.ifc", 103], ["duplex.ifc", 296]]
    fixture = next(r for r in empty.twin.model.elements.to_pylist() if r["type"] == "IfcFlowTerminal" and r["space"])
    shown = await empty.get(f"/elements/{fixture['id']}")
    assert (await empty.get(f"/elements/{shown['space']}"))["type"] == "IfcSpace"
    assert (await empty.get("/site"))["model"]["file"] == "duplex.ifc + Duplex_Electrical.ifc"
    again = await empty.post("/changes", {"kind": "model", "body": {"uploads": ids[:1]}})
    counted = again["diff"][[row["path"] for row in again["diff"]].index("/model")]["new"]
    assert (counted["elements"], counted["removed"]) == (296, 103)
    await empty.post(f"/changes/{change['id']}/revert", None, 200)
    assert (await empty.get("/elements"))["total"] == 0


async def test_a_body_names_files_in_one_way_only(empty: Any) -> None:
    for body in ({"upload": "a", "file": "b"}, {"files": ["a"], "uploads": ["b"]}, {"parts": [{}]}, {"files": []}):
        problem = await empty.post("/changes", {"kind": "model", "body": body}, 400)
        assert problem["field"].startswith("body")
        assert problem["fix"]


def test_names_lead_through_any_number_of_revisions_both_ways() -> None:
    edges = [(1, 2, "a1", "a2"), (2, 3, "a2", "a3"), (1, 4, "a1", "a4"), (2, 3, "b1", "b3")]
    assert aliases_of(3, edges) == {"a1": "a3", "a2": "a3", "a4": "a3", "b1": "b3"}
    assert aliases_of(1, edges) == {"a2": "a1", "a3": "a1", "a4": "a1", "b3": "b1"}
    assert aliases_of(9, edges) == {}


async def test_links_of_tasks_follow_elements_to_their_new_ids(empty: Any, shared_data: Path) -> None:
    file = shared_data / "bim" / "ifc" / "duplex.ifc"
    await empty.twin.bring_model(file)
    walls = [row["id"] for row in empty.twin.model.elements.to_pylist() if row["type"].startswith("IfcWall")][:5]
    plan = "id,name,start,finish\nA,Walls,2026-03-01,2026-03-20\nB,Other,2026-03-01,2026-09-20\n"
    upload = await uploaded(empty, plan.encode(), "plan.csv")
    schedule = await empty.post("/changes", {"kind": "schedule", "body": {"upload": upload}})
    await empty.post(f"/changes/{schedule['id']}/activate", None, 200)
    body = {"set": [{"task": "A", "element": wall} for wall in walls]}
    links = await empty.post("/changes", {"kind": "links", "body": body})
    await empty.post(f"/changes/{links['id']}/activate", None, 200)

    async def tasks_of(element: str) -> list[str]:
        return [one["name"] for one in (await empty.get(f"/elements/{element}"))["tasks"]]

    assert await tasks_of(walls[0]) == ["Walls"]
    data, new = with_new_ids(file, 8)
    change = await empty.post("/changes", {"kind": "model", "body": {"upload": await uploaded(empty, data)}})
    await empty.post(f"/changes/{change['id']}/activate", None, 200)
    for wall in walls:
        assert await tasks_of(new[wall]) == ["Walls"]
    linked = set((await empty.get("/tasks/A"))["element_ids"])
    assert linked == {new[wall] for wall in walls}
    await empty.post(f"/changes/{change['id']}/revert", None, 200)
    assert await tasks_of(walls[0]) == ["Walls"]
    assert set((await empty.get("/tasks/A"))["element_ids"]) == set(walls)


async def test_a_site_names_several_files_and_a_brick_file(start: Any, tmp_path: Path, shared_data: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    for name in ("duplex.ifc", "Duplex_Electrical.ifc"):
        (folder / name).write_bytes((shared_data / "bim" / "ifc" / name).read_bytes())
    (folder / "park.ttl").write_text(
        "@prefix brick: <https://brickschema.org/schema/Brick#> .\n"
        "@prefix ref: <https://brickschema.org/schema/Brick/ref#> .\n"
        '<urn:p> a brick:Sensor ; ref:hasExternalReference [ ref:ifcGlobalID "0BTBFw6f90Nfh9rP1dlXrr" ; '
        'ref:hasTimeseriesId "gw/hall/co2" ] .\n'
    )
    (folder / "site.toml").write_text(
        'name = "duplex"\nbrick = "park.ttl"\n[[model.part]]\nfile = "duplex.ifc"\n'
        '[[model.part]]\nfile = "Duplex_Electrical.ifc"\nplace = { offset_m = [0, 0, 0] }\n'
    )
    park = await start(site=load_site(folder))
    await asyncio.to_thread(park.feed.catalogue, [Point(id=0, device="hall", metric="co2", point_class="co2")])
    for _ in range(600):
        if len(park.twin.model) == 399:
            break
        await asyncio.sleep(0.1)
    assert (await park.get("/site"))["model"]["file"] == "duplex.ifc + Duplex_Electrical.ifc"
    (point,) = (await park.get("/points"))["items"]
    assert (point["element"], point["binding"]["how"]) == ("0BTBFw6f90Nfh9rP1dlXrr", "ifc")
    assert (point["brick"], point["tags"]) == ("CO2_Level_Sensor", ["CO2", "Level", "Sensor", "Point"])


@pytest.mark.parametrize(
    "text", ["[model]\n", '[model]\nfile = "a.ifc"\nfiles = ["b.ifc"]\n', 'brick = "missing.ttl"\n']
)
def test_a_site_that_names_its_files_wrongly_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "site.toml").write_text(f'name = "x"\n{text}')
    with pytest.raises(UserError) as refused:
        load_site(tmp_path)
    assert refused.value.fix
