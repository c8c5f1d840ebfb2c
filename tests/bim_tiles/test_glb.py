"""The tiles, read by code of other people: valid, and with the geometry that opencascade gives."""

import json
import struct
from pathlib import Path

import ifcopenshell
import ifcopenshell.geom
import numpy as np
import pyarrow as pa
import pytest

MODELS = ["ifc/duplex.ifc", "ifc/Ifc4_SampleHouse.ifc", "ifc/whale_LargeBuilding.ifc", "ifc/georef/geolocation.ifc"]
MORE = ["ifc/Office_A_20110811.ifc", "schependomlaan/sub_steel_BERNTS.ifc", "ifc/AC20-FZK-Haus.ifc"]
SIZES = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32}
WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}


def gltf_of(path: Path) -> tuple[dict, bytes]:
    data = path.read_bytes()
    length = struct.unpack_from("<I", data, 12)[0]
    return json.loads(data[20 : 20 + length]), data[28 + length :]


def accessor(gltf: dict, binary: bytes, number: int) -> np.ndarray:
    """Values of an accessor of a plain GLB, by the text of the glTF specification."""
    one = gltf["accessors"][number]
    view = gltf["bufferViews"][one["bufferView"]]
    kind, width = np.dtype(SIZES[one["componentType"]]), WIDTHS[one["type"]]
    stride = view.get("byteStride", kind.itemsize * width)
    raw = np.frombuffer(binary, np.uint8, one["count"] * stride, view["byteOffset"]).reshape(-1, stride)
    return raw[:, : kind.itemsize * width].copy().view(kind).reshape(-1, width)


def triangles_of(path: Path) -> tuple[np.ndarray, np.ndarray, list[dict]]:
    """Corners (m, 3, 3) in glTF metres and feature (m,) of all triangles of a plain GLB."""
    gltf, binary = gltf_of(path)
    (node,) = gltf["nodes"]
    corners, features = [], []
    for one in gltf["meshes"][0]["primitives"]:
        at = one["attributes"]
        place = accessor(gltf, binary, at["POSITION"]) * np.array(node["scale"]) + np.array(node["translation"])
        feature = accessor(gltf, binary, at["_FEATURE_ID_0"])[:, 0]
        indices = accessor(gltf, binary, one["indices"]).reshape(-1, 3)
        assert (feature[indices] == feature[indices[:, :1]]).all()
        corners.append(place[indices])
        features.append(feature[indices[:, 0]])
    return np.concatenate(corners), np.concatenate(features), gltf["meshes"][0]["primitives"]


@pytest.mark.parametrize("name", MODELS + MORE)
def test_every_tile_is_valid_gltf_packed_and_decompressed(built, check_glb, name):
    folder, tileset = built(name)
    _, reports = check_glb([folder / tile.file for tile in tileset.tiles])
    assert len(reports) == len(tileset.tiles) > 0
    for report in reports:
        for form in ("packed", "plain"):
            assert report[form]["numErrors"] == 0, report[form]
            assert report[form]["numWarnings"] == 0, report[form]
    assert sum(report["info"]["drawCallCount"] for report in reports) <= 2 * len(tileset.tiles)
    assert all(report["info"]["totalTriangleCount"] > 0 for report in reports)


@pytest.mark.parametrize("name", MODELS)
def test_every_element_of_the_tiles_lies_where_opencascade_puts_it(built, check_glb, opened, name):
    folder, tileset = built(name)
    plain, _ = check_glb([folder / tile.file for tile in tileset.tiles])
    table = pa.ipc.open_file(folder / "features.arrow").read_all().to_pydict()
    expected = opencascade_bounds(opened(name))
    for number, tile in enumerate(tileset.tiles):
        corners, features, _ = triangles_of(plain / f"{number}.glb")
        model = np.stack([corners[..., 0], -corners[..., 2], corners[..., 1]], axis=-1) + np.array(tileset.origin_m)
        assert set(np.unique(features).tolist()) == set(range(tile.features))
        for feature in range(tile.features):
            global_id = table["global_id"][tile.first_feature + feature]
            found = model[features == feature].reshape(-1, 3)
            # half a grid step, and the millimetre by which kernels may leave a curve
            assert np.abs(np.array([found.min(0), found.max(0)]) - expected[global_id]).max() < 0.004, global_id


