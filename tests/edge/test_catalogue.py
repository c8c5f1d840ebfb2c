"""The node's catalogue is one record: 50,000 points fit, and what does not is refused with the number that does."""

import random
import string
from pathlib import Path
from typing import Any

import pytest

from edge.catalogue import NodeCatalogue, pack_catalogue
from edge.config import problems
from wire.catalogue import Point, from_batch
from wire.errors import ConfigError
from wire.limits import RECORD_BYTES_MAX
from wire.records import CLASS_CONTROL, Stamp, unpack

METRICS = ["supply_air_temperature", "return_air_temperature", "fan_speed", "valve_position", "co2", "power"]
STAMP = Stamp(bytes(16), 1, 0, 0, 0, CLASS_CONTROL)


def point(at: int, hint: str = "") -> Point:
    """A point as a building has it."""
    metric = METRICS[at % len(METRICS)]
    return Point(
        id=at, device=f"ahu-{at // len(METRICS):05d}", metric=metric, unit="Cel", label=f"AHU {at // 6} {metric}",
        point_class="Supply_Air_Temperature_Sensor", low=-40.0, high=120.0, period_s=1.0, element_hint=hint,
    )  # fmt: skip


def test_a_node_of_50_000_points_declares_them_in_one_record() -> None:
    catalogue = NodeCatalogue()
    ids = catalogue.learn("a", [point(at) for at in range(50_000)])
    assert len(set(ids.tolist())) == 50_000
    record = pack_catalogue(catalogue.points, STAMP, 1)
    assert len(record) < RECORD_BYTES_MAX
    assert from_batch(unpack(record)[1]) == catalogue.points


def test_points_that_do_not_fit_are_refused_with_the_number_that_does_and_the_rest_goes_on() -> None:
    rng = random.Random(7)
    letters = string.ascii_letters + string.digits + "_$"
    points = [point(at, "".join(rng.choices(letters, k=22))) for at in range(65_000)]  # GlobalIds hardly compress
    catalogue = NodeCatalogue()
    with pytest.raises(ConfigError, match="points fill it") as caught:
        catalogue.learn("a", points)
    fit = int(caught.value.problem.split()[-4])
    assert fit == len(catalogue.points) > 20_000
    assert from_batch(unpack(pack_catalogue(catalogue.points, STAMP, 1))[1]) == catalogue.points
    assert catalogue.learn("b", points[:100]).tolist() == list(range(100))


def test_edge_check_tells_that_the_points_of_a_file_do_not_fit(lab: Any, tmp_path: Path) -> None:
    flood = '[[source]]\nkind = "flood"\nname = "{}"\npoints = {}\n'
    good = lab.write_config(tmp_path / "a", 9, flood.format("one", 50_000))
    assert problems(good) == []
    bad = lab.write_config(tmp_path / "b", 9, flood.format("one", 10) + flood.format("two", 70_000))
    (problem,) = problems(bad)
    assert problem.field == "source[1]"
    assert "65536 points fill it" in problem.problem
    assert "several nodes" in problem.fix
