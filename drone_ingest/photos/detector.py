"""A detector for photos: an ONNX file that finds boxes, as YOLO exports them, given by its path.

Input: one float32 tensor (1, 3, H, W), RGB from 0 to 1, the photo fitted in and padded grey. Output, one of
    (1, n, 6)          x0, y0, x1, y1, score, class: with suppression inside (YOLOv10 and newer exports)
    (1, 4 + c, n)      x, y, w, h and a score a class: suppressed here
Names of classes are in the metadata `names` ({0: "crack", …}), else they are numbers. The file is read once, bounded,
and given to the runtime as bytes, so it cannot name another file.
"""

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drone_ingest.scan.rays import load_open3d
from wire.errors import InputError, UserError

__all__ = ["Box", "Detector", "read_picture"]

_BYTES_MAX = 512 << 20
_SIDE = (32, 4_096)  # of its input
_PIXELS_MAX = 200_000_000  # of a photo, 600 MB decoded
_BOXES_MAX = 1_000  # of one photo
_RAW_MAX = 200_000  # rows that a model may give before suppression
_OVERLAP = 0.5
_GREY = 114 / 255
_FIX = "export the model with a fixed input (1, 3, H, W) and boxes as YOLO gives them"


@dataclass(frozen=True, slots=True)
class Box:
    """What was found: u0, v0, u1, v1 in pixels of the photo, its kind, and how sure the model is, 0 to 1."""

    box_px: tuple[float, float, float, float]
    kind: str
    score: float


class Detector:
    """One model file. Raises InputError when it is none that finds boxes, UserError without the runtime."""

    def __init__(self, path: Path, least_score: float = 0.25) -> None:
        try:
            import onnxruntime
        except ModuleNotFoundError as error:
            fix = 'pip install "aid4[inference]"'
            raise UserError("a detector needs the package onnxruntime, which is not installed", fix=fix) from error
        self._file, self._least = str(path), least_score
        try:
            if path.stat().st_size > _BYTES_MAX:
                raise InputError(
                    f"it is larger than {_BYTES_MAX >> 20} MiB", file=str(path), fix="give a smaller model"
                )
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads, options.log_severity_level = 1, 4
            self._session = onnxruntime.InferenceSession(path.read_bytes(), options, ["CPUExecutionProvider"])
        except OSError as error:
            raise InputError(f"it cannot be read: {error.strerror}", file=str(path), fix=_FIX) from error
        except _refusals() as error:
            problem = f"it is no model that can be run: {str(error)[:200]}"
            raise InputError(problem, file=str(path), fix=_FIX) from error
        given = self._session.get_inputs()
        shape = given[0].shape if len(given) == 1 else []
        sides = [one for one in shape[2:] if isinstance(one, int) and _SIDE[0] <= one <= _SIDE[1]]
        if len(shape) != 4 or len(sides) != 2 or shape[1] != 3 or given[0].type != "tensor(float)":
            raise InputError(f"its input is {shape}", file=str(path), field="input", fix=_FIX)
        self._input, self._high, self._wide = given[0].name, sides[0], sides[1]
        self._names = _class_names(self._session.get_modelmeta().custom_metadata_map.get("names", ""))

    def find(self, picture: NDArray[np.uint8]) -> list[Box]:
        """Boxes on a picture (height, width, 3), the surest first; InputError when the model answers nonsense."""
        tensor, scale, left, top = _fitted(picture, self._high, self._wide)
        try:
            answer = self._session.run(None, {self._input: tensor})[0]
        except _refusals() as error:
            raise InputError(f"it fails on a photo: {str(error)[:200]}", file=self._file, fix=_FIX) from error
        boxes, scores, kinds = _answered(np.asarray(answer, np.float64), self._least, self._file)
        high, wide = picture.shape[:2]
        places = (boxes - [left, top, left, top]) / scale
        places = np.clip(places, 0, [wide, high, wide, high])
        kept = [row for row in range(len(places)) if (places[row, 2:] > places[row, :2]).all()][:_BOXES_MAX]
        return [
            Box(
                (float(places[row, 0]), float(places[row, 1]), float(places[row, 2]), float(places[row, 3])),
                self._names.get(int(kinds[row]), str(int(kinds[row]))), float(min(max(scores[row], 0.0), 1.0)),
            )
            for row in kept
        ]  # fmt: skip


