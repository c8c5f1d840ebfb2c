"""Which point each record of a meter is, from read-out to read-out."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from edge.sources.columns import PointList
from edge.sources.mbus_link import Meter
from edge.sources.mbus_records import Answer, Record
from wire.units import convert

__all__ = ["POINTS_MAX", "MeterPoints", "metric_of"]

TEXT_KINDS = {"date", "time"}
POINTS_MAX: Final = 512  # of one meter; with all storages and tariffs some have 200


class _Known(NamedTuple):
    point: int
    is_text: bool
    factor: float
    offset: float


Key = tuple[str, int]


def metric_of(record: Record) -> str:
    """`energy`, `max_power`, `energy_t2`, `volume_s1`, `volume_u1`: quantity, function, tariff, storage, subunit."""
    parts = [record.meaning.quantity]
    if record.function != "now":
        parts.insert(0, record.function)
    for letter, number in (("t", record.tariff), ("s", record.storage), ("u", record.unit)):
        if number:
            parts.append(f"{letter}{number}")
    return "_".join(parts)


class MeterPoints:
    """The points of one meter. Records with one name are told apart by their order."""

    def __init__(self, meter: Meter, points: PointList, period_s: float) -> None:
        self._meter, self._points, self._period_s = meter, points, period_s
        self._told = {spec.record or spec.metric: spec for spec in meter.points}
        self._known: dict[Key, _Known] = {}
        self._id = ""
        self.left_out = 0  # records beyond the bound, of a meter that tells other ones each time

    @property
    def ids(self) -> list[int]:
        """Ids of all its points."""
        return [known.point for known in self._known.values()]

    def swapped(self, answer: Answer) -> str:
        """The id of the meter that stood here before, when another answers now; else nothing."""
        was, self._id = self._id, answer.header.id
        return was if was and was != answer.header.id else ""

    def rows(self, answers: list[Answer]) -> Iterator[tuple[int, float | str | None]]:
        """Point and value of each record that is wanted, and the meter's status as a number."""
        seen: Counter[str] = Counter()
        for answer in answers:
            for record in answer.records:
                if record.storage and not self._meter.storages:
                    continue
                metric = metric_of(record)
                seen[metric] += 1
                if (metric, seen[metric]) not in self._known and len(self._known) >= POINTS_MAX:
                    self.left_out += 1
                    continue
                known = self._point(metric, seen[metric], record, answer)
                yield known.point, _as_told(record.value, known)
        status = self._status(answers[0])
        yield status.point, float(answers[0].header.status)

    def _point(self, metric: str, count: int, record: Record, answer: Answer) -> _Known:
        if known := self._known.get((metric, count)):
            return known
        name = metric if count == 1 else f"{metric}_{count}"
        is_text = record.meaning.kind in TEXT_KINDS or isinstance(record.value, str)
        about = self._about(name, record.meaning.unit)
        factor, offset = 1.0, 0.0
        if record.meaning.unit and about["unit"] != record.meaning.unit:
            offset = convert(0.0, record.meaning.unit, about["unit"])
            factor = convert(1.0, record.meaning.unit, about["unit"]) - offset
        about["meta"] = {"medium": answer.header.medium, **({"note": record.note} if record.note else {})}
        name = about.pop("metric")
        point = self._points.add(self._meter.name, name, kind="state" if is_text else "value", **about)
        self._known[metric, count] = known = _Known(point, is_text, factor, offset)
        return known

    def _status(self, answer: Answer) -> _Known:
        if known := self._known.get(("status", 1)):
            return known
        about = self._about("status", "") | {"meta": {"medium": answer.header.medium}, "declared": "u8"}
        name = about.pop("metric")
        self._known["status", 1] = known = _Known(self._points.add(self._meter.name, name, **about), False, 1.0, 0.0)
        return known

    def _about(self, name: str, unit: str) -> dict[str, Any]:
        about: dict[str, Any] = {"metric": name, "unit": unit, "period_s": self._period_s}
        if told := self._told.get(name):
            about["metric"] = told.metric or name
            about |= {field: value for field, value in told.about().items() if value not in (None, "")}
        return about


def _as_told(value: float | str | None, known: _Known) -> float | str | None:
    if known.is_text:
        return None if value is None else value if isinstance(value, str) else f"{value:g}"
    return None if isinstance(value, str) or value is None else value * known.factor + known.offset
