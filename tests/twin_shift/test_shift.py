"""The shift log: written once, corrected by another entry; a handover holds how the park stood and has two names."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from twin.access.roles import Grant, Person
from twin.alarms.book import Report
from twin.alarms.states import Definition


async def people_of(park: Any, *roles: tuple[str, str]) -> dict[str, httpx.AsyncClient]:
    """A client by name, each with a token of its role."""
    people = park.twin.people
    people.add("root", [Grant("admin")], by="local")
    clients = {}
    for name, role in roles:
        account = people.add(name, [Grant(role)], by="root")  # type: ignore[arg-type]
        scopes = ["view", *(["operate"] if role != "viewer" else [])]
        secret = people.make_token(Person(name, "session", account.grants), "t", scopes, 1)[1]
        headers = {"Authorization": f"Bearer {secret}"}
        clients[name] = httpx.AsyncClient(base_url=f"{park.url}/api/v1", headers=headers, timeout=30)
    return clients


def ring(park: Any, key: str) -> int:
    what = Definition(key=key, kind="test", source="detector", priority="high", group=key)
    park.twin.alarms.report([Report(what, True, park.twin.clock.wall_us(), 1.0)])
    return next(int(one.id) for one in park.twin.alarms.book.all() if one.definition.key == key)


async def test_an_entry_keeps_its_words_writer_and_what_it_is_about(park: Any) -> None:
    alarm = ring(park, "test:pump")
    at = (datetime.now(UTC) - timedelta(minutes=20)).isoformat()
    made = await park.post(
        "/shift", {"text": " Pump 2 restarted ", "alarms": [alarm], "elements": ["room-guid"], "at": at}
    )
    assert (made["text"], made["by"], made["alarms"], made["elements"]) == (
        "Pump 2 restarted", "local", [alarm], ["room-guid"],
    )  # fmt: skip
    assert made["at"] < made["written"]
    right = await park.post("/shift", {"text": "It was pump 3", "corrects": made["id"]})
    items = (await park.get("/shift"))["items"]
    assert [one["id"] for one in items] == [right["id"], made["id"]]
    assert items[1]["text"] == "Pump 2 restarted", "the first one stays as it was"
    assert [one["id"] for one in (await park.get("/shift", q="PUMP restarted"))["items"]] == [made["id"]]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"text": "  "}, 400, "text"),
        ({"text": ""}, 400, "text"),
        ({"text": "x" * 20_000}, 400, "text"),
        ({"text": "x", "corrects": 99}, 404, "corrects"),
        ({"text": "x", "at": "2999-01-01T00:00:00Z"}, 400, "at"),
        ({"text": "x", "alarms": ["a"]}, 400, "alarms[0]"),
        ({"text": "x", "by": "somebody else"}, 400, "by"),
    ],
)
async def test_an_entry_that_could_mislead_is_refused(empty: Any, body: Any, status: int, field: str) -> None:
    refused = await empty.post("/shift", body, status)
    assert refused["field"] == field


async def test_a_handover_is_signed_by_giver_and_taker_and_shows_how_the_park_stood(park: Any) -> None:
    open_one, silent = ring(park, "test:open"), ring(park, "test:shelved")
    clients = await people_of(park, ("ben", "operator"), ("eva", "operator"), ("guest", "viewer"))
    ben, eva, guest = (clients[name] for name in ("ben", "eva", "guest"))
    await ben.post(f"/alarms/{silent}/shelve", json={"reason": "known", "for_s": 600})
    given = (await ben.post("/shift/handovers", json={"note": "Watch pump 2"})).json()
    assert (given["giver"], given["taken"], given["taker"]) == ("ben", None, "")
    assert open_one in [one["id"] for one in given["snapshot"]["open"]]
    assert [(one["id"], one["why"]) for one in given["snapshot"]["shelved"]] == [(silent, "known")]
    assert (await ben.post("/shift/handovers", json={})).status_code == 409, "one waits at a time"
    path = f"/shift/handovers/{given['id']}/take"
    assert (await ben.post(path, json={})).status_code == 409, "nobody takes over from himself"
    assert (await guest.post(path, json={})).status_code == 403
    await eva.post(f"/alarms/{open_one}/ack", json={})
    taken = (await eva.post(path, json={"remark": "understood"})).json()
    assert (taken["taker"], taken["remark"]) == ("eva", "understood")
    state = next(one["state"] for one in taken["snapshot"]["open"] if one["id"] == open_one)
    assert state == "unacknowledged", "as it was when it was given"
    assert (await eva.post(path, json={})).status_code == 409
    listed = (await guest.get("/shift/handovers")).json()
    assert [one["id"] for one in listed["items"]] == [given["id"]]
    assert listed["now"]["counts"]["acknowledged"] >= 1
    for client in clients.values():
        await client.aclose()


async def test_where_nobody_signs_in_one_person_gives_and_takes(empty: Any) -> None:
    given = await empty.post("/shift/handovers", {"note": "alone"})
    taken = await empty.post(f"/shift/handovers/{given['id']}/take", {}, 200)
    assert (taken["giver"], taken["taker"]) == ("local", "local")
    rows = (
        await empty.post("/query", {"sql": "SELECT what FROM audit WHERE what LIKE 'shift%' ORDER BY \"at\""}, 200)
    )["rows"]
    assert rows == [["shift given"], ["shift taken"]]


async def test_the_log_survives_and_nobody_finds_a_handover_that_never_was(empty: Any) -> None:
    for name, status in (("7", 404), ("x", 400), ("-1", 400), ("9" * 30, 400)):
        assert (await empty.client.post(f"/api/v1/shift/handovers/{name}/take", json={})).status_code == status
