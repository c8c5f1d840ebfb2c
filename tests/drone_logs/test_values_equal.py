"""Every field of every message, against the readers that wrote the formats down: pymavlink and pyulog."""

import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pymavlink import mavutil
from pymavlink.DFReader import DFReader_binary
from pyulog import ULog

from drone_ingest import read

_BY_US = 2e-6  # pymavlink keeps times as floats of seconds


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, float) and isinstance(ours, float):
        return ours == theirs or (math.isnan(ours) and math.isnan(theirs))
    return bool(ours == theirs)


def _compare(ours: list[Any], theirs: list[Any], what: str) -> None:
    wrong = [row for row, (one, other) in enumerate(zip(ours, theirs, strict=True)) if not _same(one, other)]
    assert not wrong, f"{what}: {len(wrong)} differ, first {ours[wrong[0]]!r} for {theirs[wrong[0]]!r}"


def test_each_field_of_a_tlog_is_that_of_pymavlink(shared_data: Path) -> None:
    file = shared_data / "drone/mavlink/vtol.tlog"
    link = mavutil.mavlink_connection(str(file), dialect="all")
    theirs: dict[str, list[Any]] = defaultdict(list)
    while (message := link.recv_match()) is not None:
        theirs[message.get_type()].append(message)
    flight = read(file)
    assert set(flight.messages) == set(theirs)
    compared = 0
    for name, messages in theirs.items():
        table = flight.messages[name]
        _compare(table["_system"].to_pylist(), [one.get_srcSystem() for one in messages], f"{name}._system")
        _compare(table["_component"].to_pylist(), [one.get_srcComponent() for one in messages], f"{name}._component")
        _compare(table["_seq"].to_pylist(), [one.get_seq() for one in messages], f"{name}._seq")
        times = np.array([one._timestamp for one in messages])
        assert np.abs(table["_t_us"].to_numpy() / 1e6 - times).max() < _BY_US
        for field in messages[0].get_fieldnames():
            _compare(table[field].to_pylist(), [getattr(one, field) for one in messages], f"{name}.{field}")
            compared += len(messages)
    assert compared > 180_000


def test_each_field_of_a_dataflash_log_is_that_of_pymavlink(shared_data: Path) -> None:
    file = shared_data / "drone/mavlink/ardupilot_test.BIN"
    reader = DFReader_binary(str(file))
    theirs: dict[str, list[Any]] = defaultdict(list)
    while (message := reader.recv_msg()) is not None:
        theirs[message.get_type()].append(message)
    flight = read(file)
    assert set(flight.messages) == set(theirs)
    for name, messages in theirs.items():
        for field in messages[0].get_fieldnames():
            _compare(
                flight.messages[name][field].to_pylist(), [getattr(one, field) for one in messages], f"{name}.{field}"
            )
    assert flight.start_us is not None
    assert abs(flight.start_us / 1e6 - theirs["PARM"][0]._timestamp) < 0.02  # it trusts the first fix, we the median


@pytest.mark.parametrize("name", ["sample", "sample_log_small", "sample_logging_tagged_and_default_params"])
def test_each_field_of_a_ulog_is_that_of_pyulog(shared_data: Path, name: str) -> None:
    file = shared_data / f"drone/ulog/{name}.ulg"
    log, flight = ULog(str(file)), read(file)
    assert not flight.damages
    expected = {(one.name, one.multi_id): one for one in log.data_list}
    assert {_key(table) for table in flight.messages} == set(expected)
    fields = 0
    for key, data in expected.items():
        flat = _flattened(flight.messages[key[0] if not key[1] else f"{key[0]}#{key[1]}"])
        for field, values in data.data.items():
            ours = flat[field]
            assert ours.dtype.kind in "iuf"
            assert np.array_equal(ours, values, equal_nan=True), f"{key} {field}"
            fields += 1
    assert fields > 250


def _key(name: str) -> tuple[str, int]:
    topic, _, instance = name.partition("#")
    return topic, int(instance or 0)


def _flattened(table: pa.Table) -> dict[str, Any]:
    """Columns as pyulog names them: `q[0]`, `q[1]`, …; characters as their codes."""
    flat: dict[str, Any] = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        if pa.types.is_fixed_size_list(column.type):
            values = column.flatten().to_numpy().reshape(len(column), -1)
            flat |= {f"{name}[{row}]": values[:, row] for row in range(values.shape[1])}
        elif pa.types.is_string(column.type):
            texts = [text.encode() for text in column.to_pylist()]
            codes = np.array([list(text.ljust(256, b"\0")) for text in texts], np.uint8).view(np.int8)
            flat |= {f"{name}[{row}]": codes[:, row] for row in range(256)}
        else:
            flat[name] = column.to_numpy()
    return flat


def test_what_pyulog_logs_beside_topics_is_there_too(shared_data: Path) -> None:
    file = shared_data / "drone/ulog/sample_logging_tagged_and_default_params.ulg"
    log, flight = ULog(str(file)), read(file)
    said = [row["text"] for row in flight.events.to_pylist() if row["kind"] == "status"]
    tagged = [one for messages in log.logged_messages_tagged.values() for one in messages]
    assert sorted(said) == sorted(one.message.strip("\0\t ") for one in [*log.logged_messages, *tagged])
    dropouts = read(shared_data / "drone/ulog/sample.ulg").events.to_pylist()
    lost = [row["text"] for row in dropouts if row["kind"] == "dropout"]
    assert lost == [
        f"{one.duration} ms were not logged" for one in ULog(str(shared_data / "drone/ulog/sample.ulg")).dropouts
    ]
