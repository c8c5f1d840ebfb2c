"""`aid4 twin users|tokens|audit` against a stopped twin's data."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from twin.access.desk import AccessDesk
from twin.access.settings import AccessSettings
from twin.cli import twin
from twin.store import Store
from wire.errors import UserError


@pytest.fixture
def run(tmp_path: Path) -> Any:
    folder = tmp_path / "data"
    with Store.open(folder, site="lab"):
        pass

    def call(*arguments: str) -> Any:
        result = CliRunner().invoke(twin, [*arguments, "--data-dir", str(folder), "--json"], catch_exceptions=True)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return json.loads(result.stdout)

    call.folder = folder  # type: ignore[attr-defined]
    return call


def test_accounts_are_kept_from_the_command_line(run: Any) -> None:
    link = run("users", "add", "anna", "--role", "admin", "--full-name", "Anna N.")["link"]
    run("users", "add", "ben", "--role", "operator@House")
    assert "/welcome#" in link
    assert [(one["name"], one["grants"][0]["role"]) for one in run("users", "list")] == [
        ("anna", "admin"),
        ("ben", "operator"),
    ]
    assert run("users", "disable", "ben")["disabled"] is True
    assert "password" not in run("users", "enable", "ben")
    assert run("users", "grant", "ben", "--role", "viewer")["grants"][0]["role"] == "viewer"
    told = [row["what"] for row in run("audit", "--limit", "10")]
    assert told.count("account changed") == 3


def test_the_secret_that_is_printed_opens_the_twin_until_it_is_revoked(run: Any) -> None:
    run("users", "add", "anna", "--role", "admin")
    made = run("tokens", "add", "notebook", "--user", "anna", "--scope", "view", "--days", "3")
    with Store.open(run.folder, site="lab") as store:
        person = AccessDesk(store, store.clock, AccessSettings).who(made["secret"], "")
        assert person is not None
        assert (person.name, person.scopes) == ("anna", frozenset({"view"}))
    run("tokens", "revoke", made["id"])
    assert run("tokens", "list")[0]["revoked"]
    with Store.open(run.folder, site="lab") as store:
        assert AccessDesk(store, store.clock, AccessSettings).who(made["secret"], "") is None


def test_a_role_that_does_not_exist_is_refused_with_those_that_do(run: Any) -> None:
    with pytest.raises(UserError) as refused:
        run("users", "add", "anna", "--role", "boss")
    assert "engineer" in refused.value.fix
