"""Map tiles that a site ships: what is checked at the start, what the page is told, and ranges of the file."""

import random
import struct
from pathlib import Path

import httpx
import pytest

from twin.basemap import BasemapFile, open_basemap, read_head
from twin.server import TwinConfig, serve
from twin.siteconfig import load_site
from wire.errors import ConfigError

BOX = (18.14, 48.94, 18.19, 48.98)
HEAD = (
    b"PMTiles\x03"
    + bytes(88)
    + bytes([1, 2, 2, 1, 10, 15])
    + struct.pack("<4i", *(round(v * 1e7) for v in BOX))
    + bytes(9)
)


def _site(folder: Path, content: bytes) -> Path:
    (folder / "site.toml").write_text('name = "hill"\n[basemap]\nfile = "hill.pmtiles"\nattribution = "© nobody"\n')
    (folder / "hill.pmtiles").write_bytes(content)
    return folder


async def test_the_page_is_told_of_the_tiles_and_reads_them_by_ranges(tmp_path: Path) -> None:
    """Facts in /site; part of the file by Range; no other file of the site's folder."""
    site = load_site(_site(tmp_path, HEAD + b"tiles"))
    async with (
        serve(TwinConfig(data_dir=tmp_path / "data", site=site, port=0)) as served,
        httpx.AsyncClient() as client,
    ):
        facts = (await client.get(f"{served.url}/api/v1/site")).json()["basemap"]
        part = await client.get(served.url + facts["url"], headers={"Range": f"bytes={len(HEAD)}-"})
        other = await client.get(f"{served.url}/api/v1/basemap/site.toml")
    assert facts == {
        "url": "/api/v1/basemap/hill.pmtiles", "kind": "vector", "zoom_min": 10, "zoom_max": 15, "bounds": list(BOX),
        "attribution": "© nobody",
    }  # fmt: skip
    assert (part.status_code, part.content) == (206, b"tiles")
    assert other.status_code == 404


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda head: b"SQLite format 3\0" + head[16:], "no PMTiles"),
        (lambda head: head[:7] + b"\x02" + head[8:], "no PMTiles"),
        (lambda head: head[:90], "no PMTiles"),
        (lambda head: head[:98] + b"\x04" + head[99:], "cannot show"),
        (lambda head: head[:99] + b"\x09" + head[100:], "cannot show"),
        (lambda head: head[:100] + b"\x10" + head[101:], "nothing on Earth"),
        (lambda head: head[:102] + struct.pack("<i", 2_000_000_000) + head[106:], "nothing on Earth"),
    ],
)
def test_an_archive_that_cannot_be_shown_is_refused_at_the_start(tmp_path: Path, change, said: str) -> None:
    """With the file, the field and what to do."""
    site = load_site(_site(tmp_path, change(HEAD)))
    with pytest.raises(ConfigError, match=said) as caught:
        open_basemap(site.folder, site.basemap)
    assert caught.value.field == "basemap.file"
    assert caught.value.fix


def test_a_file_that_is_not_there_or_has_an_odd_name_is_refused(tmp_path: Path) -> None:
    for name in ("gone.pmtiles", "hill.mbtiles", "a b.pmtiles"):
        with pytest.raises(ConfigError) as caught:
            open_basemap(str(tmp_path), BasemapFile(name))
        assert caught.value.file.endswith(name)


def test_any_bytes_are_read_or_refused() -> None:
    """Seeded: heads with bytes changed, cut and grown."""
    dice = random.Random(6)
    for _ in range(3_000):
        head = bytearray(HEAD)
        for _ in range(dice.randrange(1, 6)):
            head[dice.randrange(len(head))] = dice.randrange(256)
        try:
            facts = read_head(bytes(head[: dice.choice([127, 127, dice.randrange(128)])]), file="x")
        except ConfigError:
            continue
        assert facts.zoom_min <= facts.zoom_max
        assert facts.kind in {"vector", "raster"}
