"""The twin's side over HTTP: who may invite and revoke, what a gateway gets, what GET /nodes tells."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from borrowed_fixtures import conftest_of
from cryptography import x509

from twin.access.roles import Grant

sys.path.insert(0, str(Path(__file__).parent))
from test_register import new_key, proof_of, request_for

_people = conftest_of("twin_access")
site, start, empty, token_of = _people.site, _people.start, _people.empty, _people.token_of


def headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def engineer(empty: Any, token_of: Callable[..., str]) -> dict[str, str]:
    return headers(token_of(empty, "eva", Grant("engineer")))


async def test_an_engineer_invites_and_a_gateway_gets_its_certificate(empty: Any, engineer: dict[str, str]) -> None:
    made = await empty.client.post("/api/v1/enrolments", json={"node": "gw-7", "minutes": 5}, headers=engineer)
    assert made.status_code == 201, made.text
    invitation = made.json()
    assert invitation["command"] == f"aid4 edge enrol --twin {empty.client.base_url} --token {invitation['token']}"
    empty.twin.trust.brokers = ["mqtts://{host}:8883"]
    key = new_key()
    answer = await empty.client.post(
        "/api/v1/enrol", json={"token": invitation["token"], "csr": request_for("gw-7", key)}
    )
    assert answer.status_code == 200, answer.text
    given = answer.json()
    assert (given["node"], given["site"]) == ("gw-7", empty.twin.site.name)
    assert given["brokers"] == ["mqtts://127.0.0.1:8883"]
    assert (await empty.client.get("/api/v1/ca")).text == given["ca"]
    csr = request_for("gw-7", new_key())
    renewal = {"certificate": given["certificate"], "csr": csr, "proof": proof_of(key, csr)}
    renewed = (await empty.client.post("/api/v1/renew", json=renewal)).json()
    serial = x509.load_pem_x509_certificate(renewed["certificate"].encode()).serial_number
    [node] = (await empty.client.get("/api/v1/nodes", headers=engineer)).json()["items"]
    assert node["node"] == "gw-7"
    assert node["certificate"]["subject"] == "CN=gw-7"
    assert node["certificate"]["serial"] == f"{serial:x}"
    assert node["certificate"]["state"] == "valid"
    assert node["certificate"]["not_before"] < node["certificate"]["renew_at"] < node["certificate"]["not_after"]
    gone = await empty.client.post("/api/v1/nodes/gw-7/revoke", json={"why": "stolen"}, headers=engineer)
    assert gone.json()["state"] == "revoked"
    again = await empty.client.post("/api/v1/renew", json=renewal)
    assert (again.status_code, again.json()["field"]) == (403, "certificate")
    [node] = (await empty.client.get("/api/v1/nodes", headers=engineer)).json()["items"]
    assert "revoked" in node["why_silent"]
    root = headers(_token_of_root(empty))
    audit = (await empty.client.get("/api/v1/audit", headers=root)).json()["items"]
    told = [(row["by"], row["what"], row["result"]) for row in reversed(audit) if row["what"] in _DEEDS]
    assert told == [
        ("eva", "enrolment", "done"), ("eva", "enrol", "done"), ("gateway", "renew", "done"),
        ("eva", "revoke", "done"), ("gateway", "renew", "refused"),
    ]  # fmt: skip
    assert invitation["token"] not in json.dumps(audit)


_DEEDS = {"enrolment", "enrol", "renew", "revoke"}


def _token_of_root(park: Any) -> str:
    from twin.access.roles import Person

    account = park.twin.people.get("root")
    return str(park.twin.people.make_token(Person("root", "session", account.grants), "t", ["administer"], 1)[1])


@pytest.mark.parametrize("role", ["viewer", "operator", "pilot"])
async def test_who_may_not_change_invites_nobody(empty: Any, token_of: Callable[..., str], role: Any) -> None:
    mine = headers(token_of(empty, "someone", Grant(role)))
    for path, body in (("/api/v1/enrolments", {"node": "gw-7"}), ("/api/v1/nodes/gw-7/revoke", {})):
        answer = await empty.client.post(path, json=body, headers=mine)
        assert (answer.status_code, answer.json()["field"]) == (403, "role")
    assert not empty.twin.trust.register.path.exists()


async def test_guessing_tokens_gets_slow(empty: Any, engineer: dict[str, str]) -> None:
    csr = request_for("gw-7", new_key())
    seen = [
        (await empty.client.post("/api/v1/enrol", json={"token": f"aid4e1_{n:075d}", "csr": csr})).status_code
        for n in range(30)
    ]
    assert set(seen[:20]) == {403}
    assert 429 in seen


async def test_nobody_makes_an_authority_by_asking_for_it(empty: Any) -> None:
    assert (await empty.client.get("/api/v1/ca")).status_code == 404
    shown = {"certificate": "no", "csr": "", "proof": ""}
    assert (await empty.client.post("/api/v1/renew", json=shown)).status_code == 403
    assert (await empty.client.post("/api/v1/enrol", json={"token": "x", "csr": ""})).status_code == 403
    assert not empty.twin.trust.folder.exists()


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("enrol", {"token": "x" * 129, "csr": ""}, "token"),
        ("enrol", {"token": "x", "csr": "y" * 4_097}, "csr"),
        ("enrol", {"token": "x"}, "csr"),
        ("enrol", {"token": "x", "csr": "", "node": "gw-1"}, "node"),
        ("renew", {"certificate": "", "csr": "", "proof": 7}, "proof"),
        ("renew", {"certificate": "no", "csr": "", "proof": ""}, "certificate"),
    ],
)
async def test_what_is_no_request_is_refused_with_the_field(empty: Any, path: str, body: Any, field: str) -> None:
    assert empty.twin.trust.authority.pem
    answer = await empty.client.post(f"/api/v1/{path}", json=body)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


@pytest.mark.parametrize("name", ["..%2f..%2fetc", "gw 1", "GW-1", "%00", "x" * 300])
async def test_a_path_that_is_no_node_is_refused(empty: Any, engineer: dict[str, str], name: str) -> None:
    answer = await empty.client.post(f"/api/v1/nodes/{name}/revoke", json={}, headers=engineer)
    assert answer.status_code in {400, 404, 405}
