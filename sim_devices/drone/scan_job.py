"""`python -m sim_devices.drone.scan_job JOB.json`: what a drone's dock does after a flight, in a process of its own.

The site as it stands now (the plan of the model, but a few elements late) is scanned from where the drone flew, and
the cloud with its station table goes to the twin like anybody's upload. The truth is kept in the work folder and never
sent. Prints one JSON document; what it makes is called simulated.
"""

import hashlib
import json
import os
import sys
import urllib.error
import urllib.request
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
import numpy as np

from wire.errors import InputError, UserError

__all__ = ["ScanTask", "main"]

SIGMA_M: Final = 0.006  # of its scanner: facades seen from above must still tell a shift of centimetres
NICE: Final = 15  # behind everything else of the machine
SEND_S_MAX: Final = 120.0
ANSWER_BYTES_MAX: Final = 1 << 20
RECENT_DAYS: Final = (45, 120, 400, 100_000)  # what is late was planned to be finished lately
LOOK_POINTS: Final = 30_000
SEEN_MIN: Final = 25  # points of that first look; what is hardly seen cannot be found missing
CHOICE: Final = 24  # the late ones are drawn from so many that are seen best
SHAPES: Final = ("Wall", "Slab", "Roof", "Column", "Beam")
FOOT_M: Final = 1.5  # what is late belongs to a building, not to the paving


