"""What a simulated charger has to report, and how each OCPP version puts it, in the library's dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

import ocpp.v16 as v16
import ocpp.v21 as v21
import ocpp.v201 as v201
from ocpp.routing import on
from websockets.typing import Subprotocol

__all__ = ["ROLES", "Report", "Role"]

CONNECTOR: Final = 1
TAG: Final = "04A2B9C1D0"
_FREE, _PREPARING, _CHARGING = "Available", "Preparing", "Charging"
_STATE_2: Final = {_PREPARING: "EVConnected", _CHARGING: "Charging", "Finishing": "Idle", _FREE: "Idle"}
_UNITS: Final = {"power": ("Power.Active.Import", "W", 1_000.0), "current": ("Current.Import", "A", 1.0),
                 "voltage": ("Voltage", "V", 1.0), "vehicle_soc": ("SoC", "Percent", 1.0),
                 "energy": ("Energy.Active.Import.Register", "Wh", 1_000.0)}  # fmt: skip


@dataclass(slots=True)
class Report:
    """The charger's own book: its energy register, the transaction, what it said last. Times are UTC."""

    state: str = ""
    register_kwh: float = 1_234.0  # at the end of the last session
    transaction: str = ""  # its own number of the session, "" when none runs
    number: dict[str, int] = field(default_factory=dict)  # 1.6: the central system's number of each session
    sessions: int = 0
    seq: int = 0

    def follow(self, state: str, session_kwh: float, at: datetime, operative: bool) -> list[tuple[str, dict[str, Any]]]:
        """The reports that a new connector state asks for."""
        before, self.state = self.state, state
        found = [self.status(at, operative)]
        if state == _CHARGING and not self.transaction:
            self.sessions += 1
            self.transaction, self.seq = f"{at:%Y%m%d%H%M%S}-{self.sessions}", 0
            found.append(self._event("begin", at, self.register_kwh))
        elif before == _CHARGING and self.transaction:
            self.register_kwh += session_kwh
            found.append(self._event("end", at, self.register_kwh))
            self.transaction = ""
        return found

    def status(self, at: datetime, operative: bool) -> tuple[str, dict[str, Any]]:
        """How the connector stands."""
        return "status", {"state": self.state if operative else "Unavailable", "at": _iso(at)}

    def meter(self, values: Mapping[str, float], session_kwh: float, at: datetime) -> tuple[str, dict[str, Any]]:
        """A sample of everything it measures."""
        register_kwh = self.register_kwh + (session_kwh if self.transaction else 0.0)
        told = self._event("meter", at, register_kwh)
        told[1]["values"] = {**values, "energy": register_kwh}
        return told

    def began(self, told: Mapping[str, Any], number: int | None) -> None:
        """The central system has given the session a number."""
        if number is not None:
            self.number[told["transaction"]] = number

    def _event(self, kind: str, at: datetime, register_kwh: float) -> tuple[str, dict[str, Any]]:
        self.seq += bool(self.transaction)
        same = {"transaction": self.transaction, "seq": self.seq, "register_kwh": register_kwh}
        return kind, {**same, "state": self.state, "at": _iso(at)}


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# -- 1.6