def opencascade_bounds(model: ifcopenshell.file) -> dict[str, np.ndarray]:
    """Minimum and maximum of each element, made by the opencascade kernel alone."""
    settings = ifcopenshell.geom.settings()
    settings.set("use-world-coords", True)
    products = [one for one in model.by_type("IfcProduct") if one.Representation]
    iterator = ifcopenshell.geom.iterator(settings, model, 1, include=products)
    bounds = {}
    more = iterator.initialize()
    while more:
        shape = iterator.get()
        faces = np.array(shape.geometry.faces)
        if len(faces):
            points = np.array(shape.geometry.verts).reshape(-1, 3)[np.unique(faces)]
            bounds[shape.guid] = np.array([points.min(0), points.max(0)])
        more = iterator.next()
    return bounds


@pytest.mark.parametrize("name", MODELS + MORE)
def test_feature_rows_of_a_tile_are_contiguous_and_each_element_is_in_one_tile(built, name):
    folder, tileset = built(name)
    table = pa.ipc.open_file(folder / "features.arrow").read_all()
    assert table.num_rows == tileset.features == sum(tile.features for tile in tileset.tiles)
    assert len(set(table["global_id"].to_pylist())) == table.num_rows
    first = 0
    for number, tile in enumerate(tileset.tiles):
        assert tile.first_feature == first
        rows = table.slice(first, tile.features)
        assert set(rows["tile"].to_pylist()) == {number}
        assert set(rows["storey"].to_pylist()) <= {tile.storey}
        assert tile.bytes == (folder / tile.file).stat().st_size
        low = [min(rows[f"min_{axis}"].to_pylist()) for axis in "xyz"]
        assert low == pytest.approx(tile.bounds_m[:3], abs=1e-3)
        first += tile.features


def test_a_room_is_a_tint_and_an_opening_is_not_drawn(built, represented):
    folder, tileset = built("ifc/duplex.ifc")
    table = pa.ipc.open_file(folder / "features.arrow").read_all().to_pylist()
    openings = sum(one.is_a("IfcOpeningElement") for one in represented("ifc/duplex.ifc").values())
    assert tileset.not_drawn == {"IfcOpeningElement": openings}
    assert not any(row["type"] == "IfcOpeningElement" for row in table)
    spaces = [row for row in table if row["type"] == "IfcSpace"]
    assert len(spaces) == 21
    for tile in tileset.tiles:
        gltf, _ = gltf_of(folder / tile.file)
        has_space = any(row["type"] == "IfcSpace" and row["tile"] == tileset.tiles.index(tile) for row in table)
        if has_space:
            assert "BLEND" in [material.get("alphaMode") for material in gltf["materials"]]


def test_area_and_volume_of_a_box_are_exact(built, represented):
    """Duplex slabs are boxes; opencascade's own figures are the judge."""
    import ifcopenshell.util.shape as judge

    folder, _ = built("ifc/duplex.ifc")
    table = pa.ipc.open_file(folder / "features.arrow").read_all().to_pylist()
    products = represented("ifc/duplex.ifc")
    slabs = [row for row in table if row["type"] == "IfcSlab" and row["volume_m3"] is not None]
    assert len(slabs) >= 10
    for row in slabs:
        shape = ifcopenshell.geom.create_shape(ifcopenshell.geom.settings(), products[row["global_id"]])
        assert row["volume_m3"] == pytest.approx(judge.get_volume(shape.geometry), rel=1e-4)
        assert row["area_m2"] == pytest.approx(judge.get_area(shape.geometry), rel=1e-4)
