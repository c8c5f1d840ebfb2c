"""What is written into a copy of a model, and the CSV files that say it. Times are ISO 8601."""

import csv
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from wire.errors import InputError

__all__ = ["Actual", "Job", "Report", "SensorRow", "Verdict", "read_actuals", "read_verdicts"]

_BYTES_MAX = 64 << 20
_VERDICTS = ("built", "not_built", "unknown")


class SensorRow(msgspec.Struct, frozen=True, kw_only=True):
    """A point and where it belongs; `position_m` is in coordinates of the model, None for a place of our choice."""

    key: str  # node/device/metric
    element: str
    space: str | None = None
    point_class: str = ""
    unit: str = ""
    label: str = ""
    brick: str = ""
    position_m: tuple[float, float, float] | None = None


class Actual(msgspec.Struct, frozen=True, kw_only=True):
    """Actual dates of a task (GlobalId, Identification or name) or of an element (GlobalId)."""

    task: str = ""
    element: str = ""
    start: str = ""
    finish: str = ""
    percent: float | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The latest verdict of a scan about an element."""

    element: str
    verdict: Literal["built", "not_built", "unknown"]
    at: str = ""
    probability: float | None = None
    scan: str = ""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is to be written."""

    sensors: list[SensorRow] = []
    actuals: list[Actual] = []
    verdicts: list[Verdict] = []
    validate: bool = True


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was written; `skipped` names what was not, and why. Validation counts are None where it was not asked."""

    sensors_added: int = 0
    sensors_kept: int = 0  # written before
    keys_added: int = 0  # PointKey on an element that was there
    tasks_dated: int = 0
    elements_dated: int = 0
    verdicts: int = 0
    skipped: list[str] = []
    errors_before: int | None = None
    errors_after: int | None = None
    new_errors: list[str] = []
    out: str = ""
    sha256: str = ""


def read_actuals(path: Path) -> list[Actual]:
    """CSV with `task` or `element`, and `start`, `finish`, `percent`; raises InputError naming file and row."""
    return [_parsed(path, number, row, _actual) for number, row in _rows(path)]


def read_verdicts(path: Path) -> list[Verdict]:
    """CSV with `element`, `verdict` (built, not_built or unknown), and `at`, `probability`, `scan`.

    Of several rows of one element the latest stands.
    """
    found: dict[str, Verdict] = {}
    for number, row in _rows(path):
        one = _parsed(path, number, row, _verdict)
        known = found.get(one.element)
        if known is None or one.at >= known.at:
            found[one.element] = one
    return list(found.values())


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open("rb") as file:
            data = file.read(_BYTES_MAX + 1)
        if len(data) > _BYTES_MAX:
            raise InputError(f"more than {_BYTES_MAX >> 20} MiB", file=str(path), fix="split it")
        text = data.decode("utf-8-sig")
        rows = list(csv.DictReader(text.splitlines(), strict=True))
    except OSError as error:
        raise InputError(str(error.strerror), file=str(path), fix="give a CSV file") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(str(error), file=str(path), fix="save it as CSV in UTF-8") from error
    plain = [{str(k): v.strip() for k, v in row.items() if k and isinstance(v, str)} for row in rows]
    return list(enumerate(plain, 2))


def _parsed(path: Path, number: int, row: dict[str, str], parse: Callable[[dict[str, str]], Any]) -> Any:
    try:
        return parse(row)
    except ValueError as error:
        fix = "see bim/writeback/rows.py for the columns"
        raise InputError(str(error), file=str(path), field=f"row {number}", fix=fix) from error


def _actual(row: dict[str, str]) -> Actual:
    task, element = row.get("task", ""), row.get("element", "")
    if bool(task) == bool(element):
        raise ValueError("give either task or element")
    start, finish = (_time(row.get(name, "")) for name in ("start", "finish"))
    percent = _number(row.get("percent", ""), 100.0)
    if not start and not finish and percent is None:
        raise ValueError("it has no start, finish or percent")
    if start and finish and finish < start:
        raise ValueError("it finishes before it starts")
    return Actual(task=task, element=element, start=start, finish=finish, percent=percent)


def _verdict(row: dict[str, str]) -> Verdict:
    verdict = row.get("verdict", "").lower().replace(" ", "_")
    if verdict not in _VERDICTS:
        raise ValueError(f"{verdict[:40]!r} is no verdict; use one of {', '.join(_VERDICTS)}")
    if not row.get("element"):
        raise ValueError("it names no element")
    return Verdict(
        element=row["element"],
        verdict=verdict,  # type: ignore[arg-type]
        at=_time(row.get("at", "")),
        probability=_number(row.get("probability", ""), 1.0),
        scan=row.get("scan", "")[:200],
    )


def _time(text: str) -> str:
    """ISO 8601 as IFC writes it, to the second; "" for none."""
    return datetime.fromisoformat(text).replace(microsecond=0).isoformat() if text else ""


def _number(text: str, high: float) -> float | None:
    if not text:
        return None
    value = float(text)
    if not 0 <= value <= high:
        raise ValueError(f"{text[:40]!r} is not between 0 and {high:g}")
    return value
