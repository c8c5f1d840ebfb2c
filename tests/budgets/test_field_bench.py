"""`aid4 bench field`, short: what it counts, and that nothing is lost at a tenth of the time that it is meant for."""

import json

from click.testing import CliRunner

from aid4.bench import bench


def test_two_protocols_at_once_and_a_gateway_without_a_link_lose_nothing() -> None:
    parts = ["--part", "rate", "--part", "offline"]
    done = CliRunner().invoke(bench, ["field", *parts, "--seconds", "2", "--days", "0.02", "--json"])
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["rate"]["lost"] == {"opcua": 0, "modbus": 0}
    assert found["rate"]["doubled"] == {"opcua": 0, "modbus": 0}
    assert found["rate"]["rows"]["opcua"] > 1_000
    assert found["rate"]["rows"]["modbus"] >= 5_000
    assert found["offline"]["lost"] == 0
    assert found["offline"]["month_mib"] < found["offline"]["budget_mib"]
