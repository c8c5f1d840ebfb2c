"""A bundle is one file from bytes, with a manifest, or it is refused; a gateway needs no library that builds models."""

import subprocess
import sys

import numpy as np
import onnx
import pytest

from inference.bundle import MANIFEST_KEY, AlarmPolicy, Bundle
from inference.fitted import fit
from inference.limits import BUNDLE_BYTES_MAX
from wire.errors import InputError

MODEL = fit(
    np.random.default_rng(0).normal(size=(128, 2)), ["a", "b"], pooled=True, alarm=AlarmPolicy(row_s=2.0)
).to_bytes()

_ENDLESS = (
    '{"kind":"asset","channels":["a"],"center":[0],"detectors":[],"width_rows":65,"trained_rows":9,"data_sha256":"",'
    '"alarm":{"block_rows":0}}'
)


def test_a_manifest_survives_the_file() -> None:
    manifest = Bundle(MODEL).manifest
    assert manifest.channels == ("a", "b")
    assert manifest.alarm == AlarmPolicy(row_s=2.0)
    assert manifest.trained_rows == 128
    assert len(manifest.data_sha256) == 64


def test_the_same_rows_make_the_same_file() -> None:
    values = np.random.default_rng(0).normal(size=(128, 2))
    assert fit(values, ["a", "b"], pooled=True, alarm=AlarmPolicy(row_s=2.0)).to_bytes() == MODEL


@pytest.mark.parametrize("data", [b"", b"not a model", MODEL[: len(MODEL) // 2], bytes(BUNDLE_BYTES_MAX + 1)])
def test_foreign_torn_and_huge_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(InputError) as refused:
        Bundle(data, name="x.onnx")
    assert refused.value.file == "x.onnx"
    assert refused.value.fix


@pytest.mark.parametrize(
    "manifest", [None, "", "{}", '{"version": 2}', '{"kind": "asset", "channels": []}', _ENDLESS, "x" * 5_000_000]
)
def test_a_file_without_a_manifest_of_ours_is_refused(manifest: str | None) -> None:
    model = onnx.load_from_string(MODEL)
    del model.metadata_props[:]
    if manifest is not None:
        entry = model.metadata_props.add()
        entry.key, entry.value = MANIFEST_KEY, manifest
    with pytest.raises(InputError, match="manifest"):
        Bundle(model.SerializeToString())


def test_weights_outside_the_file_are_refused(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(str(tmp_path))
    model = onnx.load_from_string(MODEL)
    onnx.save_model(model, "inside.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    with open("inside.onnx", "rb") as stream:  # noqa: PTH123
        data = stream.read()
    with pytest.raises(InputError):
        Bundle(data)


def test_a_gateway_scores_without_the_library_that_builds_models() -> None:
    code = (
        "import sys; sys.modules['onnx'] = None\n"
        "import numpy as np\n"
        "from inference.bundle import Bundle\n"
        "from inference.score_table import run_bundle\n"
        "from inference.fleet import Fleet\n"
        "out = run_bundle(Bundle(sys.stdin.buffer.read()), np.ones((100, 2)))\n"
        "assert out['score'].shape == (100, 1)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], input=MODEL, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
