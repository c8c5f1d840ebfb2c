"""Cameras of photogrammetry as its tools export them; a table of readers by what the file looks like.

| tool | file |
|---|---|
| OpenDroneMap | shots.geojson, reconstruction.json |
| Metashape | cameras .xml (local coordinates), or the omega-phi-kappa table |
| Pix4D | …_calibrated_camera_parameters.txt, …_calibrated_external_camera_parameters.txt |
| COLMAP | a folder with cameras.txt and images.txt |
"""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drone_ingest.limits import DroneLimits
from drone_ingest.scan.elements import Floats
from drone_ingest.xml_tree import Node, parse_xml
from wire.errors import InputError

__all__ = ["Camera", "read_cameras"]

_BYTES_MAX = 256 << 20
_CAMERAS_MAX = 20_000
_FIX = (
    "give shots.geojson, reconstruction.json, a Metashape cameras XML, Pix4D's calibrated parameters or a COLMAP folder"
)
_GUESSED_FOCAL = 0.75  # of the width, where a table does not say: a 24 mm lens
_GUESSED_SIZE = (4000, 3000)
_ECEF_M = 6.0e6


@dataclass(frozen=True, slots=True)
class Camera:
    """One picture: eye in the cloud's coordinates; rows of `axes` are right, down and ahead; lengths in pixels."""

    name: str
    eye: Floats
    axes: Floats
    width: int
    height: int
    focal: float
    centre: tuple[float, float]


def read_cameras(path: Path) -> list[Camera]:
    """All cameras of an export; raises InputError when it is none, or holds none."""
    reader = _reader_of(path)
    try:
        found = list(reader(path))
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, ZeroDivisionError) as error:
        raise InputError(f"its cameras cannot be read: {error}"[:200], file=str(path), fix=_FIX) from error
    sound = [one for one in found if np.isfinite(one.eye).all() and np.isfinite(one.axes).all() and one.focal > 0]
    if not sound or len(sound) > _CAMERAS_MAX:
        problem = "no camera of it has a pose" if not sound else f"more than {_CAMERAS_MAX} cameras"
        raise InputError(problem, file=str(path), fix=_FIX)
    if np.linalg.norm(sound[0].eye) > _ECEF_M and np.abs(sound[0].eye).min() > 1e3 and path.suffix.lower() == ".xml":
        problem = "its cameras are in geocentric coordinates"
        raise InputError(problem, file=str(path), fix="export omega, phi, kappa in the coordinates of the cloud")
    return sound


def _reader_of(path: Path) -> Callable[[Path], Iterable[Camera]]:
    if path.is_dir():
        if (path / "images.txt").is_file() and (path / "cameras.txt").is_file():
            return _colmap
        raise InputError("a folder without images.txt and cameras.txt", file=str(path), fix=_FIX)
    if path.name == "images.txt":
        return lambda file: _colmap(file.parent)
    text = _text(path)
    start = text.lstrip()[:400]
    if start.startswith("<"):
        return _metashape
    if start.startswith(("{", "[")):
        return _odm
    return _pix4d if "camera matrix K" in text[:5_000] else _angles


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _BYTES_MAX:
            raise InputError(f"more than {_BYTES_MAX >> 20} MiB", file=str(path), fix=_FIX)
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"it cannot be read: {error}", file=str(path), fix=_FIX) from error


def _turn(vector: Floats) -> Floats:
    """Rotation matrix of a rotation vector (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    x, y, z = vector / angle if angle > 0 else np.zeros(3)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    turned: Floats = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    return turned


def _odm(path: Path) -> Iterable[Camera]:
    """shots.geojson has the eye as `translation`; OpenSfM's reconstruction.json has t of x_cam = R x + t."""
    known: Any = json.loads(_text(path))
    if isinstance(known, dict) and "features" in known:
        for feature in known["features"]:
            shot = feature["properties"]
            eye = np.array(shot["translation"], np.float64)
            yield _opensfm(shot["filename"], eye, _turn(np.array(shot["rotation"], np.float64)), shot)
        return
    for part in known if isinstance(known, list) else [known]:
        for name, shot in part["shots"].items():
            turned = _turn(np.array(shot["rotation"], np.float64))
            eye = -turned.T @ np.array(shot["translation"], np.float64)
            yield _opensfm(name, eye, turned, part["cameras"][shot["camera"]])


def _opensfm(name: str, eye: Floats, turned: Floats, lens: dict[str, Any]) -> Camera:
    width, height = int(lens["width"]), int(lens["height"])
    focal = float(lens.get("focal", lens.get("focal_x", 0.85))) * max(width, height)
    return Camera(name, eye, turned, width, height, focal, (width / 2, height / 2))


