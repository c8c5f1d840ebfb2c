"""meshes.arrow: what others compute with; and a reader that no damaged file gets past."""

import random

import numpy as np
import pytest

from bim.tiles import load_meshes
from wire.errors import InputError


def test_meshes_come_back_in_model_metres(built, opened):
    import ifcopenshell.geom

    folder, tileset = built("ifc/georef/geolocation.ifc")
    meshes = load_meshes(folder)
    settings = ifcopenshell.geom.settings()
    settings.set("use-world-coords", True)
    model = opened("ifc/georef/geolocation.ifc")
    for mesh in meshes:
        shape = ifcopenshell.geom.create_shape(settings, model.by_guid(mesh.global_id))
        expected = np.array(shape.geometry.verts).reshape(-1, 3)
        assert np.allclose(mesh.vertices.min(axis=0), expected.min(axis=0), atol=1e-4)
        assert np.allclose(mesh.vertices.max(axis=0), expected.max(axis=0), atol=1e-4)
        assert mesh.type == model.by_guid(mesh.global_id).is_a()
        assert mesh.triangle_colors.shape == (len(mesh.triangles),)
    assert len(meshes) == tileset.meshes == 8


def test_a_mesh_is_found_by_its_element(built):
    folder, _ = built("ifc/duplex.ifc")
    meshes = load_meshes(folder)
    last = meshes[-1]
    again = meshes.of(last.global_id)
    assert again is not None
    assert (again.vertices == last.vertices).all()
    assert meshes.of("0000000000000000000000") is None
    assert last.global_id in meshes
    assert [one.global_id for one in meshes[2:5]] == meshes.global_ids[2:5]
    with pytest.raises(IndexError):
        meshes[len(meshes)]


def test_no_folder_no_meshes(tmp_path):
    with pytest.raises(InputError) as caught:
        load_meshes(tmp_path)
    assert "aid4 bim tiles" in caught.value.fix


def test_damaged_meshes_are_refused_or_sound(built, tmp_path):
    folder, _ = built("ifc/georef/geolocation.ifc")
    whole = (folder / "meshes.arrow").read_bytes()
    random_of = random.Random(11)
    for number in range(300):
        data = bytearray(whole)
        for _ in range(random_of.choice([1, 1, 4, 40])):
            data[random_of.randrange(len(data))] = random_of.randrange(256)
        del data[random_of.choice([len(data), len(data), random_of.randrange(len(data))]) :]
        target = tmp_path / str(number)
        target.mkdir()
        (target / "meshes.arrow").write_bytes(data)
        try:
            meshes = load_meshes(target)
        except InputError:
            continue
        for mesh in meshes:
            assert mesh.vertices.shape[1] == 3
            assert len(mesh.triangles) == 0 or mesh.triangles.max() < len(mesh.vertices)
