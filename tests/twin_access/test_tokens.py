"""API tokens, roles for one building, and the audit."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from twin.access.roles import Grant, Person
from wire.errors import InputError


async def _as(park: Any, token: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=park.url + "/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=30)


async def test_a_token_does_no_more_than_its_scopes_and_nothing_once_revoked(
    park: Any, token_of: Callable[..., str]
) -> None:
    token = token_of(park, "ben", Grant("operator"), scopes=["view"])
    async with await _as(park, token) as ben:
        assert (await ben.get("/site")).status_code == 200
        refused = await ben.post("/alarms/ack", json={"ids": []})
        assert (refused.status_code, refused.json()["field"]) == (403, "scopes")
        [kept] = (await ben.get("/tokens")).json()["items"]
        assert "secret" not in kept or kept["secret"] is None
        assert kept["used"] is not None
        assert (await ben.delete(f"/tokens/{kept['id']}")).status_code == 200
        assert (await ben.get("/site")).status_code == 401


async def test_the_secret_of_a_token_is_shown_once_and_kept_as_a_digest(park: Any, password: str) -> None:
    await park.post("/users", {"name": "anna", "grants": [{"role": "admin"}], "password": password})
    answer = await park.client.post("/api/v1/session", json={"name": "anna", "password": password})
    park.client.headers["X-CSRF-Token"] = answer.json()["csrf"]
    made = await park.post("/tokens", {"name": "notebook", "scopes": ["view", "ask"], "days": 30})
    assert made["secret"].startswith("aid4_")
    listed = await park.get("/tokens")
    assert made["secret"] not in str(listed)
    bearer = {"Authorization": f"Bearer {made['secret']}"}
    async with httpx.AsyncClient(base_url=park.url, headers=bearer, timeout=30) as notebook:
        answer = await notebook.post("/api/v1/query", json={"sql": "SELECT 1 AS one"})
        assert answer.json()["rows"] == [[1]]
        again = await notebook.post("/api/v1/tokens", json={"name": "x", "scopes": ["view"]})
        assert again.status_code == 403, "a token makes no tokens"


def test_a_token_cannot_have_a_right_that_its_owner_lacks(park: Any, token_of: Callable[..., str]) -> None:
    token_of(park, "ben", Grant("viewer"))
    ben = Person("ben", "session", (Grant("viewer"),))
    with pytest.raises(InputError):
        park.twin.people.make_token(ben, "x", ["administer"], 1)
    with pytest.raises(InputError):
        park.twin.people.make_token(ben, "x", ["nonsense"], 1)


def test_a_token_dies_with_its_time_and_with_its_owners_account(park: Any, token_of: Callable[..., str]) -> None:
    access = park.twin.access
    token = token_of(park, "ben", Grant("viewer"))
    assert access.who(token, "").name == "ben"
    park.twin.people.change("ben", by="root", disabled=True)
    assert access.who(token, "") is None
    park.twin.people.change("ben", by="root", disabled=False)
    [kept] = access.book.tokens.values()
    access.book.put(type(kept)(**{**_fields(kept), "expires_us": int(time.time() * 1e6) - 1}))
    assert access.who(token, "") is None


def _fields(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__struct_fields__}


async def test_a_role_for_one_building_ends_at_its_walls(park: Any, token_of: Callable[..., str]) -> None:
    here = token_of(park, "ben", Grant("operator", facility="House"))
    there = token_of(park, "eva", Grant("operator", facility="Barn"))
    away = token_of(park, "ivo", Grant("operator"))
    park.twin.people.change("ivo", by="root", grants=[Grant("operator", site="other-site")])
    [point] = (await _get(park, here, "/points", q="energy"))["items"]  # it hangs on a meter in House
    desk = park.twin.alarms
    from twin.alarms.book import Report
    from twin.alarms.states import Definition

    what = Definition(
        key=f"{point['key']}#test", source="detector", kind="test", group="test", priority="high", point=point["id"]
    )
    desk.report([Report(what, True, park.twin.clock.wall_us(), 1.0)])
    [alarm] = (await _get(park, here, "/alarms"))["items"]
    async with await _as(park, there) as eva, await _as(park, here) as ben, await _as(park, away) as ivo:
        refused = await eva.post(f"/alarms/{alarm['id']}/ack", json={})
        assert (refused.status_code, refused.json()["field"]) == (403, "role")
        assert "building" in refused.json()["fix"]
        bulk = await eva.post("/alarms/comment", json={"ids": [alarm["id"]], "note": "x"})
        assert bulk.status_code == 403
        command = await eva.post("/commands", json={"point": point["key"], "value": 1})
        assert command.status_code == 403
        assert (await ivo.get("/site")).status_code == 403, "a role at another site is none here"
        assert (await ben.post("/query", json={"sql": "SELECT 1"})).status_code == 403, "SQL sees the whole site"
        done = await ben.post(f"/alarms/{alarm['id']}/ack", json={"note": "seen"})
        assert done.status_code == 200, done.text
        assert done.json()["items"][0]["owner"] in ("ben", "")


async def _get(park: Any, token: str, path: str, **query: Any) -> Any:
    async with await _as(park, token) as client:
        answer = await client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()


async def test_the_audit_says_who_did_what_and_how_it_ended(park: Any, token_of: Callable[..., str]) -> None:
    root = token_of(park, "root", Grant("admin"))
    ben = token_of(park, "ben", Grant("engineer"))
    async with await _as(park, ben) as client:
        body = {"kind": "limits", "body": {"set": [{"point": "gw/meter/power", "low": 1, "high": 9}]}}
        made = await client.post("/changes", json=body)
        assert made.status_code == 201, made.text
        await client.post("/changes/999/activate")
        await client.get("/users")
        await client.post("/backups", json={"name": "b1"})
    rows = (await _get(park, root, "/audit", by="ben"))["items"]
    told = [(row["what"], row["result"]) for row in rows]
    assert ("change proposed", "done") in told
    assert ("POST /changes/999/activate", "refused 404") in told
    assert ("GET /users", "refused 403") in told
    assert ("POST /backups", "refused 403") in told
    times = [row["at"] for row in rows]
    assert times == sorted(times, reverse=True)
    page = await _get(park, root, "/audit", q="backups", result="refused", limit=1)
    assert (page["total"], page["items"][0]["by"]) == (1, "ben")
    sql = {"sql": "SELECT DISTINCT result FROM audit WHERE \"by\" = 'ben' ORDER BY 1"}
    async with await _as(park, root) as client:
        results = [row[0] for row in (await client.post("/query", json=sql)).json()["rows"]]
    assert results == ["done", "refused 403", "refused 404"]
