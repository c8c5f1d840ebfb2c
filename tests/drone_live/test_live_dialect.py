"""Our table of live messages against pymavlink's, and what a light agent loads."""

import subprocess
import sys

import pytest
from pymavlink.dialects.v20 import all as oracle

from drone_ingest.mavlink.dialect import LIVE, dialect
from drone_ingest.mavlink.encode import encode
from drone_ingest.mavlink.modes import mode_name
from drone_ingest.mavlink.stream import MavlinkStream


@pytest.mark.parametrize("number", sorted(dialect(LIVE)))
def test_each_live_message_is_laid_out_and_sealed_as_pymavlink_does(number: int) -> None:
    assert dialect(LIVE)[number] == dialect("all")[number]


@pytest.mark.parametrize(
    ("kind", "family"), [(1, "PLANE_MODE"), (2, "COPTER_MODE"), (10, "ROVER_MODE"), (12, "SUB_MODE")]
)
def test_modes_have_the_names_that_pymavlink_has(kind: int, family: str) -> None:
    entries = {at: one.name for at, one in oracle.enums[family].items() if not one.name.endswith("ENUM_END")}
    named = {at: mode_name(kind, 3, at) for at in entries}
    assert named == {at: name.removeprefix(f"{family}_") for at, name in entries.items()}


def test_the_source_needs_neither_pymavlink_nor_anything_heavy() -> None:
    script = (
        "import sys; sys.modules['pymavlink'] = None\n"
        "from edge.sources import load_kind; load_kind('mavlink'); load_kind('dji-dock')\n"
        "from drone_ingest.mavlink.encode import encode\n"
        "encode('HEARTBEAT', {}, system=1, component=1, seq=0, dialect_name='live')\n"
        "heavy = ('duckdb', 'ifcopenshell', 'open3d', 'pandas', 'pyproj', 'scipy', 'onnxruntime')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_message_that_the_table_lacks_is_not_counted_as_lost() -> None:
    link = MavlinkStream(dialect=LIVE)
    names = ["HEARTBEAT", "SERVO_OUTPUT_RAW", "ATTITUDE", "RAW_IMU", "HEARTBEAT"]
    for at, name in enumerate(names):
        link.feed(encode(name, {}, system=1, component=1, seq=at), 1)
    assert (link.counts.received, link.counts.unknown, link.counts.lost) == (3, 2, 0)
    link.feed(encode("HEARTBEAT", {}, system=1, component=1, seq=9), 2)
    assert link.counts.lost == 4
