"""One simulated scan: every station measures the same site, and the file gets the errors of its registration."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bim.tiles.meshes import ElementMesh
from drone_ingest.ray_scene import Floats
from drone_ingest.simulate.lidar import scan_station
from drone_ingest.simulate.photogrammetry import Waves, camera_axes, finish_cloud, photograph
from drone_ingest.simulate.sensor import STATIONS_MAX, Disturbance, Sensor
from drone_ingest.simulate.shots import FILLED, MIXED, OUTLIER, Shots, joined
from drone_ingest.simulate.site import Site, site_of
from wire.errors import InputError

__all__ = ["SimulatedScan", "simulate_scan"]

_PROBE = 4_096  # pulses of the first look that tells how many give a point
_SPARE = 1.05
_SHARE_MIN = 0.02  # a sensor that looks past everything shall not cast for ever

_Measure = Callable[[int, int, Disturbance, np.random.Generator], Shots]
"""station, shots tried, disturbance, randomness → what they gave"""


@dataclass(frozen=True, slots=True)
class SimulatedScan:
    """A scan as the sensor's file would say it, and the truth beside it.

    `points` (n, 3) and `stations` (k, 3) are in the file's coordinates: error of registration and georeference are
    in them alike. `station` is the row of `stations` plus one, `owner` indexes `truth["labels"]` (below zero:
    -1 outlier, -2 bridged gap, -3 two surfaces at once). `truth["transform"]` leads from the file to the model.
    """

    points: Floats
    station: NDArray[np.uint16]
    intensity: NDArray[np.uint16]
    rgb: NDArray[np.uint8]
    gps_time_s: Floats
    owner: NDArray[np.int32]
    stations: Floats
    truth: dict[str, Any]
    axes: Floats | None = None  # (k, 3, 3) of photogrammetry: right, down and ahead of each camera in the file


def simulate_scan(
    meshes: Sequence[ElementMesh],
    built: Collection[str],
    stations: Floats,
    sensor: Sensor,
    disturbance: Disturbance,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> SimulatedScan:
    """Scan what is `built` (GlobalIds) from `stations` (k, 3) in model metres; the same seed gives the same scan.

    Raises InputError for a sensor, disturbance or stations that cannot be. `progress` is told of each station done.
    """
    sensor.check()
    disturbance.check()
    stations = _checked(stations, sensor.views if sensor.kind == "photogrammetry" else 1)
    site = site_of(meshes, built, disturbance, np.random.default_rng((seed, 0)))
    measure = (_lidar if sensor.kind == "lidar" else _photogrammetry)(site, stations, sensor, seed)
    parts = _measured(measure, len(stations), sensor, disturbance, seed, progress or (lambda _: None))
    shots = joined(parts)
    station = np.repeat(np.arange(1, len(stations) + 1), [len(one.points) for one in parts]).astype(np.uint16)
    rng = np.random.default_rng((seed, 2))
    if sensor.kind == "photogrammetry":
        shots = finish_cloud(site, shots, sensor, disturbance, rng)
    if len(shots.points) > sensor.points:
        rows = np.sort(rng.permutation(len(shots.points))[: sensor.points])
        shots, station = shots.take(rows), station[rows]
    matrix = disturbance.matrix(site.middle)
    intensity, rgb = _looks(site, shots, rng)
    return SimulatedScan(
        points=_apply(matrix, shots.points),
        station=station,
        intensity=intensity,
        rgb=rgb,
        gps_time_s=_times(station, shots, sensor.rate_hz),
        owner=shots.owner,
        stations=_apply(matrix, stations),
        truth=_truth(site, shots, sensor, disturbance, seed, matrix),
        axes=_axes(site, stations, matrix) if sensor.kind == "photogrammetry" else None,
    )


def _lidar(site: Site, stations: Floats, sensor: Sensor, seed: int) -> _Measure:
    def measure(at: int, shots: int, disturbance: Disturbance, rng: np.random.Generator) -> Shots:
        return scan_station(site, stations[at], shots, sensor, disturbance, rng)

    return measure


def _photogrammetry(site: Site, stations: Floats, sensor: Sensor, seed: int) -> _Measure:
    plain = Waves.of(np.random.default_rng((seed, 4)))

    def measure(at: int, shots: int, disturbance: Disturbance, rng: np.random.Generator) -> Shots:
        return photograph(site, stations, at, shots, sensor, disturbance, plain, rng)

    return measure


def _measured(
    measure: _Measure,
    stations: int,
    sensor: Sensor,
    disturbance: Disturbance,
    seed: int,
    progress: Callable[[int], None],
) -> list[Shots]:
    """What each station gives; a first look tells how many shots make the points that are wanted."""
    probe = max(_PROBE // stations, 64)
    looks = [measure(at, probe, Disturbance(), np.random.default_rng((seed, 1, at))) for at in range(stations)]
    share = max(sum(len(one.points) for one in looks) / (probe * stations), _SHARE_MIN)
    shots = int(np.ceil(_SPARE * sensor.points / share / stations))
    parts = []
    for at in range(stations):
        parts.append(measure(at, shots, disturbance, np.random.default_rng((seed, 3, at))))
        progress(1)
    return parts


def _checked(stations: Floats, least: int) -> Floats:
    rows = np.asarray(stations, np.float64)
    if rows.ndim != 2 or rows.shape[1] != 3 or not len(rows) or not np.isfinite(rows).all():
        raise InputError(f"stations of shape {rows.shape}", field="stations", fix="give (k, 3) in model metres")
    if not least <= len(rows) <= STATIONS_MAX:
        raise InputError(f"{len(rows)} stations", field="stations", fix=f"give {least} to {STATIONS_MAX}")
    return rows


def _apply(matrix: Floats, points: Floats) -> Floats:
    moved: Floats = points @ matrix[:3, :3].T + matrix[:3, 3]
    return moved


def _axes(site: Site, stations: Floats, matrix: Floats) -> Floats:
    turned = np.stack([camera_axes(site, one) for one in stations]) @ matrix[:3, :3].T
    unit: Floats = turned / np.linalg.norm(turned, axis=2)[:, :, None]
    return unit


def _looks(site: Site, shots: Shots, rng: np.random.Generator) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """Strength of the echo and colour, from the colour of the surface."""
    rgba = site.colors[shots.triangle]
    rgb = np.stack([rgba >> shift & 0xFF for shift in (24, 16, 8)], axis=1).astype(np.float64)
    lit = (0.55 + 0.45 * shots.cosine)[:, None] * rgb + rng.normal(0, 8, (len(rgb), 1))
    bright = rgb.mean(axis=1) / 255 * shots.cosine * 40_000 + rng.normal(0, 500, len(rgb)) + 2_000
    return np.clip(bright, 0, 65_535).astype(np.uint16), np.clip(lit, 0, 255).astype(np.uint8)


def _times(station: NDArray[np.uint16], shots: Shots, rate_hz: float) -> Floats:
    """Seconds from the start: station after station, in the order of its pulses."""
    longest = int(shots.order.max(initial=0)) + 1
    times: Floats = (station.astype(np.float64) - 1) * (longest / rate_hz + 0.001) + shots.order / rate_hz
    return times


def _truth(
    site: Site, shots: Shots, sensor: Sensor, disturbance: Disturbance, seed: int, matrix: Floats
) -> dict[str, Any]:
    hit = np.bincount(shots.owner[shots.owner >= 0], minlength=len(site.labels))
    kinds = {label: int(hit[at]) for at, label in enumerate(site.labels) if at >= site.elements}
    names = {OUTLIER: "outlier", FILLED: "filled", MIXED: "mixed"}
    kinds |= {name: int((shots.owner == code).sum()) for code, name in names.items()}
    return {
        "simulated": True,
        "seed": seed,
        "sensor": msgspec.to_builtins(sensor),
        "disturbance": msgspec.to_builtins(disturbance),
        "transform": np.linalg.inv(matrix).tolist(),
        "labels": site.labels,
        "elements": site.elements,
        "points": {"element": int(hit[: site.elements].sum()), **kinds},
        "tolerance_mm": {
            label: [round(1000 * one, 2) for one in offset]
            for label, offset in zip(site.labels, site.offsets_m.tolist(), strict=False)
        },
    }
