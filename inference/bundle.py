"""A model bundle: one ONNX file that carries its manifest, loaded from bytes; all a gateway needs besides numpy.

The manifest (JSON in the file's metadata, key `aid4`) says what the model is, what it was learned from, how its
scores become alarms, and what it may be fed. Nothing beside the file counts: thresholds cannot be lost in an export.
Weights outside the file are refused: a bundle is loaded from bytes, so there is no folder they could come from.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from inference.limits import BUNDLE_BYTES_MAX, CHANNELS_MAX, MANIFEST_BYTES_MAX
from wire.errors import InputError

__all__ = ["AlarmPolicy", "Bundle", "MANIFEST_KEY", "Manifest", "encode_manifest"]

MANIFEST_KEY = "aid4"
_FIX = "build the model again with `aid4 model train` of this version"


class AlarmPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How scores (−log10 p of an episode) become alarms; see `inference.alarm`."""

    budget_per_day: Annotated[float, msgspec.Meta(ge=1e-6, le=1e6)] = 0.5
    block_rows: Annotated[int, msgspec.Meta(ge=1, le=4_096)] = 16
    row_s: Annotated[float, msgspec.Meta(gt=0, le=1e9)] = 60.0


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What the file is; `version` rises when a reader of today could misread it."""

    version: Literal[1] = 1
    kind: Literal["asset", "streams", "adaptive", "guards"]
    channels: tuple[str, ...]
    center: tuple[float, ...]
    detectors: tuple[str, ...]
    width_rows: Annotated[int, msgspec.Meta(ge=1, le=4_096)]
    trained_rows: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    data_sha256: str
    alarm: AlarmPolicy
    metrics: dict[str, float] = {}


def encode_manifest(manifest: Manifest) -> dict[str, str]:
    """As metadata of an ONNX file."""
    return {MANIFEST_KEY: msgspec.json.encode(manifest).decode()}


class Bundle:
    """A loaded model: `manifest`, and `run` on named arrays. One thread, no spinning, no files."""

    def __init__(self, data: bytes, *, name: str = "") -> None:
        if len(data) > BUNDLE_BYTES_MAX:
            raise InputError(f"a model of {len(data):,} bytes; at most {BUNDLE_BYTES_MAX:,}", file=name, fix=_FIX)
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_cpu_mem_arena = False  # tiles are small; an arena would keep the largest for ever
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises a dozen unrelated types on foreign bytes
            reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise InputError(f"not a model that can run: {reason}", file=name, fix=_FIX) from error
        self.manifest = _manifest_of(self._session, name)
        self.outputs = [output.name for output in self._session.get_outputs()]

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """All outputs by name."""
        return dict(zip(self.outputs, self._session.run(None, dict(feeds)), strict=True))


def _manifest_of(session: Any, name: str) -> Manifest:
    text = session.get_modelmeta().custom_metadata_map.get(MANIFEST_KEY, "")
    if not text or len(text) > MANIFEST_BYTES_MAX:
        raise InputError("an ONNX file without a manifest of AID4", file=name, field=MANIFEST_KEY, fix=_FIX)
    try:
        manifest = msgspec.json.decode(text, type=Manifest)
    except msgspec.MsgspecError as error:
        raise InputError(f"the manifest: {error}", file=name, field=MANIFEST_KEY, fix=_FIX) from error
    if not 1 <= len(manifest.channels) <= CHANNELS_MAX or len(manifest.channels) != len(manifest.center):
        raise InputError("the manifest names no or too many channels", file=name, field="channels", fix=_FIX)
    if not np.isfinite(manifest.center).all():
        raise InputError("the manifest's centres are no numbers", file=name, field="center", fix=_FIX)
    return manifest
