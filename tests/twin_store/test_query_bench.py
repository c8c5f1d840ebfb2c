"""The query benchmark checks every answer with numpy; a small one runs here."""

from pathlib import Path

from aid4.bench.query import run_query_bench


def test_every_answer_of_a_small_park_is_what_numpy_computes(tmp_path: Path) -> None:
    found = run_query_bench(1_030_000, days=2, repeats=3, folder=tmp_path)
    assert found["rows"] == 2 * (99 * 288 + 2 * 5_760)
    assert found["points"] == 101
    assert all(found[name] > 0 for name in ("day_ms", "month_ms", "snapshot_ms", "state_ms", "downsample_ms"))
    assert list(tmp_path.iterdir()) == [], "its scratch is removed"
