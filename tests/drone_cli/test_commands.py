"""The command on every file of the data folder, and what it writes."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from aid4.cli import cli

_KEYS = {"kind", "messages", "start_utc", "duration_s", "positions", "bounds", "height_datum", "warnings"}
_DAMAGED = {"ardupilot_test.BIN"}  # it ends inside a record
_REFUSED = {"osd_fields.json", "capture.mavlink"}


def _run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, ["drone", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_each_file_of_the_folder_is_told_or_refused(shared_data: Path) -> None:
    files = [
        file for folder in ("drone", "bim/drone", "bim/pointclouds") for file in (shared_data / folder).rglob("*.*")
    ]
    assert len(files) > 40
    for file in files:
        code, out, err = _run("import", str(file), "--json")
        if file.name in _REFUSED:
            assert code == 2, file.name
            assert "fix:" in err
            continue
        assert code == (1 if file.name in _DAMAGED else 0), (file.name, err)
        told = json.loads(out)
        assert told.keys() >= _KEYS, file.name
        assert told["messages"] > 0
        assert bool(told["damage"]) == (file.name in _DAMAGED)
        if told["positions"] and told["bounds"]:
            west, south, _, east, north, _ = told["bounds"]
            assert west <= east
            assert south <= north


def test_a_log_is_written_as_parquet(shared_data: Path, tmp_path: Path) -> None:
    code, out, _ = _run(
        "import", str(shared_data / "drone/mavlink/vtol.tlog"), "--json", "--out", str(tmp_path / "out")
    )
    assert code == 0
    told = json.loads(out)
    assert json.loads((tmp_path / "out/summary.json").read_text())["messages"] == told["messages"] == 23_894
    counts = {file.stem: pq.read_metadata(file).num_rows for file in (tmp_path / "out/messages").iterdir()}
    assert counts == told["types"]
    assert pq.read_metadata(tmp_path / "out/positions.parquet").num_rows == told["positions"] == 807
    events = pq.read_table(tmp_path / "out/events.parquet").to_pylist()
    assert {"mode", "armed", "status"} <= {row["kind"] for row in events}


def test_a_cloud_is_written_as_arrow(shared_data: Path, tmp_path: Path) -> None:
    file = shared_data / "drone/pointcloud/autzen_trim.laz"
    code, _, _ = _run("import", str(file), "--out", str(tmp_path))
    assert code == 0
    with pa.ipc.open_file(tmp_path / "points.arrow") as points:
        assert points.read_all().num_rows == 110_000
        assert points.schema.metadata[b"kind"] == b"laz"
    assert not (tmp_path / "points.arrow.part").exists()


def test_a_track_is_printed_and_written(shared_data: Path, tmp_path: Path) -> None:
    file = tmp_path / "track.parquet"
    code, out, _ = _run("track", str(shared_data / "drone/mavlink/vtol.tlog"), "--json", "--out", str(file))
    assert code == 0
    told = json.loads(out)
    assert told["height_datum"] == "orthometric"
    table = pq.read_table(file)
    assert len(table) == told["positions"] == 807
    assert {"east_m", "north_m", "up_m", "height_m", "datum", "roll_deg", "gimbal_pitch_deg", "ts"} <= set(
        table.column_names
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["import", "nowhere.tlog"], "there is no such file"),
        (["track", "nowhere.tlog"], "there is no such file"),
        (["track", "pyproject.toml", "--origin", "x"], "nothing here reads"),
    ],
)
def test_what_a_person_can_mend_ends_with_two(arguments: list[str], words: str) -> None:
    code, _, err = _run(*arguments)
    assert code == 2
    assert words in err


@pytest.mark.parametrize(
    ("package", "name"), [("pymavlink", "drone/mavlink/vtol.tlog"), ("lazrs", "drone/pointcloud/simple.laz")]
)
def test_a_missing_package_is_named_with_the_extra_that_brings_it(shared_data: Path, package: str, name: str) -> None:
    hide = f"import sys; sys.modules[{package!r}] = None; from aid4.cli import main; main()"
    command = [sys.executable, "-c", hide, "drone", "import", str(shared_data / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"needs the package {package}" in done.stderr
    assert 'pip install "aid4[drone]"' in done.stderr


def test_names_of_messages_cannot_leave_the_folder(tmp_path: Path) -> None:
    fields = b"../../evil:uint64_t timestamp;uint8_t x;"
    log = b"ULog\x01\x12\x35\x01" + bytes(8)
    for kind, body in ((b"F", fields), (b"A", b"\0\0\0../../evil"), (b"D", b"\0\0" + bytes(8) + b"\1")):
        log += len(body).to_bytes(2, "little") + kind + body
    (tmp_path / "evil.ulg").write_bytes(log)
    code, out, _ = _run("import", str(tmp_path / "evil.ulg"), "--json", "--out", str(tmp_path / "a/b/c"))
    assert code == 0
    assert "messages/_.._evil.parquet" in json.loads(out)["written"]
    assert not list(tmp_path.glob("*.parquet"))
    assert not list((tmp_path / "a").glob("*.parquet"))


def test_the_bench_reads_as_many_messages_as_the_readers_it_is_measured_against() -> None:
    result = CliRunner().invoke(cli, ["bench", "logs", "--megabytes", "0.2", "--repeats", "1", "--json"])
    told = json.loads(result.stdout)
    assert [row["kind"] for row in told["logs"]] == ["tlog", "dataflash", "ulog", "laz"]
    assert [row["other"] for row in told["logs"]] == ["pymavlink", "pymavlink", "pyulog", "lazrs"]
    assert all(row["count"] > 4_000 and row["times_other"] > 0 for row in told["logs"])
    assert result.exit_code == (0 if told["held"] else 1)
