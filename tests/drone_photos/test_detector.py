"""A detector's boxes come back in the photo's pixels and become defects on elements; what is no detector is refused."""

import json
import random
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from aid4.cli import cli
from drone_ingest.photos.detector import Detector, read_picture
from wire.errors import InputError


def model(path: Path, output: np.ndarray, side: tuple[int, int] = (480, 640), names: str = "{0: 'crack'}") -> Path:
    """An ONNX file that answers the same boxes for every picture (it reads its input all the same)."""
    answer = numpy_helper.from_array(output.astype(np.float32), "answer")
    zero = numpy_helper.from_array(np.zeros(1, np.float32), "zero")
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["answer", "nothing"], ["output0"]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, *side])
    boxes = helper.make_tensor_value_info("output0", TensorProto.FLOAT, list(output.shape))
    graph = helper.make_graph(nodes, "boxes", [images], [boxes], [answer, zero])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    made.metadata_props.add(key="names", value=names)
    path.write_bytes(made.SerializeToString())
    return path


def test_boxes_are_turned_back_from_the_padded_input(tmp_path: Path) -> None:
    """A picture of 1000 by 500 in 640 by 480: scaled by 0.64, 80 rows of padding above."""
    rows = np.array([[[64, 144, 128, 208, 0.9, 0], [64, 144, 128, 208, 0.1, 0]]])
    found = Detector(model(tmp_path / "d.onnx", rows)).find(np.zeros((500, 1000, 3), np.uint8))
    assert len(found) == 1
    assert found[0].box_px == pytest.approx((100, 100, 200, 200), abs=1e-4)
    assert (found[0].kind, round(found[0].score, 3)) == ("crack", 0.9)


def test_raw_answers_are_suppressed_by_class(tmp_path: Path) -> None:
    boxes = np.array([[100, 100, 40, 40], [102, 101, 40, 40], [300, 300, 40, 40]]).T
    scores = np.array([[0.9, 0.8, 0.1], [0.1, 0.2, 0.7]])
    raw = np.concatenate([boxes, scores])[None]
    found = Detector(model(tmp_path / "d.onnx", raw, names="{0: 'crack', 1: 'rust'}")).find(
        np.zeros((480, 640, 3), np.uint8)
    )
    assert [(one.kind, round(one.score, 2)) for one in found] == [("crack", 0.9), ("rust", 0.7)]
    assert found[0].box_px == pytest.approx((80, 80, 120, 120))


@pytest.mark.parametrize("shape", [(1, 3), (1, 2, 3), (2, 5, 6), (6,)])
def test_an_answer_without_boxes_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    detector = Detector(model(tmp_path / "d.onnx", np.zeros(shape)))
    with pytest.raises(InputError) as refused:
        detector.find(np.zeros((10, 10, 3), np.uint8))
    assert refused.value.field == "output"


def test_what_is_no_detector_is_refused_and_so_is_every_damaged_one(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(InputError):
        Detector(tmp_path / "text.onnx")
    with pytest.raises(InputError):
        Detector(tmp_path / "nowhere.onnx")
    with pytest.raises(InputError) as refused:
        Detector(model(tmp_path / "huge.onnx", np.zeros((1, 1, 6)), side=(9_000, 9_000)))
    assert refused.value.field == "input"
    whole = model(tmp_path / "d.onnx", np.zeros((1, 4, 6))).read_bytes()
    rng = random.Random(3)
    for _ in range(60):
        data = bytearray(whole)
        data[rng.randrange(len(data))] = rng.randrange(256)
        (tmp_path / "broken.onnx").write_bytes(data[: rng.randrange(len(data) // 2, len(data) + 1)])
        try:
            Detector(tmp_path / "broken.onnx").find(np.zeros((48, 64, 3), np.uint8))
        except InputError as error:
            told = error
    assert told.fix


def test_a_model_that_names_another_file_cannot_read_it(tmp_path: Path) -> None:
    """External data lies beside a model; the runtime gets bytes and has no place to look."""
    path = model(tmp_path / "d.onnx", np.ones((1, 4, 6)))
    onnx.save_model(
        onnx.load(path), tmp_path / "outside.onnx", save_as_external_data=True, location="secret.bin", size_threshold=0
    )
    assert (tmp_path / "secret.bin").exists()
    with pytest.raises(InputError):
        Detector(tmp_path / "outside.onnx")


def test_a_real_photo_is_decoded_whole(shared_data: Path) -> None:
    picture = read_picture(shared_data / "drone" / "photos" / "DJI_0018.JPG", 4000, 2250)
    assert picture.shape == (2250, 4000, 3)
    assert 20 < picture.mean() < 235
    with pytest.raises(InputError):
        read_picture(shared_data / "drone" / "photos" / "brighton_model.laz", 10, 10)
    with pytest.raises(InputError, match="pixels"):
        read_picture(shared_data / "drone" / "photos" / "DJI_0018.JPG", 60_000, 60_000)


def test_what_a_detector_finds_on_real_photos_becomes_a_defect_over_two_flights(
    shared_data: Path, tmp_path: Path
) -> None:
    photos, house = shared_data / "drone" / "photos", shared_data / "bim" / "ifc" / "AC20-FZK-Haus.ifc"
    model(tmp_path / "d.onnx", np.array([[[310, 230, 330, 250, 0.8, 0]]]))
    rows = "photo,x,y,z,yaw_deg,pitch_deg\n{},6,-15,3,0,0\n"
    for flight, photo in (("may", "DJI_0018.JPG"), ("june", "DJI_0019.JPG")):
        (tmp_path / "poses.csv").write_text(rows.format(photo))
        words = [
            "drone", "photos", photos / photo, "--ifc", house, "--poses", tmp_path / "poses.csv", "--detector",
            tmp_path / "d.onnx", "--defects", tmp_path / "defects.json", "--flight", flight, "--tiles",
            tmp_path / "tiles", "--json",
        ]  # fmt: skip
        done = CliRunner().invoke(cli, [str(word) for word in words])
        assert done.exit_code == 0, done.output
    known = json.loads(done.stdout)["defects"]
    assert len(known) == 1
    assert (known[0]["kind"], known[0]["marks"], known[0]["flights"]) == ("crack", 2, ["june", "may"])
    assert known[0]["photos"] == ["DJI_0018.JPG", "DJI_0019.JPG"]
