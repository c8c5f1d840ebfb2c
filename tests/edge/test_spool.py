"""The spool on real files: accepted means there after anything; damage and losses are named, never silent."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fastcrc import crc32

from edge.config import SpoolConfig
from edge.epochs import epoch_folders, recover
from edge.segments import Disk
from wire.clock import ManualClock
from wire.errors import ConfigError, RecordError
from wire.ranges import Ranges
from wire.records import unpack
from wire.schemas import GAP


class SickDisk(Disk):
    """Fails on demand; everything else is the real disk."""

    def __init__(self) -> None:
        self.sync_errors = 0
        self.write_error = 0
        self.syncs = 0

    def sync(self, fd: int) -> None:
        self.syncs += 1
        if self.sync_errors:
            self.sync_errors -= 1
            raise OSError(errno.EIO, "the disk is sick")
        super().sync(fd)

    def write(self, fd: int, buffers: list[bytes]) -> int:
        if self.write_error:
            raise OSError(self.write_error, os.strerror(self.write_error))
        return super().write(fd, buffers)


def gap_rows(spool: Any, upto: int) -> list[dict[str, Any]]:
    """Rows of all gap records of the running epoch."""
    found = [unpack(data) for _, data in spool.read(spool.epoch, 1, upto)]
    return [row for header, batch in found if header.schema_id == GAP for row in batch.to_pylist()]


async def test_what_was_appended_is_read_back_byte_for_byte(lab: Any, spool_folder: Path) -> None:
    async with lab.opened(spool_folder) as (spool, _):
        lab.put_catalogue(spool)
        lab.put(spool, 100)
        await lab.settled(spool)
        found = spool.read(spool.epoch, 1, 11)
        assert [seq for seq, _ in found] == list(range(1, 12))
        assert [data for _, data in found] == spool.cached(spool.epoch, 1, 11)
        assert unpack(found[1][1])[1].equals(lab.readings(10))


async def test_acceptance_comes_after_the_fdatasync_and_for_all_of_a_group(lab: Any, spool_folder: Path) -> None:
    disk, seen = SickDisk(), []
    async with lab.opened(spool_folder, disk=disk) as (spool, _):
        for number in range(20):
            lab.put(spool, 10, first=number * 10, done=lambda append: seen.append((append.first_seq, disk.syncs)))
        await lab.settled(spool)
    assert [seq for seq, _ in seen] == list(range(1, 21))
    assert all(syncs >= 2 for _, syncs in seen)  # the segment's header, then its group
    assert disk.syncs < 20  # grouped


async def test_every_start_is_a_new_epoch_and_the_old_ones_are_found(lab: Any, spool_folder: Path) -> None:
    epochs = []
    for _ in range(3):
        async with lab.opened(spool_folder) as (spool, _core):
            lab.put_catalogue(spool)
            lab.put(spool, 30)
            await lab.settled(spool)
            epochs.append(spool.epoch.hex())
    assert len(set(epochs)) == 3
    assert {folder.name for folder in epoch_folders(spool_folder)} == set(epochs)
    for folder in epoch_folders(spool_folder):
        found = recover(folder, Disk())
        assert (found.epoch.floor, found.epoch.head, found.lost, found.torn_bytes) == (1, 4, [], 0)
        assert list(found.epoch.catalogues) == [1]


async def test_a_tail_torn_at_any_byte_costs_no_accepted_record_before_it(lab: Any, tmp_path: Path) -> None:
    async with lab.opened(tmp_path / "spool") as (spool, _):
        lab.put(spool, 30)
        await lab.settled(spool)
        whole = spool.read(spool.epoch, 1, 3)
    folder = epoch_folders(tmp_path / "spool")[0]
    data = (folder / f"{1:020d}.seg").read_bytes()
    ends = [32 + sum(len(record) for _, record in whole[:count]) for count in range(4)]
    for cut in range(len(data) + 1):
        copy = tmp_path / "copy" / folder.name
        copy.mkdir(parents=True)
        (copy / f"{1:020d}.seg").write_bytes(data[:cut])
        found = recover(copy, Disk())
        records = sum(end <= cut for end in ends[1:])
        assert [seq for seq, _ in found.epoch.read(1, 3)] == list(range(1, records + 1)), cut
        assert found.lost == []
        found.epoch.close()
        if cut >= 32:
            assert (copy / f"{1:020d}.seg").stat().st_size == ends[records]
        shutil.rmtree(copy)


@pytest.mark.parametrize("at", [4, 8, 20, 33, 79, 80, 100, -1])
async def test_damage_in_the_middle_costs_one_record_and_is_named(lab: Any, spool_folder: Path, at: int) -> None:
    async with lab.opened(spool_folder) as (spool, _):
        lab.put_catalogue(spool)
        lab.put(spool, 50)
        await lab.settled(spool)
        records = dict(spool.read(spool.epoch, 1, 6))
        old = spool.epoch
    path = spool_folder / old.hex() / f"{1:020d}.seg"
    data = bytearray(path.read_bytes())
    start = 32 + len(records[1]) + len(records[2])
    data[start + at % len(records[3])] ^= 0x55
    path.write_bytes(data)
    found = recover(path.parent, Disk())
    assert found.lost == [(3, 3)]
    assert [seq for seq, _ in found.epoch.read(1, 6)] == [1, 2, 4, 5, 6]
    async with lab.opened(spool_folder) as (spool, core):
        core.adopt(old, *found.epoch.sizes(), found.epoch.catalogues)
        spool.adopt(found)
        await lab.settled(spool)
        (row,) = gap_rows(spool, 1)
        assert (row["epoch"], row["lo"], row["hi"]) == (old, 3, 3)
        assert "damaged" in row["reason"]


async def test_a_catalogue_survives_damage_by_its_copy(lab: Any, spool_folder: Path) -> None:
    async with lab.opened(spool_folder) as (spool, _):
        lab.put_catalogue(spool)
        lab.put(spool, 20)
        await lab.settled(spool)
        catalogue, old = spool.read(spool.epoch, 1, 1)[0][1], spool.epoch
    path = spool_folder / old.hex() / f"{1:020d}.seg"
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    found = recover(path.parent, Disk())
    assert found.lost == []
    assert found.epoch.read(1, 1) == [(1, catalogue)]


async def test_a_failed_fdatasync_is_never_assumed_to_have_worked(lab: Any, spool_folder: Path) -> None:
    disk = SickDisk()
    async with lab.opened(spool_folder, disk=disk) as (spool, _):
        lab.put(spool, 50)
        await lab.settled(spool)
        disk.sync_errors = 1
        refused: list[str] = []
        lab.put(spool, 50, first=50, done=lambda append: refused.append(append.refused))
        await lab.settled(spool)
        assert refused == [""]
        assert [seq for seq, _ in spool.read(spool.epoch, 1, 10)] == list(range(1, 11))
        old = spool.epoch
    segments = sorted((spool_folder / old.hex()).glob("*.seg"))
    assert [int(path.stem) for path in segments] == [1, 6]  # the group went whole into a new segment
    assert recover(spool_folder / old.hex(), Disk()).lost == []


async def test_a_disk_that_fails_twice_refuses_and_counts(lab: Any, spool_folder: Path) -> None:
    disk = SickDisk()
    async with lab.opened(spool_folder, disk=disk) as (spool, _):
        lab.put(spool, 50)
        await lab.settled(spool)
        disk.sync_errors = 5
        lab.put(spool, 30, first=50)
        await lab.settled(spool)
        assert spool.readings_refused == 30
        assert spool.readings_accepted == 50
        disk.sync_errors = 0
        lab.put(spool, 20, first=80)
        await lab.settled(spool)
        rows = gap_rows(spool, spool.next_seq - 1)
        assert [(row["lo"], row["hi"], row["readings"]) for row in rows] == [(6, 8, 30)]
        assert [seq for seq, _ in spool.read(spool.epoch, 1, 10)] == [1, 2, 3, 4, 5, 9, 10]


async def test_bulk_is_refused_before_events_when_the_budget_is_used_up(lab: Any, spool_folder: Path) -> None:
    config = SpoolConfig(budget_bytes=20_000, reserve_bytes=0, segment_bytes=4_096)
    async with lab.opened(spool_folder, config) as (spool, core):
        lab.put_catalogue(spool)
        refused: list[str] = []
        for number in range(60):
            lab.put(spool, 50, first=number * 50, done=lambda append: refused.append(append.refused))
            await lab.settled(spool)
        lab.put_event(spool, "still heard", done=lambda append: refused.append(append.refused))
        await lab.settled(spool)
        assert refused[0] == ""
        assert "budget" in refused[59]
        assert refused[60] == ""
        assert spool.readings_refused == 50 * sum(bool(why) for why in refused)
        assert spool.readings_accepted == 3_000 - spool.readings_refused
        named = Ranges((row["lo"], row["hi"]) for row in gap_rows(spool, spool.next_seq - 1))
        here = Ranges((seq, seq) for seq, _ in spool.read(spool.epoch, 1, spool.next_seq - 1))
        assert named.to_list() == here.missing(1, spool.next_seq - 1)
        assert core.pending_records == here.count


async def test_thinning_names_the_loss_first_and_keeps_events(lab: Any, spool_folder: Path) -> None:
    config = SpoolConfig(budget_bytes=64_000, reserve_bytes=0, segment_bytes=4_096, when_full="thin")
    async with lab.opened(spool_folder, config) as (spool, core):
        lab.put_catalogue(spool)
        for number in range(90):
            lab.put(spool, 50, first=number * 50)
            if number % 10 == 0:
                lab.put_event(spool, f"event {number}")
            await lab.settled(spool)
            spool.maintain(core.covered)
            await lab.settled(spool)
        assert spool.readings_refused == 0
        assert spool.readings_thinned > 0
        assert spool.used_bytes < 64_000
        here = Ranges((seq, seq) for seq, _ in spool.read(spool.epoch, 1, spool.next_seq - 1))
        found = [unpack(data) for _, data in spool.read(spool.epoch, 1, spool.next_seq - 1)]
        events = [row["message"] for h, batch in found if h.schema_id == 3 for row in batch.to_pylist()]
        assert events == [f"event {number}" for number in range(0, 90, 10)]
        named = Ranges((row["lo"], row["hi"]) for row in gap_rows(spool, spool.next_seq - 1))
        assert named.to_list() == here.missing(1, spool.next_seq - 1)
        left = sum(batch.num_rows for header, batch in found if header.schema_id == 1)
        assert left + spool.readings_thinned == 4_500
        assert sum(row["readings"] for row in gap_rows(spool, spool.next_seq - 1)) == spool.readings_thinned


async def test_the_oldest_record_that_waits_is_known_with_its_time(lab: Any, spool_folder: Path) -> None:
    clock = ManualClock()
    async with lab.opened(spool_folder, clock=clock) as (spool, core):
        lab.put_catalogue(spool)
        await lab.settled(spool)
        packed_us = []
        for number in range(4):
            clock.advance(10)
            packed_us.append(clock.wall_us())
            lab.put(spool, 20, first=20 * number)
            await lab.settled(spool)
        core.connected(0.0)
        assert core.acked(spool.epoch, [(1, 5)], 1, 0.0) == 5
        assert spool.packed_us(*core.oldest_pending) == packed_us[2]
        spool.lose(spool.epoch, [(6, 7)], "damaged on disk")
        await lab.settled(spool)
        assert spool.packed_us(*core.oldest_pending) == packed_us[3]
        core.acked(spool.epoch, [(1, spool.next_seq - 1)], 1, 0.0)
        assert core.oldest_pending is None


async def test_committed_segments_are_kept_for_their_time_and_then_deleted(lab: Any, spool_folder: Path) -> None:
    clock = ManualClock()
    config = SpoolConfig(reserve_bytes=0, segment_bytes=4_096, keep_committed_s=3_600)
    async with lab.opened(spool_folder, config, clock) as (spool, core):
        core.connected(0.0)
        for number in range(40):
            lab.put(spool, 50, first=number * 50)
            await lab.settled(spool)
        used = spool.used_bytes
        core.acked(spool.epoch, [(1, 100)], 7, 0.0)
        spool.maintain(core.covered)
        await lab.settled(spool)
        assert spool.used_bytes == used
        clock.advance(3_700)
        spool.maintain(core.covered)
        await lab.settled(spool)
        floor = spool.epochs[spool.epoch].floor
        assert 1 < floor <= 101  # no segment with anything uncommitted went
        assert core.hello(1).epochs[0].floor == floor
        assert [seq for seq, _ in spool.read(spool.epoch, 101, spool.next_seq - 1)] == list(range(101, spool.next_seq))


async def test_a_restored_twin_is_not_believed_before_it_has_spoken(lab: Any, spool_folder: Path) -> None:
    clock = ManualClock()
    config = SpoolConfig(reserve_bytes=0, segment_bytes=4_096, keep_committed_s=0)
    async with lab.opened(spool_folder, config, clock) as (spool, core):
        core.connected(0.0)
        for number in range(40):
            lab.put(spool, 50, first=number * 50)
            await lab.settled(spool)
        core.acked(spool.epoch, [(1, spool.next_seq - 1)], 7, 0.0)
        core.asked(8, 0.1)  # another start of the twin, perhaps restored from a backup
        clock.advance(10)
        spool.maintain(core.covered)
        await lab.settled(spool)
        assert spool.epochs[spool.epoch].floor == 1
        assert core.pending_records == spool.next_seq - 1


async def test_an_epoch_that_is_drained_and_old_goes_with_its_folder(lab: Any, spool_folder: Path) -> None:
    clock = ManualClock()
    config = SpoolConfig(reserve_bytes=0, keep_committed_s=3_600)
    async with lab.opened(spool_folder, config, clock) as (spool, _):
        lab.put_catalogue(spool)
        lab.put(spool, 50)
        await lab.settled(spool)
        old = spool.epoch
    async with lab.opened(spool_folder, config, clock) as (spool, core):
        found = recover(spool_folder / old.hex(), Disk())
        core.adopt(old, *found.epoch.sizes(), found.epoch.catalogues)
        spool.adopt(found)
        core.connected(0.0)
        core.acked(old, [(1, 6)], 7, 0.0)
        clock.advance(7_200)
        for _ in range(3):
            spool.maintain(core.covered)
            await lab.settled(spool)
        assert not (spool_folder / old.hex()).exists()
        assert old not in spool.epochs
        assert old.hex() not in [span.epoch for span in core.hello(1).epochs]


async def test_an_epoch_whose_records_had_to_go_early_still_says_where_it_ended(lab: Any, spool_folder: Path) -> None:
    clock = ManualClock()
    roomy = SpoolConfig(reserve_bytes=0, segment_bytes=4_096, keep_committed_s=3_600)
    async with lab.opened(spool_folder, roomy, clock) as (spool, _):
        lab.put_catalogue(spool)
        lab.put(spool, 500)
        await lab.settled(spool)
        old, head = spool.epoch, spool.next_seq - 1
    tight = SpoolConfig(reserve_bytes=0, segment_bytes=4_096, keep_committed_s=3_600, budget_bytes=4_096)
    async with lab.opened(spool_folder, tight, clock) as (spool, core):
        found = recover(spool_folder / old.hex(), Disk())
        core.adopt(old, *found.epoch.sizes(), found.epoch.catalogues)
        spool.adopt(found)
        core.connected(0.0)
        core.acked(old, [(1, head)], 7, 0.0)
        for _ in range(3):
            spool.maintain(core.covered)
            await lab.settled(spool)
        assert not list((spool_folder / old.hex()).glob("*.seg"))
        span = next(span for span in core.hello(1).epochs if span.epoch == old.hex())
        assert (span.floor, span.head) == (head + 1, head)
    again = recover(spool_folder / old.hex(), Disk()).epoch
    assert (again.floor, again.head) == (head + 1, head)


async def test_an_epoch_of_a_newer_agent_is_left_as_it_is(lab: Any, spool_folder: Path) -> None:
    async with lab.opened(spool_folder) as (spool, _):
        lab.put(spool, 30)
        await lab.settled(spool)
        old, record = spool.epoch, bytearray(spool.read(spool.epoch, 2, 2)[0][1])
        start = 32 + len(spool.read(spool.epoch, 1, 1)[0][1])
    path = spool_folder / old.hex() / f"{1:020d}.seg"
    record[8] = 2  # a record version that is not known yet, its CRC right
    record[4:8] = crc32.iscsi(bytes(record[8:])).to_bytes(4, "little")
    data = path.read_bytes()
    path.write_bytes(data[:start] + record + data[start + len(record) :])
    before = path.read_bytes()
    with pytest.raises(RecordError) as raised:
        recover(path.parent, Disk())
    assert raised.value.reason == "version"
    assert path.read_bytes() == before


async def test_a_writer_that_ends_is_told_at_once(lab: Any, spool_folder: Path) -> None:
    class Broken(Disk):
        def sync(self, fd: int) -> None:
            raise RuntimeError("a bug, not a disk")

    async with lab.opened(spool_folder, disk=Broken()) as (spool, _):
        lab.put(spool, 10)
        with pytest.raises(RuntimeError, match="a bug"):
            await spool.failed


async def test_two_agents_cannot_share_a_spool(lab: Any, spool_folder: Path) -> None:
    async with lab.opened(spool_folder):
        with pytest.raises(ConfigError) as raised:
            async with lab.opened(spool_folder):
                pass
    assert raised.value.field == "spool.dir"
    assert raised.value.fix


async def test_wall_clock_jumps_change_nothing_about_order(lab: Any, spool_folder: Path) -> None:
    clock = ManualClock()
    async with lab.opened(spool_folder, clock=clock) as (spool, core):
        for number, jump_us in enumerate([0, 86_400_000_000, -400 * 86_400_000_000, 5]):
            clock.jump(jump_us)
            lab.put(spool, 20, first=number * 20)
            spool.maintain(core.covered)
        await lab.settled(spool)
        values = [v for _, data in spool.read(spool.epoch, 1, 8) for v in unpack(data)[1]["value"].to_pylist()]
        assert values == [float(value) for value in range(80)]


def test_a_full_disk_refuses_bulk_first_and_counts_exactly(tmp_path: Path) -> None:
    """On a real tmpfs of 1 MiB in a mount namespace of its own."""
    mount = tmp_path / "small"
    mount.mkdir()
    script = Path(__file__).with_name("full_disk.py")
    unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]
    shell = f"mount -t tmpfs -o size=1m none {mount} && exec {sys.executable} {script} {mount}"
    done = subprocess.run(
        [*unshare, "sh", "-c", shell], capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "refused" in done.stdout
