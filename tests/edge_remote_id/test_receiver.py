"""Aircraft heard over UDP: simulated ones, a real capture, liars, floods and what is no Remote ID."""

import asyncio
import json
import random
import struct
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from acting_reader import Reader

from drone_ingest.damage import Notes
from drone_ingest.remote_id.pcap import packets
from drone_ingest.remote_id.radio import payloads
from edge.sources import SourceError, load_kind
from sim_devices.servers.remote_id import RemoteIdReceiver, pack
from wire.quality import BAD, STALE

AIRCRAFT = {
    "number": "1588E0123456789", "operator": "SVK-OP-1", "lat_deg": 48.9617, "lon_deg": 18.1712, "track_deg": 225,
    "alt_ellipsoid_m": 300.5, "height_m": 60.0, "speed_m_s": 12.5, "climb_m_s": -1.5, "airborne": True,
}  # fmt: skip
MAC = "60:60:1f:00:00:01"
NAME = "1588e0123456789"


@asynccontextmanager
async def sky(**config: Any) -> AsyncIterator[tuple[RemoteIdReceiver, Reader]]:
    async with Reader({"kind": "remote-id", "name": "sky", "url": "udp://127.0.0.1:0", **config}) as reader:
        await reader.until(lambda: reader.source.port)
        receiver = RemoteIdReceiver(reader.source.port)
        try:
            yield receiver, reader
        finally:
            receiver.close()


def test_the_sample_of_the_docstring_is_a_config():
    from edge.sources import remote_id

    table = tomllib.loads((remote_id.__doc__ or "").split("\n\n")[1])["source"][0]
    assert msgspec.convert(table, load_kind("remote-id").config).trusted == ("127.0.0.1",)


async def test_an_aircraft_has_a_pose_figures_and_events_and_goes_stale_when_silent():
    async with sky(link_loss_s=0.6) as (receiver, reader):
        receiver.hear(MAC, pack(AIRCRAFT))
        await reader.until(lambda: reader.poses)
        pose = reader.poses[0]
        assert pose["key"] == f"{NAME}/pose"
        assert (pose["lat_deg"], pose["lon_deg"], pose["alt_m"]) == pytest.approx((48.9617, 18.1712, 300.5))
        assert (pose["yaw_deg"], pose["quality"], pose["datum"]) == (225.0, 0, 0)
        assert reader.value(f"{NAME}/speed") == 12.5
        assert (reader.value(f"{NAME}/climb_rate"), reader.value(f"{NAME}/height")) == (-1.5, 60.0)
        assert (reader.value(f"{NAME}/status"), reader.value(f"{NAME}/signal")) == ("airborne", -70.0)
        await reader.until(lambda: reader.quality(f"{NAME}/speed") == STALE)
        assert reader.kinds() == ["aircraft_heard", "aircraft_gone"]
        assert "SVK-OP-1" in reader.events[0]["detail"]
        receiver.hear(MAC, pack({**AIRCRAFT, "alt_ellipsoid_m": None}))
        await reader.until(lambda: reader.quality(f"{NAME}/speed") == 0)
        assert str(reader.poses[-1]["alt_m"]) == "nan", "raw 0 is unknown, not -1000 m"
        with pytest.raises(SourceError, match="not spoken to"):
            await reader.source.write(reader.point(f"{NAME}/speed"), 1.0)


async def test_a_real_flight_arrives_place_by_place_as_struct_reads_it(shared_data: Path):
    """1,140 places of a Parrot Anafi, its payloads taken off the air by the capture, unpacked here by hand."""
    heard = []
    with (shared_data / "drone/remoteid/parrot_anafi4_real.pcapng").open("rb") as file:
        for packet in packets(file, Notes(100)):
            heard += [one for one in payloads(packet) if one.protocol == "astm"]
    places = []
    for one in heard:
        starts = range(3, 3 + 25 * one.data[2], 25) if one.data[0] >> 4 == 15 else [0]
        messages = [one.data[at : at + 25] for at in starts]
        places += [struct.unpack_from("<ii", part, 5) for part in messages if part[0] >> 4 == 1]
    known = [(lat / 1e7, lon / 1e7) for lat, lon in places if (lat, lon) != (0, 0)]
    assert len(places) == 1_140
    async with sky() as (receiver, reader):
        for number, one in enumerate(heard):
            receiver.hear(one.mac, one.data)
            if number % 50 == 0:
                await asyncio.sleep(0.005)  # a socket's buffer is finite
        await reader.until(lambda: len(reader.poses) >= len(known))
        assert [(row["lat_deg"], row["lon_deg"]) for row in reader.poses] == known
        assert {row["key"] for row in reader.poses} == {"1588e040445ac004418/pose"}


async def test_a_leap_is_bad_and_one_number_of_two_radios_is_suspect():
    async with sky() as (receiver, reader):
        receiver.hear(MAC, pack(AIRCRAFT))
        receiver.hear(MAC, pack({**AIRCRAFT, "lat_deg": 40.0}))
        await reader.until(lambda: len(reader.poses) == 2)
        assert [row["quality"] for row in reader.poses] == [0, BAD]
        receiver.hear("60:60:1f:00:00:02", pack(AIRCRAFT))
        await reader.until(lambda: len(reader.poses) == 3)
        assert reader.poses[2]["key"] != f"{NAME}/pose"
        assert reader.kinds().count("remote_id_suspect") == 2
        assert reader.source.health.errors["duplicate"] == 1


async def test_floods_rubbish_and_strangers_stay_bounded():
    """Thousands of made-up radios, seeded rubbish, and datagrams from whom nobody trusts; then a real aircraft."""
    rng = random.Random(3)
    async with sky() as (receiver, reader):
        receiver.hear(MAC, pack(AIRCRAFT))
        good = json.dumps({"mac": MAC, "data": pack(AIRCRAFT).hex()}).encode()
        for number in range(1_500):
            receiver.hear(
                f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}", pack({**AIRCRAFT, "number": f"N{number}"})
            )
            spoilt = bytearray(good)
            for _ in range(rng.randrange(1, 4)):
                spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
            receiver.send(bytes(spoilt[: rng.randrange(1, len(spoilt) + 1)]))
            if number % 20 == 0:
                await asyncio.sleep(0.005)
        await reader.until(lambda: reader.source.health.errors.get("decode", 0) > 500)
        assert len(reader.source._rows._aircraft) <= 256
        assert len(reader.source.points()) < 3_000
        before = len(reader.poses)
        receiver.hear(MAC, pack({**AIRCRAFT, "speed_m_s": 3.0}))
        await reader.until(lambda: len(reader.poses) > before and reader.value(f"{NAME}/speed") == 3.0)
    async with sky(trusted=["127.0.0.9"]) as (receiver, reader):
        receiver.hear(MAC, pack(AIRCRAFT))
        await reader.until(lambda: reader.source.health.errors.get("refused"))
        assert not reader.poses