def _colmap(folder: Path) -> Iterable[Camera]:
    """cameras.txt: id, model, size, parameters; images.txt, each other line: id, q (w first), t, camera, name."""
    lenses = {}
    for line in _lines(folder / "cameras.txt"):
        number, model, across, down, *numbers = line.split()
        values = [float(one) for one in numbers]
        two = model in ("PINHOLE", "OPENCV", "FULL_OPENCV", "OPENCV_FISHEYE", "FOV", "THIN_PRISM_FISHEYE")
        focal, (cx, cy) = values[0], (values[2], values[3]) if two else (values[1], values[2])
        lenses[number] = (int(across), int(down), focal, (cx, cy))
    for line in _lines(folder / "images.txt")[::2]:
        _, *pose, camera, name = line.split(maxsplit=9)
        w, x, y, z, *shift = (float(one) for one in pose)
        turned = _quaternion(w, x, y, z)
        width, height, focal, centre = lenses[camera]
        yield Camera(name, -turned.T @ np.array(shift), turned, width, height, focal, centre)


def _lines(path: Path) -> list[str]:
    """Without comments; a picture without points has an empty line, which counts."""
    lines = [line for line in _text(path).splitlines() if not line.startswith("#")]
    while lines and not lines[0].strip():
        lines.pop(0)
    return [line for line in lines if line.strip()] if path.name == "cameras.txt" else lines


def _quaternion(w: float, x: float, y: float, z: float) -> Floats:
    size = math.sqrt(w * w + x * x + y * y + z * z)
    w, x, y, z = w / size, x / size, y / size, z / size
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip


def _metashape(path: Path) -> Iterable[Camera]:
    """Each camera's 4x4 (camera → chunk) behind the chunk's own turn, shift and scale."""
    root, _ = parse_xml(_text(path).encode(), DroneLimits(), str(path))
    lenses = {node.attributes["id"]: _metashape_lens(node) for node in _all(root, "sensor") if _all(node, "resolution")}
    chunk = np.eye(4)
    for node in _all(root, "transform"):
        parts = {child.tag: [float(one) for one in child.value.split()] for child in node.children}
        if {"rotation", "translation", "scale"} <= set(parts):
            chunk[:3, :3] = np.array(parts["rotation"]).reshape(3, 3) * parts["scale"][0]
            chunk[:3, 3] = parts["translation"]
            break
    for node in _all(root, "camera"):
        texts = [child.value for child in node.children if child.tag == "transform"]
        lens = lenses.get(node.attributes.get("sensor_id", ""))
        if not texts or lens is None:
            continue
        placed = chunk @ np.array([float(one) for one in texts[0].split()]).reshape(4, 4)
        axes = (placed[:3, :3] / np.linalg.norm(placed[:3, 0])).T
        yield Camera(node.attributes.get("label", ""), placed[:3, 3], axes, *lens)


def _metashape_lens(sensor: Node) -> tuple[int, int, float, tuple[float, float]]:
    size = _all(sensor, "resolution")[0].attributes
    width, height = int(size["width"]), int(size["height"])
    values = {tag: [float(node.value) for node in _all(sensor, tag)] for tag in ("f", "cx", "cy")}
    focal = values["f"][-1] if values["f"] else _GUESSED_FOCAL * width
    shift = [values[tag][-1] if values[tag] else 0.0 for tag in ("cx", "cy")]
    return width, height, focal, (width / 2 + shift[0], height / 2 + shift[1])


def _all(node: Node, tag: str) -> list[Node]:
    found = [node] if node.tag == tag else []
    for child in node.children:
        found += _all(child, tag)
    return found


def _pix4d(path: Path) -> Iterable[Camera]:
    """Blocks of ten lines: name and size, K (3), radial (1), tangential (1), position (1), rotation (3)."""
    lines = [line.split() for line in _text(path).splitlines() if line.strip()]
    starts = [
        at
        for at, words in enumerate(lines)
        if len(words) == 3 and not _numeric(words[:1]) and words[1].isdigit() and words[2].isdigit()
    ]
    for at in starts:
        name, width, height = lines[at]
        numbers = np.array([[float(one) for one in words] for words in lines[at + 1 : at + 4]])
        eye = np.array([float(one) for one in lines[at + 6]])
        axes = np.array([[float(one) for one in words] for words in lines[at + 7 : at + 10]])
        centre = (float(numbers[0, 2]), float(numbers[1, 2]))
        yield Camera(name, eye, axes, int(width), int(height), float(numbers[0, 0]), centre)


def _angles(path: Path) -> Iterable[Camera]:
    """`name X Y Z omega phi kappa` in degrees, after Pix4D and Metashape; the lens is guessed."""
    for line in _text(path).splitlines():
        words = line.replace(",", " ").split()
        if len(words) < 7 or line.startswith("#") or not _numeric(words[1:7]):
            continue
        x, y, z, omega, phi, kappa = (float(one) for one in words[1:7])
        turned = _turn(np.array([math.radians(omega), 0, 0])) @ _turn(np.array([0, math.radians(phi), 0]))
        turned = turned @ _turn(np.array([0, 0, math.radians(kappa)]))
        axes = np.stack([turned[:, 0], -turned[:, 1], -turned[:, 2]])  # a picture's y points up, its z back
        width, height = _GUESSED_SIZE
        yield Camera(
            words[0], np.array([x, y, z]), axes, width, height, _GUESSED_FOCAL * width, (width / 2, height / 2)
        )


def _numeric(words: list[str]) -> bool:
    try:
        return all(math.isfinite(float(one)) for one in words)
    except ValueError:
        return False
