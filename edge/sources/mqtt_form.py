"""Forms of payloads: what can be decoded together, which points its values are, and what a JSON value is worth."""

import re
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import UNSET
from numpy.typing import NDArray

from edge.sources.columns import LastValues, readings, states
from edge.sources.mqtt_decode import Extractor
from edge.sources.mqtt_profile import Key, Metric, TopicRule
from edge.sources.recording_table import TimeColumn
from wire.schemas import READINGS, STATES

__all__ = ["Leaf", "Routed", "Rows", "Shape", "bodies", "kind_of", "word_of", "worth_of"]


@dataclass(slots=True)
class Leaf:
    """One value of a form of payload, and the points that it is for each device (-1: not met yet)."""

    path: tuple[Key, ...]
    metric: str
    spec: Metric
    ids: dict[bool, NDArray[np.int64]] = field(  # by "is a text"
        default_factory=lambda: {text: np.full(16, -1, np.int64) for text in (False, True)}
    )


@dataclass(slots=True)
class Shape:
    """A form of payload: what can be decoded together. A row is a device with what the topic says of the metric."""

    rule: TopicRule
    extractor: Extractor | None = None  # None: the payload is one text
    leaves: list[Leaf] = field(default_factory=list)
    kinds: dict[tuple[Key, ...], str] = field(default_factory=dict)
    times: TimeColumn = field(default_factory=lambda: TimeColumn("payload", "iso"))
    owners: list[tuple[str, str]] = field(default_factory=list)
    rows: dict[tuple[str, str], int] = field(default_factory=dict)
    pending: list[tuple[int, bytes, int]] = field(default_factory=list)  # row, payload, place of the message

    def row(self, device: str, metric: str) -> int:
        """The row of a device, made when it is new."""
        found = self.rows.get((device, metric))
        if found is None:
            found = self.rows[device, metric] = len(self.owners)
            self.owners.append((device, metric))
            for leaf in self.leaves:
                for text, ids in leaf.ids.items():
                    if found >= len(ids):
                        leaf.ids[text] = np.concatenate((ids, np.full(len(ids), -1, np.int64)))
        return found


@dataclass(frozen=True, slots=True)
class Rows:
    """Whose, when and how good: columns (n,) beside the payloads of one form."""

    row: NDArray[np.int64]
    ts_us: NDArray[np.int64]
    quality: NDArray[np.uint8]
    again: NDArray[np.bool_]  # told before an outage already: true at its arrival, whatever time it carries

    def at(self, which: NDArray[np.bool_] | list[int]) -> "Rows":
        """Some of the rows."""
        return Rows(self.row[which], self.ts_us[which], self.quality[which], self.again[which])


@dataclass(slots=True)
class Routed:
    """What came out of some messages."""

    values: list[tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8]]] = field(
        default_factory=list
    )
    texts: list[tuple[int, int, str, int]] = field(default_factory=list)  # point, µs, text, quality
    discarded: list[tuple[str, str]] = field(default_factory=list)  # stage, why; one value or message each
    offline: set[str] = field(default_factory=set)  # devices that say they are gone


def bodies(routed: Routed, last: LastValues) -> list[tuple[int, pa.RecordBatch]]:
    """Bodies of readings@1 and states@1, each with its schema id; their newest values are remembered in `last`."""
    out = []
    if routed.values:
        ids, ts_us, values, quality = (np.concatenate(part) for part in zip(*routed.values, strict=True))
        last.take_values(ids, values)
        out.append((READINGS, readings(ids, ts_us, values, quality)))
    if routed.texts:
        points, times, texts, flags = zip(*routed.texts, strict=True)
        last.take_texts(points, texts)
        ids, ts_us = np.array(points, dtype=np.uint32), np.array(times, dtype=np.int64)
        out.append((STATES, states(ids, ts_us, texts, np.array(flags, dtype=np.uint8))))
    return out


def kind_of(value: Any, *, texts: bool, ignored: bool) -> str:
    """How the extractor is to read a leaf found with this value; "null" and "raw" leaves are not kept."""
    if value is None:
        return "null"
    if ignored or value == {} or (isinstance(value, str) and not texts):
        return "raw"
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else "any"


def worth_of(item: Any, spec: Metric) -> float | str | bool | None:
    """A JSON value as a number, a text, None where there is none, or False where it cannot be what is wanted."""
    if item is UNSET or (item is None and spec.kind == "state"):
        return None
    if item is None:
        return float("nan")
    text = item if isinstance(item, str) else _text(item)
    if text in spec.values:
        return spec.values[text]
    if spec.kind == "state" or (spec.kind == "auto" and isinstance(item, (bool, list, dict))):
        return text
    try:
        return float(item)
    except (TypeError, ValueError):
        return text if spec.kind == "auto" else False


def _text(item: Any) -> str:
    if isinstance(item, bool):
        return "true" if item else "false"
    return repr(item) if isinstance(item, (int, float)) else msgspec.json.encode(item).decode()


def word_of(text: str) -> str:
    """The word of an availability message, plain or {"state": word}."""
    found = re.fullmatch(r'\s*\{\s*"state"\s*:\s*"(\w+)"\s*\}\s*', text)
    return found.group(1) if found else text.strip()
