"""Verified on site: by whom, when, the value seen and the value shown; by engineers only; the plan follows."""

import asyncio
import io
import re
from typing import Any

import httpx
import numpy as np

from twin.access.roles import Grant, Person
from twin.commissioning.labels import device_url, qr_svg
from twin.plan_lifecycle import COMMISSIONED, INSTALLED, PLANNED, Verified


def client_of(park: Any, name: str, role: Any, scopes: list[str]) -> httpx.AsyncClient:
    people = park.twin.people
    account = people.add(name, [Grant(role)], by="root" if name != "root" else "local")
    secret = people.make_token(Person(name, "session", account.grants), "t", scopes, 1)[1]
    return httpx.AsyncClient(base_url=f"{park.url}/api/v1", headers={"Authorization": f"Bearer {secret}"}, timeout=30)


async def test_a_point_is_verified_with_who_when_what_was_seen_and_what_was_shown(park: Any) -> None:
    page = await park.get("/commissioning")
    meter = next(one for one in page["items"] if one["device"] == "meter")
    assert (meter["points"], meter["verified"], meter["place"]["storey_name"]) == (2, 0, "Ground floor")
    device = await park.get("/commissioning/gw/meter")
    power = next(one for one in device["points"] if one["metric"] == "power")
    assert power["verified"] is None
    body = {"points": [{"point": power["id"], "verdict": "ok", "seen": "50.2", "note": "at the display"}]}
    told = await park.post("/commissioning/gw/meter", body, status=200)
    one = next(row for row in told["points"] if row["id"] == power["id"])["verified"]
    assert (one["verdict"], one["by"], one["seen"], one["note"]) == ("ok", "local", "50.2", "at the display")
    assert abs(float(one["shown"]) - power["value"]) < 1e-3
    assert one["at"].endswith("Z")
    assert told["progress"]["verified"] == 1
    audit = [row["what"] for row in (await park.get("/audit"))["items"]]
    assert "points verified" in audit


async def test_the_last_word_counts_and_every_word_is_kept(park: Any) -> None:
    (power, *_) = (await park.get("/commissioning/meter"))["points"]
    for verdict in ("ok", "wrong", "withdrawn"):
        body = {"points": [{"point": power["id"], "verdict": verdict, "note": "seen"}]}
        told = await park.post("/commissioning/meter", body, status=200)
    assert told["points"][0]["verified"] is None
    words = [one.verdict for one in park.twin.commissioning.history(power["id"])]
    assert words == ["withdrawn", "wrong", "ok"]


async def test_what_was_verified_is_still_there_after_a_restart(park: Any) -> None:
    (power, *_) = (await park.get("/commissioning/meter"))["points"]
    await park.post("/commissioning/meter", {"points": [{"point": power["id"], "verdict": "ok"}]}, status=200)
    from twin.commissioning.book import CommissioningBook

    again = CommissioningBook(park.twin.store, park.twin.clock)
    assert again.is_verified(power["id"])
    assert again.of(power["id"]) == park.twin.commissioning.of(power["id"])


async def test_progress_is_told_by_device_storey_and_state(park: Any) -> None:
    device = await park.get("/commissioning/ahu")
    everything = [{"point": one["id"], "verdict": "ok"} for one in device["points"]]
    await park.post("/commissioning/ahu", {"points": everything}, status=200)
    done = await park.get("/commissioning", state="done")
    assert [one["device"] for one in done["items"]] == ["ahu"]
    assert "ahu" not in [one["device"] for one in (await park.get("/commissioning", state="open"))["items"]]
    floor = next(one for one in done["storeys"] if one["name"] == "Ground floor")
    assert (floor["devices"], floor["done"]) == (2, 1)
    assert floor["verified"] == len(everything) < floor["points"]
    only = await park.get("/commissioning", storey="Ground floor", q="plant meter")
    assert [one["device"] for one in only["items"]] == ["meter"]


async def test_only_an_engineer_verifies(park: Any) -> None:
    (power, *_) = (await park.get("/commissioning/meter"))["points"]
    body = {"points": [{"point": power["id"], "verdict": "ok"}]}
    people = park.twin.people
    people.add("root", [Grant("admin")], by="local")
    async with client_of(park, "olga", "operator", ["view", "operate"]) as olga:
        assert (await olga.get("/commissioning/meter")).status_code == 200
        refused = await olga.post("/commissioning/meter", json=body)
        assert refused.status_code == 403
    async with client_of(park, "emil", "engineer", ["view", "change"]) as emil:
        done = await emil.post("/commissioning/meter", json=body)
        assert done.status_code == 200, done.text
        assert done.json()["points"][0]["verified"]["by"] == "emil"


