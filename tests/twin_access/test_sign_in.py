"""Signing in: none on this machine until somebody has an account, then everywhere; sessions end; guessing gets slow."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from twin.access.desk import AccessDesk, SlowDownError, WrongSecretError
from twin.access.people import People
from twin.access.roles import Grant
from twin.access.settings import AccessSettings, SessionTimes
from twin.errors import ConflictError
from twin.store import Store
from wire.clock import ManualClock
from wire.errors import InputError

T0 = 1_750_000_000_000_000
ADMIN = [{"role": "admin"}]


async def first_admin(park: Any, password: str) -> None:
    await park.post("/users", {"name": "anna", "grants": ADMIN, "password": password})


async def sign_in(park: Any, password: str, name: str = "anna") -> dict[str, Any]:
    answer = await park.client.post("/api/v1/session", json={"name": name, "password": password})
    assert answer.status_code == 200, answer.text
    seen: dict[str, Any] = answer.json()
    park.client.headers["X-CSRF-Token"] = seen["csrf"]
    return seen


async def test_on_loopback_nobody_signs_in_until_there_is_an_account(empty: Any, password: str) -> None:
    seen = await empty.get("/session")
    assert (seen["how"], seen["needed"], seen["name"]) == ("local", False, "local")
    assert "administer" in seen["rights"]
    await first_admin(empty, password)
    assert (await empty.client.get("/api/v1/site")).status_code == 401
    seen = await empty.get("/session")
    assert (seen["signed_in"], seen["needed"], seen["rights"]) == (False, True, [])
    assert (await empty.client.get("/healthz")).status_code == 200
    assert (await sign_in(empty, password))["name"] == "anna"
    assert (await empty.get("/site"))["name"] == "lab"


async def test_the_first_account_is_an_admins(empty: Any, password: str) -> None:
    body = {"name": "anna", "grants": [{"role": "operator"}], "password": password}
    refused = await empty.post("/users", body, 409)
    assert refused["field"] == "grants"
    assert (await empty.get("/session"))["needed"] is False


async def test_the_cookie_is_hidden_from_scripts_and_a_call_without_the_pages_token_is_refused(
    empty: Any, password: str
) -> None:
    await first_admin(empty, password)
    answer = await empty.client.post("/api/v1/session", json={"name": "anna", "password": password})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    body = {"name": "ben", "grants": [{"role": "viewer"}]}
    refused = await empty.post("/users", body, 403)
    assert refused["field"] == "X-CSRF-Token"
    empty.client.headers["X-CSRF-Token"] = "é"
    await empty.post("/users", body, 403)
    empty.client.headers["X-CSRF-Token"] = answer.json()["csrf"]
    made = await empty.post("/users", body)
    assert "/welcome#" in made["link"]


async def test_another_site_may_not_use_a_session(empty: Any, password: str) -> None:
    await first_admin(empty, password)
    await sign_in(empty, password)
    answer = await empty.client.get("/api/v1/site", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403


async def test_a_proxy_before_a_twin_without_accounts_is_refused(empty: Any) -> None:
    answer = await empty.client.get("/api/v1/site", headers={"X-Forwarded-For": "203.0.113.9"})
    assert answer.status_code == 421


async def test_a_one_time_link_sets_a_password_once(empty: Any, password: str) -> None:
    await first_admin(empty, password)
    await sign_in(empty, password)
    made = await empty.post("/users", {"name": "ben", "grants": [{"role": "operator"}]})
    code = made["link"].partition("#")[2]
    async with httpx.AsyncClient(base_url=empty.url + "/api/v1") as ben:
        assert (await ben.post("/welcome/look", json={"code": code})).json() == {"name": "ben"}
        weak = await ben.post("/welcome", json={"code": code, "password": "ben ben ben ben"})
        assert (weak.status_code, weak.json()["field"]) == (400, "password")
        done = await ben.post("/welcome", json={"code": code, "password": "a lamp of seven winters"})
        assert done.json()["name"] == "ben"
        assert (await ben.get("/site")).status_code == 200
        again = await ben.post("/welcome", json={"code": code, "password": "a lamp of eight winters"})
        assert (again.status_code, again.json()["field"]) == (401, "code")


async def test_a_twin_that_asks_from_the_start_gives_a_link_for_its_first_admin(
    start: Callable[..., Any], password: str
) -> None:
    park = await start(sign_in=True)
    assert (await park.client.get("/api/v1/site")).status_code == 401
    assert (await park.get("/session"))["first_run"] is True
    code = await asyncio.to_thread(park.twin.access.make_link, "")
    assert (await park.post("/welcome/look", {"code": code}, 200)) == {"name": ""}
    done = await park.post("/welcome", {"code": code, "name": "anna", "password": password}, 200)
    assert "administer" in done["rights"]
    assert (await park.get("/session"))["first_run"] is False
    late = await asyncio.to_thread(park.twin.access.make_link, "")
    await park.post("/welcome/look", {"code": late}, 401)


async def test_a_new_password_signs_out_everywhere_else(empty: Any, password: str) -> None:
    await first_admin(empty, password)
    await sign_in(empty, password)
    async with httpx.AsyncClient(base_url=empty.url) as other:
        await other.post("/api/v1/session", json={"name": "anna", "password": password})
        assert len((await empty.get("/sessions"))["items"]) == 2
        new = "seven lamps in an old harbour"
        wrong = await empty.post("/password", {"old": "nonsense", "new": new}, 400)
        assert wrong["field"] == "old"
        await empty.post("/password", {"old": password, "new": new}, 200)
        assert (await other.get("/api/v1/site")).status_code == 401
        assert (await empty.client.get("/api/v1/site")).status_code == 200
        assert (await other.post("/api/v1/session", json={"name": "anna", "password": password})).status_code == 401


async def test_a_socket_ends_with_its_session(empty: Any, password: str) -> None:
    await first_admin(empty, password)
    await sign_in(empty, password)
    url = empty.url.replace("http", "ws") + "/api/v1/live"
    cookie = {"Cookie": f"aid4_session={empty.client.cookies['aid4_session']}"}
    with pytest.raises(websockets.InvalidStatus):
        async with websockets.connect(url):
            pass
    async with websockets.connect(url, additional_headers=cookie) as live, asyncio.timeout(30):
        assert json.loads(await live.recv())["type"] == "hello"
        assert (await empty.client.delete("/api/v1/session")).status_code == 200
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await _ping_for_ever(live)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


async def _ping_for_ever(live: Any) -> None:
    while True:
        await live.send('{"type": "ping"}')
        await live.recv()


async def test_signing_out_ends_the_session_on_the_server(empty: Any, password: str) -> None:
    await first_admin(empty, password)
    await sign_in(empty, password)
    stolen = empty.client.cookies["aid4_session"]
    await empty.client.delete("/api/v1/session")
    async with httpx.AsyncClient(base_url=empty.url, cookies={"aid4_session": stolen}) as thief:
        assert (await thief.get("/api/v1/site")).status_code == 401


async def test_no_query_sees_a_secret(empty: Any, password: str) -> None:
    await first_admin(empty, password)
    await sign_in(empty, password)
    for table in ("access_accounts", "access_sessions", "access_tokens", "access_links"):
        assert (await empty.post("/query", {"sql": f"SELECT * FROM {table}"}, 400))["field"] == "sql"
    text = json.dumps((await empty.post("/query", {"sql": "SELECT * FROM audit"}, 200))["rows"])
    assert "argon2" not in text
    assert password not in text


class Gate:
    """A desk with a clock of its own."""

    def __init__(self, store: Store, clock: ManualClock, password: str) -> None:
        times = SessionTimes(idle_min=10, absolute_h=2)
        self.desk, self.clock = AccessDesk(store, clock, lambda: AccessSettings(times)), clock
        self.people, self.password = People(self.desk, "lab"), password
        self.people.add("anna", [Grant("admin")], password=password, by="local")

    def cookie(self) -> str:
        return self.desk.sign_in("anna", self.password, "10.0.0.1", "test")[1]


@pytest.fixture
def gate(tmp_path: Path, password: str) -> Any:
    clock = ManualClock(wall_us=T0, monotonic_s=100.0)
    with Store.open(tmp_path / "data", site="lab", clock=clock) as store:
        yield Gate(store, clock, password)


def test_a_session_ends_when_it_is_idle_and_in_any_case(gate: Gate) -> None:
    idle, busy = gate.cookie(), gate.cookie()
    for _ in range(12):
        gate.clock.advance(540)
        assert gate.desk.who("", busy) is not None
    assert gate.desk.who("", idle) is None, "ten minutes without a call"
    gate.clock.advance(3_600)
    assert gate.desk.who("", busy) is None


def test_guessing_gets_slower_and_the_right_password_waits_too(gate: Gate) -> None:
    for _ in range(5):
        with pytest.raises(WrongSecretError):
            gate.desk.sign_in("anna", "guess of a stranger", "10.0.0.2", "")
    with pytest.raises(SlowDownError) as slow:
        gate.desk.sign_in("anna", gate.password, "10.0.0.2", "")
    assert 0 < slow.value.wait_s <= 1
    assert gate.cookie(), "somebody elsewhere is not locked out by it"
    gate.clock.advance(1.5)
    with pytest.raises(WrongSecretError):
        gate.desk.sign_in("anna", "guess of a stranger", "10.0.0.2", "")
    with pytest.raises(SlowDownError) as slower:
        gate.desk.sign_in("anna", gate.password, "10.0.0.2", "")
    assert slower.value.wait_s > 1


def test_an_unknown_name_and_a_wrong_password_cannot_be_told_apart(gate: Gate) -> None:
    texts = set()
    for name in ("anna", "nobody"):
        with pytest.raises(WrongSecretError) as wrong:
            gate.desk.sign_in(name, "guess of a stranger", "10.0.0.3", "")
        texts.add(str(wrong.value))
    assert len(texts) == 1


def test_who_is_disabled_is_out_at_once_and_the_last_admin_stays(gate: Gate) -> None:
    with pytest.raises(ConflictError):
        gate.people.change("anna", by="anna", disabled=True)
    gate.people.add("ben", [Grant("admin")], password="a lamp of seven winters", by="anna")
    cookie = gate.cookie()
    gate.people.change("anna", by="ben", disabled=True)
    assert gate.desk.who("", cookie) is None
    with pytest.raises(WrongSecretError):
        gate.cookie()


def test_accounts_and_sessions_survive_a_restart_and_secrets_are_digests(tmp_path: Path, password: str) -> None:
    clock = ManualClock(wall_us=T0, monotonic_s=100.0)
    with Store.open(tmp_path / "data", site="lab", clock=clock) as store:
        cookie = Gate(store, clock, password).cookie()
    with Store.open(tmp_path / "data", site="lab", clock=clock) as store:
        desk = AccessDesk(store, clock, AccessSettings)
        person = desk.who("", cookie)
        assert person is not None
        assert person.name == "anna"
    raw = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert cookie.encode() not in raw
    assert password.encode() not in raw
    assert b"$argon2id$" in raw


@pytest.mark.parametrize("weak", ["short", "aaaaaaaaaaaaaaa", "my name is anna ok", "x" * 300])
def test_a_password_that_is_easy_to_guess_is_refused(gate: Gate, weak: str) -> None:
    with pytest.raises(InputError) as refused:
        gate.people.set_password("anna", weak, by="anna")
    assert refused.value.field == "password"


@pytest.mark.parametrize("name", ["", "local", "Anna", "a b", "../x", "ž", "-x", "a" * 65])
def test_a_name_that_journals_could_mistake_is_refused(gate: Gate, name: str) -> None:
    with pytest.raises(InputError):
        gate.people.add(name, [Grant("viewer")], by="anna")
