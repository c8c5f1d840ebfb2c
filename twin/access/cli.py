"""`aid4 twin users|tokens|audit`: accounts, API tokens and the audit of a running or a stopped twin."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
import msgspec

from twin.access.roles import EVERYWHERE, RIGHTS, Grant, Person, Role
from twin.client import RemoteTwin
from wire.errors import InputError

if TYPE_CHECKING:
    from twin.access.people import People

__all__ = ["audit", "tokens", "users"]

_URL = "http://127.0.0.1:8480"
_BY = "command line"


def _asked(command: Any) -> Any:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON document."),
        click.option(
            "--token", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="File with a token."
        ),
        click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Of a stopped twin."),
        click.option("--url", default=_URL, show_default=True, help="Where the twin answers."),
    ):
        command = option(command)
    return command


@click.group()
def users() -> None:
    """Accounts: who may sign in, with which roles."""


@users.command("add")
@click.argument("name")
@click.option("--role", "roles", multiple=True, required=True, help="ROLE, ROLE@BUILDING or ROLE@BUILDING@SITE.")
@click.option("--full-name", default="")
@_asked
def add_user(
    name: str,
    roles: tuple[str, ...],
    full_name: str,
    url: str,
    data_dir: Path | None,
    token: Path | None,
    as_json: bool,
) -> None:
    """Add NAME and print the one-time link (or code) with which that person sets a password."""
    grants = [_grant(text) for text in roles]
    if data_dir is None:
        body = {"name": name, "grants": msgspec.to_builtins(grants), "full_name": full_name}
        made = RemoteTwin(url, token).post("/users", body)
        link = made["link"]
    else:
        with _people(data_dir) as people:
            people.add(name, grants, full_name=full_name, by=_BY)
            link = f"{url}/welcome#{people.link(name, by=_BY)}"
    _tell({"name": name, "link": link}, as_json, f"{name} sets a password, once, at {link}")


@users.command("list")
@_asked
def list_users(url: str, data_dir: Path | None, token: Path | None, as_json: bool) -> None:
    """Everybody who has an account."""
    if data_dir is None:
        found = RemoteTwin(url, token).get("/users")["items"]
    else:
        with _people(data_dir) as people:
            found = [_plain(one) for one in people.everybody()]
    lines = [f"{one['name']:24} {'disabled' if one['disabled'] else _roles(one['grants'])}" for one in found]
    _tell(found, as_json, "\n".join(lines) or "there are no accounts")


@users.command("grant")
@click.argument("name")
@click.option("--role", "roles", multiple=True, required=True, help="All the roles from now on.")
@_asked
def grant_user(
    name: str, roles: tuple[str, ...], url: str, data_dir: Path | None, token: Path | None, as_json: bool
) -> None:
    """Give NAME these roles and no others."""
    grants = [_grant(text) for text in roles]
    made = _change(name, url, data_dir, token, grants=grants)
    _tell(made, as_json, f"{name}: {_roles(made['grants'])}")


@users.command("disable")
@click.argument("name")
@_asked
def disable_user(name: str, url: str, data_dir: Path | None, token: Path | None, as_json: bool) -> None:
    """NAME can no longer sign in; sessions and tokens end at once."""
    _tell(_change(name, url, data_dir, token, disabled=True), as_json, f"{name} is disabled")


@users.command("enable")
@click.argument("name")
@_asked
def enable_user(name: str, url: str, data_dir: Path | None, token: Path | None, as_json: bool) -> None:
    """NAME can sign in again."""
    _tell(_change(name, url, data_dir, token, disabled=False), as_json, f"{name} can sign in")


@users.command("link")
@click.argument("name")
@_asked
def link_user(name: str, url: str, data_dir: Path | None, token: Path | None, as_json: bool) -> None:
    """Print a one-time link with which NAME sets a new password."""
    if data_dir is None:
        link = RemoteTwin(url, token).post(f"/users/{name}/link", None)["link"]
    else:
        with _people(data_dir) as people:
            link = f"{url}/welcome#{people.link(name, by=_BY)}"
    _tell({"name": name, "link": link}, as_json, link)


@click.group()
def tokens() -> None:
    """API tokens: secrets for programs, each with some of its owner's rights."""


