"""A campus in which there is something to see for every part of the page: map tiles, scans, a trained model.

Everything is brought in from outside, over HTTP and the command line, as people would.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from inference.bundle import AlarmPolicy
from inference.fitted import fit
from tests.web.tiny_tiles import write_tiles

ROOT = Path(__file__).resolve().parents[2]
PLACE = (48.96393, 18.16892)  # the middle of the campus
_POINTS = "60000"
SECONDS_MAX = 300


def site_with_tiles(folder: Path) -> Path:
    """The campus, with map tiles of its own."""
    site = shutil.copytree(ROOT / "configs" / "sites" / "campus", folder / "campus")
    write_tiles(site / "region.pmtiles", *PLACE)
    table = '[basemap]\nfile = "region.pmtiles"\nattribution = "Tiles of a test"\n\n[georeference]'
    text = (site / "site.toml").read_text()
    assert "[georeference]" in text
    (site / "site.toml").write_text(text.replace("[georeference]", table, 1))
    return site


def bring_scans(url: str, park: Path, folder: Path) -> None:
    """Two scans of the campus as it would stand today, one of them with elements missing; judged while checks run."""
    api = f"{url}/api/v1"
    [model] = (park / "model").glob("*.ifc")
    for name, late in (("week-1", "0.3"), ("week-2", "0")):
        cloud = folder / f"{name}.laz"
        made = [
            "--ifc",
            str(model),
            "--out",
            str(cloud),
            "--points",
            _POINTS,
            "--late",
            late,
            "--tiles",
            str(park / "twin" / "tiles"),
        ]
        _aid4("drone", "simulate", *made)
        taken = datetime.now(UTC) - timedelta(hours=8 if name == "week-1" else 1)
        _send(api, cloud, f"group={name}&at={taken:%Y-%m-%dT%H:%M:%SZ}")
        _post(f"{api}/uploads/{name}/commit", b"{}")


def bring_model(url: str, folder: Path) -> None:
    """A small trained model, signed offline and published to the gateways in shadow."""
    keys, bundle = folder / "keys", folder / "air.aid4model"
    signed = ["--key", str(keys / "targets.pem")]
    patient = ["--rule", "by_hand=true", "--rule", "tick_ms_max=1000000"]  # a starved machine takes nothing back
    _aid4("model", "keys", "--out", str(keys), "--url", url)
    _aid4("model", "pack", str(_trained(folder)), "--id", "air", "--version", "1", *signed, "--out", str(bundle))
    _aid4("model", "publish", str(bundle), *signed, *patient, "--url", url)


def _trained(folder: Path) -> Path:
    """What `aid4 model train` writes, of one asset."""
    channels = ("gw-1/ahu-1/supply_air_temperature", "gw-1/ahu-1/valve")
    values = np.random.default_rng(1).standard_normal((400, 2)).cumsum(axis=0)
    model = fit(values, channels, pooled=True, alarm=AlarmPolicy(budget_per_day=0.02)).to_bytes()
    one = {
        "file": "ahu-1.onnx", "asset": "gw-1/ahu-1", "kind": "asset", "channels": channels, "rows": 400, "row_s": 60.0,
        "data_sha256": "a" * 64, "sha256": hashlib.sha256(model).hexdigest(), "bytes": len(model),
        "metrics": {"score_median": 0.3},
    }  # fmt: skip
    report = {"models": [one], "data_sha256": "b" * 64, "budget_per_day": 0.02, "row_s": 60.0, "left_out": {}}
    trained = folder / "trained"
    trained.mkdir()
    (trained / "ahu-1.onnx").write_bytes(model)
    (trained / "training.json").write_text(json.dumps(report | {"from_us": 0, "to_us": 1}))
    return trained


def _aid4(*words: str) -> None:
    command = [sys.executable, "-m", "aid4", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
    assert done.returncode == 0, (words, done.stdout[-500:], done.stderr[-2_000:])


def _send(url: str, file: Path, query: str) -> None:
    _post(f"{url}/uploads?name={file.name}&{query}", file.read_bytes())


def _post(address: str, body: bytes) -> None:
    with urllib.request.urlopen(urllib.request.Request(address, body, method="POST"), timeout=60) as answer:
        answer.read()
