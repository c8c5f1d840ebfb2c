"""A bundle is what was signed, byte for byte, and holds nothing but plain single-file models."""

import random
import shutil
import stat
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from inference.registry.keys import load_key, make_key
from inference.registry.onnx_check import check_onnx
from inference.registry.package import pack, read_package
from wire.errors import InputError

KEY = Ed25519PrivateKey.generate()


def test_a_bundle_tells_what_it_was_learned_from(trained: Path, model_bytes: bytes) -> None:
    read = read_package(pack(trained, model="ahu", version="1.2", key=KEY), [KEY.public_key()])
    [part] = read.header.parts
    assert read.files == {"ahu-1": model_bytes}
    assert (part.data_sha256, read.header.data_sha256, part.metrics) == ("a" * 64, "b" * 64, {"score_median": 0.3})
    assert part.channels == ["gw/ahu-1/supply", "gw/ahu-1/valve"]


def test_every_bit_of_a_bundle_counts(trained: Path) -> None:
    """Seeded: a flipped bit, a cut, bytes added or moved are refused, and nothing but InputError is raised."""
    data, rng = pack(trained, model="ahu", version="1", key=KEY), random.Random(5)
    for round_ in range(400):
        spoilt = bytearray(data)
        match round_ % 4:
            case 0:
                at = rng.randrange(len(data))
                spoilt[at] ^= 1 << rng.randrange(8)
            case 1:
                del spoilt[rng.randrange(len(data)) :]
            case 2:
                spoilt += rng.randbytes(rng.randrange(1, 50))
            case _:
                at = rng.randrange(len(data) - 40)
                del spoilt[at : at + rng.randrange(1, 40)]
        with pytest.raises(InputError):
            read_package(bytes(spoilt), [KEY.public_key()])


def test_names_and_versions_of_a_bundle_cannot_lead_anywhere(trained: Path) -> None:
    for model, version in (("../x", "1"), ("a/b", "1"), ("A", "1"), ("", "1"), ("a", "../1"), ("a", "1.x"), ("a", "")):
        with pytest.raises(InputError):
            pack(trained, model=model, version=version, key=KEY)


def test_a_file_that_is_not_the_one_that_was_trained_is_not_packed(trained: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(trained, tmp_path / "t")
    (folder / "ahu-1.onnx").write_bytes((folder / "ahu-1.onnx").read_bytes() + b"\x00")
    with pytest.raises(InputError, match="trained"):
        pack(folder, model="ahu", version="1", key=KEY)


def _model(**graph: Any) -> onnx.ModelProto:
    weights = onnx.numpy_helper.from_array(np.zeros((2, 2)), "w")
    node = onnx.helper.make_node(graph.get("kind", "MatMul"), ["x", "w"], ["y"], domain=graph.get("domain", ""))
    sides = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, ["n", 2]) for name in "xy"]
    made = onnx.helper.make_graph([node], "g", sides[:1], sides[1:], [weights])
    opsets = [onnx.helper.make_opsetid(graph.get("domain", ""), 18)]
    return onnx.helper.make_model(made, opset_imports=opsets, ir_version=9)


def test_weights_outside_the_file_are_refused_wherever_they_hide(tmp_path: Path) -> None:
    check_onnx(_model().SerializeToString())
    outside = _model()
    weights = outside.graph.initializer[0]
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="../../etc/passwd")
    hidden = _model()
    inner = onnx.helper.make_graph([], "inner", [], [], [weights])
    hidden.graph.node[0].attribute.append(onnx.helper.make_attribute("body", inner))
    constant = _model()
    constant.graph.node[0].attribute.append(onnx.helper.make_attribute("value", weights))
    sparse = _model()
    sparse.graph.sparse_initializer.add().values.CopyFrom(weights)
    for one in (outside, hidden, constant, sparse):
        with pytest.raises(InputError, match="outside the file"):
            check_onnx(one.SerializeToString())


def test_operators_of_strangers_functions_and_training_graphs_are_refused() -> None:
    with pytest.raises(InputError, match=r"com\.evil"):
        check_onnx(_model(domain="com.evil", kind="Shell").SerializeToString())
    functions = _model()
    functions.functions.add(name="f", domain="")
    with pytest.raises(InputError, match="functions"):
        check_onnx(functions.SerializeToString())
    training = _model()
    training.training_info.add()
    with pytest.raises(InputError, match="training"):
        check_onnx(training.SerializeToString())


def test_bytes_that_are_no_model_are_refused_and_nothing_else_is_raised(model_bytes: bytes) -> None:
    check_onnx(model_bytes)
    rng = random.Random(9)
    for size in (0, 1, 2, 100, 5_000):
        with pytest.raises(InputError):
            check_onnx(rng.randbytes(size))
    deep = b"\x2a\x00"
    for _ in range(40):
        deep = b"\x32" + _varint(len(deep)) + deep
        deep = b"\x2a" + _varint(len(deep)) + deep
        deep = b"\x0a" + _varint(len(deep)) + deep
    with pytest.raises(InputError):
        check_onnx(b"\x3a" + _varint(len(deep)) + deep)
    for _ in range(300):
        spoilt = bytearray(model_bytes[: rng.randrange(1, len(model_bytes))])
        spoilt[rng.randrange(len(spoilt))] ^= 0xFF
        try:
            check_onnx(bytes(spoilt))
        except InputError:
            continue


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def test_a_key_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "k.pem"
    made = make_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key(path).public_key().public_bytes_raw() == made.public_key().public_bytes_raw()
    with pytest.raises(InputError):
        make_key(path)
    path.chmod(0o644)
    with pytest.raises(InputError, match="others may read"):
        load_key(path)
    (tmp_path / "n.pem").write_text("no key")
    (tmp_path / "n.pem").chmod(0o600)
    with pytest.raises(InputError, match="no key"):
        load_key(tmp_path / "n.pem")
