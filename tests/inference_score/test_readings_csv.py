"""Reading recordings: what is mended, what is refused, and that mutants never break it."""

from pathlib import Path

import numpy as np
import pytest

from inference.readings_csv import Readings, read_readings
from wire.errors import InputError


def _read(tmp_path: Path, text: str, **options: list[str]) -> Readings:
    path = tmp_path / "r.csv"
    path.write_text(text, encoding="utf-8")
    return read_readings(path, **options)


def test_all_spellings_of_a_time_mean_the_same_moment(tmp_path: Path) -> None:
    for stamp in ("2020-03-09 16:16:30", "2020-03-09T16:16:30Z", "2020-03-09T17:16:30+01:00", '"2020-03-09T16:16:30"'):
        assert _read(tmp_path, f"t,a\n{stamp},1\n{stamp},2\n").seconds[0] == 1583770590.0
    assert _read(tmp_path, "t,a\n3/9/2020 16:16,1\n3/9/2020 16:17,1\n").row_s(2) == 60.0
    assert _read(tmp_path, "t,a\n0.5,1\n1.0,1\n").row_s(2) == 0.5


def test_words_for_missing_and_numbers_of_no_size_are_missing(tmp_path: Path) -> None:
    found = _read(tmp_path, "t;a;b\n1;NaN;1\n2;;2\n3;inf;true\n4;1e300;4\n5;7;oops\n")
    assert np.isnan(found.values[:4, 0]).all()
    assert found.values[2, 1] == 1.0
    assert np.isnan(found.values[4, 1])
    assert any("b" in note and "line 6" in note for note in found.notes)


def test_times_that_go_back_are_told_and_rows_keep_their_order(tmp_path: Path) -> None:
    found = _read(tmp_path, "t,a\n5,1\n4,2\n6,3\n6,4\n")
    assert found.values[:, 0].tolist() == [1, 2, 3, 4]
    assert any("go back" in note for note in found.notes)


def test_labels_are_not_channels_and_excluded_columns_neither(tmp_path: Path) -> None:
    text = "t,a,Anomaly,b\n1,1,0,1\n2,2,1,2\n"
    assert _read(tmp_path, text).names == ["a", "b"]
    assert _read(tmp_path, text, exclude=["b"]).names == ["a"]
    with pytest.raises(InputError, match="no column"):
        _read(tmp_path, text, only=["nowhere"])


def test_mutants_are_read_or_refused_but_never_break_the_reader(tmp_path: Path) -> None:
    random = np.random.default_rng(11)
    plain = "timestamp,value\n" + "".join(f"2020-01-0{1 + i // 24} {i % 24:02d}:00:00,{i * 1.5}\n" for i in range(48))
    alphabet = list(',;"\n\r\0 -+.eE:TZna0159é∞')
    path = tmp_path / "m.csv"
    refused = 0
    for _ in range(400):
        text = list(plain)
        for at in random.integers(0, len(text), random.integers(1, 12)):
            text[at] = str(random.choice(alphabet)) * int(random.integers(0, 4))
        path.write_text("".join(text), encoding="utf-8")
        try:
            found = read_readings(path)
        except InputError as error:
            refused += error.file == str(path)
        else:
            assert len(found.values) == len(found.stamps) == len(found.seconds)
            assert np.isfinite(found.seconds).all()
            assert not np.isinf(found.values).any()
    assert 40 < refused < 400
