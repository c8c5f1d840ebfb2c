"""The twin serves the live model's tiles: built aside, kept by content, compressed, and never those of another."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import brotli
import httpx
import pytest

from bim.tiles import TileLimits, load_tileset, tiles_key
from twin.server import Served, TwinConfig, serve
from twin.siteconfig import SiteConfig


@asynccontextmanager
async def twin(tmp_path: Path, **more: Any) -> AsyncIterator[tuple[Served, httpx.AsyncClient]]:
    config = TwinConfig(data_dir=tmp_path / "data", site=SiteConfig(name="lab"), port=0, **more)
    async with serve(config) as served, httpx.AsyncClient(base_url=served.url + "/api/v1", timeout=30) as client:
        yield served, client


async def tiles_of(client: httpx.AsyncClient) -> dict[str, Any]:
    """Ask until they are built; the answers before are 202 with a share."""
    async with asyncio.timeout(60):
        while True:
            answer = await client.get("/tiles")
            if answer.status_code != 202:
                assert answer.status_code == 200, answer.text
                return answer.json()
            assert answer.json()["state"] == "building"
            assert 0 <= answer.json()["progress"] <= 1
            assert answer.headers["retry-after"]
            await asyncio.sleep(0.05)


async def make_live(client: httpx.AsyncClient, path: Path) -> int:
    upload = (await client.post("/uploads", params={"name": path.name}, content=path.read_bytes())).json()["id"]
    change = (await client.post("/changes", json={"kind": "model", "body": {"upload": upload}})).json()
    done = await client.post(f"/changes/{change['id']}/activate")
    assert done.status_code == 200, done.text
    return int(change["id"])


@pytest.fixture
def house(shared_data: Path) -> Path:
    return shared_data / "bim" / "ifc" / "AC20-FZK-Haus.ifc"


@pytest.fixture
def small(shared_data: Path) -> Path:
    return shared_data / "bim" / "ifc" / "georef" / "geolocation.ifc"


async def test_a_site_s_model_is_served_as_tiles_that_may_be_kept_for_ever(tmp_path, house):
    async with twin(tmp_path, model=house) as (served, client):
        assert await served.model is None
        answer = await tiles_of(client)
        tileset = answer["tileset"]
        assert tileset["sha256"] == served.twin.model.info.sha256
        assert answer["revision"] == served.twin.model.info.revision
        assert tileset["represented"] == tileset["meshes"] + len(tileset["lost"]) == 121
        folder = tmp_path / "data" / "tiles" / tiles_key(tileset["sha256"])
        for name in [*(tile["file"] for tile in tileset["tiles"]), *(one["file"] for one in tileset["plans"]),
                     tileset["feature_table"], "tileset.json"]:  # fmt: skip
            plain = (folder / name).read_bytes()
            found = {}
            for encoding in ("identity", "gzip", "br"):
                request = client.build_request("GET", answer["base"].removeprefix("/api/v1") + name)
                request.headers["accept-encoding"] = encoding
                got = await client.send(request, stream=True)
                raw = b"".join([part async for part in got.aiter_raw()])
                assert got.status_code == 200
                assert "immutable" in got.headers["cache-control"]
                found[encoding] = (got.headers["etag"], got.headers.get("content-encoding", "identity"), raw)
            assert found["identity"][1:] == ("identity", plain)
            assert (found["gzip"][1], gzip.decompress(found["gzip"][2])) == ("gzip", plain)
            assert (found["br"][1], brotli.decompress(found["br"][2])) == ("br", plain)
            assert len({etag for etag, _, _ in found.values()}) == 3
        again = await client.get(
            answer["base"].removeprefix("/api/v1") + name,
            headers={"if-none-match": got.headers["etag"], "accept-encoding": "br"},
        )
        assert (again.status_code, again.content) == (304, b"")


async def test_tiles_of_a_twin_that_starts_again_are_there_at_once(tmp_path, small):
    async with twin(tmp_path, model=small) as (served, client):
        await served.model
        first = await tiles_of(client)
    stamp = {path: path.stat().st_mtime_ns for path in (tmp_path / "data" / "tiles").rglob("*.glb")}
    async with twin(tmp_path, model=small) as (served, client):
        await served.model
        assert await tiles_of(client) == first
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "data" / "tiles").rglob("*.glb")} == stamp


async def test_tiles_follow_the_live_model_and_a_refused_one_leaves_them(tmp_path, small, house, shared_data):
    async with twin(tmp_path) as (_, client):
        assert (await client.get("/tiles")).status_code == 404
        await make_live(client, small)
        first = await tiles_of(client)
        upload = await client.post(
            "/uploads", params={"name": "bad.ifc"}, content=(shared_data / "bim/ifc/errorfile.ifc").read_bytes()
        )
        refused = await client.post("/changes", json={"kind": "model", "body": {"upload": upload.json()["id"]}})
        assert refused.status_code == 400
        assert await tiles_of(client) == first
        change = await make_live(client, house)
        await until(client, lambda now: now["tileset"]["sha256"] != first["tileset"]["sha256"])
        await client.post(f"/changes/{change}/revert")
        await until(client, lambda now: now == first)
        assert len(list((tmp_path / "data" / "tiles").iterdir())) == 2, "both revisions are kept"


async def until(client: httpx.AsyncClient, holds: Any) -> None:
    async with asyncio.timeout(60):
        while not holds(await tiles_of(client)):
            await asyncio.sleep(0.05)


async def test_the_twin_answers_while_tiles_are_built_and_stops_without_waiting_for_them(tmp_path, shared_data):
    large = shared_data / "bim" / "schependomlaan" / "design.ifc"
    async with twin(tmp_path) as (_, client):
        await make_live(client, large)
        async with asyncio.timeout(20):
            while (answer := await client.get("/tiles")).status_code != 202:
                await asyncio.sleep(0.02)
        assert answer.json()["state"] == "building"
        assert (await client.get("/site")).json()["counts"]["elements"] > 3000
        async with asyncio.timeout(20):
            while "meshes" not in (answer := await client.get("/tiles")).json()["detail"]:
                await asyncio.sleep(0.05)
        stopping = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - stopping < 5
    assert not [one for one in (tmp_path / "data" / "tiles").rglob("tileset.json") if one.is_file()]


async def test_a_model_whose_file_is_gone_says_so(tmp_path, small):
    copy = tmp_path / "model.ifc"
    copy.write_bytes(small.read_bytes())
    async with twin(tmp_path, model=copy) as (served, client):
        await served.model
        await tiles_of(client)
    for path in (tmp_path / "data" / "tiles").iterdir():
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    copy.unlink()
    async with twin(tmp_path) as (_, client):
        async with asyncio.timeout(20):
            while (answer := await client.get("/tiles")).status_code == 202:
                await asyncio.sleep(0.05)
        assert answer.status_code == 409
        assert "upload it" in answer.json()["fix"]


async def test_a_model_of_several_files_is_tiled_as_one(tmp_path, shared_data):
    folder = shared_data / "bim" / "schependomlaan"
    async with twin(tmp_path) as (served, client):
        names = ["sub_walls_gf_XELLA.ifc", "sub_stairs_MULTICOM.ifc"]
        await served.twin.bring_model(*(folder / name for name in names))
        tileset = (await tiles_of(client))["tileset"]
        elements = served.twin.model.elements.to_pylist()
        assert tileset["represented"] == sum(row["has_shape"] for row in elements)
        assert tileset["meshes"] > 800
        assert tileset["sha256"] == served.twin.model.info.sha256


async def test_nothing_but_the_files_of_a_tile_set_is_served(tmp_path, small):
    async with twin(tmp_path, model=small) as (served, client):
        await served.model
        base = (await tiles_of(client))["base"].removeprefix("/api/v1")
        key = base.split("/")[2]
        assert load_tileset(tmp_path / "data" / "tiles" / key) is not None
        (tmp_path / "data" / "tiles" / "secret.glb").write_text("x")
        for path in (
            f"{base}meshes.arrow", f"{base}t000.glb.br", f"{base}..%2f..%2fsecret.glb", f"/tiles/{'0' * 64}/t000.glb",
            "/tiles/../t000.glb", f"/tiles/{key.upper()}/t000.glb", f"{base}t000.glb%00", "/tiles/%2e%2e/secret.glb",
        ):  # fmt: skip
            answer = await client.get(path)
            assert answer.status_code in (400, 404, 405), path
            assert json.loads(answer.content)["detail"]
        assert TileLimits().tile_elements <= 65_535, "a feature id has 16 bits"
