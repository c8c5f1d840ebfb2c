"""Every route states its right in one table, and the table is what happens."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from twin.access.roles import LIMITED, RIGHTS, ROLES, Grant, least_role
from twin.api import health
from twin.api.app import OPERATIONS
from twin.api.operation import Operation
from twin.api.permissions import PERMISSIONS, rule_of

ROUTES = [*(("", one) for one in health.OPERATIONS), *(("/api/v1", one) for one in OPERATIONS)]

# written by hand, by what the people of the park do: role, route, may
EXPECTED = [
    ("viewer", "GET", "/alarms", True),
    ("viewer", "POST", "/alarms/ack", False),
    ("viewer", "POST", "/query", False),
    ("operator", "POST", "/alarms/{id}/shelve", True),
    ("operator", "POST", "/commands", True),
    ("operator", "POST", "/changes", False),
    ("operator", "GET", "/users", False),
    ("operator", "GET", "/audit", False),
    ("engineer", "POST", "/changes/{id}/activate", True),
    ("engineer", "POST", "/users", False),
    ("engineer", "POST", "/backups", False),
    ("pilot", "POST", "/uploads", True),
    ("pilot", "POST", "/commands", False),
    ("pilot", "POST", "/alarms/ack", False),
    ("admin", "POST", "/users/{name}/link", True),
    ("admin", "GET", "/audit", True),
]


def test_every_route_is_in_the_table() -> None:
    missing = [(one.method, one.path) for _, one in ROUTES if (one.method, one.path) not in PERMISSIONS]
    assert not missing, f"state the right of these in twin/api/permissions.py: {missing}"


def test_the_table_has_no_row_of_a_route_that_is_gone() -> None:
    routes = {(one.method, one.path) for _, one in ROUTES}
    assert [row for row in PERMISSIONS if row not in routes] == []


def test_a_route_that_is_not_in_the_table_is_for_admins_only() -> None:
    rule = rule_of("GET", "/made-tomorrow")
    assert rule.needs == "administer"
    assert rule.act


@pytest.mark.parametrize(("role", "method", "path", "may"), EXPECTED)
def test_the_table_says_what_the_people_of_a_park_expect(role: Any, method: str, path: str, may: bool) -> None:
    assert (rule_of(method, path).needs in ROLES[role]) is may


def test_every_right_is_somebodys_and_admins_have_all() -> None:
    assert ROLES["admin"] == set(RIGHTS)
    assert [least_role(right) for right in ("view", "operate", "change", "fly", "administer")] == [
        "viewer", "operator", "engineer", "pilot", "admin",
    ]  # fmt: skip
    assert set(RIGHTS) >= LIMITED


async def _status(park: Any, prefix: str, operation: Operation, headers: dict[str, str]) -> tuple[int, str]:
    path = re.sub(r"\{[^}]*\}", "x", operation.path)
    answer = await park.client.request(operation.method, prefix + path, headers=headers)
    is_problem = answer.headers.get("content-type", "").startswith("application/problem")
    return answer.status_code, (answer.json().get("field") or "") if is_problem else ""


@pytest.mark.parametrize("role", ["nobody", *ROLES])
async def test_each_role_may_call_what_the_table_gives_it_and_nothing_else(
    empty: Any, token_of: Callable[..., str], role: Any
) -> None:
    """All routes by one role: 401 without a person, 403 naming the role exactly where the table refuses."""
    token_of(empty, "somebody", Grant("viewer"))
    headers = {} if role == "nobody" else {"Authorization": f"Bearer {token_of(empty, 'one', Grant(role))}"}
    for prefix, operation in ROUTES:
        needs = rule_of(operation.method, operation.path).needs
        status, field = await _status(empty, prefix, operation, headers)
        seen = (operation.method, operation.path, role, status, field)
        if needs == "open":
            assert not (status == 401 and field == ""), seen
        elif role == "nobody":
            assert status == 401, seen
        elif needs == "own" or needs in ROLES[role]:
            assert status != 401, seen
            assert (status, field) != (403, "role"), seen
        else:
            assert (status, field) == (403, "role"), seen
