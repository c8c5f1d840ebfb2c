"""Where a cloud lies before anything is fitted: the matrix from its coordinates to model metres.

none                        it is in model coordinates already
given:X,Y,Z[,YAW_DEG]       shift (and turn about the cloud's middle) that brings it to the model
rtk, site                   map coordinates; the site's frame brings them to the model
gcp:FILE.csv                control points (see drone_ingest.registration.control)
FILE.json, FILE.txt         a 4x4 matrix, or {"kind", "shift", "yaw_deg", "file", "matrix"}
"""

import json
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from drone_ingest.registration.control import read_controls
from drone_ingest.registration.refine import Controls
from drone_ingest.registration.rigid import IDENTITY, Matrix, about_z
from drone_ingest.scan.elements import Floats
from wire.errors import InputError

__all__ = ["Prior", "parse_prior", "start_of"]

_FIX = "give none, site, rtk, given:X,Y,Z[,YAW], gcp:FILE.csv, or a file with a 4x4 matrix"
_BYTES_MAX = 1 << 20
_MAP_M = 1_000.0  # so far from the model coordinates are those of a map


class Prior(msgspec.Struct, frozen=True, kw_only=True):
    """What is known before; `shift` in metres, `yaw_deg` counter-clockwise about the cloud's middle."""

    kind: Literal["none", "given", "rtk", "gcp", "site"] = "none"
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    yaw_deg: float = 0.0
    file: str | None = None
    matrix: list[list[float]] | None = None


def parse_prior(text: str | None) -> Prior | None:
    """A prior as people write it on the command line; raises InputError."""
    if text is None or not text.strip():
        return None
    kind, _, rest = text.strip().partition(":")
    name = kind.lower()
    if name in ("none", "identity", "model"):
        return Prior()
    if name in ("rtk", "site", "exif", "georeference"):
        return Prior(kind="rtk" if name == "rtk" else "site")
    if name in ("gcp", "control") and rest:
        return Prior(kind="gcp", file=rest)
    if name in ("given", "shift"):
        return _numbers(rest, text)
    if text.lstrip().startswith("{"):
        return _from_json(text.encode(), "--prior")
    if "," in text and not Path(text).is_file():
        return _numbers(text, text)
    return _from_file(Path(text))


def start_of(
    prior: Prior | None, points: Floats, low_m: Floats, high_m: Floats, site: Matrix | None
) -> tuple[Matrix, Controls | None, list[str]]:
    """The starting motion cloud → model, control points if the prior has them, and warnings.

    `site` brings model metres to the map. Without a prior a cloud far from the model is taken to lie on that map.
    """
    middle = np.median(points, axis=0) if len(points) else np.zeros(3)
    if prior is None:
        far = float(np.linalg.norm(middle - (low_m + high_m) / 2)) > _MAP_M + float(np.linalg.norm(high_m - low_m))
        if far and site is not None:
            return _inverse(site), None, ["the cloud is taken to lie in the map coordinates of the site"]
        return IDENTITY.copy(), None, []
    if prior.matrix is not None:
        return _checked(prior.matrix), None, []
    if prior.kind == "gcp":
        if prior.file is None:
            raise InputError("a prior by control points names no file", field="prior.file", fix=_FIX)
        return IDENTITY.copy(), read_controls(Path(prior.file)), []
    if prior.kind in ("rtk", "site"):
        if site is None:
            fix = "give --site a folder with a site.toml that says where the model lies, or control points"
            raise InputError("nothing says where the model lies on the map", field="prior", fix=fix)
        return _inverse(site), None, []
    return about_z(prior.yaw_deg, np.array(prior.shift), middle), None, []


def _inverse(motion: Matrix) -> Matrix:
    return np.linalg.inv(motion).astype(np.float64)


def _numbers(rest: str, text: str) -> Prior:
    try:
        values = [float(part) for part in rest.replace(";", ",").split(",")]
    except ValueError as error:
        raise InputError(f"{text!r} is no prior", field="--prior", fix=_FIX) from error
    if len(values) not in (3, 4) or not np.isfinite(values).all():
        raise InputError(f"{text!r} has not three or four numbers", field="--prior", fix=_FIX)
    return Prior(kind="given", shift=(values[0], values[1], values[2]), yaw_deg=values[3] if len(values) == 4 else 0.0)


def _from_file(path: Path) -> Prior:
    try:
        if path.stat().st_size > _BYTES_MAX:
            raise InputError("it is larger than any prior", file=str(path), fix=_FIX)
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{str(path)!r} is no prior and no file", field="--prior", fix=_FIX) from error
    if path.suffix.lower() == ".csv":
        return Prior(kind="gcp", file=str(path))
    if path.suffix.lower() == ".json":
        return _from_json(data, str(path))
    try:
        rows = [[float(cell) for cell in line.replace(",", " ").split()] for line in data.decode().splitlines() if line]
    except ValueError as error:
        raise InputError("it is no 4x4 matrix", file=str(path), fix=_FIX) from error
    return Prior(kind="given", matrix=_checked(rows, str(path)).tolist())


def _from_json(data: bytes, file: str) -> Prior:
    try:
        known: Any = json.loads(data)
        matrix = known.get("transform", known.get("matrix")) if isinstance(known, dict) else known
        if matrix is not None:
            return Prior(kind="given", matrix=_checked(matrix, file).tolist())
        return msgspec.convert(known, Prior)
    except (ValueError, msgspec.ValidationError, AttributeError) as error:
        raise InputError(f"it is no prior: {error}", file=file, fix=_FIX) from error


def _checked(rows: Any, file: str = "") -> Matrix:
    """A rigid 4x4; anything else is refused."""
    try:
        found = np.array(rows, np.float64)
    except (ValueError, TypeError) as error:
        raise InputError("it is no 4x4 matrix", file=file, field="matrix", fix=_FIX) from error
    rigid = found.shape == (4, 4) and np.isfinite(found).all() and np.allclose(found[3], [0, 0, 0, 1])
    if not rigid or not np.allclose(found[:3, :3] @ found[:3, :3].T, np.eye(3), atol=1e-3):
        raise InputError(
            "it is no rigid motion: a turn without scale, and a shift", file=file, field="matrix", fix=_FIX
        )
    return found
