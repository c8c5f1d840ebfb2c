"""What is learned from a past: rows as the live scorer makes them, normal time only, a promise that can be checked."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from inference.bundle import Bundle
from inference.cli import model
from inference.runtime.intake import Chunk
from inference.runtime.rows import RowMaker
from inference.training.history import ExportHistory
from inference.training.job import TrainJob, run_job
from inference.training.periods import Span, normal_rows, pieces_of
from inference.training.run import train
from wire.errors import Aid4Error, InputError

ROW_S, START_US = 60.0, 1_780_000_020_000_000  # on no row's edge
METRICS = ("supply_air_temperature", "heating_valve", "supply_air_flow")
TS = pa.timestamp("us", tz="UTC")


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An air handler of three channels and a lonely thermometer over 12 h at 20 s, with a complaint in between."""
    folder, rng = tmp_path_factory.mktemp("export"), np.random.default_rng(3)
    count = 12 * 180
    t = START_US + np.arange(count, dtype=np.int64) * 20_000_000
    swing = np.sin(np.arange(count) / 200)
    columns = [20 + swing, 50 - 20 * swing, 3_000 + 100 * swing, 15 + 0.1 * rng.standard_normal(count)]
    columns[:3] = [
        one + rng.standard_normal(count) * scale for one, scale in zip(columns, (0.1, 1.0, 20.0), strict=False)
    ]
    rows = {"point": [], "ts": [], "value": [], "quality": [], "recv": []}  # type: dict[str, list[Any]]
    for number, column in enumerate(columns):
        rows["point"].append(np.full(count, number + 1, np.uint32))
        rows["ts"].append(t)
        rows["value"].append(column)
    table = pa.table({
        "point": np.concatenate(rows["point"]), "ts": pa.array(np.concatenate(rows["ts"])).cast(TS),
        "value": np.concatenate(rows["value"]), "quality": np.zeros(4 * count, np.uint8),
        "recv": pa.array(np.concatenate(rows["ts"])).cast(TS),
    })  # fmt: skip
    pq.write_table(table, folder / "readings.parquet")
    points = [{"id": n + 1, "node": "gw", "device": "ahu-1", "metric": m} for n, m in enumerate(METRICS)]
    points += [{"id": 4, "node": "gw", "device": "room", "metric": "temperature"}]
    points += [{"id": 5, "node": "gw", "device": "ahu-1", "metric": "energy"}]
    for one in points:
        one |= {"kind": "value", "point_class": "energy" if one["metric"] == "energy" else "", "period_s": 20.0}
    pq.write_table(pa.Table.from_pylist(points), folder / "points.parquet")
    event = {"node": "gw", "ts": int(t[count // 2]), "device": "ahu-1", "severity": 3}
    pq.write_table(pa.Table.from_pylist([event]).set_column(1, "ts", pa.array([event["ts"]]).cast(TS)),
                   folder / "events.parquet")  # fmt: skip
    pq.write_table(pa.table({"id": ["E"], "type": ["IfcUnitaryEquipment"], "devices": [["ahu-1"]]}),
                   folder / "elements.parquet")  # fmt: skip
    (folder / "export.json").write_text("{}")
    return folder


def test_rows_of_the_past_are_those_that_the_live_scorer_makes(export: Path) -> None:
    history = ExportHistory(export)
    [point] = [one for one in history.points() if one.key == "gw/ahu-1/heating_valve"]
    row_us = round(ROW_S * 1e6)
    first, last = history.span_us()
    rows = history.rows([point], first // row_us * row_us, last // row_us * row_us, row_us)[:, 0]
    table = pq.read_table(export / "readings.parquet", filters=[("point", "==", point.id)])
    ts, value = table["ts"].cast(pa.int64()).to_numpy(), table["value"].to_numpy()
    maker = RowMaker(ROW_S, [20.0])
    live = [v[0] for _, v, _ in maker.take(Chunk(np.zeros(len(ts), np.intp), ts, value), int(last // row_us * row_us))]
    assert len(rows) == len(live)
    np.testing.assert_allclose(rows, live, rtol=1e-12)


def test_an_asset_is_learned_as_one_and_a_lonely_point_by_itself(export: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    report = train(TrainJob(out=str(tmp_path / "m"), export=str(export)), lambda done, of: told.append((done, of)))
    by_kind = {one.kind: one for one in report.models}
    assert set(by_kind["asset"].channels) == {f"gw/ahu-1/{metric}" for metric in METRICS}
    assert by_kind["streams"].channels == ["gw/room/temperature"]
    assert told[-1] == (2, 2)
    for one in report.models:
        bundle = Bundle((tmp_path / "m" / one.file).read_bytes())
        assert bundle.manifest.channels == tuple(one.channels)
        assert bundle.manifest.data_sha256 == one.data_sha256
        assert bundle.manifest.metrics == one.metrics
        assert bundle.manifest.alarm.row_s == ROW_S
        assert one.metrics["kept_out_rows"] > 0
        assert one.metrics["false_episodes"] <= 1


def test_what_a_device_complained_of_is_not_learned(export: Path, tmp_path: Path) -> None:
    report = run_job(TrainJob(out=str(tmp_path / "m"), export=str(export)))
    asset, streams = sorted(report.models, key=lambda one: one.kind)
    assert 29 <= streams.rows - asset.rows <= 33  # a quarter of an hour before the complaint, and one after it


def test_the_same_past_gives_the_same_bytes_and_fingerprint(export: Path, tmp_path: Path) -> None:
    first, second = (run_job(TrainJob(out=str(tmp_path / n), export=str(export), assets=["ahu-1"])) for n in "ab")
    assert first == second
    assert (tmp_path / "a" / "ahu-1.onnx").read_bytes() == (tmp_path / "b" / "ahu-1.onnx").read_bytes()
    shorter = run_job(
        TrainJob(out=str(tmp_path / "c"), export=str(export), assets=["ahu-1"], from_us=START_US + 3_600_000_000)
    )
    assert shorter.data_sha256 != first.data_sha256


def test_spans_that_are_not_normal_cut_only_the_assets_they_belong_to() -> None:
    span = Span(5_000_000_000, 6_000_000_000, frozenset({7}))
    assert normal_rows(200, 0, 60_000_000, [span], frozenset({8})).all()
    normal = normal_rows(200, 0, 60_000_000, [span], frozenset({7}))
    assert not normal[int((5_000 - 900) / 60) : int((6_000 + 900) / 60)].any()
    assert [(one.start, one.stop) for one in pieces_of(np.ones(200, bool))] == [(0, 200)]
    assert pieces_of(normal_rows(200, 0, 60_000_000, [Span(0, 10**12)], frozenset())) == []


def test_too_short_a_past_is_refused_and_says_why(export: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="long enough"):
        train(TrainJob(out=str(tmp_path / "m"), export=str(export), from_us=START_US + 41_000_000_000))
    with pytest.raises(InputError, match=r"export\.json"):
        train(TrainJob(out=str(tmp_path / "n"), export=str(tmp_path)))
    with pytest.raises(InputError, match="no twin answers"):
        train(TrainJob(out=str(tmp_path / "o"), url="http://127.0.0.1:9"))


def test_training_that_takes_too_long_is_ended(export: Path, tmp_path: Path) -> None:
    with pytest.raises(Aid4Error, match="takes more than"):
        train(TrainJob(out=str(tmp_path / "m"), export=str(export), wall_s=0.01))


def test_the_command_tells_fingerprint_and_false_alarms_as_json(export: Path, tmp_path: Path) -> None:
    given = ["train", "--export", str(export), "--out", str(tmp_path / "m"), "--asset", "ahu-1", "--json"]
    done = CliRunner().invoke(model, given)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert len(told["data_sha256"]) == 64
    assert {"false_episodes", "allowed_episodes"} <= set(told["models"][0]["metrics"])


def test_the_command_group_loads_no_numpy_before_it_says_how_many_threads() -> None:
    code = "import sys, inference.cli; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