def read_picture(path: Path, width_px: int, height_px: int) -> NDArray[np.uint8]:
    """The pixels (height, width, 3) of a JPEG or PNG, whose size its head has said; raises InputError."""
    fix = "copy the photo again"
    if width_px * height_px > _PIXELS_MAX:
        raise InputError(f"it has {width_px * height_px} pixels", file=str(path), fix="give a smaller picture")
    o3d = load_open3d()
    with o3d.utility.VerbosityContextManager(o3d.utility.VerbosityLevel.Error):
        found: NDArray[np.uint8] = np.asarray(o3d.io.read_image(str(path)))
    if found.ndim == 2 and found.size:
        found = np.repeat(found[:, :, None], 3, axis=2)
    if found.ndim != 3 or not found.size or found.shape[2] < 3 or found.dtype != np.uint8:
        raise InputError("its picture cannot be decoded", file=str(path), fix=fix)
    return np.ascontiguousarray(found[:, :, :3])


def _refusals() -> tuple[type[Exception], ...]:
    """What the runtime raises; its errors share no base but Exception."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoSuchFile", "NotImplemented",
             "RuntimeException", "NoModel", "EPFail")  # fmt: skip
    known: list[type[Exception]] = [getattr(state, name) for name in names if hasattr(state, name)]
    return (RuntimeError, ValueError, *known)


def _class_names(text: str) -> dict[int, str]:
    """`{0: 'crack', 1: 'spall'}`, as exporters write it."""
    try:
        given = ast.literal_eval(text[:100_000]) if text else {}
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return {}
    pairs = given.items() if isinstance(given, dict) else enumerate(given) if isinstance(given, list) else ()
    return {int(key): str(value)[:100] for key, value in pairs if str(key).isdigit()}


def _fitted(picture: NDArray[np.uint8], high: int, wide: int) -> tuple[NDArray[np.float32], float, float, float]:
    """The picture in the model's input: sampled to fit, in the middle, grey around."""
    scale = min(high / picture.shape[0], wide / picture.shape[1])
    rows, columns = max(int(picture.shape[0] * scale), 1), max(int(picture.shape[1] * scale), 1)
    v = ((np.arange(rows) + 0.5) / scale).astype(int).clip(max=picture.shape[0] - 1)
    u = ((np.arange(columns) + 0.5) / scale).astype(int).clip(max=picture.shape[1] - 1)
    top, left = (high - rows) // 2, (wide - columns) // 2
    tensor = np.full((1, 3, high, wide), _GREY, np.float32)
    small = picture[v[:, None], u[None]].astype(np.float32) / 255
    tensor[0, :, top : top + rows, left : left + columns] = small.transpose(2, 0, 1)
    return tensor, scale, float(left), float(top)


def _answered(
    answer: NDArray[np.float64], least: float, file: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Boxes (n, 4) in the input's pixels, scores and classes, the surest first."""
    if answer.ndim != 3 or answer.shape[0] != 1 or answer.shape[1] * answer.shape[2] > _RAW_MAX * 100:
        raise InputError(f"it answers {answer.shape}", file=file, field="output", fix=_FIX)
    rows = answer[0]
    if rows.shape[1] == 6:
        boxes, scores, kinds = rows[:, :4], rows[:, 4], rows[:, 5]
    elif rows.shape[0] > 4:
        per_class = rows[4:].T
        kinds, scores = per_class.argmax(axis=1), per_class.max(axis=1)
        half = rows[2:4].T / 2
        boxes = np.concatenate([rows[:2].T - half, rows[:2].T + half], axis=1)
    else:
        raise InputError(f"it answers {answer.shape}", file=file, field="output", fix=_FIX)
    good = np.isfinite(boxes).all(axis=1) & np.isfinite(scores) & (scores >= least) & np.isfinite(kinds)
    order = np.flatnonzero(good)[np.argsort(-scores[good], kind="stable")]
    boxes, scores, kinds = boxes[order], scores[order], kinds[order].astype(np.int64)
    kept = _suppressed(boxes, kinds)
    return boxes[kept], scores[kept], kinds[kept]


def _suppressed(boxes: NDArray[np.float64], kinds: NDArray[Any]) -> list[int]:
    """Rows of which none overlaps a surer one of its class by half."""
    kept: list[int] = []
    area = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    for row in range(len(boxes)):
        if len(kept) >= _BOXES_MAX:
            break
        others = np.array(kept, int)
        shared = np.minimum(boxes[row, 2:], boxes[others, 2:]) - np.maximum(boxes[row, :2], boxes[others, :2])
        both = np.prod(np.maximum(shared, 0), axis=1)
        over = both / np.maximum(area[row] + area[others] - both, 1e-9)
        if not ((over > _OVERLAP) & (kinds[others] == kinds[row])).any():
            kept.append(row)
    return kept