class _Speaker16(v16.ChargePoint):  # type: ignore[misc]
    def __init__(self, charger: Any, link: Any, timeout_s: int) -> None:
        super().__init__(charger.device.name, link, timeout_s)
        self.charger = charger

    @on("RemoteStartTransaction")  # type: ignore[untyped-decorator]
    def on_start(self, **_: Any) -> Any:
        return v16.call_result.RemoteStartTransaction(_word(self.charger.command("start")))

    @on("RemoteStopTransaction")  # type: ignore[untyped-decorator]
    def on_stop(self, **_: Any) -> Any:
        return v16.call_result.RemoteStopTransaction(_word(self.charger.command("stop")))

    @on("SetChargingProfile")  # type: ignore[untyped-decorator]
    def on_profile(self, cs_charging_profiles: dict[str, Any], **_: Any) -> Any:
        limit_a = float(cs_charging_profiles["charging_schedule"]["charging_schedule_period"][0]["limit"])
        return v16.call_result.SetChargingProfile(_word(self.charger.take_limit(limit_a)))

    @on("GetCompositeSchedule")  # type: ignore[untyped-decorator]
    def on_schedule(self, connector_id: int, duration: int, **_: Any) -> Any:
        period = [{"startPeriod": 0, "limit": round(self.charger.limit_a(), 1)}]
        schedule = {"duration": duration, "chargingRateUnit": "A", "chargingSchedulePeriod": period}
        return v16.call_result.GetCompositeSchedule("Accepted", connector_id=connector_id, charging_schedule=schedule)

    @on("TriggerMessage")  # type: ignore[untyped-decorator]
    def on_trigger(self, **_: Any) -> Any:
        self.charger.say_state()
        return v16.call_result.TriggerMessage("Accepted")

    @on("ChangeAvailability")  # type: ignore[untyped-decorator]
    def on_availability(self, type: str, **_: Any) -> Any:  # noqa: A002 - the name of the field
        self.charger.set_operative(type == "Operative")
        return v16.call_result.ChangeAvailability("Accepted")

    @on("Reset")  # type: ignore[untyped-decorator]
    def on_reset(self, **_: Any) -> Any:
        self.charger.reboot_soon()
        return v16.call_result.Reset("Accepted")

    @on("UnlockConnector")  # type: ignore[untyped-decorator]
    def on_unlock(self, **_: Any) -> Any:
        return v16.call_result.UnlockConnector("Unlocked")


def _boot_16(vendor: str, model: str) -> Any:
    return v16.call.BootNotification(charge_point_model=model, charge_point_vendor=vendor)


def _message_16(kind: str, told: dict[str, Any], report: Report) -> Any:
    at, number = told["at"], report.number.get(told.get("transaction", ""))
    match kind:
        case "status":
            return v16.call.StatusNotification(CONNECTOR, "NoError", told["state"], timestamp=at)
        case "begin":
            return v16.call.StartTransaction(CONNECTOR, TAG, round(told["register_kwh"] * 1e3), at)
        case "end":
            stop_wh = round(told["register_kwh"] * 1e3)
            return v16.call.StopTransaction(meter_stop=stop_wh, timestamp=at, transaction_id=number or 0)
        case _:
            values = [
                {"value": f"{value:.1f}", "measurand": measurand, "unit": unit}
                for measurand, unit, value in _measured(told["values"])
            ]
            meter = [{"timestamp": at, "sampledValue": values}]
            return v16.call.MeterValues(CONNECTOR, meter, transaction_id=number)


# -- 2.0.1 and 2.1


def _speaker_2(version: Any) -> Any:
    """The charge point class of 2.0.1 or 2.1, whose messages here are the same."""
    result = version.call_result

    class Speaker(version.ChargePoint):  # type: ignore[misc]
        def __init__(self, charger: Any, link: Any, timeout_s: int) -> None:
            super().__init__(charger.device.name, link, timeout_s)
            self.charger = charger

        @on("RequestStartTransaction")  # type: ignore[untyped-decorator]
        def on_start(self, **_: Any) -> Any:
            return result.RequestStartTransaction(_word(self.charger.command("start")))

        @on("RequestStopTransaction")  # type: ignore[untyped-decorator]
        def on_stop(self, **_: Any) -> Any:
            return result.RequestStopTransaction(_word(self.charger.command("stop")))

        @on("SetChargingProfile")  # type: ignore[untyped-decorator]
        def on_profile(self, charging_profile: dict[str, Any], **_: Any) -> Any:
            limit_a = float(charging_profile["charging_schedule"][0]["charging_schedule_period"][0]["limit"])
            return result.SetChargingProfile(_word(self.charger.take_limit(limit_a)))

        @on("GetCompositeSchedule")  # type: ignore[untyped-decorator]
        def on_schedule(self, evse_id: int, duration: int, **_: Any) -> Any:
            period = [{"startPeriod": 0, "limit": round(self.charger.limit_a(), 1)}]
            schedule = {"evseId": evse_id, "duration": duration, "chargingRateUnit": "A",
                        "scheduleStart": "2026-01-01T00:00:00Z", "chargingSchedulePeriod": period}  # fmt: skip
            return result.GetCompositeSchedule("Accepted", schedule=schedule)

        @on("TriggerMessage")  # type: ignore[untyped-decorator]
        def on_trigger(self, **_: Any) -> Any:
            self.charger.say_state()
            return result.TriggerMessage("Accepted")

        @on("ChangeAvailability")  # type: ignore[untyped-decorator]
        def on_availability(self, operational_status: str, **_: Any) -> Any:
            self.charger.set_operative(operational_status == "Operative")
            return result.ChangeAvailability("Accepted")

        @on("Reset")  # type: ignore[untyped-decorator]
        def on_reset(self, **_: Any) -> Any:
            self.charger.reboot_soon()
            return result.Reset("Accepted")

        @on("UnlockConnector")  # type: ignore[untyped-decorator]
        def on_unlock(self, **_: Any) -> Any:
            return result.UnlockConnector("Unlocked")

    return Speaker


