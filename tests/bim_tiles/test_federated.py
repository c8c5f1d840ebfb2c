"""Tiles of a model of several files: every part where the federation puts it, no element twice."""

import numpy as np
import pytest

from bim.federation.open import PartFile, read_federation
from bim.federation.parts import PartPlace
from bim.tiles import TilePart, build_federated_tiles, load_meshes


@pytest.fixture(scope="module")
def federated(shared_data, tmp_path_factory):
    folder = shared_data / "bim" / "schependomlaan"
    paths = [folder / "sub_walls_gf_XELLA.ifc", folder / "sub_stairs_MULTICOM.ifc"]
    place = PartPlace(offset_m=(100.0, -20.0, 3.0), rotate_deg=90.0)
    model = read_federation([PartFile(paths[0]), PartFile(paths[1], place)]).federation
    parts = [
        TilePart(path=str(path), source=one.file, matrix=alignment.matrix)
        for path, one, alignment in zip(paths, model.parts, model.alignments, strict=True)
    ]
    out = tmp_path_factory.mktemp("federated")
    return out, build_federated_tiles(parts, model.elements, model.sha256, out), model


def test_every_element_of_the_federation_has_a_mesh_or_is_named_lost(federated):
    out, tileset, model = federated
    shaped = {row["id"] for row in model.elements.to_pylist() if row["has_shape"]}
    assert set(load_meshes(out).global_ids) | {one.global_id for one in tileset.lost} == shaped
    assert tileset.represented == len(shaped) == tileset.meshes + len(tileset.lost)
    assert tileset.sha256 == model.sha256


def test_a_placed_part_is_turned_and_moved(federated, built):
    out, _, _ = federated
    alone_in, _ = built("schependomlaan/sub_stairs_MULTICOM.ifc")
    together = load_meshes(out)
    moved = 0
    for one in load_meshes(alone_in):
        other = together.of(one.global_id)
        if other is None:
            continue
        x, y, z = one.vertices.T
        expected = np.column_stack([-y + 100.0, x - 20.0, z + 3.0])  # a quarter turn to the left, then the offset
        assert np.abs(other.vertices - expected).max() < 2e-3
        moved += 1
    assert moved > 100


def test_bounds_of_a_turned_part_are_those_of_its_vertices(federated):
    import pyarrow as pa

    out, tileset, _ = federated
    table = pa.ipc.open_file(out / "features.arrow").read_all().to_pylist()
    meshes = load_meshes(out)
    for row in table[::7]:
        mesh = meshes.of(row["global_id"])
        low = mesh.vertices.min(axis=0) - np.array(tileset.origin_m)
        assert [row["min_x"], row["min_y"], row["min_z"]] == pytest.approx(low.tolist(), abs=2e-3)