async def test_what_cannot_be_verified_is_refused_with_the_field(park: Any) -> None:
    points = (await park.get("/commissioning/meter"))["points"]
    other = (await park.get("/commissioning/ahu"))["points"][0]["id"]
    for body, field in (
        ({"points": []}, "points"),
        ({"points": [{"point": other, "verdict": "ok"}]}, "points[0].point"),
        ({"points": [{"point": points[0]["id"], "verdict": "perhaps"}]}, "points[0].verdict"),
        ({"points": [{"point": points[0]["id"], "verdict": "wrong"}]}, "points[0].note"),
        ({"points": [{"point": points[0]["id"], "verdict": "ok"}] * 2}, "points"),
        ({"points": [{"point": points[0]["id"], "verdict": "ok", "seen": "x" * 101}]}, "points[0].seen"),
    ):
        told = await park.post("/commissioning/meter", body, status=400 if field else 200)
        assert told["field"] == field, (body, told)
    assert (await park.client.get("/api/v1/commissioning/nothing")).status_code == 404


def test_what_is_installed_and_verified_is_commissioned_and_what_is_planned_is_not() -> None:
    verified = Verified(np.array([7, 3], np.uint32), np.array([1_000, 2_000], np.int64))
    points = np.array([3, 5, 7], np.uint32)
    assert verified.at(points, 1_500).tolist() == [False, False, True]
    assert verified.at(points, 2_000).tolist() == [True, False, True]
    assert Verified().at(points, 2_000).tolist() == [False, False, False]
    assert PLANNED < INSTALLED < COMMISSIONED


async def test_the_lifecycle_of_an_installed_device_follows_its_verification(park: Any, monkeypatch: Any) -> None:
    """The plan says installed; the last point verified makes the device commissioned, a withdrawal undoes it."""
    twin = park.twin
    device = await park.get("/commissioning/meter")
    ids = np.array([one["id"] for one in device["points"]], np.uint32)

    class Installed:
        by_element = type("E", (), {"elements": []})

        def lifecycles(self, now_s: int, *, future: bool) -> np.ndarray:
            return np.full(4, INSTALLED, np.int8)

    plan = Installed()
    monkeypatch.setattr(twin.plan, "at", lambda known_us=None: plan)
    monkeypatch.setattr(twin.plan, "_rows", (plan, np.zeros(100, np.int64)))
    assert set(twin.plan.lifecycles(ids).tolist()) == {INSTALLED}
    first, *rest = device["points"]
    await park.post("/commissioning/meter", {"points": [{"point": first["id"], "verdict": "ok"}]}, status=200)
    assert set(twin.plan.lifecycles(ids).tolist()) == {INSTALLED}, "one point is not the device"
    body = {"points": [{"point": one["id"], "verdict": "ok"} for one in rest]}
    await park.post("/commissioning/meter", body, status=200)
    assert set(twin.plan.lifecycles(ids).tolist()) == {COMMISSIONED}
    await park.post("/commissioning/meter", {"points": [{"point": first["id"], "verdict": "withdrawn"}]}, status=200)
    assert set(twin.plan.lifecycles(ids).tolist()) == {INSTALLED}


async def test_the_code_of_a_device_opens_its_page(park: Any) -> None:
    answer = await park.client.get("/api/v1/devices/meter/qr.svg", params={"base": "https://twin.example/"})
    assert answer.headers["content-type"] == "image/svg+xml"
    url = device_url("https://twin.example/", "gw/meter")
    assert url == "https://twin.example/commissioning/gw/meter"
    assert answer.content == qr_svg(url)
    assert modules(answer.text) == independent(url), "the drawn squares are those of the standard's matrix"
    refused = await park.client.get("/api/v1/devices/meter/qr.svg", params={"base": "javascript:alert(1)"})
    assert (refused.status_code, refused.json()["field"]) == (400, "base")


def modules(svg: str) -> set[tuple[int, int]]:
    """Dark modules of an SVG that draws rows as horizontal strokes, by the path's own commands."""
    (path,) = re.findall(r'd="([^"]+)"', svg)
    dark: set[tuple[int, int]] = set()
    x = y = 0.0
    for command, numbers in re.findall(r"([Mmh])([^Mmh]*)", path):
        values = [float(one) for one in re.findall(r"-?[\d.]+", numbers)]
        if command == "M":
            x, y = values
        elif command == "m":
            x, y = x + values[0], y + values[1]
        else:
            dark |= {(int(x) + step, int(y)) for step in range(int(values[0]))}
            x += values[0]
    return dark


def independent(url: str) -> set[tuple[int, int]]:
    """The matrix as segno's own PNG-free iterator gives it, with the quiet zone of four."""
    import segno

    rows = segno.make(url, error="m", micro=False).matrix
    return {(x + 4, y + 4) for y, row in enumerate(rows) for x, dark in enumerate(row) if dark & 1}


async def test_labels_are_printed_as_a_pdf_with_the_devices_names(park: Any) -> None:
    answer = await park.client.get("/api/v1/commissioning/labels.pdf", params={"q": "meter"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF")
    nobody = await park.client.get("/api/v1/commissioning/labels.pdf", params={"q": "nobody-at-all-here"})
    assert nobody.status_code == 404
    assert io.BytesIO(answer.content).getbuffer().nbytes > 5_000
    await asyncio.sleep(0)