class ScanTask(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to be done. Stations are model metres; `at` is the time of the site, `taken` the same in UTC."""

    ifc: str
    tiles: list[str]  # folders that may keep the model's tiles; they are built in the last one
    out: str
    stations: list[tuple[float, float, float]]
    points: int
    late: int
    seed: int
    at: str
    taken: str
    device: str
    url: str = ""  # of the twin, with a slash at its end; none: nothing is sent
    token: str = ""


def main(file: Path) -> dict[str, Any]:
    """Scan, write, send; UserError says what is wrong."""
    task = msgspec.json.decode(file.read_bytes(), type=ScanTask)
    cloud = Path(task.out) / f"scan-{task.device}-{task.taken[:16].replace(':', '')}.laz"
    found = _scan(task, cloud)
    sent = _send(task, cloud) if task.url else {}
    return {"simulated": True, **found, **sent}


def _scan(task: ScanTask, cloud: Path) -> dict[str, Any]:
    from drone_ingest.model import open_model
    from drone_ingest.simulate import Disturbance, Sensor, simulate_scan, write_scan
    from drone_ingest.simulate.standing import standing_at

    sensor = Sensor(points=task.points, sigma_m=SIGMA_M, range_m=70.0)
    disturbance = Disturbance(
        outlier_share=0.005, clutter=0.3, tolerance_m=0.003, shift_m=(0.12, -0.08, 0.03), yaw_deg=0.05
    )
    with open_model(Path(task.ifc), _tiles(task)) as model:
        stands = standing_at(model, None, None, task.at, 0.0, 0.0, task.seed)
        stations = np.array(task.stations, np.float64)
        late = _late(task, model, stands.built, stations)
        built = [one for one in stands.built if one not in late]
        scan = simulate_scan(model.meshes, built, stations, sensor, disturbance, task.seed)
    scan.truth.update(at=stands.at, late=sorted(late))
    write_scan(scan, cloud, cloud.with_suffix(".stations.csv"), truth=cloud.with_suffix(".truth.json"))
    return {"cloud": str(cloud), "points": len(scan.points), "built": len(built), "late": sorted(late)}


def _tiles(task: ScanTask) -> Path:
    """The folder that has the model's tiles, so that they are not built twice on one machine."""
    from bim.tiles import load_tileset, tiles_key

    key = tiles_key(hashlib.sha256(Path(task.ifc).read_bytes()).hexdigest())
    there = (Path(folder) for folder in task.tiles if load_tileset(Path(folder) / key) is not None)
    return next(there, Path(task.tiles[-1]))


def _late(task: ScanTask, model: Any, built: list[str], stations: Any) -> set[str]:
    """Elements that the plan has and that do not stand: seen well from the flight, finished lately by the plan."""
    from drone_ingest.model import element_plan, moment_of, planned_at
    from drone_ingest.simulate import Disturbance, Sensor, simulate_scan

    if not task.late:
        return set()
    look = simulate_scan(model.meshes, built, stations, Sensor(points=LOOK_POINTS), Disturbance(), task.seed)
    labels = look.truth["labels"]
    owners = look.owner[(look.owner >= 0) & (look.owner < look.truth["elements"])]
    counts = dict(zip(labels, np.bincount(owners, minlength=len(labels)).tolist(), strict=False))
    shapes = tuple(f"Ifc{shape}" for shape in SHAPES)
    kinds = dict(zip(model.meshes.global_ids, model.meshes.types, strict=True))
    seen = [one for one in built if counts.get(one, 0) >= SEEN_MIN and kinds[one].startswith(shapes)]
    seen = [one for one in seen if model.meshes.of(one).vertices[:, 2].mean() > FOOT_M]
    plan, moment = element_plan(model, None), moment_of(task.at)
    chosen: list[str] = []
    for days in RECENT_DAYS:
        before = _planned_then(
            planned_at, plan, moment - timedelta(days=min(days, (moment - datetime(1950, 1, 1)).days))
        )
        chosen = [one for one in seen if before.get(one) != 3]
        if len(chosen) >= 2 * task.late:
            break
    chosen.sort(key=lambda one: (-counts[one], one))
    rng = np.random.default_rng((task.seed, 21))
    pool = chosen[:CHOICE]
    return {pool[at] for at in rng.permutation(len(pool))[: task.late].tolist()}


def _planned_then(planned_at: Any, plan: Any, moment: datetime) -> dict[str, int]:
    found: dict[str, int] = planned_at(plan, moment)
    return found


def _send(task: ScanTask, cloud: Path) -> dict[str, Any]:
    """Both files in one group, then its commit."""
    group = f"{task.device}-{task.taken[:19].replace(':', '').replace('-', '')}"
    about = {"group": group, "device": task.device, "at": task.taken, "sigma_m": f"{SIGMA_M:g}", "prior": "given"}
    for file, kind in ((cloud.with_suffix(".stations.csv"), "stations"), (cloud, "cloud")):
        _post(task, "uploads", {"name": file.name, "kind": kind, **about}, file.read_bytes())
    wishes = {name: about[name] for name in ("at", "sigma_m", "prior")}
    answer = _post(task, f"uploads/{group}/commit", wishes, b"")
    return {"group": answer.get("group", group)}


def _post(task: ScanTask, path: str, query: dict[str, str], body: bytes) -> dict[str, Any]:
    request = urllib.request.Request(f"{task.url}api/v1/{path}?{urlencode(query)}", data=body, method="POST")  # noqa: S310
    request.add_header("Content-Type", "application/octet-stream")
    if task.token:
        request.add_header("Authorization", f"Bearer {task.token}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy is for other hosts
    try:
        with opener.open(request, timeout=SEND_S_MAX) as answer:
            found = json.loads(answer.read(ANSWER_BYTES_MAX))
    except urllib.error.HTTPError as refusal:
        said = refusal.read(2_000).decode(errors="replace")
        fix = "give the dock a token: --token-file" if refusal.code in (401, 403) else "see the twin's log"
        raise InputError(f"the twin refused {path}: {refusal.code} {said}", field="url", fix=fix) from refusal
    except (OSError, ValueError) as error:
        raise InputError(f"the twin did not take {path}: {error}", field="url", fix="is it up?") from error
    return found if isinstance(found, dict) else {}


if __name__ == "__main__":
    os.nice(NICE)
    try:
        print(json.dumps(main(Path(sys.argv[1]))))
    except UserError as problem:
        print(f"{problem}\nfix: {problem.fix}", file=sys.stderr)
        sys.exit(2)
