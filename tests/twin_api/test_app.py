"""What holds for every call: checks, problem documents, headers, sign-in, the page, what machines read."""

import asyncio
import gzip
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from twin.api.app import build_app
from twin.server import TwinConfig, check_exposure
from wire.errors import ConfigError

TOKEN = "a-token-of-more-than-twenty-characters"


@pytest.mark.parametrize(
    ("call", "status", "field"),
    [
        ("/api/v1/points?limt=3", 400, "limt"),
        ("/api/v1/points?limit=0", 400, "limit"),
        ("/api/v1/points?limit=50001", 400, "limit"),
        ("/api/v1/points?limit=ten", 400, "limit"),
        ("/api/v1/points?limit=1&limit=2", 400, "limit"),
        ("/api/v1/points?offset=-1", 400, "offset"),
        ("/api/v1/points?q=" + "x" * 201, 400, "q"),
        ("/api/v1/state?at=yesterday", 400, "at"),
        ("/api/v1/state?at=2026-01-01T00:00:00", 400, "at"),
        ("/api/v1/state?points=1,b", 400, "points"),
        ("/api/v1/state?points=-1", 400, "points"),
        ("/api/v1/state?element=nowhere", 404, "element"),
        ("/api/v1/state?format=xml", 400, "format"),
        ("/api/v1/history", 400, "point"),
        ("/api/v1/history?point=999", 404, "point"),
        ("/api/v1/history?point=1&width=1", 400, "width"),
        ("/api/v1/history?point=1&agg=median", 400, "agg"),
        ("/api/v1/history?point=1&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", 400, "from"),
        ("/api/v1/changes/zero", 400, "id"),
        ("/api/v1/changes/7", 404, "id"),
        ("/api/v1/commands/none", 404, "id"),
        ("/api/v1/no/such/call", 404, None),
    ],
)
async def test_a_mistake_is_answered_with_the_field_and_the_fix(park: Any, call: str, status: int, field: str) -> None:
    answer = await park.client.get(call)
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["field"]) == (status, status, field)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["title"]
    assert problem["detail"]
    assert problem["fix"]


async def test_a_near_miss_is_told_the_right_name(park: Any) -> None:
    assert (await park.client.get("/api/v1/points?devise=x")).json()["fix"] == "did you mean device?"


@pytest.mark.parametrize(
    ("body", "headers", "status", "field"),
    [
        (b'{"sql": "select 1"}', {"Content-Type": "text/plain"}, 415, "Content-Type"),
        (b'{"sql": ', {}, 400, "body"),
        (b'{"sql": "\xff"}', {}, 400, "body"),
        (b'{"sql": 5}', {}, 400, "sql"),
        (b'{"sql": "select 1", "limit": 5}', {}, 400, "limit"),
        (b"{}", {}, 400, "sql"),
        (b"[" * 100_000, {}, 400, "body"),
        (b"x" * (4 << 20) + b"x", {}, 413, "body"),
    ],
)
async def test_bodies_are_checked_and_bounded(
    park: Any, body: bytes, headers: dict[str, str], status: int, field: str
) -> None:
    answer = await park.client.post(
        "/api/v1/query", content=body, headers={"Content-Type": "application/json"} | headers
    )
    assert (answer.status_code, answer.json()["field"]) == (status, field)


async def test_a_wrong_method_names_the_right_one(park: Any) -> None:
    answer = await park.client.post("/api/v1/points", json={})
    assert answer.status_code == 405
    assert "GET" in answer.json()["fix"]


@pytest.mark.parametrize(
    "path", ["/api/v1/points/%ff%fe", "/%00", "/api/v1/elements/%22%3Cscript%3E", "/api/v1/points?q=%ff"]
)
async def test_bytes_that_are_no_text_harm_nothing(park: Any, path: str) -> None:
    answer = await park.client.get(path)
    assert answer.status_code in {200, 404}


async def test_every_answer_forbids_other_hosts_and_sniffing(park: Any) -> None:
    for path in ("/api/v1/site", "/api/v1/none", "/", "/healthz"):
        headers = (await park.client.get(path)).headers
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert "http" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers


async def test_hostile_names_leave_as_json_text_only(park: Any) -> None:
    for path in ("/points", "/elements", "/events", "/tree"):
        answer = await park.client.get(f"/api/v1{path}")
        assert answer.headers["content-type"] == "application/json"
    event = (await park.get("/events"))["items"][0]
    assert event["message"].startswith("<script>")
    assert event["detail"] == {"a": 1}


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "["])
async def test_a_name_that_was_rebound_to_this_machine_is_refused(park: Any, host: str) -> None:
    answer = await park.client.get("/api/v1/site", headers={"Host": host})
    assert answer.status_code in {400, 421}


async def test_a_page_of_another_site_may_not_call(park: Any) -> None:
    answer = await park.client.post(
        "/api/v1/query", json={"sql": "select 1"}, headers={"Origin": "https://evil.example"}
    )
    assert answer.status_code == 403


async def test_openapi_describes_every_call_that_is_served(park: Any) -> None:
    document = (await park.client.get("/openapi.json")).json()
    assert document["openapi"] == "3.1.0"
    served = {route.path.replace(":path", "") for route in build_app(park.twin).routes} - {"/{path}", "/api/v1/live"}
    assert set(document["paths"]) == served
    query = {p["name"]: p["schema"] for p in document["paths"]["/api/v1/history"]["get"]["parameters"]}
    assert set(query) == {"point", "from", "to", "width", "agg", "known_at", "carry", "format"}
    text = str(document)
    for reference in {part.split("'")[0] for part in text.split("#/components/schemas/")[1:]}:
        assert reference in document["components"]["schemas"]


