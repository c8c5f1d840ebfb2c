"""The cameras of a simulated photogrammetry as COLMAP exports them: cameras.txt and images.txt in a folder."""

from pathlib import Path

import numpy as np

from drone_ingest.ray_scene import Floats
from drone_ingest.simulate.scan import SimulatedScan
from wire.errors import InputError

__all__ = ["write_cameras"]

_WIDTH, _HEIGHT = 6_000, 4_000
_FOCAL_PX = _WIDTH / 2 / np.tan(np.radians(84 / 2))  # as drone_ingest.simulate.photogrammetry looks


def write_cameras(scan: SimulatedScan, folder: Path) -> None:
    """Write where each picture was taken and how it looked, in the coordinates of the cloud; `photo_0001.jpg` is the
    first station. Raises InputError for a scan that has no pictures."""
    if scan.axes is None:
        raise InputError("a scanner takes no pictures", field="sensor", fix="simulate photogrammetry")
    folder.mkdir(parents=True, exist_ok=True)
    lens = f"1 PINHOLE {_WIDTH} {_HEIGHT} {_FOCAL_PX:.6f} {_FOCAL_PX:.6f} {_WIDTH / 2:g} {_HEIGHT / 2:g}"
    (folder / "cameras.txt").write_text(f"# AID4 simulated\n{lens}\n", encoding="utf-8")
    lines = ["# AID4 simulated"]
    for number, (eye, axes) in enumerate(zip(scan.stations, scan.axes, strict=True), 1):
        pose = [*_quaternion(axes), *(-axes @ eye)]
        lines += [f"{number} {' '.join(f'{one:.12g}' for one in pose)} 1 photo_{number:04d}.jpg", ""]
    (folder / "images.txt").write_text("\n".join([*lines, ""]), encoding="utf-8")


def _quaternion(axes: Floats) -> tuple[float, float, float, float]:
    """w, x, y, z of a rotation: of the four ways the one whose divisor is largest."""
    squares = np.array([
        1 + axes[0, 0] + axes[1, 1] + axes[2, 2], 1 + axes[0, 0] - axes[1, 1] - axes[2, 2],
        1 - axes[0, 0] + axes[1, 1] - axes[2, 2], 1 - axes[0, 0] - axes[1, 1] + axes[2, 2],
    ])  # fmt: skip
    best = int(np.argmax(squares))
    twice = 2 * float(np.sqrt(squares[best]))
    a, b, c = axes[2, 1] - axes[1, 2], axes[0, 2] - axes[2, 0], axes[1, 0] - axes[0, 1]
    p, q, r = axes[0, 1] + axes[1, 0], axes[0, 2] + axes[2, 0], axes[1, 2] + axes[2, 1]
    rows = [(twice**2 / 4, a, b, c), (a, twice**2 / 4, p, q), (b, p, twice**2 / 4, r), (c, q, r, twice**2 / 4)]
    w, x, y, z = (float(one / twice) for one in rows[best])
    return w, x, y, z
