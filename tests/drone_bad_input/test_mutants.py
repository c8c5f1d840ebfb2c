"""Seeded mutants of real files: each is read, read in part or refused, and nothing crashes, hangs or eats memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

_MUTANTS = Path(__file__).with_name("mutants.py")
_ROOT = Path(__file__).resolve().parents[2]
_FAMILIES = {  # name: mutants of each file, files
    "mavlink": (12, ["drone/mavlink/vtol.tlog", "drone/mavlink/command_long_over_tcp.pcapng"]),
    "dataflash": (60, ["drone/mavlink/ardupilot_test.BIN"]),
    "ulog": (10, ["drone/ulog/sample_log_small.ulg", "drone/ulog/sample_logging_tagged_and_default_params.ulg"]),
    "texts": (
        40,
        [
            "drone/dji_srt/air2s.srt", "drone/dji_srt/p4_rtk.SRT", "drone/dji_srt/mix_p4rtk_mavic2pro.srt",
            "bim/drone/snowpeak_geoinfo.txt", "drone/mavlink/fence.txt", "drone/mavlink/rally.txt",
        ],
    ),
    "kml": (6, ["bim/drone/snowpeak.kml"]),
    "photos": (15, ["drone/photos/DJI_0018.JPG", "bim/drone/IMG_2171.JPG"]),
    "remote_id": (8, ["drone/remoteid/mavic_multiple_spoofed.pcapng", "drone/remoteid/parrot_anafi4_real.pcapng"]),
    "las": (50, ["drone/pointcloud/extrabytes.las", "drone/pointcloud/1_4_w_evlr.las"]),
    "laz": (12, ["drone/pointcloud/simple.laz", "drone/pointcloud/simple.copc.laz", "bim/pointclouds/laspy_plane.laz"]),
    "e57": (8, ["drone/pointcloud/pumpAVisualReferenceImage.e57"]),
}  # fmt: skip


def _run(files: list[Path], count: int, seed: int = 40) -> dict[str, int]:
    command = [sys.executable, str(_MUTANTS), str(seed), str(count), *map(str, files)]
    done = subprocess.run(
        command, cwd=_ROOT, env={"PYTHONPATH": str(_ROOT)}, capture_output=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-2_000:]
    told = json.loads(done.stdout)
    assert told["slowest_s"] < 20, "a broken file must not cost more than a whole one by far"
    assert told["peak_mib"] < 1_000
    assert set(told["ended"]) <= {"ok", "damaged", "refused"}, told["ended"]
    return dict(told["ended"])


@pytest.mark.parametrize("family", list(_FAMILIES))
def test_mutants_of_real_files_are_read_in_part_or_refused(shared_data: Path, family: str) -> None:
    count, names = _FAMILIES[family]
    ended = _run([shared_data / name for name in names], count)
    assert sum(ended.values()) == count * len(names)
    assert ended.get("damaged", 0) + ended.get("refused", 0) > 0, "mutants that nobody noticed"


def test_mutants_of_clouds_in_ply_and_pcd_are_read_in_part_or_refused(tmp_path: Path) -> None:
    points = [(0.1 * row, -0.2 * row, 1.5, row % 256) for row in range(400)]
    names = "".join(f"property float {axis}\n" for axis in "xyz")
    head = "ply\nformat {}\nelement vertex 400\n" + names + "property uchar red\nend_header\n"
    text = "\n".join(" ".join(map(str, point)) for point in points) + "\n"
    (tmp_path / "a.ply").write_text(head.format("ascii 1.0") + text)
    layout = "FIELDS x y z i\nSIZE 4 4 4 4\nTYPE F F F U\nCOUNT 1 1 1 1\n"
    pcd = f"# .PCD v0.7\nVERSION 0.7\n{layout}WIDTH 400\nHEIGHT 1\nPOINTS 400\nDATA ascii\n"
    (tmp_path / "a.pcd").write_text(pcd + text)
    packed = pcd.replace("ascii", "binary_compressed").encode() + bytes(400 * 16 // 8)
    (tmp_path / "b.pcd").write_bytes(packed)
    ended = _run(sorted(tmp_path.iterdir()), 40)
    assert ended["damaged"] > 10
