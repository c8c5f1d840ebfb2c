"""The catalogue, the model and the tree, as the page reads them."""

from typing import Any

import pytest


async def test_each_point_says_where_it_belongs_and_how_that_was_found(park: Any) -> None:
    points = {p["key"]: p for p in (await park.get("/points"))["items"]}
    assert points["gw/meter/energy"]["element"] == "meter-1-guid"
    assert points["gw/meter/energy"]["binding"]["how"] == "ifc"
    assert points["gw/meter/energy"]["space"] == "room-guid"
    assert points["gw/meter/power"]["binding"]["how"] == "config"
    assert points["gw/meter/power"]["space"] == "room-guid"
    assert points["gw/ahu/mode"]["space"] == "room-guid"
    assert points["gw/lost/nobody"]["binding"] is None


async def test_a_point_has_exactly_the_contracted_fields(park: Any) -> None:
    point = (await park.get("/points"))["items"][0]
    assert list(point) == [
        "id", "key", "node", "device", "metric", "label", "kind", "unit", "point_class", "low", "high", "writable",
        "period_s", "element", "space", "binding", "lifecycle", "brick", "tags",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("params", "keys"),
    [
        ({"device": "meter"}, ["gw/meter/power", "gw/meter/energy"]),
        ({"device": "gw/meter", "q": "POWER"}, ["gw/meter/power"]),
        ({"q": "script"}, ["gw/lost/nobody"]),
        ({"element": "meter-1-guid"}, ["gw/meter/energy"]),
        ({"element": "site-guid"}, ["gw/meter/power", "gw/meter/energy", "gw/ahu/mode"]),
        ({"ids": "2,1,999"}, ["gw/meter/power", "gw/meter/energy"]),
        ({"ids": "1,3", "device": "ahu"}, ["gw/ahu/mode"]),
        ({"q": "nothing has this name"}, []),
    ],
)
async def test_points_are_found_by_place_device_and_words(park: Any, params: dict[str, str], keys: list[str]) -> None:
    page = await park.get("/points", **params)
    assert [p["key"] for p in page["items"]] == keys
    assert page["total"] == len(keys)


async def test_pages_follow_each_other_without_gap_or_overlap(park: Any) -> None:
    seen, offset = [], 0
    while offset is not None:
        page = await park.get("/points", limit=3, offset=offset)
        seen += [p["id"] for p in page["items"]]
        offset = page["next"]
    assert seen == list(range(1, 9))


@pytest.mark.parametrize("name", ["1", "gw%2Fmeter%2Fpower", "gw/meter/power"])
async def test_one_point_is_found_by_id_and_by_key(park: Any, name: str) -> None:
    answer = await park.client.get(f"/api/v1/points/{name}")
    assert answer.json()["key"] == "gw/meter/power"
    assert answer.json()["last"]["quality"] == 0


async def test_not_a_number_is_null_and_flagged(park: Any) -> None:
    answer = await park.client.get("/api/v1/points/gw/meter/energy")
    assert answer.json()["last"]["value"] is None
    assert answer.json()["last"]["quality"] & 1
    assert "NaN" not in answer.text


async def test_the_report_lists_what_is_bound_nowhere_and_why(park: Any) -> None:
    report = await park.get("/bindings/report")
    assert report["bound"] == 3
    assert sorted(p["key"] for p in report["unbound"]) == [
        "gw/ahu/fan", "gw/ahu/program", "gw/ahu/setpoint", "gw/ahu/stage", "gw/lost/nobody",
    ]  # fmt: skip
    assert report["by_how"] == {"ifc": 1, "config": 2}
    assert report["elements_without_points"] == 4
    assert set(report["reasons"]) == {str(p["id"]) for p in report["unbound"]}


