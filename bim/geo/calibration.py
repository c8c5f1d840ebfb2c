"""Site calibration: the linear map from a model to a map, solved from points known in both.

Every point's residual is told, with what the others predict for it; outliers are named. Too few points, points on a
line, points that contradict each other or cannot carry the far corner of the model are refused, with what to measure.
"""

import math
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from bim.geo.consensus import Fit, Solver
from bim.geo.settings import CalibrationSettings, ControlPoint
from wire.errors import InputError

__all__ = ["Calibration", "Residual", "calibrate"]

Array = npt.NDArray[np.float64]

_FIELD = "calibration"
_LEAST = {"2d": 3, "3d": 4}  # one more than decides it, so that a mistake shows
_ASIDE = 0.05  # breadth of the points to their length; below, a line
_SCALE_PPM_MAX = 2_000.0  # a free scale beyond that is a mistake in the points
_MIRROR = 0.2  # a mirrored fit that is so much better means that axes were exchanged


class Residual(msgspec.Struct, frozen=True):
    """One point: measured minus solved, in metres. `without_m`: its distance when the solution leaves it out."""

    name: str
    east_m: float
    north_m: float
    height_m: float | None
    plan_m: float
    without_m: float | None
    used: bool


class Calibration(msgspec.Struct, frozen=True):
    """The solved map: map = linear @ model + offset, with what speaks for it."""

    linear: list[list[float]]
    offset: list[float]
    kind: Literal["2d", "3d"]
    scale: float
    rotation_deg: float
    points: int
    outliers: list[str]
    rms_m: float
    largest_m: float
    height_rms_m: float | None
    edge_sigma_m: float  # how sure the farthest corner of the model is
    residuals: list[Residual]
    warnings: list[str]

    @property
    def how(self) -> str:
        """As a frame tells it."""
        return f"calibration on {self.points - len(self.outliers)} control points, rms {self.rms_m * 1000:.0f} mm"


def calibrate(
    points: list[ControlPoint],
    settings: CalibrationSettings | None = None,
    *,
    grid_scale: float = 1.0,
    extent_m: tuple[float, ...] | None = None,
) -> Calibration:
    """Solve; `grid_scale` is map metres of a ground metre, for a fixed scale; `extent_m` is the box of the model.

    Raises InputError when there are too few points, they stand on a line, contradict each other, or leave the far
    corner of the model less sure than the tolerance; its fix says what to measure.
    """
    settings = settings or CalibrationSettings()
    model = np.array([[p.x_m, p.y_m, math.nan if p.z_m is None else p.z_m] for p in points]).reshape(-1, 3)
    world = np.array([[p.easting_m, p.northing_m, math.nan if p.height_m is None else p.height_m] for p in points])
    sigma = np.array([p.sigma_m for p in points])
    _check(points, model, world.reshape(-1, 3), settings)
    solver = Solver(model, world, sigma, settings, grid_scale)
    used = solver.consensus()
    if used.sum() <= len(points) / 2:
        problem = f"only {int(used.sum())} of {len(points)} points agree within {settings.tolerance_m:g} m"
        raise InputError(problem, field=_FIELD, fix="check the pairing of the points and the crs, and measure more")
    fit = solver.solve(used)
    off = fit.residuals(model, world)
    _check_result(points, off, used, solver, settings)
    edge = solver.edge_sigma_m(used, off, extent_m)
    _check_edge(edge, settings)
    return _report(points, fit, off, used, solver, edge)


def _check(points: list[ControlPoint], model: Array, world: Array, settings: CalibrationSettings) -> None:
    """Enough points, all different, with some breadth."""
    kind, least = settings.kind, _LEAST[settings.kind]
    if len(points) < least:
        problem = f"{len(points)} control points; a {kind} calibration needs {least}, so that a mistake shows"
        raise InputError(problem, field=_FIELD, fix=f"measure {least - len(points)} more, far apart and not on a line")
    names = [point.name for point in points]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"the point {twice[0]!r} is there twice", field=_FIELD, fix="give each point its own name")
    if kind == "3d" and bool(np.isnan(model[:, 2]).any() or np.isnan(world[:, 2]).any()):
        missing = names[int(np.argmax(np.isnan(model[:, 2]) | np.isnan(world[:, 2])))]
        fix = 'give z_m and height_m of every point, or write kind = "2d"'
        raise InputError(f"{missing!r} has no height; a 3d calibration needs all", field=_FIELD, fix=fix)
    for name, rows in (("x_m, y_m", model[:, :2]), ("easting_m, northing_m", world[:, :2])):
        length, breadth = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)[:2]
        if length <= 0:
            raise InputError(f"all points have the same {name}", field=_FIELD, fix="measure points far apart")
        if breadth < _ASIDE * length:
            aside = math.hypot(*np.ptp(rows, axis=0)) / 4
            fix = f"measure a point about {aside:.0f} m aside of the line through them"
            raise InputError(f"the points stand on a line ({name})", field=_FIELD, fix=fix)


