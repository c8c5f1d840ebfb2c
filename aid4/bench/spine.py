"""How fast the spine is: source → spool → broker → DuckDB, as a share of what DuckDB alone takes in the same run.

Each part is measured in interleaved repeats, so that whatever else the machine does falls on all of them alike; the
medians are compared. Every process is a child: broker, agent, twin, devices.
"""

import statistics
import struct
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Literal

import click

from aid4.bench import peers
from aid4.bench.bench_park import BenchPark
from aid4.bench.children import python
from aid4.bench.counter import shared_counter
from aid4.bench.insert_limit import COMMIT_ROWS, insert_limit
from aid4.bench.json_devices import TOPIC
from aid4.broker_users import BrokerUser

__all__ = ["RECORD_ROWS", "spine"]

RECORD_ROWS = (100, 1_000, 10_000)
_FILTER = TOPIC.format(device="+")
_WARM_S, _MEASURE_S = 2.0, 8.0
Kind = Literal["nats", "mosquitto"]


def spine(
    *, seconds: float, repeats: int, brokers: Sequence[Kind], parts: Sequence[str], quiet: bool
) -> dict[str, Any]:
    """Run all parts `repeats` times, interleaved; returns what `--json` prints."""
    limits: dict[int, list[float]] = {}
    rates: dict[tuple[Kind, int], list[float]] = {}
    single: dict[Kind, list[tuple[float, float]]] = {}
    beside: dict[str, list[float]] = {}
    for turn in range(repeats):
        _say(quiet, f"repeat {turn + 1} of {repeats}: what DuckDB alone takes")
        for rows, rate in insert_limit(seconds).items():
            limits.setdefault(rows, []).append(rate)
        for broker in brokers:
            for rows in RECORD_ROWS if "records" in parts else ():
                _say(quiet, f"  {broker}, {rows} readings a record")
                rates.setdefault((broker, rows), []).append(_records(broker, rows))
            if "json" in parts:
                _say(quiet, f"  {broker}, one JSON message a reading")
                single.setdefault(broker, []).append((_json(broker), _broker_alone(broker)))
        if "peers" in parts and turn == 0:
            _say(quiet, "  what a user would otherwise write or install")
            _peers(beside)
    limit = max(statistics.median(found) for found in limits.values())
    return {
        "insert_limit": round(limit),
        "insert_by_commit": {str(rows): round(statistics.median(limits[rows])) for rows in COMMIT_ROWS},
        "runs": [_run_row(broker, rows, found, limit) for (broker, rows), found in rates.items()],
        "json_single": [_json_row(broker, found) for broker, found in single.items()],
        "peers": [{"name": name, "readings_s": round(statistics.median(found))} for name, found in beside.items()],
    }


def _records(kind: Kind, rows: int) -> float:
    """Readings per second that the twin commits while a flood of records of `rows` readings comes in."""
    source = '[[source]]\nkind = "flood"\nname = "flood"\n'
    with _open(kind) as park, park.twin(), park.agent(source, rows):
        return park.committed_per_s()


def _json(kind: Kind) -> float:
    """Readings per second that the twin commits while devices flood the broker with one JSON message a reading."""
    with _open(kind) as park:
        source = (
            f'[[source]]\nkind = "mqtt"\nname = "devices"\nurl = "mqtt://127.0.0.1:{park.broker.port}"\n'
            f'user = "field"\npassword_file = "{park.secret("field")}"\nqos = 1\n'
            f'topic = [{{ pattern = "{TOPIC.format(device="{device}")}", time = "ts", '
            'metrics = [{ path = "temperature", metric = "temperature", unit = "Cel" }] }]\n'
        )
        with park.twin(), park.agent(source, 10_000), park.devices():
            return park.committed_per_s()


def _broker_alone(kind: Kind) -> float:
    """Messages per second that the broker passes from the same devices to a bare packet reader."""
    with _open(kind) as park:
        user = park.users["field"]
        counter = shared_counter(park.counter_file)
        arguments = (str(park.broker.port), user.name, user.password, _FILTER, str(park.counter_file))
        park.children.start("reader", python("-m", "aid4.bench.bare_reader", *arguments))
        park.children.wait_for_line("reader", "ready")
        with park.devices():
            return _per_second(counter)


def _peers(found: dict[str, list[float]]) -> None:
    with _open("mosquitto") as park, park.devices(quiet_s=1.0):
        user = park.users["field"]
        rate = peers.sqlite_rows(park.broker.port, user.name, user.password, _FILTER, park.folder, _MEASURE_S)
        found.setdefault("sqlite-rows", []).append(rate)
    with tempfile.TemporaryDirectory(prefix="aid4-influx-") as folder:
        influx = peers.influxdb(Path(folder), _MEASURE_S)
        if influx is not None:
            found.setdefault("influxdb", []).append(influx)


class _Park(BenchPark):
    """With a thousand JSON devices."""

    @contextmanager
    def devices(self, quiet_s: float = 2.0) -> Iterator[None]:
        """Devices that flood the broker as long as a measurement takes."""
        time.sleep(quiet_s)  # until the subscriber stands
        user = self.users["field"]
        arguments = (str(self.broker.port), user.name, user.password, str(_WARM_S + _MEASURE_S + 1))
        self.children.start("devices", python("-m", "aid4.bench.json_devices", *arguments))
        yield
        self.children.wait("devices", 60)

    def committed_per_s(self) -> float:
        """The rate of the twin's counter, once it moves."""
        return _per_second(shared_counter(self.counter_file))


def _per_second(counter: Any) -> float:
    """Wait until the counter moves, let it warm up, then measure."""
    end_s = time.monotonic() + 20
    while not (start := _read(counter)) and time.monotonic() < end_s:
        time.sleep(0.02)
    time.sleep(_WARM_S)
    start, began_s = _read(counter), time.monotonic()
    time.sleep(_MEASURE_S)
    return (_read(counter) - start) / (time.monotonic() - began_s)


def _read(counter: Any) -> int:
    value: int = struct.unpack("<Q", counter[:])[0]
    return value


def _open(kind: Kind) -> AbstractContextManager[_Park]:
    return _Park.open(kind, [BrokerUser("field", publish=("bench/#",), subscribe=("bench/#",))])


def _run_row(broker: str, rows: int, found: list[float], limit: float) -> dict[str, Any]:
    rate = statistics.median(found)
    return {"broker": broker, "record": rows, "readings_s": round(rate), "ratio": round(rate / limit, 3)}


def _json_row(broker: str, found: list[tuple[float, float]]) -> dict[str, Any]:
    ours, alone = (statistics.median(column) for column in zip(*found, strict=True))
    return {
        "broker": broker,
        "readings_s": round(ours),
        "broker_alone_s": round(alone),
        "ratio": round(ours / alone, 3),
    }


def _say(quiet: bool, text: str) -> None:
    click.echo(text, err=quiet)
