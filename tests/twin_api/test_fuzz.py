"""Whatever is asked, nobody gets a 500: every call of the OpenAPI document with hostile values."""

import itertools
import random
from typing import Any

import pytest

VALUES = [
    "", "0", "-1", "1", "1e309", "99999999999999999999", "NaN", "true", "null", "[]", "{}", "\x00", "\ufeff",
    "\u202e", "<script>", "'; DROP TABLE points; --", "../../etc/passwd", "%s%n", "a" * 5_000, "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z", "2026-02-30T00:00:00Z", "2026-01-01T00:00:00+14:00", "raw", "avg", "arrow",
    "gw/meter/power",
]  # fmt: skip
BODIES: list[Any] = [
    None, 0, [], "x", {}, {"sql": "select"}, {"sql": "\x00"}, {"kind": "limits", "body": {"set": [{"point": -1}]}},
    {"kind": "limits", "body": {"set": [{"point": 1, "low": 1e308, "high": -1e308}]}},
    {"kind": "bindings", "body": {"clear": [1, 1, "gw/meter/power"]}}, {"kind": "site", "body": {"title": "\u202e"}},
    {"kind": "site", "body": {"bounds": [0, 0, 0, 0]}}, {"point": "gw/ahu/setpoint", "value": 1e308},
    {"token": "x" * 10_000}, {"name": "../x"}, {"kind": "model", "body": {"file": "\x00"}},
]  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
async def test_no_value_makes_a_call_fail(park: Any, seed: int) -> None:
    random_ = random.Random(seed)
    document = (await park.client.get("/openapi.json")).json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            names = [p["name"] for p in operation["parameters"] if p["in"] == "query"]
            for _ in range(6):
                filled = path
                for name in [p["name"] for p in operation["parameters"] if p["in"] == "path"]:
                    filled = filled.replace(
                        f"{{{name}}}", random_.choice(["1", "0", "x", "%00", "%ff", "gw/a/b", "-1"])
                    )
                query = {name: random_.choice(VALUES) for name in random_.sample(names, random_.randint(0, len(names)))}
                body = random_.choice(BODIES) if method == "post" else None
                answer = await park.client.request(method, filled, params=query, json=body)
                assert answer.status_code < 500, (method, filled, query, body, answer.text)
                if answer.status_code >= 400:
                    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("agg", ["minmax", "avg", "raw"])
async def test_ranges_at_the_ends_of_time_are_answered(park: Any, agg: str) -> None:
    ends = ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"]
    for start, stop in itertools.combinations(ends, 2):
        answer = await park.client.get("/api/v1/history", params={"point": 1, "from": start, "to": stop, "agg": agg})
        assert answer.status_code == 200, answer.text
    for moment in ends:
        assert (await park.client.get("/api/v1/state", params={"at": moment})).status_code == 200
        assert (await park.client.get("/api/v1/state", params={"known_at": moment})).status_code == 200
        assert (await park.client.get("/api/v1/events", params={"from": moment})).status_code == 200
