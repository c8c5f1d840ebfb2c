"""A site's `access.toml`: how long sign-in lasts, and who else may vouch for people.

```toml
[session]
idle_min = 720                        # signed out after so long without a call
absolute_h = 168                      # and in any case after so long

[[oidc]]                              # OpenID Connect; several are fine
id = "park"
title = "Park account"                # what the button says
issuer = "https://id.park.example/realms/park"
client_id = "aid4"
client_secret_file = "oidc-secret"    # beside this file; without it the client is public (PKCE is always used)
redirect = "https://twin.park.example"  # our public address, when a proxy stands before the twin
scopes = ["openid", "profile", "email"]
roles_claim = "groups"                # which claim of the ID token says what a person may do

[[oidc.grant]]
value = "park-operators"
role = "operator"
site = "campus"                       # `*` by default
facility = "Building A"               # GlobalId or name of a building; `*` by default
```
"""

from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from twin.access.roles import EVERYWHERE, Grant, Role
from twin.site_file import read_site_file
from wire.errors import ConfigError

__all__ = ["AccessSettings", "ClaimGrant", "Provider", "SessionTimes", "read_settings_file"]

FILE: Final = "access.toml"
_Word = Annotated[str, Meta(min_length=1, max_length=200)]
_Url = Annotated[str, Meta(pattern=r"^https?://[^\s?#]+$", max_length=500)]


class SessionTimes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a browser is signed out."""

    idle_min: Annotated[float, Meta(ge=1, le=43_200)] = 720.0
    absolute_h: Annotated[float, Meta(ge=0.1, le=2_160)] = 168.0


class ClaimGrant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who has `value` in the roles claim gets this role."""

    value: _Word
    role: Role
    site: _Word = EVERYWHERE
    facility: _Word = EVERYWHERE

    @property
    def grant(self) -> Grant:
        """The role with its places."""
        return Grant(self.role, self.site, self.facility)


class Provider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One OpenID provider."""

    id: Annotated[str, Meta(pattern="^[a-z0-9-]{1,40}$")]
    issuer: _Url
    client_id: _Word
    title: _Word = "Single sign-on"
    client_secret_file: str = ""
    redirect: str = ""
    scopes: tuple[_Word, ...] = ("openid", "profile", "email")
    roles_claim: _Word = "groups"
    grant: list[ClaimGrant] = []


class AccessSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    session: SessionTimes = SessionTimes()
    oidc: Annotated[list[Provider], Meta(max_length=10)] = []


def read_settings_file(folder: Path | None) -> AccessSettings:
    """The settings of a site's folder, ours where there is no file; ConfigError names what is wrong."""
    settings, file = read_site_file(folder, FILE, AccessSettings, docs="docs/access.md")
    if file is None:
        return settings
    _check(settings, file)
    return settings


def _check(settings: AccessSettings, file: Path) -> None:
    ids = [provider.id for provider in settings.oidc]
    if len(set(ids)) < len(ids):
        raise ConfigError("two providers have one id", file=str(file), field="oidc.id", fix="name them apart")
    for provider in settings.oidc:
        if provider.issuer.startswith("http://") and not _is_here(provider.issuer):
            fix = "write https://; plain http only for a provider on this machine"
            raise ConfigError("would be asked in the clear", file=str(file), field="oidc.issuer", fix=fix)
        if "openid" not in provider.scopes:
            raise ConfigError("lacks openid", file=str(file), field="oidc.scopes", fix='add "openid"')


def _is_here(url: str) -> bool:
    host: Any = url.split("/")[2].rpartition("@")[2]
    return host.partition(":")[0] in {"127.0.0.1", "localhost"} or host.startswith("[::1]")
