"""`aid4 model score` and `evaluate` as an operator meets them."""

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from aid4.cli import cli


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["model", *(str(argument) for argument in arguments)])


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture
def pump(shared_data: Path) -> Path:
    return shared_data / "ad" / "skab" / "data" / "valve2" / "1.csv"


def test_a_folder_of_streams_gets_one_score_a_row_at_the_same_place(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "ad" / "nab" / "data" / "realAdExchange"
    for out in ("a", "b"):
        done = _run("score", "--format", "nab", folder.parent / "realAdExchange", "--out", tmp_path / out)
        assert done.exit_code == 0, done.output
    for path in folder.glob("*.csv"):
        scored, given = _rows(tmp_path / "a" / path.name), _rows(path)
        assert [row["timestamp"] for row in scored] == [row["timestamp"] for row in given]
        assert all(0.0 <= float(row["anomaly_score"]) <= 1.0 for row in scored)
        assert list(scored[0]) == ["timestamp", "anomaly_score"]
        assert (tmp_path / "a" / path.name).read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_many_channels_get_score_alarm_and_the_channels_that_weigh_most(pump: Path, tmp_path: Path) -> None:
    out = tmp_path / "one.csv"
    done = _run("score", "--format", "csv", "--train-rows", 400, pump, "--out", out, "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)["files"][0]
    assert report["channels"] == 8  # anomaly and changepoint are labels, and no score may read them
    scored = _rows(out)
    assert list(scored[0]) == ["timestamp", "anomaly_score", "alarm", "channel_1", "channel_2", "channel_3"]
    assert all(row["anomaly_score"] == "0.000000000" and row["alarm"] == "0" for row in scored[:400])
    alarmed = [row for row in scored if row["alarm"] == "1"]
    assert alarmed
    assert all(len({row["channel_1"], row["channel_2"], row["channel_3"]}) == 3 for row in alarmed)
    assert len(scored) == report["rows"]


def test_a_file_cut_short_scores_as_its_whole_did(pump: Path, tmp_path: Path) -> None:
    lines = pump.read_text().splitlines(keepends=True)
    _run("score", "--format", "csv", "--train-rows", 400, pump, "--out", tmp_path / "whole.csv")
    whole = (tmp_path / "whole.csv").read_text().splitlines()
    for cut in (150, 401, 640, 777):
        part = tmp_path / "part.csv"
        part.write_text("".join(lines[: cut + 1]))
        _run("score", "--format", "csv", "--train-rows", 400, part, "--out", tmp_path / "out.csv")
        assert (tmp_path / "out.csv").read_text().splitlines() == whole[: cut + 1]


def test_files_of_one_name_in_two_folders_do_not_overwrite_each_other(pump: Path, tmp_path: Path) -> None:
    other = pump.parents[1] / "other" / "1.csv"
    done = _run("score", "--format", "csv", "--train-rows", 400, pump, other, "--out", tmp_path)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "valve2" / "1.csv").is_file()
    assert (tmp_path / "other" / "1.csv").is_file()


def test_text_constant_and_missing_columns_are_borne_and_told_of(tmp_path: Path) -> None:
    path = tmp_path / "mixed.csv"
    body = [f"{i},{i % 17},on,5,{'' if i % 9 == 0 else (i * 7) % 23}" for i in range(400)]
    path.write_text("\n".join(["t,a,mode,flat,gappy", *body]) + "\n")
    done = _run("score", "--format", "csv", "--train-rows", 200, path, "--out", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)["files"][0]
    assert report["channels"] == 3
    assert any("mode" in note for note in report["notes"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("t,a\n1,2\n2,3,4\n", "line 3"),
        ("t,a\n", "no rows"),
        ("", "columns"),
        ("t,a\nyesterday,2\n", "no time"),
        ("t,a\n2026-01-01,x\n2026-01-02,y\n", "no column of numbers"),
        ("t,a\n" + "1,2\n" * 30, "learn from"),
    ],
)
def test_a_bad_file_is_refused_with_place_and_fix(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    done = _run("score", "--format", "csv", "--train-rows", 100, path, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert told in done.output
    assert "bad.csv" in done.output
    assert not (tmp_path / "out").exists()


def test_what_is_asked_for_wrongly_is_a_usage_error(tmp_path: Path) -> None:
    assert _run("score", "--format", "csv", tmp_path, "--out", tmp_path).exit_code == 2
    assert _run("score", "--format", "nab", tmp_path, tmp_path, "--out", tmp_path).exit_code == 2
    assert _run("score", "--format", "nab", tmp_path / "nowhere", "--out", tmp_path).exit_code == 2
    assert _run("evaluate", tmp_path).exit_code == 2


def test_visible_recordings_are_scored_as_well_as_we_say(shared_data: Path) -> None:
    chosen = [part for name in ("nab", "tep", "boilers") for part in ("--set", name)]
    done = _run("evaluate", shared_data / "ad", *chosen, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["nab"]["fixed"]["standard"]["score"] >= 65
    assert found["nab"]["fixed"]["reward_low_FP_rate"]["score"] >= 50
    for name, least in (("tep", 0.98), ("boilers", 0.40)):
        assert found["sets"][name]["vus_pr"] >= least
        assert found["sets"][name]["false_alarms"]["ratio"] <= 2.0


def test_evaluation_is_one_document_with_hashes_of_its_data(shared_data: Path) -> None:
    done = _run("evaluate", shared_data / "ad", "--set", "skab", "--json")
    assert done.exit_code == 0, done.output
    skab = json.loads(done.stdout)["sets"]["skab"]
    assert len(skab["sha256"]) == 64
    assert skab["vus_pr"] >= 0.85
    assert skab["points"]["f1"] >= 0.78
    assert skab["points"]["far_percent"] <= 13.6
    assert skab["points"]["mar_percent"] <= 28.0
