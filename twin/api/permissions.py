"""Which right each route asks for: the one table. A route that is not in it is for admins only.

`open` needs no sign-in, `own` needs one and nothing more. A row says whether a success is written to the audit here
(an act whose handler does not write its own line); what is refused or fails is written in any case.
"""

from dataclasses import dataclass
from typing import Final, Literal

from twin.access.roles import Right

__all__ = ["PERMISSIONS", "Rule", "rule_of"]

Needs = Right | Literal["open", "own"]


@dataclass(frozen=True, slots=True)
class Rule:
    """What a route needs; `act` for what changes something, `noted` where its handler audits a success itself."""

    needs: Needs
    act: bool = False
    noted: bool = False


_OPEN, _OWN, _VIEW, _ASK = Rule("open"), Rule("own"), Rule("view"), Rule("ask")
_ADMIN = Rule("administer")


def _act(needs: Needs, *, noted: bool = False) -> Rule:
    return Rule(needs, act=True, noted=noted)


PERMISSIONS: Final[dict[tuple[str, str], Rule]] = {
    ("GET", "/healthz"): _OPEN,
    ("GET", "/readyz"): _OPEN,
    ("GET", "/metrics"): _VIEW,
    ("GET", "/openapi.json"): _VIEW,
    # sign-in
    ("GET", "/session"): _OPEN,
    ("POST", "/session"): _act("open", noted=True),
    ("DELETE", "/session"): _act("open", noted=True),
    ("GET", "/session/oidc/{id}/start"): _OPEN,
    ("GET", "/session/oidc/{id}/callback"): _OPEN,
    ("POST", "/welcome/look"): _OPEN,
    ("POST", "/welcome"): _act("open", noted=True),
    ("POST", "/password"): _act("own", noted=True),
    ("GET", "/sessions"): _OWN,
    ("DELETE", "/sessions/{id}"): _act("own", noted=True),
    ("GET", "/tokens"): _OWN,
    ("POST", "/tokens"): _act("own", noted=True),
    ("DELETE", "/tokens/{id}"): _act("own", noted=True),
    ("GET", "/roles"): _OWN,
    ("GET", "/users"): _ADMIN,
    ("POST", "/users"): _act("administer", noted=True),
    ("GET", "/users/{name}"): _ADMIN,
    ("POST", "/users/{name}"): _act("administer", noted=True),
    ("POST", "/users/{name}/link"): _act("administer", noted=True),
    ("POST", "/users/{name}/sign-out"): _act("administer", noted=True),
    ("GET", "/audit"): _ADMIN,
    ("POST", "/backups"): _act("administer"),
    # trust in gateways, which themselves sign in by token or key
    ("GET", "/ca"): _OPEN,
    ("POST", "/enrol"): _act("open", noted=True),
    ("POST", "/renew"): _act("open", noted=True),
    ("POST", "/enrolments"): _act("change", noted=True),
    ("POST", "/nodes/{node}/revoke"): _act("change", noted=True),
    # gateways from afar; a configuration and a log tell more than an operator needs
    ("GET", "/nodes/{node}/config"): Rule("change"),
    ("POST", "/nodes/{node}/config/check"): Rule("change"),
    ("POST", "/nodes/{node}/config/rollback"): _act("change", noted=True),
    ("GET", "/nodes/{node}/logs"): Rule("change"),
    ("POST", "/fleet/config"): _act("change", noted=True),
    ("GET", "/fleet/rollouts"): _VIEW,
    ("GET", "/fleet/rollouts/{id}"): _VIEW,
    ("POST", "/fleet/rollouts/{id}/stop"): _act("change", noted=True),
    # software of gateways
    ("GET", "/software"): _VIEW,
    ("POST", "/software/manifests"): _act("administer"),
    ("POST", "/software/wheels/{sha256}"): _act("administer"),
    ("POST", "/software/carried"): _act("administer"),
    ("POST", "/software/rollouts"): _act("change", noted=True),
    ("POST", "/nodes/{node}/software/rollback"): _act("change", noted=True),
    # the park
    ("GET", "/site"): _VIEW,
    ("GET", "/nodes"): _VIEW,
    ("GET", "/events"): _VIEW,
    ("GET", "/points"): _VIEW,
    ("GET", "/points/{name:path}"): _VIEW,
    ("GET", "/bindings/report"): _VIEW,
    ("GET", "/state"): _VIEW,
    ("GET", "/history"): _VIEW,
    ("GET", "/elements"): _VIEW,
    ("GET", "/elements/{element}"): _VIEW,
    ("GET", "/tree"): _VIEW,
    ("GET", "/basemap/{file}"): _VIEW,
    ("GET", "/tiles"): _VIEW,
    ("GET", "/tiles/{sha256}/{file}"): _VIEW,
    ("GET", "/schedule"): _VIEW,
    ("GET", "/schedule/unlinked"): _VIEW,
    ("GET", "/tasks/{task:path}"): _VIEW,
    ("POST", "/query"): _ASK,
    ("GET", "/query/tables"): _ASK,
    ("GET", "/reports"): _VIEW,
    ("GET", "/reports/kept/{id}"): _VIEW,
    ("GET", "/reports/{kind}"): _VIEW,
    ("GET", "/shift"): _VIEW,
    ("POST", "/shift"): _act("operate", noted=True),
    ("GET", "/shift/handovers"): _VIEW,
    ("POST", "/shift/handovers"): _act("operate", noted=True),
    ("POST", "/shift/handovers/{id}/take"): _act("operate", noted=True),
    ("GET", "/queries"): _ASK,
    ("POST", "/queries"): _act("ask"),
    ("POST", "/queries/{id}"): _act("ask"),
    ("DELETE", "/queries/{id}"): _act("ask"),
    ("POST", "/commands"): _act("command", noted=True),
    ("GET", "/commands"): _VIEW,
    ("GET", "/commands/{id}"): _VIEW,
    ("POST", "/changes"): _act("change", noted=True),
    ("GET", "/changes"): _VIEW,
    ("GET", "/changes/{id}"): _VIEW,
    ("POST", "/changes/{id}/activate"): _act("change", noted=True),
    ("POST", "/changes/{id}/revert"): _act("change", noted=True),
    # commissioning
    ("GET", "/commissioning"): _VIEW,
    ("GET", "/commissioning/labels.pdf"): _VIEW,
    ("GET", "/commissioning/{device:path}"): _VIEW,
    ("POST", "/commissioning/{device:path}"): _act("change", noted=True),
    ("GET", "/devices/{device:path}/qr.svg"): _VIEW,
    ("GET", "/pointlist"): _VIEW,
    ("POST", "/pointlist"): _act("change", noted=True),
    # alarms
    ("GET", "/alarms"): _VIEW,
    ("GET", "/alarms/rules"): Rule("change"),  # routes may hold the keys of gateways for short messages
    ("GET", "/alarms/journal"): _VIEW,
    ("GET", "/alarms/figures"): _VIEW,
    ("GET", "/alarms/messages"): _VIEW,
    ("GET", "/alarms/{id}"): _VIEW,
    **{
        ("POST", f"/alarms/{each}{deed}"): _act("operate", noted=True)
        for each in ("", "{id}/")
        for deed in ("ack", "shelve", "unshelve", "suppress", "comment")
    },
    ("POST", "/alarms/{id}/feedback"): _act("operate", noted=True),
    # trained models
    ("GET", "/models"): _VIEW,
    ("GET", "/models/assets"): _VIEW,
    ("GET", "/models/trust"): _VIEW,
    ("POST", "/models/trust"): _act("administer"),
    ("POST", "/models/bundles"): _act("change"),
    ("POST", "/models"): _act("change", noted=True),
    ("POST", "/models/{id}/rollback"): _act("change", noted=True),
    ("POST", "/models/{id}/promote"): _act("change", noted=True),
    # drones
    ("POST", "/uploads"): _act("fly"),
    ("GET", "/uploads"): _VIEW,
    ("GET", "/uploads/{id}"): _VIEW,
    ("POST", "/uploads/{group}/commit"): _act("fly"),
    ("DELETE", "/uploads/{id}"): _act("fly"),
    ("GET", "/flights"): _VIEW,
    ("GET", "/flights/{id}"): _VIEW,
    ("GET", "/photos/{id}"): _VIEW,
    ("GET", "/photos/{id}/image"): _VIEW,
    ("GET", "/photos/{id}/marks"): _VIEW,
    ("POST", "/photos/{id}/marks"): _act("fly"),
    ("DELETE", "/photos/{id}/marks/{mark}"): _act("fly"),
    ("GET", "/scans"): _VIEW,
    ("GET", "/scans/{id}"): _VIEW,
    ("GET", "/scans/{id}/verdicts"): _VIEW,
    ("GET", "/scans/{id}/cloud/{file}"): _VIEW,
    ("GET", "/scans/{id}/evidence/{name}"): _VIEW,
    ("GET", "/scans/{id}/bcf"): _VIEW,
}
_UNLISTED: Final = Rule("administer", act=True)


def rule_of(method: str, path: str) -> Rule:
    """The rule of a route, below /api/v1 or beside it."""
    return PERMISSIONS.get((method, path), _UNLISTED)
