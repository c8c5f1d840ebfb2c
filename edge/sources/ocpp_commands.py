"""Commands to a charger: what each word and limit is in 1.6 and in 2.0.1 / 2.1, and what counts as taken."""

from datetime import UTC, datetime
from typing import Any, Final

from edge.sources import SourceError
from edge.sources.ocpp_charger import Charger
from edge.sources.ocpp_link import ChargerLink

__all__ = ["ask_again", "command", "limit_now", "set_limit"]

_TAKEN: Final = frozenset({"Accepted", "Scheduled", "Unlocked", "RebootRequired"})
_TAG: Final = "aid4"  # who started a session that the twin asked for
_PROFILE_ID, _STACK = 4_401, 1  # of our limit; a later one takes its place
_SCHEDULE_S: Final = 60
_WORDS_16: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "operative": ("ChangeAvailability", {"type": "Operative"}),
    "inoperative": ("ChangeAvailability", {"type": "Inoperative"}),
    "unlock": ("UnlockConnector", {}),
    "reset": ("Reset", {"type": "Soft"}),
    "hard_reset": ("Reset", {"type": "Hard"}),
}
_WORDS_2: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "operative": ("ChangeAvailability", {"operationalStatus": "Operative"}),
    "inoperative": ("ChangeAvailability", {"operationalStatus": "Inoperative"}),
    "unlock": ("UnlockConnector", {"connectorId": 1}),
    "reset": ("Reset", {"type": "OnIdle"}),
    "hard_reset": ("Reset", {"type": "Immediate"}),
}


async def command(link: ChargerLink, charger: Charger, connector: int, word: str) -> None:
    """Carry out one of COMMANDS; SourceError when the charger does not."""
    is_16 = link.version == "1.6"
    if word in ("start", "stop"):
        action, payload = _start(is_16, connector) if word == "start" else _stop(is_16, charger, connector)
    else:
        action, told = (_WORDS_16 if is_16 else _WORDS_2)[word]
        payload = dict(told)
        if action == "ChangeAvailability":
            payload |= {"connectorId": connector} if is_16 else {"evse": {"id": connector}}
        elif action == "UnlockConnector":
            payload |= {"connectorId": connector} if is_16 else {"evseId": connector}
    _check(link, action, await link.call(action, payload))


def _start(is_16: bool, connector: int) -> tuple[str, dict[str, Any]]:
    if is_16:
        return "RemoteStartTransaction", {"connectorId": connector, "idTag": _TAG}
    token = {"idToken": _TAG, "type": "Central"}
    number = int(datetime.now(UTC).timestamp()) & 0x7FFFFFFF
    return "RequestStartTransaction", {"idToken": token, "remoteStartId": number, "evseId": connector}


def _stop(is_16: bool, charger: Charger, connector: int) -> tuple[str, dict[str, Any]]:
    going = next((one for one in charger.transactions.values() if one.connector == connector), None)
    if going is None:
        raise SourceError("write", f"{charger.device}: no transaction runs at connector {connector}")
    return ("RemoteStopTransaction" if is_16 else "RequestStopTransaction"), {"transactionId": going.id}


async def set_limit(link: ChargerLink, connector: int, limit_a: float) -> None:
    """Limit the current of each phase by a smart-charging profile that stands until the next one."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    period = {"startPeriod": 0, "limit": round(limit_a, 1)}
    schedule: dict[str, Any] = {
        "chargingRateUnit": "A", "startSchedule": now, "chargingSchedulePeriod": [period],
    }  # fmt: skip
    same = {"stackLevel": _STACK, "chargingProfilePurpose": "TxDefaultProfile", "chargingProfileKind": "Absolute"}
    if link.version == "1.6":
        profile = {"chargingProfileId": _PROFILE_ID, **same, "chargingSchedule": schedule}
        payload: dict[str, Any] = {"connectorId": connector, "csChargingProfiles": profile}
    else:
        profile = {"id": _PROFILE_ID + connector, **same, "chargingSchedule": [{"id": 1, **schedule}]}
        payload = {"evseId": connector, "chargingProfile": profile}
    _check(link, "SetChargingProfile", await link.call("SetChargingProfile", payload))


async def limit_now(link: ChargerLink, connector: int) -> float | None:
    """The limit that the charger itself works out for now, in A a phase; None when it does not say."""
    where = {"connectorId" if link.version == "1.6" else "evseId": connector}
    try:
        answer = await link.call("GetCompositeSchedule", {**where, "duration": _SCHEDULE_S, "chargingRateUnit": "A"})
    except SourceError:
        return None
    schedule = answer.get("chargingSchedule", answer.get("schedule"))
    try:
        limit = schedule["chargingSchedulePeriod"][0]["limit"]  # type: ignore[index]
        return float(limit) if schedule.get("chargingRateUnit") == "A" else None  # type: ignore[union-attr]
    except (KeyError, IndexError, TypeError, ValueError):
        return None


async def ask_again(link: ChargerLink) -> None:
    """After a connect: have the charger say how its connectors stand. One that cannot is left in peace."""
    for message in ("StatusNotification", "MeterValues"):
        try:
            await link.call("TriggerMessage", {"requestedMessage": message})
        except SourceError:
            return


def _check(link: ChargerLink, action: str, answer: dict[str, Any]) -> None:
    status = str(answer.get("status", ""))
    if status not in _TAKEN:
        raise SourceError("write", f"{link.identity} answered {action} with {status[:40] or 'nothing'}")