async def test_metrics_tell_of_ingest_store_sockets_sql_and_http(park: Any) -> None:
    await park.get("/site")
    text = (await park.client.get("/metrics")).text
    for name in ("aid4_points 8.0", "aid4_degraded 0.0", "aid4_live_sockets", "aid4_sql_total", "aid4_store_reopened"):
        assert name in text
    assert 'aid4_http_requests_total{method="GET",path="/api/v1/site",status="200"} 1.0' in text


async def test_paths_of_scanners_do_not_grow_the_metrics(park: Any) -> None:
    for at in range(30):
        await park.client.get(f"/wp-admin/{at}")
    assert "wp-admin" not in (await park.client.get("/metrics")).text


async def test_ready_is_false_while_nothing_can_be_stored(park: Any) -> None:
    assert (await park.client.get("/healthz")).status_code == 200
    assert (await park.client.get("/readyz")).json()["ready"] is True
    park.twin.store.writer.degraded = "No space left on device"
    answer = await park.client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["degraded"] == "No space left on device"


async def test_the_page_is_served_with_a_tag_and_packed(start: Callable[..., Any], tmp_path: Path) -> None:
    park = await start()
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<html>page</html>")
    (folder / "assets" / "a.js").write_text("let a")
    (folder / "assets" / "a.js.gz").write_bytes(gzip.compress(b"let a"))
    (tmp_path / "secret.txt").write_text("canary")
    transport = httpx.ASGITransport(build_app(park.twin, static=folder))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        index = await client.get("/")
        assert index.text == "<html>page</html>"
        assert (await client.get("/trends/today")).text == index.text
        again = await client.get("/", headers={"If-None-Match": index.headers["etag"]})
        assert again.status_code == 304
        packed = await client.get("/assets/a.js")
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.text == "let a"
        assert "immutable" in packed.headers["cache-control"]
        plain = await client.get("/assets/a.js", headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/assets/..%2f..%2fsecret.txt", "/missing.js"):
            answer = await client.get(path)
            assert answer.status_code == 404
            assert "canary" not in answer.text


async def test_a_page_that_was_not_built_says_so(start: Callable[..., Any], tmp_path: Path) -> None:
    park = await start()
    transport = httpx.ASGITransport(build_app(park.twin, static=tmp_path / "none"))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        assert "not built" in (await client.get("/", headers={"Accept": "text/html"})).text
        assert "make web" in (await client.get("/")).json()["fix"]
        assert (await client.get("/api/v1/site")).status_code == 200


async def test_with_a_token_nothing_is_told_without_it(start: Callable[..., Any], tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text(TOKEN + "\n")
    park = await start(token_file=secret)
    for path in ("/api/v1/site", "/metrics", "/openapi.json"):
        assert (await park.client.get(path)).status_code == 401
    assert (await park.client.get("/healthz")).status_code == 200
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert (await park.client.get("/api/v1/site", headers=bearer)).status_code == 200
    assert (await park.client.get("/api/v1/site", headers={"Authorization": "Bearer no"})).status_code == 401


async def test_signing_in_sets_a_cookie_that_scripts_cannot_read(start: Callable[..., Any], tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text(TOKEN)
    park = await start(token_file=secret)
    assert (await park.client.post("/api/v1/session", json={"token": "wrong"})).status_code == 401
    answer = await park.client.post("/api/v1/session", json={"token": TOKEN})
    assert answer.status_code == 200
    assert TOKEN not in answer.headers["set-cookie"], "the cookie is a session's, not the token"
    assert "httponly" in answer.headers["set-cookie"].lower()
    assert "samesite=strict" in answer.headers["set-cookie"].lower()
    assert (await park.client.get("/api/v1/site")).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_a_twin_will_not_listen_openly_without_tls(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigError) as refused:
        check_exposure(TwinConfig(tmp_path, host=host))
    assert "--tls-cert, --tls-key" in refused.value.fix


def test_a_short_token_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("admin")
    with pytest.raises(ConfigError, match="characters"):
        check_exposure(TwinConfig(tmp_path, token_file=secret))


async def test_a_port_in_use_is_named(start: Callable[..., Any], free_port: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port))
        taken.listen()
        with pytest.raises(ConfigError) as refused:
            await start(port=free_port)
    assert refused.value.field == "port"


async def test_a_page_of_fifty_thousand_points_comes_within_a_second(empty: Any) -> None:
    from wire.catalogue import Point

    points = [Point(id=at, device=f"d{at % 100}", metric=f"m{at}") for at in range(10_000)]
    for node in range(5):
        feed = type(empty.feed)(empty.twin, f"gw{node}")
        await asyncio.to_thread(feed.catalogue, points)
        await asyncio.to_thread(feed.readings, range(10_000), empty.twin.clock.wall_us(), 1.5)
    for path in ("/points", "/state"):
        started = time.monotonic()
        page = await empty.get(path, limit=50_000)
        print(path, round(time.monotonic() - started, 3), "s")
        assert len(page["items"]) == page["total"] == 50_000
        assert page["next"] is None
