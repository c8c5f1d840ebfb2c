"""What one charger says, as rows and events: connectors, transactions, meter values, whatever its OCPP version.

Connector states are told in the words of 1.6 for all versions. The first connector's metrics have plain names, those
of connector 2 end in `_c2`. Values older than `PAST_US` are a backlog: flagged as historical, at their own time.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from edge.sources import SourceHealth
from edge.sources.columns import Happening, PointList, PointSpec
from edge.sources.ocpp_values import Sample, samples
from edge.sources.row_list import RowList
from wire.quality import HISTORICAL, TIME_SUSPECT

__all__ = ["COMMANDS", "CONNECTORS_MAX", "Charger", "Transaction", "charging_word"]

PAST_US: Final = 120_000_000
CONNECTORS_MAX: Final = 64  # of one charging station; a depot's cabinet has 24
POINTS_MAX: Final = 400
TRANSACTIONS_MAX: Final = 2 * CONNECTORS_MAX  # not yet ended
COMMANDS: Final = ("start", "stop", "operative", "inoperative", "unlock", "reset", "hard_reset")
_CHARGING: Final = {  # of 2.x, in the words of 1.6
    "Charging": "Charging", "EVConnected": "Preparing", "SuspendedEV": "SuspendedEV",
    "SuspendedEVSE": "SuspendedEVSE", "Idle": "Finishing",
}  # fmt: skip


@dataclass(slots=True)
class Transaction:
    """One charging session that has not ended."""

    id: int | str
    connector: int
    started_us: int
    meter_start_kwh: float | None = None


@dataclass(slots=True)
class Charger:
    """One charger over all its connections; `ids` are its points by metric, `rows` and `told` wait to be taken."""

    device: str
    points: PointList
    rows: RowList
    told: list[Happening]
    specs: dict[str, PointSpec]
    about: dict[str, Any]
    health: SourceHealth
    ids: dict[str, int] = field(default_factory=dict)
    connector_of: dict[int, int] = field(default_factory=dict)
    transactions: dict[int | str, Transaction] = field(default_factory=dict)
    statuses: dict[int, str] = field(default_factory=dict)
    newest: dict[int, tuple[int, float | str, int]] = field(default_factory=dict)
    is_lost: bool = False  # and was told so
    metered: set[int] = field(default_factory=set)  # connectors that have told a session's energy

    def point(self, metric: str, connector: int, kind: str = "value", **about: Any) -> int | None:
        """The id of a metric of a connector, appended when it is new; None when there are too many."""
        name = metric if connector <= 1 else f"{metric}_c{connector}"
        if name not in self.ids:
            if len(self.ids) >= POINTS_MAX or not 0 <= connector <= CONNECTORS_MAX:
                self.health.error("points", f"{self.device} has more connectors or metrics than are read")
                return None
            spec = self.specs.get(name) or self.specs.get(metric)
            said = {"label": f"{self.about['label']}: {name.replace('_', ' ')}"} if "label" in self.about else {}
            known = {key: value for key, value in spec.about().items() if value not in ("", None)} if spec else {}
            self.ids[name] = self.points.add(self.device, name, kind=kind, **(self.about | said | about | known))  # type: ignore[arg-type]
            self.connector_of[self.ids[name]] = max(connector, 1)
        return self.ids[name]

    def commandable(self, connector: int) -> None:
        """A connector that can be told something has points for it."""
        self.point("command", connector, "state", declared="enum", writable=True, meta={"values": list(COMMANDS)})
        self.point("current_limit", connector, unit="A", low=0.0, high=1_000.0, writable=True, point_class="setpoint")

    def value(self, metric: str, connector: int, unit: str, value: float, told_us: int | None, now_us: int) -> None:
        """One number."""
        at_us, quality = placed(told_us, now_us)
        if (point := self.point(metric, connector, unit=unit)) is not None:
            self._add(point, at_us, value, quality)

    def word(self, metric: str, connector: int, text: str, told_us: int | None, now_us: int) -> None:
        """One state."""
        at_us, quality = placed(told_us, now_us)
        if (point := self.point(metric, connector, "state", declared="enum")) is not None:
            self._add(point, at_us, text, quality)

    def _add(self, point: int, at_us: int, value: float | str, quality: int) -> None:
        told_us, last, more_us = self.newest.get(point, (0, "", 0))
        if (told_us, last) == (at_us, value):
            return  # a charger said it twice
        more_us = more_us + 1 if told_us == at_us else 0  # several values within its millisecond: in their order
        self.newest[point] = (at_us, value, more_us)
        self.rows.add(point, at_us + more_us, value, quality)

    def tell(self, kind: str, severity: int, message: str, at_us: int, /, **detail: Any) -> None:
        """One event."""
        self.told.append(Happening(at_us, self.device, kind, severity, message, detail))

    # -- what all versions say

    def status(self, connector: int, word: str, told_us: int | None, now_us: int, error: str = "") -> None:
        """A StatusNotification."""
        if not 0 <= connector <= CONNECTORS_MAX:
            return
        self.commandable(connector)
        self.word("connector_state" if connector else "charger_state", connector, word, told_us, now_us)
        if error:
            self.word("error_code", connector, error, told_us, now_us)
        before, self.statuses[connector] = self.statuses.get(connector), word
        if word == "Faulted" != before:
            self.tell("charger_fault", 2, f"connector {connector} is faulted: {error or 'no code'}",
                      placed(told_us, now_us)[0], connector=connector, code=error)  # fmt: skip

    def meter(self, connector: int, values: Any, now_us: int) -> None:
        """A `meterValue` list; the session's energy is counted from the register at the start of the transaction."""
        found, unused = samples(values)
        for sample in found:
            self.value(sample.metric, connector, sample.unit, sample.value, sample.at_us, now_us)
            if sample.metric == "energy_total":
                self._session(connector, sample, now_us)
        if unused:
            self.health.discarded += unused
            self.health.received += unused
            self.health.error("decode", f"{self.device}: {unused} meter values cannot be used")

    def _session(self, connector: int, sample: Sample, now_us: int) -> None:
        going = next((one for one in self.transactions.values() if one.connector == connector), None)
        if going is None:
            if connector not in self.metered:  # no session yet
                self.value("session_energy", connector, "kW.h", 0.0, sample.at_us, now_us)
                self.metered.add(connector)
            return
        self.metered.add(connector)
        if going.meter_start_kwh is None:
            going.meter_start_kwh = sample.value
        if sample.value >= going.meter_start_kwh:
            energy_kwh = sample.value - going.meter_start_kwh
            self.value("session_energy", connector, "kW.h", round(energy_kwh, 4), sample.at_us, now_us)

    def begin(self, started: Transaction, tag: str, now_us: int) -> None:
        """A transaction began; a connector has one at a time, so an older one there ended unheard."""
        for old in [one for one in self.transactions.values() if one.connector == started.connector]:
            del self.transactions[old.id]
        while len(self.transactions) >= TRANSACTIONS_MAX:
            self.transactions.pop(next(iter(self.transactions)))
        self.transactions[started.id] = started
        self.tell("transaction_started", 0, f"charging began at connector {started.connector}", started.started_us,
                  connector=started.connector, transaction=str(started.id), tag=masked(tag))  # fmt: skip
        self.value("session_energy", started.connector, "kW.h", 0.0, started.started_us, now_us)

    def end(
        self, number: int | str, connector: int, reason: str, at_us: int, meter_kwh: float | None, now_us: int
    ) -> None:
        """A transaction ended; one whose start was never heard has no energy."""
        going = self.transactions.pop(number, None)
        detail: dict[str, Any] = {"transaction": str(number)[:64], "reason": reason[:40]}
        if going is not None:
            connector, detail["duration_s"] = going.connector, max(0, at_us - going.started_us) / 1e6
            if meter_kwh is not None and going.meter_start_kwh is not None:
                energy_kwh = max(0.0, meter_kwh - going.meter_start_kwh)
                detail["energy_kwh"] = round(energy_kwh, 3)
                self.value("session_energy", connector, "kW.h", energy_kwh, at_us, now_us)
        detail["connector"] = connector
        self.tell("transaction_ended", 0, f"charging ended at connector {connector}", at_us, **detail)


def placed(told_us: int | None, now_us: int) -> tuple[int, int]:
    """Where a value told at `told_us` is put, and with which flags."""
    if told_us is None:
        return now_us, 0
    if told_us > now_us + PAST_US:
        return now_us, TIME_SUSPECT
    return told_us, HISTORICAL if told_us < now_us - PAST_US else 0


def masked(tag: str) -> str:
    """A card's number without what tells whose it is: its last four characters."""
    return "…" + tag[-4:] if len(tag) > 4 else tag and "…"


def charging_word(state: Any) -> str:
    """The 1.6 word of a 2.x chargingState; "" when there is none."""
    return _CHARGING.get(str(state), "")