def _boot_2(version: Any) -> Any:
    def boot(vendor: str, model: str) -> Any:
        return version.call.BootNotification(charging_station={"model": model, "vendorName": vendor}, reason="PowerUp")

    return boot


def _message_2(version: Any) -> Any:
    def message(kind: str, told: dict[str, Any], _: Report) -> Any:
        at = told["at"]
        if kind == "status":
            word = told["state"] if told["state"] in (_FREE, "Unavailable", "Faulted") else "Occupied"
            return version.call.StatusNotification(
                timestamp=at, connector_status=word, evse_id=CONNECTOR, connector_id=1
            )
        values = [
            {"value": round(value, 1), "measurand": measurand, **_unit_2(unit)}
            for measurand, unit, value in _measured(told.get("values") or {"energy": told["register_kwh"]})
        ]
        meter = [{"timestamp": at, "sampledValue": values}]
        if not told["transaction"]:
            return version.call.MeterValues(evse_id=CONNECTOR, meter_value=meter)
        kinds = {"begin": ("Started", "Authorized"), "end": ("Ended", "EVDeparted")}
        event, trigger = kinds.get(kind, ("Updated", "MeterValuePeriodic"))
        info = {"transactionId": told["transaction"], "chargingState": _STATE_2.get(told["state"], "Charging")}
        more = {"id_token": {"idToken": TAG, "type": "ISO14443"}} if kind == "begin" else {}
        return version.call.TransactionEvent(
            event_type=event,
            timestamp=at,
            trigger_reason=trigger,
            seq_no=told["seq"],
            transaction_info=info,
            meter_value=meter,
            evse={"id": CONNECTOR, "connectorId": 1},
            **more,
        )

    return message


def _measured(values: Mapping[str, float]) -> list[tuple[str, str, float]]:
    return [(_UNITS[name][0], _UNITS[name][1], value * _UNITS[name][2]) for name, value in values.items()]


def _unit_2(unit: str) -> dict[str, Any]:
    return {"unitOfMeasure": {"unit": unit}} if unit != "Percent" else {}


def _word(is_taken: bool) -> str:
    return "Accepted" if is_taken else "Rejected"


class Role(NamedTuple):
    """A version: its subprotocol, its charge point class, its boot message and its reports."""

    subprotocol: Subprotocol
    speaker: Any
    boot: Any
    message: Any


ROLES: Final = {
    "1.6": Role(Subprotocol("ocpp1.6"), _Speaker16, _boot_16, _message_16),
    "2.0.1": Role(Subprotocol("ocpp2.0.1"), _speaker_2(v201), _boot_2(v201), _message_2(v201)),
    "2.1": Role(Subprotocol("ocpp2.1"), _speaker_2(v21), _boot_2(v21), _message_2(v21)),
}
