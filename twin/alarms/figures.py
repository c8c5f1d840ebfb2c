"""How well the alarms serve people, after EEMUA 191 and ISA-18.2: rates, floods, chatter, what stands for days."""

from typing import Any, Final

import duckdb
import numpy as np

from twin.alarms.book import AlarmBook
from twin.alarms.states import PRIORITIES
from twin.times import iso

__all__ = ["figures"]

FLOOD: Final = 10  # alarms in ten minutes: more than a person can take in
CHATTER: Final = 3  # times in a minute
STANDING_US: Final = 86_400_000_000
_WINDOW_US = 600_000_000
_MINUTE_US = 60_000_000
_TOP = 10
_GOOD_PER_HOUR = 6.0  # EEMUA 191: "very likely to be acceptable" is one in ten minutes


def figures(cursor: duckdb.DuckDBPyConnection, book: AlarmBook, from_us: int, to_us: int) -> dict[str, Any]:
    """The figures of a stretch of time. What was silent by design does not count as rung."""
    found = cursor.execute(
        'SELECT alarm, epoch_us("at") AS at_us, what, priority FROM alarm_journal'
        ' WHERE "at" >= make_timestamptz(?::BIGINT) AND "at" < make_timestamptz(?::BIGINT)'
        " AND ((what = 'raised' AND state = 'unacknowledged') OR what = 'acknowledged') ORDER BY \"at\"",
        [from_us, to_us],
    ).fetchnumpy()
    rung = found["what"] == "raised"
    at_us, alarm = found["at_us"][rung].astype(np.int64), found["alarm"][rung].astype(np.int64)
    hours = max((to_us - from_us) / 3.6e9, 1e-9)
    per_window = np.bincount((at_us - from_us) // _WINDOW_US) if len(at_us) else np.zeros(1, np.int64)
    windows = max(1, -(-(to_us - from_us) // _WINDOW_US))
    priorities = found["priority"][rung].tolist()
    often = sorted(((int((alarm == one).sum()), one) for one in np.unique(alarm).tolist()), reverse=True)
    standing = [one for one in book.all() if one.active and one.raised_us and to_us - one.raised_us > STANDING_US]
    states = book.counts()
    return {
        "from": iso(from_us),
        "to": iso(to_us),
        "raised": len(at_us),
        "per_hour": round(len(at_us) / hours, 2),
        "acceptable_per_hour": _GOOD_PER_HOUR,
        "peak_10_min": int(per_window.max()),
        "flood_share": round(float(np.count_nonzero(per_window > FLOOD)) / windows, 4),
        "priorities": {name: priorities.count(name) for name in PRIORITIES},
        "most_frequent": [{"alarm": one, "count": count, "key": _key(book, one)} for count, one in often[:_TOP]],
        "chattering": sorted(one for one in np.unique(alarm).tolist() if _chatters(at_us[alarm == one])),
        "standing_over_a_day": [one.id for one in standing],
        "shelved": states.get("shelved", 0),
        "suppressed": states.get("suppressed", 0),
        "out_of_service": states.get("out_of_service", 0),
        "median_s_to_acknowledge": _answer_s(found),
    }


def _chatters(at_us: np.ndarray[Any, np.dtype[np.int64]]) -> bool:
    return len(at_us) >= CHATTER and bool((at_us[CHATTER - 1 :] - at_us[: -CHATTER + 1] < _MINUTE_US).any())


def _answer_s(found: dict[str, Any]) -> float | None:
    """From a ring to its first acknowledgement."""
    waiting: dict[int, int] = {}
    answers: list[int] = []
    for alarm, at_us, what in zip(
        found["alarm"].tolist(), found["at_us"].tolist(), found["what"].tolist(), strict=True
    ):
        if what == "raised":
            waiting.setdefault(alarm, at_us)
        elif alarm in waiting:
            answers.append(at_us - waiting.pop(alarm))
    return round(float(np.median(answers)) / 1e6, 1) if answers else None


def _key(book: AlarmBook, alarm: int) -> str:
    return book.get(alarm).definition.key
