"""Alarms over HTTP: what the page and other programs do with them, on a served twin."""

import asyncio
from typing import Any

import numpy as np

NOW_LIMIT = 100.0  # of the sample's meter


async def rung(park: Any) -> dict[str, Any]:
    """The alarm that the meter raises."""
    now_us = park.twin.clock.wall_us()
    await asyncio.to_thread(park.feed.readings, 0, now_us + np.arange(3), 150.0)
    for _ in range(100):
        page = await park.get("/alarms", state="unacknowledged", point=1)
        if page["items"]:
            found: dict[str, Any] = page["items"][0]
            return found
        await asyncio.sleep(0.1)
    raise AssertionError("the alarm never rang")


async def test_a_reading_beyond_its_limit_is_an_alarm_with_its_point_and_place(park: Any) -> None:
    alarm = await rung(park)
    assert alarm["key"] == "point:gw/meter/power:high"
    assert (alarm["value"], alarm["limit"], alarm["unit"]) == (150.0, NOW_LIMIT, "kW")
    assert (alarm["priority"], alarm["label"], alarm["space"]) == ("medium", "Power", "room-guid")
    assert alarm["action"]
    assert (await park.get(f"/alarms/{alarm['id']}"))["raised"] == alarm["raised"]
    assert (await park.get("/alarms", q="meter power"))["total"] >= 1
    assert (await park.get("/alarms", q="nothing like it"))["items"] == []


async def test_people_acknowledge_shelve_comment_and_the_journal_tells_who(park: Any) -> None:
    alarm = await rung(park)
    path = f"/alarms/{alarm['id']}"
    seen = await park.post(f"{path}/ack", {"note": "on my way"}, 200)
    assert seen["items"][0]["state"] == "acknowledged"
    again = await park.client.post(f"/api/v1{path}/ack", json={})
    assert again.status_code == 409
    shelved = await park.post(f"{path}/shelve", {"reason": "being mended", "for_s": 3600}, 200)
    assert (shelved["items"][0]["state"], shelved["items"][0]["shelved_why"]) == ("shelved", "being mended")
    assert (await park.post(f"{path}/unshelve", {}, 200))["items"][0]["state"] == "acknowledged"
    out = await park.post(f"{path}/suppress", {"reason": "sensor removed"}, 200)
    assert out["items"][0]["state"] == "out_of_service"
    assert (await park.post(f"{path}/suppress", {}, 200))["items"][0]["state"] == "acknowledged"
    await park.post(f"{path}/comment", {"note": "new fuse ordered"}, 200)
    journal = await park.get("/alarms/journal", alarm=alarm["id"])
    verbs = [item["what"] for item in journal["items"]]
    assert verbs == ["comment", "in_service", "out_of_service", "unshelved", "shelved", "acknowledged", "raised"]
    assert {item["by"] for item in journal["items"][:-1]} == {"local"}
    rose = await park.get("/alarms/journal", alarm=alarm["id"], what="raised")
    assert ([item["what"] for item in rose["items"]], rose["total"]) == (["raised"], 1)
    audit = await park.post("/query", {"sql": "SELECT what FROM audit WHERE what LIKE 'alarm%' ORDER BY 1"}, 200)
    assert {"alarm ack", "alarm shelve", "alarm comment"} <= {row[0] for row in audit["rows"]}


async def test_mistakes_name_the_field_and_change_nothing(park: Any) -> None:
    alarm = await rung(park)
    for path, body, status, field in (
        (f"/alarms/{alarm['id']}/shelve", {"for_s": 60}, 400, "reason"),
        (f"/alarms/{alarm['id']}/shelve", {"reason": "x", "for_s": -1}, 400, "for_s"),
        (f"/alarms/{alarm['id']}/comment", {}, 400, "note"),
        ("/alarms/999/ack", {}, 404, "id"),
        ("/alarms/ack", {"ids": [alarm["id"], 999]}, 404, "id"),
    ):
        answer = await park.client.post(f"/api/v1{path}", json=body)
        assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text
    assert (await park.get(f"/alarms/{alarm['id']}"))["state"] == "unacknowledged"


async def test_many_are_acknowledged_at_once(park: Any) -> None:
    await rung(park)
    page = await park.get("/alarms", state="unacknowledged")
    ids = [item["id"] for item in page["items"]]
    done = await park.post("/alarms/ack", {"ids": ids}, 200)
    assert {item["state"] for item in done["items"]} <= {"acknowledged", "normal"}
    assert (await park.get("/alarms", state="unacknowledged"))["total"] == 0


async def test_the_past_and_the_figures_are_there(park: Any) -> None:
    alarm = await rung(park)
    await asyncio.to_thread(park.twin.store.writer.run, lambda _: None)
    assert alarm["id"] in [item["id"] for item in (await park.get("/alarms", at=alarm["raised"]))["items"]]
    assert (await park.get("/alarms", at="2020-01-01T00:00:00Z"))["items"] == []
    figures = await park.get("/alarms/figures")
    assert figures["raised"] >= 1
    assert figures["priorities"]["medium"] >= 1
    found = await park.post("/query", {"sql": "SELECT state, kind FROM alarms WHERE point = 1 AND kind = 'high'"}, 200)
    assert found["rows"] == [["unacknowledged", "high"]]


async def test_new_rules_are_previewed_activated_and_taken_back(park: Any) -> None:
    text = '[[alarm]]\npoints = "*/meter/power"\nhigh = 500.0\nclass = "extreme"\n'
    change = await park.post("/changes", {"kind": "alarms", "body": {"toml": text}})
    rows = {row["path"]: (row["old"], row["new"]) for row in change["diff"]}
    assert rows["/alarms/point:gw/meter/power:high"] == ([100.0, "medium"], [500.0, "high"])
    await park.post(f"/changes/{change['id']}/activate", {}, 200)
    now_us = park.twin.clock.wall_us()
    await asyncio.to_thread(park.feed.readings, 0, now_us, 150.0)
    await asyncio.sleep(0.6)
    assert (await park.get("/alarms", point=1))["items"] == []
    await park.post(f"/changes/{change['id']}/revert", {}, 200)
    assert (await rung(park))["limit"] == NOW_LIMIT


async def test_rules_that_mean_nothing_cannot_be_activated(park: Any) -> None:
    for text, words in (
        ("[[alarm]\n", "not TOML"),
        ('[[alarm]]\nclass = "no such"\nhigh = 1.0\n', "no alarm class"),
        ("[[alarm]]\nhigh = 1.0\nlow = 2.0\n", "not in order"),
        ('[[route]]\nname = "a"\nkind = "email"\n', "goes to somebody"),
        ('[[route]]\nname = "a"\nkind = "webhook"\nurl = "file:///etc/passwd"\n', "url"),
    ):
        change = await park.post("/changes", {"kind": "alarms", "body": {"toml": text}})
        assert words in change["problems"][0], change["problems"]
        answer = await park.client.post(f"/api/v1/changes/{change['id']}/activate", json={})
        assert answer.status_code == 409
