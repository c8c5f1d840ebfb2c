"""Whether a person may do what a request asks: by the table of permissions, and in which buildings."""

import hmac
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from twin.access.roles import EVERYWHERE, ROLES, Person, Right, least_role
from twin.api.errors import ProblemError
from twin.api.permissions import Rule

if TYPE_CHECKING:
    from twin.core import Twin

__all__ = ["CSRF_HEADER", "address_of", "admit", "allow_in", "by_of", "note_outcome", "person_of"]

CSRF_HEADER = "x-csrf-token"
_SAFE = {"GET", "HEAD", "OPTIONS"}


def person_of(request: Request) -> Person | None:
    """Who calls, as the guard found."""
    found: Person | None = request.scope.get("aid4.person")
    return found


def by_of(request: Request) -> str:
    """The name that goes into journals."""
    return str(request.scope.get("aid4.by", "local"))


def address_of(request: Request) -> str:
    """Where a call comes from."""
    return request.client.host if request.client else ""


def admit(twin: "Twin", request: Request, rule: Rule) -> None:
    """ProblemError 401 or 403 unless the caller may use a route of this rule."""
    if rule.needs == "open":
        return
    person = person_of(request)
    if person is None:
        fix = "send Authorization: Bearer TOKEN, or POST /api/v1/session"
        raise ProblemError("this twin needs a sign-in", fix=fix, status=401)
    offered = request.headers.get(CSRF_HEADER, "").encode()
    if (
        person.how == "session"
        and request.method not in _SAFE
        and not hmac.compare_digest(offered, person.csrf.encode())
    ):
        fix = "send the csrf of GET /api/v1/session in X-CSRF-Token"
        raise ProblemError(
            "this call does not come from the twin's own page", field="X-CSRF-Token", fix=fix, status=403
        )
    if rule.needs != "own" and not person.may(rule.needs, twin.site.name):
        raise _refused(person, rule.needs)


def allow_in(twin: "Twin", request: Request, right: Right, elements: Iterable[str | None]) -> None:
    """ProblemError 403 unless the caller has the right in the building of every element; what lies in no building
    takes a role for the whole site."""
    person = person_of(request)
    if person is None or EVERYWHERE in person.places(right, twin.site.name):
        return  # nobody gets here without the right itself: `admit` was asked first
    for element in elements:
        if not person.may_in(right, twin.site.name, _buildings(twin, element)):
            raise _refused(person, right, element)


def note_outcome(twin: "Twin", request: Request, rule: Rule, status: int) -> None:
    """Write an act into the audit unless its handler did; also whatever a known person was refused."""
    person = person_of(request)
    is_told = rule.act and (status >= 400 or not rule.noted)
    if person is None or not (is_told or status == 403):
        return
    what = f"{request.method} {request.url.path.removeprefix('/api/v1')}"[:300]
    result = "done" if status < 400 else f"refused {status}" if status < 500 else f"failed {status}"
    twin.access.note(person.name, what, {"from": address_of(request), "how": person.how}, result)


def _buildings(twin: "Twin", element: str | None) -> set[str]:
    """GlobalIds and names of the buildings that hold an element."""
    if not element:
        return set()
    rows: list[Any] = [twin.model.row(holder) for holder in twin.model.holders([element])]
    houses = [row for row in rows if row is not None and row["type"] == "IfcBuilding"]
    return {name for row in houses for name in (row["id"], row["name"]) if name}


def _refused(person: Person, right: Right, element: str | None = None) -> ProblemError:
    place = f" at {element!r}" if element else ""
    detail = f"{person.name} may not {right}{place}"
    has_role = any(right in ROLES[one.role] for one in person.grants)
    if has_role and person.scopes is not None and right not in person.scopes:
        return ProblemError(detail, field="scopes", fix=f"use a token with the scope {right}", status=403)
    fix = f"ask an admin for the role {least_role(right)}" + (" in that building" if element else "")
    return ProblemError(detail, field="role", fix=fix, status=403)