@tokens.command("add")
@click.argument("label")
@click.option("--user", required=True, help="Whose token it is.")
@click.option("--scope", "scopes", multiple=True, default=("view",), type=click.Choice(list(RIGHTS)), show_default=True)
@click.option("--days", type=click.FloatRange(min=0, min_open=True, max=366), default=90.0, show_default=True)
@click.option(
    "--password-file", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="Instead of asking."
)
@_asked
def add_token(
    label: str,
    user: str,
    scopes: tuple[str, ...],
    days: float,
    password_file: Path | None,
    url: str,
    data_dir: Path | None,
    token: Path | None,
    as_json: bool,
) -> None:
    """Make a token called LABEL and print its secret, this once. A running twin asks for the user's password."""
    if data_dir is None:
        secret = (
            password_file.read_text("utf-8").strip() if password_file else click.prompt("Password", hide_input=True)
        )
        remote = RemoteTwin(url, token)
        remote.sign_in(user, secret)
        made = remote.post("/tokens", {"name": label, "scopes": list(scopes), "days": days})
    else:
        with _people(data_dir) as people:
            account = people.get(user)
            person = Person(account.name, "session", account.grants)
            kept, text = people.make_token(person, label, list(scopes), days)
            made = {"id": kept.id, "user": user, "name": label, "scopes": list(scopes), "secret": text}
    _tell(made, as_json, made["secret"])


@tokens.command("list")
@_asked
def list_tokens(url: str, data_dir: Path | None, token: Path | None, as_json: bool) -> None:
    """Everybody's tokens, without their secrets."""
    if data_dir is None:
        found = RemoteTwin(url, token).get("/tokens", everybody="true")["items"]
    else:
        with _people(data_dir) as people:
            found = [_plain(one) | {"revoked": one.revoked_us or None} for one in people.tokens()]
    lines = [f"{one['id']}  {one['user']:16} {one['name']:24} {_state(one)}" for one in found]
    _tell(found, as_json, "\n".join(lines) or "there are no tokens")


@tokens.command("revoke")
@click.argument("ident")
@_asked
def revoke_token(ident: str, url: str, data_dir: Path | None, token: Path | None, as_json: bool) -> None:
    """The token IDENT no longer works."""
    if data_dir is None:
        RemoteTwin(url, token).delete(f"/tokens/{ident}")
    else:
        with _people(data_dir) as people:
            people.revoke(ident, by=_BY)
    _tell({"id": ident, "revoked": True}, as_json, f"{ident} is revoked")


@click.command()
@click.option("--by", default="", help="By this person only.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@_asked
def audit(by: str, limit: int, url: str, data_dir: Path | None, token: Path | None, as_json: bool) -> None:
    """Who did what, newest first."""
    if data_dir is None:
        rows = RemoteTwin(url, token).get("/audit", by=by or None, limit=limit)["items"]
    else:
        from twin.access.audit import read_audit
        from twin.cli import open_stopped

        with open_stopped(data_dir) as store:
            rows, _ = read_audit(
                store, by=by, words="", result="", from_us=None, to_us=None, limit=limit, offset=0
            )  # fmt: skip
    lines = [f"{row['at'][:19]}Z  {row['by']:16} {row['what']:40} {row['result']}" for row in rows]
    _tell(rows, as_json, "\n".join(lines))


def _change(name: str, url: str, data_dir: Path | None, token: Path | None, **change: Any) -> dict[str, Any]:
    if data_dir is None:
        body = msgspec.to_builtins(change)
        changed: dict[str, Any] = RemoteTwin(url, token).post(f"/users/{name}", body)
        return changed
    with _people(data_dir) as people:
        return _plain(people.change(name, by=_BY, **change))


@contextmanager
def _people(data_dir: Path) -> Iterator["People"]:
    """The accounts of a stopped twin."""
    from twin.access.desk import AccessDesk
    from twin.access.people import People
    from twin.access.settings import AccessSettings
    from twin.cli import open_stopped, stored_site

    site = stored_site(data_dir)
    with open_stopped(data_dir) as store:
        yield People(AccessDesk(store, store.clock, AccessSettings), site)


def _grant(text: str) -> Grant:
    role, _, rest = text.partition("@")
    facility, _, site = rest.partition("@")
    if role not in get_args(Role):
        fix = f"write one of {', '.join(get_args(Role))}, with @BUILDING for one building"
        raise InputError(f"there is no role {role[:40]!r}", field="--role", fix=fix)
    return Grant(role, site or EVERYWHERE, facility or EVERYWHERE)  # type: ignore[arg-type]


def _roles(grants: list[dict[str, str]]) -> str:
    return ", ".join(one["role"] + (f"@{one['facility']}" if one["facility"] != EVERYWHERE else "") for one in grants)


def _state(token: dict[str, Any]) -> str:
    return "revoked" if token.get("revoked") else ",".join(token["scopes"])


def _plain(row: Any) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(row)
    return {name: value for name, value in found.items() if name not in {"password", "digest"}}


def _tell(found: Any, as_json: bool, text: str) -> None:
    click.echo(json.dumps(found) if as_json else text)
