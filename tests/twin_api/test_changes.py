"""Changes by people: preview, activate, revert, audit; and a model that is refused leaves the old one live."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest

from wire.quality import OUT_OF_RANGE


def by_key(points: Any) -> dict[str, Any]:
    return {p["key"]: p for p in points["items"]}


async def test_a_preview_shows_the_difference_and_changes_nothing(park: Any) -> None:
    body = {"set": [{"point": "gw/ahu/fan", "element": "room-guid"}]}
    change = await park.post("/changes", {"kind": "bindings", "body": body, "note": "fan hangs there"})
    assert (change["state"], change["problems"], change["by"]) == ("preview", [], "local")
    assert change["diff"] == [{"op": "add", "path": "/bindings/gw/ahu/fan", "old": None, "new": "room-guid"}]
    assert by_key(await park.get("/points"))["gw/ahu/fan"]["binding"] is None


async def test_a_binding_is_set_and_taken_back(park: Any) -> None:
    body = {"set": [{"point": "gw/ahu/fan", "element": "meter-1-guid"}, {"point": "gw/meter/energy"}]}
    change = await park.post("/changes", {"kind": "bindings", "body": body})
    active = await park.post(f"/changes/{change['id']}/activate", None, 200)
    points = by_key(await park.get("/points"))
    assert active["state"] == "active"
    assert (points["gw/ahu/fan"]["element"], points["gw/ahu/fan"]["space"]) == ("meter-1-guid", "room-guid")
    assert points["gw/meter/energy"]["binding"] is None
    await park.post(f"/changes/{change['id']}/revert", None, 200)
    points = by_key(await park.get("/points"))
    assert points["gw/ahu/fan"]["binding"] is None
    assert points["gw/meter/energy"]["binding"]["how"] == "ifc"


async def test_changed_limits_govern_the_flag_of_new_readings_until_they_are_taken_back(park: Any) -> None:
    async def flagged(value: float) -> bool:
        now_us = park.twin.clock.wall_us()
        await asyncio.to_thread(park.feed.readings, [0, 3], now_us, [value, 21.0])
        items = {item["point"]: item for item in (await park.get("/state", points="1,4"))["items"]}
        assert not items[4]["quality"] & OUT_OF_RANGE, "a neighbour without a change keeps its own limits"
        return bool(items[1]["quality"] & OUT_OF_RANGE)

    assert (await flagged(60), await flagged(150)) == (False, True), "the catalogue says 0 to 100"
    body = {"set": [{"point": "gw/meter/power", "low": 0, "high": 50}]}
    tight = await park.post("/changes", {"kind": "limits", "body": body})
    assert await flagged(60) is False, "a preview changes nothing"
    await park.post(f"/changes/{tight['id']}/activate", {}, 200)
    assert await flagged(60) is True
    wide = await park.post("/changes", {"kind": "limits", "body": {"set": [{"point": "gw/meter/power", "high": 500}]}})
    await park.post(f"/changes/{wide['id']}/activate", {}, 200)
    assert await flagged(150) is False, "wider than the catalogue: the operator's limits govern"
    await park.post(f"/changes/{wide['id']}/revert", {}, 200)
    await park.post(f"/changes/{tight['id']}/revert", {}, 200)
    assert (await flagged(60), await flagged(150)) == (False, True)


async def test_an_active_change_survives_a_restart_of_the_twins_memory(park: Any) -> None:
    change = await park.post("/changes", {"kind": "limits", "body": {"set": [{"point": 1, "low": 5, "high": 60}]}})
    await park.post(f"/changes/{change['id']}/activate", None, 200)
    await asyncio.to_thread(park.twin.refresh)
    point = by_key(await park.get("/points"))["gw/meter/power"]
    assert (point["low"], point["high"]) == (5, 60)
    rows = (await park.post("/query", {"sql": 'select what from audit order by "at"'}, 200))["rows"]
    assert [row[0] for row in rows] == ["change proposed", "change active"]


async def test_a_change_with_problems_is_kept_but_not_activated(park: Any) -> None:
    body = {"set": [{"point": "gw/no/such", "element": "room-guid"}, {"point": 1, "element": "no-guid"}]}
    change = await park.post("/changes", {"kind": "bindings", "body": body})
    assert len(change["problems"]) == 2
    problem = await park.post(f"/changes/{change['id']}/activate", None, 409)
    assert "gw/no/such" in problem["detail"]


async def test_a_change_under_a_later_one_cannot_be_reverted_before_it(park: Any) -> None:
    ids = []
    for high in (60, 70):
        change = await park.post("/changes", {"kind": "limits", "body": {"set": [{"point": 1, "high": high}]}})
        await park.post(f"/changes/{change['id']}/activate", None, 200)
        ids.append(change["id"])
    problem = await park.post(f"/changes/{ids[0]}/revert", None, 409)
    assert problem["fix"] == f"revert {ids[1]} first"
    await park.post(f"/changes/{ids[1]}/revert", None, 200)
    assert by_key(await park.get("/points"))["gw/meter/power"]["high"] == 60
    await park.post(f"/changes/{ids[0]}/revert", None, 200)
    assert by_key(await park.get("/points"))["gw/meter/power"]["high"] == 100


async def test_steps_in_the_wrong_order_are_conflicts(park: Any) -> None:
    change = await park.post("/changes", {"kind": "limits", "body": {"set": [{"point": 1, "high": 60}]}})
    await park.post(f"/changes/{change['id']}/revert", None, 409)
    await park.post(f"/changes/{change['id']}/activate", None, 200)
    await park.post(f"/changes/{change['id']}/activate", None, 409)


async def test_the_site_is_changed_within_its_rules(park: Any) -> None:
    bad = await park.post("/changes", {"kind": "site", "body": {"time_zone": "Mars/Olympus"}}, 400)
    assert bad["field"] == "time_zone"
    change = await park.post("/changes", {"kind": "site", "body": {"time_zone": "Asia/Taipei", "title": "Fab"}})
    await park.post(f"/changes/{change['id']}/activate", None, 200)
    site = await park.get("/site")
    assert (site["time_zone"], site["title"], site["name"]) == ("Asia/Taipei", "Fab", "lab")
    await park.post(f"/changes/{change['id']}/revert", None, 200)
    assert (await park.get("/site"))["title"] == "Laboratory"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "weather", "body": {}}, "kind"),
        ({"kind": "limits", "body": {"sett": []}}, "body"),
        ({"kind": "limits", "body": {"set": [{"point": 1, "low": "cold"}]}}, "body.set[0].low"),
        ({"kind": "site", "body": {"name": "other"}}, "body"),
        ({"kind": "model", "body": {}}, "body"),
        ({"kind": "model", "body": {"upload": "../../etc/passwd"}}, "body.upload"),
        ({"kind": "model", "body": {"file": "/etc/passwd"}}, "body.file"),
    ],
)
async def test_a_body_that_is_not_understood_names_its_field(park: Any, body: Any, field: str) -> None:
    answer = await park.client.post("/api/v1/changes", json=body)
    assert answer.status_code in {400, 404}
    assert answer.json()["field"] == field


async def test_a_file_that_is_no_model_is_refused_and_the_old_model_stays(park: Any) -> None:
    before = await park.get("/site")
    data = b"ISO-10303-21;\nthis is no model\n" + park.hostile.encode()
    upload = await park.client.post("/api/v1/uploads?name=../../evil.ifc", content=data)
    assert upload.json() == {"id": hashlib.sha256(data).hexdigest(), "name": "evil.ifc", "bytes": len(data)}
    answer = await park.client.post("/api/v1/changes", json={"kind": "model", "body": {"upload": upload.json()["id"]}})
    assert answer.status_code == 400
    assert answer.json()["fix"]
    assert (await park.get("/site"))["model"] == before["model"]


async def test_an_upload_of_another_kind_is_refused(park: Any) -> None:
    answer = await park.client.post("/api/v1/uploads?name=run.sh", content=b"#!/bin/sh")
    assert (answer.status_code, answer.json()["field"]) == (400, "name")


async def test_a_new_model_is_compared_made_live_and_taken_back(park: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row for row in park.rows if row["id"] not in {"door-guid", "meter-1-guid"}]
    rows[3] = rows[3] | {"long_name": "Boiler room"}
    rows.append(park.element("pump-guid", "IfcPump", "P1", parent="room-guid", space="room-guid", storey="floor-guid"))
    monkeypatch.setattr("twin.model_change._read", lambda _path, _name: park.model_tables(rows, "b" * 64))
    park.twin.uploads.mkdir()
    (park.twin.uploads / f"{'c' * 64}.ifc").write_bytes(b"stands for an IFC file")
    change = await park.post("/changes", {"kind": "model", "body": {"upload": "c" * 64}})
    diff = {(row["op"], row["path"]): row for row in change["diff"]}
    assert ("add", "/elements/pump-guid") in diff
    assert ("remove", "/elements/door-guid") in diff
    assert diff[("replace", "/elements/room-guid/long_name")]["new"] == "Boiler room"
    assert ("remove", "/bindings/gw/meter/energy") in diff
    assert (await park.get("/elements", q="pump"))["total"] == 0
    await park.post(f"/changes/{change['id']}/activate", None, 200)
    assert (await park.get("/elements", type="IfcPump"))["total"] == 1
    assert (await park.get("/site"))["model"]["sha256"] == "b" * 64
    assert by_key(await park.get("/points"))["gw/meter/energy"]["binding"] is None
    await park.post(f"/changes/{change['id']}/revert", None, 200)
    assert (await park.get("/elements", type="IfcPump"))["total"] == 0
    assert by_key(await park.get("/points"))["gw/meter/energy"]["element"] == "meter-1-guid"


async def test_a_real_model_of_the_field_is_taken_in_bound_and_served(empty: Any, shared_data: Path) -> None:
    file = shared_data / "bim" / "ifc" / "Office_A_20110811.ifc"
    change = await empty.twin.bring_model(file)
    assert change.state == "active"
    assert await empty.twin.bring_model(file) is None
    site = await empty.get("/site")
    assert site["counts"]["elements"] > 500
    assert site["model"]["schema"] == "IFC2X3"
    tree = await empty.get("/tree")
    assert tree["roots"]


async def test_changes_are_listed_newest_first(park: Any) -> None:
    for high in (60, 70, 80):
        await park.post("/changes", {"kind": "limits", "body": {"set": [{"point": 1, "high": high}]}})
    page = await park.get("/changes", limit=2)
    assert [change["id"] for change in page["items"]] == [3, 2]
    assert (page["total"], page["next"]) == (3, 2)
