"""`aid4 bench fleet`, with a small fleet: all come back to a broker that was killed, and lose nothing."""

import json

import pytest
from click.testing import CliRunner

from aid4.bench import bench


@pytest.mark.parametrize("way", [(), ("--tls",)])
def test_a_fleet_comes_back_to_a_killed_broker_and_every_reading_arrives_once(way: tuple[str, ...]) -> None:
    done = CliRunner().invoke(bench, ["fleet", "--clients", "50", "--json", *way])
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["asked"], found["clients"], found["back"]) == (50, 50, 50)
    assert (found["answered"], found["drained"]) == (50, 50)
    assert (found["readings"], found["lost"], found["doubled"]) == (100, 0, 0)
    assert found["cut"] == 1  # of all fifty, whom the broker no longer knows
    assert found["back_s"] > 0.2  # the broker itself waits so long before it starts again
    assert found["held"] == (found["back_s"] <= 60)
    assert done.exit_code == (0 if found["held"] else 1)