async def test_elements_are_filtered_counted_and_paged(park: Any) -> None:
    everything = await park.get("/elements")
    assert everything["total"] == 6
    spaces = await park.get("/elements", type="IfcSpace")
    assert [(e["id"], e["points"]) for e in spaces["items"]] == [("room-guid", 3)]
    assert (await park.get("/elements", space="room-guid"))["items"][0]["id"] == "meter-1-guid"
    assert (await park.get("/elements", q="plant ROOM"))["total"] == 1
    assert (await park.get("/elements", q="%"))["total"] == 0
    assert (await park.get("/elements", limit=2))["next"] == 2
    assert (await park.get("/elements", offset=1_000_000))["items"] == []


async def test_an_element_shows_its_properties_children_and_points(park: Any) -> None:
    meter = await park.get("/elements/meter-1-guid")
    assert meter["properties"]["Pset_Meter"]["Maker"].startswith("<script>")
    assert [p["key"] for p in meter["points"]] == ["gw/meter/energy"]
    room = await park.get("/elements/room-guid")
    assert room["quantities"] == {"Qto_SpaceBaseQuantities": {"Area": 12.5}}
    assert (room["parent"], room["children"]) == ("floor-guid", ["meter-1-guid"])


async def test_the_tree_goes_from_the_site_to_every_bound_point_once(park: Any) -> None:
    tree = await park.get("/tree")
    [campus] = tree["roots"]
    path, node = [campus["name"]], campus
    while node["children"]:
        node = node["children"][0]
        path.append(node["name"])
    assert path == ["Campus", "House", "Ground floor", "101 Plant room", "Meter 1"]

    def points_in(place: Any) -> list[int]:
        return place["points"] + [p for child in place["children"] for p in points_in(child)]

    placed = sorted(points_in(campus))
    assert sorted(placed + tree["unbound"]) == list(range(1, 9))
    assert {d["device"] for d in tree["devices"]} == {"meter", "ahu", "lost"}


async def test_storeys_stand_as_in_a_section_and_numbers_count_by_value(empty: Any) -> None:
    def storey(name: str, elevation_m: float | None) -> dict[str, Any]:
        return empty.element(f"{name}-guid", "IfcBuildingStorey", name, parent="site-guid", elevation_m=elevation_m)

    rooms = [
        empty.element(f"r{n}-guid", "IfcSpace", f"Room {n}", parent="Ground-guid", storey="Ground-guid")
        for n in (10, 2)
    ]
    storeys = [storey("Ground", 0.0), storey("Attic", 7.5), storey("Cellar", -3.0), storey("Annex", None)]
    await empty.model([empty.element("site-guid", "IfcSite", "Campus"), *storeys, *rooms])
    [campus] = (await empty.get("/tree"))["roots"]
    assert [place["name"] for place in campus["children"]] == ["Attic", "Ground", "Cellar", "Annex"]
    assert [place["name"] for place in campus["children"][1]["children"]] == ["Room 2", "Room 10"]


async def test_ids_that_are_no_numbers_are_named(park: Any) -> None:
    answer = await park.client.get("/api/v1/points", params={"ids": "1,x"})
    assert (answer.status_code, answer.json()["field"]) == (400, "ids")


@pytest.mark.parametrize("path", ["/points/999", "/points/gw/no/such", "/points/..%2f..%2fetc", "/elements/none"])
async def test_what_is_not_there_is_a_problem_that_says_how_to_find_it(park: Any, path: str) -> None:
    answer = await park.client.get(f"/api/v1{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["fix"]


async def test_a_site_without_model_and_points_answers_everywhere(empty: Any) -> None:
    assert (await empty.get("/tree"))["roots"] == []
    assert (await empty.get("/points"))["total"] == 0
    assert (await empty.get("/elements"))["items"] == []
    assert (await empty.get("/state"))["items"] == []
    assert (await empty.get("/nodes"))["items"] == []
    assert (await empty.get("/alarms"))["items"] == []
    site = await empty.get("/site")
    assert site["model"] is None
    assert site["counts"]["points"] == 0
    assert site["time"]["first"] is None
