"""Roles as tables: what each may do, for which site and which building."""

from collections.abc import Collection
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

__all__ = ["EVERYWHERE", "LIMITED", "RIGHTS", "ROLES", "Grant", "Person", "Right", "Role", "least_role"]

Right = Literal["view", "ask", "operate", "command", "change", "fly", "administer"]
Role = Literal["viewer", "operator", "engineer", "pilot", "admin"]
EVERYWHERE: Final = "*"

RIGHTS: Final[dict[Right, str]] = {
    "view": "see values, alarms, model, plan, flights and reports",
    "ask": "put SQL over everything",
    "operate": "acknowledge and shelve alarms, write the shift log",
    "command": "command devices",
    "change": "change models, schedules, bindings, limits, routes and detectors",
    "fly": "bring in flights, photos and clouds",
    "administer": "accounts, tokens of others, backups, the audit",
}
ROLES: Final[dict[Role, frozenset[Right]]] = {
    "viewer": frozenset({"view"}),
    "operator": frozenset({"view", "ask", "operate", "command"}),
    "engineer": frozenset({"view", "ask", "operate", "command", "change", "fly"}),
    "pilot": frozenset({"view", "ask", "fly"}),
    "admin": frozenset(RIGHTS),
}
LIMITED: Final = frozenset({"view", "operate", "command"})  # what a role for one building gives; the rest is the site's

_Place = Annotated[str, Meta(min_length=1, max_length=200)]


class Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A role at a site, in one building of it (its GlobalId or name) or in all."""

    role: Role
    site: _Place = EVERYWHERE
    facility: _Place = EVERYWHERE

    def gives(self, right: Right, site: str) -> bool:
        """Whether it gives this right somewhere at the site."""
        here = self.site in (EVERYWHERE, site) and right in ROLES[self.role]
        return here and (self.facility == EVERYWHERE or right in LIMITED)


class Person(msgspec.Struct, frozen=True):
    """Who calls. `scopes` narrow a token; `session` and `csrf` are those of a signed-in browser."""

    name: str
    how: Literal["local", "session", "token", "service"]
    grants: tuple[Grant, ...]
    full_name: str = ""
    scopes: frozenset[str] | None = None
    session: str = ""
    csrf: str = ""
    token: str = ""

    def may(self, right: Right, site: str) -> bool:
        """Whether this person has the right, at least in one building."""
        return (self.scopes is None or right in self.scopes) and any(one.gives(right, site) for one in self.grants)

    def places(self, right: Right, site: str) -> frozenset[str]:
        """The buildings in which the right holds, `*` for all."""
        if self.scopes is not None and right not in self.scopes:
            return frozenset()
        return frozenset(one.facility for one in self.grants if one.gives(right, site))

    def may_in(self, right: Right, site: str, facilities: Collection[str]) -> bool:
        """Whether the right holds for something that lies in these buildings (ids and names); in none: site-wide."""
        places = self.places(right, site)
        return EVERYWHERE in places or not places.isdisjoint(facilities)


def least_role(right: Right) -> Role:
    """The smallest role that gives a right, for the refusal's text."""
    return min((role for role, rights in ROLES.items() if right in rights), key=lambda role: len(ROLES[role]))
