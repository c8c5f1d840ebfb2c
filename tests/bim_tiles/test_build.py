"""Building in a child process: bounded, killed when it must be, and never at the cost of what was there."""

import random
import threading
import time
from pathlib import Path

import psutil
import pytest

from bim.errors import ModelError
from bim.limits import MIB
from bim.tiles import Step, TileLimits, build_tiles, cached_tiles, load_meshes, load_tileset, tiles_key


@pytest.fixture
def house(shared_data) -> Path:
    return shared_data / "bim" / "ifc" / "AC20-FZK-Haus.ifc"


@pytest.fixture
def small(shared_data) -> Path:
    return shared_data / "bim" / "ifc" / "georef" / "geolocation.ifc"


def reason_of(path: Path, out: Path, limits: TileLimits) -> str:
    with pytest.raises(ModelError) as caught:
        build_tiles(path, out, limits=limits)
    assert caught.value.fix
    return caught.value.reason


def test_too_little_memory_is_a_refusal(house, tmp_path):
    assert reason_of(house, tmp_path, TileLimits(memory_bytes=300 * MIB)) == "memory"


def test_a_build_that_takes_too_long_is_killed_with_its_workers(house, tmp_path):
    assert reason_of(house, tmp_path, TileLimits(wall_s=0.6)) == "time"
    for _ in range(100):
        if not [one for one in psutil.process_iter(["cmdline"]) if str(tmp_path) in str(one.info["cmdline"])]:
            break
        time.sleep(0.05)
    else:
        raise AssertionError("a worker outlived its build")


def test_too_many_triangles_are_refused(house, tmp_path):
    assert reason_of(house, tmp_path, TileLimits(triangles=1000)) == "too_big"


def test_more_elements_than_the_bound_are_refused(house, tmp_path):
    assert reason_of(house, tmp_path, TileLimits(elements=100)) == "too_big"


def test_a_refused_build_leaves_the_tiles_that_were_there(small, house, tmp_path):
    first = build_tiles(small, tmp_path)
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    with pytest.raises(ModelError):
        build_tiles(house, tmp_path, limits=TileLimits(wall_s=0.3))
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == before
    assert load_tileset(tmp_path) == first


def test_a_new_build_replaces_every_file(small, house, tmp_path):
    build_tiles(house, tmp_path)
    tileset = build_tiles(small, tmp_path)
    assert sorted(one.name for one in tmp_path.glob("t*.glb")) == [tile.file for tile in tileset.tiles]
    assert len(load_meshes(tmp_path)) == tileset.meshes


def test_the_same_file_gives_the_same_tiles(small, tmp_path):
    one, two = (build_tiles(small, tmp_path / name) for name in ("a", "b"))
    assert one.tiles == two.tiles
    for tile in one.tiles:
        assert (tmp_path / "a" / tile.file).read_bytes() == (tmp_path / "b" / tile.file).read_bytes()


def test_tiles_are_kept_by_content(small, tmp_path):
    folder, first = cached_tiles(small, tmp_path)
    assert folder.name == tiles_key(first.sha256)
    assert folder.name != tiles_key(first.sha256, TileLimits(cell_m=32.0))
    stamp = (folder / "tileset.json").stat().st_mtime_ns
    copy = tmp_path / "renamed.ifc"
    copy.write_bytes(small.read_bytes())
    assert cached_tiles(copy, tmp_path) == (folder, first)
    assert (folder / "tileset.json").stat().st_mtime_ns == stamp


def test_progress_reaches_all_elements(house, tmp_path):
    seen: list[Step] = []
    build_tiles(house, tmp_path, progress=seen.append)
    assert {step.stage for step in seen} >= {"meshes"}
    assert all(0 <= step.done <= step.total for step in seen)


def test_small_tiles_hold_no_more_than_their_bound(house, tmp_path):
    limits = TileLimits(tile_elements=5, tile_triangles=2000, cell_m=4.0)
    tileset = build_tiles(house, tmp_path, limits=limits, plans=False)
    assert all(tile.features <= 5 for tile in tileset.tiles)
    assert all(tile.triangles <= 2000 or tile.features == 1 for tile in tileset.tiles)
    assert sum(tile.features for tile in tileset.tiles) == tileset.features


def test_two_builds_at_once_into_one_folder_leave_a_whole_one(small, tmp_path):
    threads = [threading.Thread(target=cached_tiles, args=(small, tmp_path)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    folder, tileset = cached_tiles(small, tmp_path)
    assert {tile.file: tile.bytes for tile in tileset.tiles} == {
        one.name: one.stat().st_size for one in folder.glob("t*.glb")
    }


def test_damaged_models_are_built_whole_or_refused(small, tmp_path):
    """Every mutant ends: with each element accounted for, or with a refusal that says why."""
    whole = small.read_bytes()
    seeded = random.Random(3)
    ended = []
    for number in range(25):
        data = bytearray(whole)
        for _ in range(seeded.choice([1, 2, 5, 20])):
            at = seeded.randrange(len(data))
            data[at : at + seeded.choice([0, 1, 1, 6])] = seeded.choice([b"", b"9", b"$", b"#", b"-1.E9", b"(", b"0."])
        path = tmp_path / f"{number}.ifc"
        path.write_bytes(data)
        try:
            tileset = build_tiles(path, tmp_path / "out", limits=TileLimits(wall_s=30, element_s=3))
        except ModelError as refusal:
            ended.append(refusal.reason if refusal.fix else "no fix")
        else:
            assert tileset.represented == tileset.meshes + len(tileset.lost)
            ended.append("built")
    assert "built" in ended
    assert len(set(ended)) > 1
    assert not {"crash", "no fix"} & set(ended)