def _check_result(
    points: list[ControlPoint], off: Array, used: npt.NDArray[np.bool_], solver: Solver, settings: CalibrationSettings
) -> None:
    """Refuse what does not fit together."""
    plan = np.hypot(off[:, 0], off[:, 1])
    heights = np.abs(np.nan_to_num(off[:, 2]))
    worst = np.where(used, np.maximum(plan, heights), 0.0)
    if settings.kind == "2d":
        mirrored = solver.solve(used, mirrored=True).residuals(solver.model, solver.world)
        other = float(np.hypot(mirrored[used, 0], mirrored[used, 1]).max())
        if plan[used].max() > settings.tolerance_m and other < _MIRROR * plan[used].max():
            problem = "the points fit only mirrored: two axes are exchanged"
            raise InputError(problem, field=_FIELD, fix="exchange easting_m and northing_m, or x_m and y_m")
    if float(worst.max()) > settings.tolerance_m:
        name = points[int(worst.argmax())].name
        problem = f"the points contradict each other: {name!r} is {worst.max():.3f} m off"
        more = "measure one or two points more, so that the wrong one can be told"
        fix = f"{more}; or raise tolerance_m above {settings.tolerance_m:g} if they are that rough"
        raise InputError(problem, field=_FIELD, fix=fix)


def _check_edge(edge_m: float, settings: CalibrationSettings) -> None:
    if edge_m > settings.tolerance_m:
        problem = (
            f"the farthest corner of the model is only sure to {edge_m:.3f} m; {settings.tolerance_m:g} m is asked"
        )
        raise InputError(problem, field=_FIELD, fix="measure points around the whole site, not in one part of it")


def _report(
    points: list[ControlPoint], fit: Fit, off: Array, used: npt.NDArray[np.bool_], solver: Solver, edge_m: float
) -> Calibration:
    plan = np.hypot(off[:, 0], off[:, 1])
    heights = off[used, 2][~np.isnan(off[used, 2])]
    scale = math.sqrt(abs(float(np.linalg.det(fit.linear[:2, :2]))))
    return Calibration(
        linear=fit.linear.tolist(),
        offset=fit.offset.tolist(),
        kind=solver.settings.kind,
        scale=scale,
        rotation_deg=math.degrees(math.atan2(fit.linear[1, 0], fit.linear[0, 0])),
        points=len(points),
        outliers=[point.name for point, kept in zip(points, used, strict=True) if not kept],
        rms_m=float(np.sqrt(np.mean(plan[used] ** 2))),
        largest_m=float(plan[used].max()),
        height_rms_m=float(np.sqrt(np.mean(heights**2))) if len(heights) else None,
        edge_sigma_m=edge_m,
        residuals=[_residual(points[i], off[i], i, used, solver) for i in range(len(points))],
        warnings=_warnings(scale, heights),
    )


def _residual(point: ControlPoint, off: Array, at: int, used: npt.NDArray[np.bool_], solver: Solver) -> Residual:
    plan = float(math.hypot(off[0], off[1]))
    without = None
    if not used[at]:
        without = plan
    elif used.sum() > solver.minimal:
        rest = used.copy()
        rest[at] = False
        away = solver.solve(rest).residuals(solver.model[at : at + 1], solver.world[at : at + 1])[0]
        without = float(math.hypot(away[0], away[1]))
    height = None if math.isnan(off[2]) else float(off[2])
    return Residual(point.name, float(off[0]), float(off[1]), height, plan, without, bool(used[at]))


def _warnings(scale: float, heights: Array) -> list[str]:
    found = []
    if abs(scale - 1.0) * 1e6 > _SCALE_PPM_MAX:
        found.append(
            f"the solved scale is {scale:.6f}; between model and map more than 0.2 % is a mistake in the points"
        )
    if not len(heights):
        found.append("no control point has a height: the model's heights are taken for those of the map")
    return found
