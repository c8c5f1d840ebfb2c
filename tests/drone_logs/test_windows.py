"""Logs are read in windows and kept in files when they are long: neither changes a value."""

from pathlib import Path

import pyarrow as pa
import pytest

from drone_ingest import Flight, read
from drone_ingest.limits import DroneLimits
from wire.errors import InputError

_LOGS = [
    "drone/mavlink/vtol.tlog", "drone/mavlink/ardupilot_test.BIN",
    "drone/ulog/sample_logging_tagged_and_default_params.ulg",
]  # fmt: skip


def _flight(path: Path, limits: DroneLimits | None = None) -> Flight:
    found = read(path, limits)
    assert isinstance(found, Flight)
    return found


def _same(one: Flight, other: Flight) -> None:
    assert one.messages.keys() == other.messages.keys()
    for name, table in one.messages.items():
        assert _plain(table).equals(_plain(other.messages[name])), name
    assert one.warnings == other.warnings
    assert one.span_s == other.span_s
    assert one.events.equals(other.events)


def _plain(table: pa.Table) -> pa.Table:
    """NaN is not equal to itself: floats as their text."""
    columns = [
        table[name].cast(pa.string())
        if pa.types.is_floating(table[name].type)
        else pa.array(map(str, table[name].to_pylist()))
        for name in table.column_names
    ]
    return pa.table(columns, names=table.column_names)


@pytest.mark.parametrize("name", _LOGS)
def test_small_windows_give_what_one_large_window_gives(shared_data: Path, name: str) -> None:
    _same(_flight(shared_data / name, DroneLimits(window_bytes=20_011)), _flight(shared_data / name))


@pytest.mark.parametrize("name", _LOGS[:2])
def test_a_log_larger_than_its_memory_goes_through_a_file(shared_data: Path, name: str) -> None:
    spilled = _flight(shared_data / name, DroneLimits(window_bytes=50_000, memory_bytes=30_000))
    assert spilled.keep is not None
    _same(spilled, _flight(shared_data / name))


def test_damage_is_told_with_its_place_in_the_file_and_not_in_the_window(shared_data: Path, tmp_path: Path) -> None:
    data = bytearray((shared_data / "drone/mavlink/vtol.tlog").read_bytes())
    data[600_000] ^= 0x40
    file = tmp_path / "flipped.tlog"
    file.write_bytes(data)
    places = [_flight(file, DroneLimits(window_bytes=size)).damages[0].at for size in (1 << 24, 30_000)]
    assert places[0] == places[1]
    assert 599_700 < places[0] <= 600_000


def test_a_file_beyond_its_bound_is_refused(shared_data: Path) -> None:
    with pytest.raises(InputError, match="are read up to"):
        read(shared_data / _LOGS[0], DroneLimits(log_bytes=100_000))
