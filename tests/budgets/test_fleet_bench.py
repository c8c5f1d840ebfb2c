"""`aid4 bench fleet`, with a small fleet: all come back to a broker that was killed, and hear again."""

import json

from click.testing import CliRunner

from aid4.bench import bench


def test_a_fleet_comes_back_to_a_killed_broker_and_hears_again() -> None:
    done = CliRunner().invoke(bench, ["fleet", "--clients", "50", "--json"])
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["asked"], found["clients"], found["back"]) == (50, 50, 50)
    assert found["lost_subscriptions"] == 0
    assert found["back_s"] > 0.2  # the broker itself waits so long before it starts again
    assert found["held"] == (found["back_s"] <= 60)
    assert done.exit_code == (0 if found["held"] else 1)
