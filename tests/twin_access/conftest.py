"""A served twin with people in it; the twin itself is that of tests/twin_api."""

from collections.abc import Callable
from typing import Any

import pytest
from borrowed_fixtures import conftest_of

from twin.access.roles import RIGHTS, Grant, Person

_served = conftest_of("twin_api")
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
