"""What each message of a charger means and what it is answered: one table for 1.6, one for 2.0.1 and 2.1.

A handler reads what is there: a field that is missing or of another type is left out, whatever the schema says of it.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from edge.sources.ocpp_charger import CONNECTORS_MAX, Charger, Transaction, charging_word
from edge.sources.ocpp_link import RefusedError
from edge.sources.ocpp_values import samples, time_us

__all__ = ["LASTING", "Desk", "answer"]

Payload = dict[str, Any]
LASTING: Final = frozenset({"StartTransaction", "StopTransaction", "MeterValues", "TransactionEvent"})
"""Answered when on disk, and told once: chargers repeat them after an outage until they are answered."""
_ID_CHARS_MAX: Final = 64


class Desk(NamedTuple):
    """What the answers need of the central system."""

    now_us: int
    now_iso: str
    heartbeat_s: int
    allowed: Callable[[str], bool]
    next_transaction: Callable[[], int]


Handler = Callable[[Charger, Payload, Desk], Payload]


def answer(version: str, action: str, charger: Charger, payload: Payload, desk: Desk) -> Payload:
    """Take one call and give its answer; RefusedError for one that no table has."""
    handler = (_V16 if version == "1.6" else _V2).get(action)
    if handler is None:
        raise RefusedError("NotImplemented", f"{action[:40]} is not used here")
    return handler(charger, payload, desk)


def _number(payload: Payload, name: str, otherwise: int = 0) -> int:
    value = payload.get(name)
    return int(value) if isinstance(value, int | float) and abs(value) < 2**53 else otherwise


def _text(payload: Payload, name: str) -> str:
    value = payload.get(name)
    return value[:_ID_CHARS_MAX] if isinstance(value, str) else ""


def _inside(payload: Payload, name: str) -> Payload:
    value = payload.get(name)
    return value if isinstance(value, dict) else {}


def _connector(number: int) -> int:
    if not 0 <= number <= CONNECTORS_MAX:
        raise RefusedError("PropertyConstraintViolation", f"connector {number} is beyond {CONNECTORS_MAX}")
    return number


def _kwh(payload: Payload, name: str) -> float | None:
    value = payload.get(name)
    return value / 1_000.0 if isinstance(value, int | float) and not isinstance(value, bool) else None


# -- both


def _boot(charger: Charger, payload: Payload, desk: Desk) -> Payload:
    station = _inside(payload, "chargingStation") or payload
    names = ("chargePointVendor", "vendorName", "chargePointModel", "model", "firmwareVersion", "reason")
    detail = {name: text for name in names if (text := _text(station, name) or _text(payload, name))}
    charger.tell("charger_boot", 0, f"{charger.device} booted", desk.now_us, **detail)
    return {"currentTime": desk.now_iso, "interval": desk.heartbeat_s, "status": "Accepted"}


def _heartbeat(charger: Charger, payload: Payload, desk: Desk) -> Payload:
    return {"currentTime": desk.now_iso}


def _nothing(charger: Charger, payload: Payload, desk: Desk) -> Payload:
    return {}


def _told(kind: str, severity: int) -> Handler:
    def tell(charger: Charger, payload: Payload, desk: Desk) -> Payload:
        plain = {key[:40]: str(value)[:200] for key, value in list(payload.items())[:12]}
        charger.tell(kind, severity, f"{charger.device}: {kind.replace('_', ' ')}", desk.now_us, **plain)
        return {}

    return tell


def _data(charger: Charger, payload: Payload, desk: Desk) -> Payload:
    return {"status": "UnknownVendorId"}


# -- 1.6


def _authorize_16(charger: Charger, payload: Payload, desk: Desk) -> Payload:
    return {"idTagInfo": _tag_status(_text(payload, "idTag"), desk)}


def _tag_status(tag: str, desk: Desk) -> Payload:
    return {"status": "Accepted" if desk.allowed(tag) else "Invalid"}


def _status_16(charger: Charger, payload: Payload, desk: Desk) -> Payload:
    word = _text(payload, "status")
    if word:
        connector, told_us = _connector(_number(payload, "connectorId")), time_us(payload.get("timestamp"))
        charger.status(connector, word, told_us, desk.now_us, _text(payload, "errorCode"))
    return {}


def _start_16(charger: Charger, payload: Payload, desk: Desk) -> Payload:
    tag, at_us = _text(payload, "idTag"), time_us(payload.get("timestamp")) or desk.now_us
    number = desk.next_transaction()
    connector = _connector(max(_number(payload, "connectorId", 1), 1))
    charger.begin(Transaction(number, connector, at_us, _kwh(payload, "meterStart")), tag, desk.now_us)
    return {"transactionId": number, "idTagInfo": _tag_status(tag, desk)}


def _stop_16(charger: Charger, payload: Payload, desk: Desk) -> Payload:
    number, at_us = _number(payload, "transactionId"), time_us(payload.get("timestamp")) or desk.now_us
    going = charger.transactions.get(number)
    connector = going.connector if going else 0
    if going and payload.get("transactionData"):
        charger.meter(connector, payload["transactionData"], desk.now_us)
    charger.end(number, connector, _text(payload, "reason") or "Local", at_us, _kwh(payload, "meterStop"), desk.now_us)
    return {}


def _meter_16(charger: Charger, payload: Payload, desk: Desk) -> Payload:
    charger.meter(_connector(_number(payload, "connectorId", 1)), payload.get("meterValue"), desk.now_us)
    return {}


# -- 2.0.1 and 2.1


def _authorize_2(charger: Charger, payload: Payload, desk: Desk) -> Payload:
    return {"idTokenInfo": _tag_status(_text(_inside(payload, "idToken"), "idToken"), desk)}


def _status_2(charger: Charger, payload: Payload, desk: Desk) -> Payload:
    word, connector = _text(payload, "connectorStatus"), _connector(_number(payload, "evseId", 1))
    going = next((one for one in charger.transactions.values() if one.connector == connector), None)
    if word == "Occupied":
        word = charger.statuses.get(connector, "") if going else "Preparing"
    if word:
        charger.status(connector, word, time_us(payload.get("timestamp")), desk.now_us)
    return {}


def _meter_2(charger: Charger, payload: Payload, desk: Desk) -> Payload:
    charger.meter(_connector(_number(payload, "evseId", 1)), payload.get("meterValue"), desk.now_us)
    return {}


def _event_2(charger: Charger, payload: Payload, desk: Desk) -> Payload:
    """TransactionEvent: started, updated, ended; a start that was never heard is made up for."""
    told, at_us = _inside(payload, "transactionInfo"), time_us(payload.get("timestamp")) or desk.now_us
    number = _text(told, "transactionId")
    if not number:
        raise RefusedError("OccurrenceConstraintViolation", "transactionInfo.transactionId is missing")
    going = charger.transactions.get(number)
    connector = _connector(_number(_inside(payload, "evse"), "id", going.connector if going else 1))
    tag = _text(_inside(payload, "idToken"), "idToken")
    kind = _text(payload, "eventType")
    if going is None and (kind == "Started" or (kind == "Updated" and connector > 0)):
        charger.begin(Transaction(number, connector, at_us), tag, desk.now_us)
    if word := charging_word(told.get("chargingState")):
        charger.status(connector, word, at_us, desk.now_us)
    if payload.get("meterValue"):
        charger.meter(connector, payload["meterValue"], desk.now_us)
    if kind == "Ended":
        found = [one.value for one in samples(payload.get("meterValue"))[0] if one.metric == "energy_total"]
        reason = _text(told, "stoppedReason") or "Local"
        charger.end(number, connector, reason, at_us, found[-1] if found else None, desk.now_us)
        charger.status(connector, "Finishing", at_us, desk.now_us)
    return {"idTokenInfo": _tag_status(tag, desk)} if tag else {}


def _notify_2(charger: Charger, payload: Payload, desk: Desk) -> Payload:
    told = payload.get("eventData")
    for one in (told if isinstance(told, list) else [])[:32]:
        if isinstance(one, dict):
            variable = _text(_inside(one, "variable"), "name")
            where = _text(_inside(one, "component"), "name")
            severity = 2 if _text(one, "trigger") == "Alerting" else 0
            detail = {"component": where, "variable": variable, "value": _text(one, "actualValue")}
            charger.tell("charger_event", severity, f"{where} {variable}: {detail['value']}", desk.now_us, **detail)
    return {}


_BOTH: Final[dict[str, Handler]] = {
    "BootNotification": _boot, "Heartbeat": _heartbeat, "DataTransfer": _data,
    "FirmwareStatusNotification": _told("firmware_status", 0), "LogStatusNotification": _nothing,
    "SecurityEventNotification": _told("security_event", 2),
}  # fmt: skip
_V16: Final[dict[str, Handler]] = {
    **_BOTH, "Authorize": _authorize_16, "StatusNotification": _status_16, "StartTransaction": _start_16,
    "StopTransaction": _stop_16, "MeterValues": _meter_16, "DiagnosticsStatusNotification": _nothing,
    "SignedFirmwareStatusNotification": _told("firmware_status", 0),
}  # fmt: skip
_V2: Final[dict[str, Handler]] = {
    **_BOTH, "Authorize": _authorize_2, "StatusNotification": _status_2, "MeterValues": _meter_2,
    "TransactionEvent": _event_2, "NotifyEvent": _notify_2, "NotifyReport": _nothing,
    "NotifyMonitoringReport": _nothing, "NotifyChargingLimit": _told("charging_limit", 1),
    "ClearedChargingLimit": _told("charging_limit_cleared", 0), "ReservationStatusUpdate": _nothing,
    "NotifyCustomerInformation": _nothing, "NotifyDisplayMessages": _nothing, "ReportChargingProfiles": _nothing,
}  # fmt: skip
