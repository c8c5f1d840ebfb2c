"""The spool and its records: what the first release left on a disk is delivered by today's agent to today's twin; what
a later release left is not touched."""

import struct
from pathlib import Path
from typing import Any

import pytest
from fastcrc import crc32

from edge.agent import Agent
from edge.config import load
from edge.epochs import recover
from edge.segments import Disk
from wire.clock import ManualClock
from wire.errors import RecordError
from wire.records import HEADER_BYTES, PACKED, Stamp, check, pack, read_header, unpack
from wire.schemas import READINGS


def resealed(record: bytes, at: int, value: int) -> bytes:
    """The record with one header byte changed and its CRC made right again."""
    changed = record[:at] + bytes([value]) + record[at + 1 :]
    return changed[:4] + struct.pack("<I", crc32.iscsi(changed[8:])) + changed[8:]


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_epoch_of_the_first_release_is_recovered_whole(spool: Path, expected: Any) -> None:
    before = content(spool)
    found = recover(spool / expected["epoch"], Disk())
    assert (found.epoch.floor, found.epoch.head, found.lost) == (expected["floor"], expected["head"], [])
    assert found.torn_bytes == expected["torn_bytes"]
    assert list(found.epoch.catalogues) == expected["catalogues"]
    joined = b"".join(data for _, data in found.epoch.read(1, found.epoch.head))
    found.epoch.close()
    segments = [before[name] for name in sorted(before) if name.endswith(".seg")]
    assert joined == b"".join(segment[32:] for segment in segments)[: -expected["torn_bytes"]]


def test_what_the_first_release_accepted_is_stored_by_todays_twin(
    spool: Path, records: dict[int, bytes], expected: Any, opened: Any, tmp_path: Path
) -> None:
    with opened(tmp_path / "data") as bench:
        bench.take([records[seq] for seq in sorted(records)])
        assert bench.readings() == expected["readings"]
        states = bench.sql("SELECT device || '/' || metric, epoch_us(ts), value FROM states JOIN points ON id = point")
        assert sorted(map(list, states)) == expected["states"]
        events = bench.sql(
            "SELECT e.device, e.kind, severity, p.device || '/' || p.metric, message, detail"
            " FROM events e JOIN points p ON p.id = point"
        )
        assert list(map(list, events)) == expected["events"]
        gap = expected["gap"]
        assert bench.sql("SELECT hex(epoch), lo, hi, reason, readings FROM gaps") == [
            (gap["epoch"].upper(), gap["lo"], gap["hi"], gap["reason"], gap["readings"])
        ]
        assert bench.ranges(bytes.fromhex(expected["epoch"])) == [(1, 8)]
        assert bench.sql("SELECT count(*) FROM quarantine") == [(0,)]


def test_todays_agent_writes_the_bytes_that_the_first_release_wrote(records: dict[int, bytes]) -> None:
    """So a twin of the first release reads a newer agent, as long as the record's version stays."""
    header, batch = unpack(records[2])
    stamp = Stamp(header.epoch, header.generation, header.boot, header.clock_us, header.mono_us, header.cls)
    assert header.codec == PACKED
    assert pack(batch, schema_id=READINGS, stamp=stamp, seq=2) == records[2]
    assert HEADER_BYTES == 80
    for seq, record in records.items():
        again = check(record)
        assert (again.version, again.schema_version, again.seq) == (1, 1, seq)


@pytest.mark.parametrize("newer", ["a record", "a segment", "a catalogue's copy"])
async def test_an_epoch_of_a_newer_agent_is_left_untouched_and_named(
    spool: Path, expected: Any, tmp_path: Path, newer: str
) -> None:
    epoch = spool / expected["epoch"]
    first = epoch / f"{1:020d}.seg"
    data = first.read_bytes()
    if newer == "a record":
        size = HEADER_BYTES + read_header(data[32:]).size
        first.write_bytes(data[:32] + resealed(data[32 : 32 + size], 8, 2) + data[32 + size :])
    elif newer == "a segment":
        for path in epoch.glob("*.seg"):
            path.write_bytes(b"AID4SEG2" + path.read_bytes()[8:32] + b"\x00" * 16 + path.read_bytes()[32:])
    else:
        for path in epoch.glob("*.seg"):
            path.unlink()
        copy = epoch / "catalogue-1.rec"
        copy.write_bytes(resealed(copy.read_bytes(), 8, 2))
    before = content(epoch)
    with pytest.raises(RecordError) as raised:
        recover(epoch, Disk())
    assert raised.value.reason == "version"
    config = tmp_path / "edge.toml"
    config.write_text('site = "plant"\nnode = "gw-1"\n')
    agent = Agent(load(config), ManualClock())
    async with agent.spool:
        agent.declare_sources()
        await agent.take_over()
        agent.spool.maintain(agent.uplink.core.covered)
        assert expected["epoch"] in str(agent.health().host["notes"])
    assert content(epoch) == before


async def test_a_record_of_an_unknown_schema_or_codec_is_passed_on_as_it_is(
    spool: Path, records: dict[int, bytes], expected: Any
) -> None:
    """The agent decodes nothing: what a later agent accepted goes to the twin, whose business it is."""
    epoch = spool / expected["epoch"]
    last = epoch / f"{8:020d}.seg"
    unknown = resealed(resealed(records[8], 9, 99), 10, 200)
    last.write_bytes(last.read_bytes()[:32] + unknown)
    found = recover(epoch, Disk())
    assert found.lost == []
    assert found.epoch.read(8, 8) == [(8, unknown)]
    found.epoch.close()
