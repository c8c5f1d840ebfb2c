"""A served twin with people in it; the twin itself is that of tests/twin_api."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from twin.access.roles import RIGHTS, Grant, Person

_SPEC = importlib.util.spec_from_file_location(
    "served_twin", Path(__file__).resolve().parents[1] / "twin_api" / "conftest.py"
)
assert _SPEC is not None
assert _SPEC.loader is not None
_served = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_served)
site, start, empty, park = _served.site, _served.start, _served.empty, _served.park

PASSWORD = "four horses under a quiet sky"


@pytest.fixture
def password() -> str:
    return PASSWORD


@pytest.fixture
def token_of() -> Callable[..., str]:
    """Makes an account with these grants and gives a bearer token with all its rights."""

    def make(park: Any, name: str, *grants: Grant, scopes: list[str] | None = None) -> str:
        people = park.twin.people
        if not park.twin.access.book.accounts and name != "root":
            people.add("root", [Grant("admin")], by="local")
        account = people.add(name, list(grants), by="root")
        person = Person(account.name, "session", account.grants)
        rights = [right for right in RIGHTS if person.may(right, "lab")]
        return str(people.make_token(person, "test", scopes or rights, 1)[1])

    return make
