"""Bytes that nobody should send: the source counts them and goes on."""

import random
from pathlib import Path
from typing import Any

import pytest

from drone_ingest.mavlink.dialect import LIVE, dialect
from drone_ingest.mavlink.encode import encode
from edge.sources.mavlink import PEERS_MAX, PENDING_BYTES_MAX, SYSTEMS_MAX
from wire.clock import ManualClock
from wire.schemas import EVENTS

DATAGRAMS = 20_000


def _source(tools: Any, folder: Path, clock: ManualClock) -> Any:
    table = {"kind": "mavlink", "name": "air", "url": "udpin://127.0.0.1:14550", "request": False}
    return tools.make_source(table, folder, clock)


def _said(rng: random.Random) -> list[bytes]:
    """One datagram of every live message, with numbers of all sizes."""
    found = []
    for at, layout in enumerate(dialect(LIVE).values()):
        fields: dict[str, Any] = {}
        for one in layout.fields:
            if one.is_text:
                fields[one.name] = "text" * 3
            elif not one.length and "f" in one.code:
                fields[one.name] = rng.choice([0.0, -1.5, 1e30, float("nan"), float("inf")])
            elif not one.length:
                fields[one.name] = rng.choice([0, 1, 100])
        fields |= {"autopilot": 3, "type": 2} if layout.name == "HEARTBEAT" else {}
        found.append(encode(layout.name, fields, system=1 + at % 3, component=1, seq=at, dialect_name=LIVE))
    return found


def _mutated(rng: random.Random, datagram: bytes) -> bytes:
    data = bytearray(datagram)
    for _ in range(rng.randint(1, 4)):
        way, at = rng.randrange(6), rng.randrange(max(len(data), 1))
        if way == 0 and data:
            data[at] = rng.randrange(256)
        elif way == 1:
            del data[at:]
        elif way == 2:
            data[at:at] = rng.randbytes(rng.randint(1, 30))
        elif way == 3 and data:
            data[at] ^= 1 << rng.randrange(8)
        elif way == 4:
            data += datagram
        elif data:
            del data[at]
    return bytes(data)


def _taken(source: Any) -> int:
    rows = 0
    for batch in source._poll():
        batch.rows.validate(full=True)
        rows += 0 if batch.schema_id == EVENTS else batch.rows.num_rows
        if batch.accepted is not None:
            batch.accepted(0)
    return rows


@pytest.mark.parametrize("seed", [1, 2])
def test_twenty_thousand_mutated_datagrams_never_stop_the_source(tools: Any, tmp_path: Path, seed: int) -> None:
    rng, clock = random.Random(seed), ManualClock()
    source = _source(tools, tmp_path, clock)
    good, rows = _said(rng), 0
    for turn in range(DATAGRAMS // 2):
        source._received(_mutated(rng, rng.choice(good)), ("10.0.0.1", 1 + turn % 3))
        clock.advance(0.002)
        if turn % 200 == 199:
            rows += _taken(source)
    assert rows > 100, "what is whole between the damage is still read"
    assert source.health.sent == rows
    assert len(source._events.systems) <= SYSTEMS_MAX
    clock.advance(1.0)
    for peer in (1, 2, 3):
        for one in good[:2]:
            source._received(one, ("10.0.0.1", peer))
    _taken(source)
    assert source.health.state == "running"


def test_a_flood_of_senders_and_bytes_stays_bounded(tools: Any, tmp_path: Path) -> None:
    clock = ManualClock()
    source = _source(tools, tmp_path, clock)
    rng = random.Random(3)
    beats = [
        encode("HEARTBEAT", {"type": 2, "autopilot": 3}, system=at, component=1, seq=0, dialect_name=LIVE)
        for at in range(1, 256)
    ]
    for at in range(3 * PEERS_MAX):
        source._received(beats[at % 255], ("10.0.0.1", at))
        source._received(rng.randbytes(1_000), ("10.0.1.1", at))
    _taken(source)
    assert len(source._ears) <= PEERS_MAX
    assert len(source._events.systems) <= SYSTEMS_MAX
    assert source.health.errors["peers"]
    for _ in range(2 + PENDING_BYTES_MAX // 60_000):
        source._received(bytes(60_000), ("10.0.0.1", 0))
    assert source._pending_bytes <= PENDING_BYTES_MAX
    assert source.health.errors["overflow"]
    _taken(source)
    assert source._pending_bytes == 0
