"""From messages to columns: which rule a topic falls under, which point a value is, and what it is worth.

No clock and no I/O here. Messages that share a rule and a form of payload are decoded together, whatever device they
come from; a payload that cannot be read is discarded alone, with its topic and reason.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import UNSET
from numpy.typing import NDArray

from edge.sources.columns import TEXT_SUFFIX, PointList
from edge.sources.mqtt_decode import Extractor, flatten
from edge.sources.mqtt_form import Leaf, Routed, Rows, Shape, kind_of, word_of, worth_of
from edge.sources.mqtt_profile import Key, Metric, TopicRule, compile_pattern, parse_path
from edge.sources.recording import parse_numbers
from edge.sources.recording_table import TimeColumn, epoch_us_of
from wire.catalogue import Point
from wire.limits import TIME_AHEAD_S_MAX
from wire.mqtt import Message
from wire.quality import TIME_SUSPECT

__all__ = ["Router"]

PAYLOAD_BYTES_MAX = 65_536  # a device's message; what is larger is a file, and is counted, not read
TOPICS_MAX = 50_000  # topics and devices remembered: a neighbour's broker can hold millions
FORMS_MAX = 8  # a payload that fits no form after so many that were learned from others is discarded
_ONLINE = "online"
_NOTHING = ("null", "raw")


@dataclass(slots=True)
class _Target:
    """A topic that was met: its form of payload, its row there, and the last payload, to know a repeated one."""

    shape: Shape
    row: int
    last: bytes = b""
    outages: int = 0  # of the link, when the last payload came


class Router:
    """Finds the rule of each topic once, then turns messages into columns."""

    def __init__(self, rules: Sequence[TopicRule], device: str, points: PointList) -> None:
        self._rules = [(rule, compile_pattern(rule)) for rule in rules]
        self._device, self._points = device, points
        self._outages = 0
        self._targets: dict[str, _Target | None] = {}
        self._shapes: dict[tuple[Any, ...], Shape] = {}
        self._ids: dict[tuple[str, str, bool], int] = {}  # by device, metric and "is a text", as the devices say them
        self._device_of: dict[int, str] = {}
        self.commands: dict[int, tuple[Metric, str]] = {}  # how to set a point, and its device's level
        for rule in rules:
            self._first_shape(rule, "")  # a wrong path is told at the start, not by the first message

    def route(self, messages: Sequence[Message], arrived_us: NDArray[np.int64]) -> Routed:
        """Columns of `messages` (n,), which arrived at `arrived_us` (n,)."""
        out = Routed()
        retained: list[int] = []
        again: list[int] = []
        used: dict[int, Shape] = {}
        for place, message in enumerate(messages):
            topic, payload = message.topic, message.payload
            target = self._targets[topic] if topic in self._targets else self._meet(topic)
            if target is None:
                out.discarded.append(("route", f"{topic[:120]}: no rule"))
                continue
            if len(payload) > PAYLOAD_BYTES_MAX:
                out.discarded.append(("decode", f"{topic[:120]}: {len(payload)} bytes, at most {PAYLOAD_BYTES_MAX}"))
                continue
            if message.retain:
                retained.append(place)
                if payload == target.last:  # the broker repeats what we already have
                    if target.outages == self._outages:
                        continue
                    again.append(place)
                    target.outages = self._outages
            target.last = payload
            shape = target.shape
            if not shape.pending:
                used[id(shape)] = shape
            shape.pending.append((target.row, payload, place))
        count = len(messages)
        arrived = Rows(np.arange(count), arrived_us, np.zeros(count, np.uint8), np.zeros(count, np.bool_))
        arrived.quality[retained] = TIME_SUSPECT  # of an unknown age
        arrived.again[again] = True
        for shape in used.values():
            self._convert(shape, messages, arrived, out, FORMS_MAX)
        return out

    def link_lost(self) -> None:
        """Let a retained message be told once more, at its arrival: its points were told to be stale."""
        self._outages += 1

    def stale_points(self, devices: set[str] | None = None) -> Iterator[Point]:
        """Points of `devices`, or all; those that say whether a device is online are none of them."""
        for point in self._points.points:
            if point.metric != _ONLINE and (devices is None or self._device_of[point.id] in devices):
                yield point

    # -- topics

    def _meet(self, topic: str) -> _Target | None:
        if len(self._targets) >= TOPICS_MAX:
            return None
        target = None
        for rule, pattern in self._rules:
            if found := pattern.fullmatch(topic):
                names = found.groupdict()
                metric = "/".join(filter(None, (names.get("metric"), names.get("rest"))))
                if not metric and rule.payload == "text" and not any(m.metric for m in rule.metrics):
                    metric = "" if rule.pattern.endswith("{device}") else topic.rpartition("/")[2]
                device = names.get("device") or rule.device or self._device
                shape = self._first_shape(rule, metric)
                target = _Target(shape, shape.row(device, metric))
                break
        self._targets[topic] = target
        return target

    def _first_shape(self, rule: TopicRule, metric: str) -> Shape:
        named = {parse_path(path): "value" for path in (rule.time, rule.device_path, rule.metric_path) if path}
        if rule.payload in {"text", "availability"}:
            spec = next((m for m in rule.metrics if not m.path or fnmatchcase(metric, m.path)), Metric())
            return self._shape(rule, {}, [Leaf((), spec.metric, spec)])
        if rule.payload == "generic":
            return self._shape(rule, named, [])
        leaves = [Leaf(parse_path(m.path), m.metric or m.path, m) for m in rule.metrics]
        kinds = {leaf.path: "any" if leaf.spec.kind == "state" else "value" for leaf in leaves}
        return self._shape(rule, kinds | named, leaves)

    def _shape(self, rule: TopicRule, kinds: dict[tuple[Key, ...], str], leaves: list[Leaf]) -> Shape:
        """The form of these leaves, one for all topics of the rule."""
        key = (rule.pattern, tuple(sorted(kinds.items(), key=str)), tuple((x.metric, x.spec.path) for x in leaves))
        if key not in self._shapes:
            plain = rule.payload in {"text", "availability"}
            extractor = None if plain else Extractor(kinds, strict=rule.payload == "generic")
            self._shapes[key] = Shape(rule, extractor, leaves, kinds, TimeColumn(rule.pattern, "iso", rule.time_zone))
        return self._shapes[key]

    # -- one form of payload at a time

    def _convert(self, shape: Shape, messages: Sequence[Message], arrived: Rows, out: Routed, forms_left: int) -> None:
        """What is pending for a form; payloads of another form teach it and are converted in a second round."""
        pending, shape.pending = shape.pending, []
        row, payloads, places = (list(part) for part in zip(*pending, strict=True))
        rows = replace(arrived.at(places), row=np.array(row, dtype=np.int64))
        if shape.extractor is None:
            self._plain(shape, payloads, rows, [messages[place].topic for place in places], out)
            return
        objects, reasons = shape.extractor.decode(payloads)
        if reasons:
            good = [at for at in range(len(objects)) if at not in reasons]
            objects, rows = [objects[at] for at in good], rows.at(good)
        if objects:
            self._typed(shape, shape.extractor, objects, rows, out)
        learned: dict[int, Shape] = {}
        for at, reason in reasons.items():
            topic = messages[places[at]].topic
            target = self._targets[topic]
            assert target is not None
            problem = self._learn(shape, target, payloads[at], reason) if forms_left else reason
            if problem:
                out.discarded.append(("decode", f"{topic[:120]}: {problem}"))
            else:
                learned[id(target.shape)] = target.shape
                target.shape.pending.append((target.row, payloads[at], places[at]))
        for grown in learned.values():
            self._convert(grown, messages, arrived, out, forms_left - 1)

    def _typed(self, shape: Shape, extractor: Extractor, objects: list[Any], rows: Rows, out: Routed) -> None:
        rule = shape.rule
        if rule.device_path or rule.metric_path:
            rows = self._renamed(shape, extractor, objects, rows)
        if rule.time:
            rows = _own_times(shape, extractor.column(objects, parse_path(rule.time)), rows)
        for leaf in shape.leaves:
            self._leaf(shape, leaf, extractor.column(objects, leaf.path), rows, out)

    def _renamed(self, shape: Shape, extractor: Extractor, objects: list[Any], rows: Rows) -> Rows:
        """The rows of payloads that name their device or metric themselves."""
        owners = [shape.owners[row] for row in rows.row.tolist()]
        names = [[owner[part] for owner in owners] for part in (0, 1)]
        for part, path in enumerate((shape.rule.device_path, shape.rule.metric_path)):
            if path:
                told = extractor.column(objects, parse_path(path))
                names[part] = [
                    own if name in (UNSET, None, "") else str(name) for name, own in zip(told, names[part], strict=True)
                ]
        row = [
            shape.row(*owner) if owner in shape.rows or len(shape.owners) < TOPICS_MAX else 0
            for owner in zip(*names, strict=True)
        ]
        return replace(rows, row=np.array(row, dtype=np.int64))

    def _leaf(self, shape: Shape, leaf: Leaf, column: list[Any], rows: Rows, out: Routed) -> None:
        if leaf.spec.kind != "state" and set(map(type, column)) <= {float, int}:
            self._emit(shape, leaf, np.array(column, dtype=np.float64), rows, out)
            return
        worths = {at: worth_of(item, leaf.spec) for at, item in enumerate(column)}
        numbers = {at: worth for at, worth in worths.items() if isinstance(worth, float)}
        if numbers:
            self._emit(shape, leaf, np.array(list(numbers.values())), rows.at(list(numbers)), out)
        for at, worth in worths.items():
            if isinstance(worth, str):
                point = self._id(shape, leaf, int(rows.row[at]), text=True)
                out.texts.append((point, int(rows.ts_us[at]), worth, int(rows.quality[at])))
            elif worth is False:
                device = shape.owners[int(rows.row[at])][0]
                out.discarded.append(("decode", f"{device}: {leaf.metric} is {str(column[at])[:40]!r}"))

    def _emit(self, shape: Shape, leaf: Leaf, values: NDArray[np.float64], rows: Rows, out: Routed) -> None:
        if leaf.spec.scale != 1.0 or leaf.spec.offset != 0.0:
            values = values * leaf.spec.scale + leaf.spec.offset
        ids = leaf.ids[False][rows.row]
        if (ids < 0).any():
            for row in np.unique(rows.row[ids < 0]):
                self._id(shape, leaf, int(row), text=False)
            ids = leaf.ids[False][rows.row]
        point = ids.astype(np.uint32)
        out.values.append((point, rows.ts_us, values, rows.quality | self._points.flags(point, values)))

    # -- points

    def _id(self, shape: Shape, leaf: Leaf, row: int, *, text: bool) -> int:
        """The point of a leaf for the device of a row, made when it is new."""
        if (found := int(leaf.ids[text][row])) >= 0:
            return found
        device, prefix = shape.owners[row]
        metric = ".".join(filter(None, (prefix, leaf.metric))) or "value"
        leaf.ids[text][row] = found = self._point(device, metric, leaf.spec, text=text)
        return found

    def _point(self, device: str, metric: str, spec: Metric, *, text: bool) -> int:
        key = (device, metric, text)
        if key in self._ids:
            return self._ids[key]
        about = spec.about() | {"label": spec.label or metric, "writable": bool(spec.command)}
        if text:
            about |= {"unit": "", "low": None, "high": None}
            beside = (device, metric, False) in self._ids or spec.kind == "value"
            point = self._points.add(device, metric + (TEXT_SUFFIX if beside else ""), kind="state", **about)
        else:
            point = self._points.add(device, metric, **about)
        if spec.command:
            self.commands[point] = (spec, device)
        self._ids[key], self._device_of[point] = point, device
        return point

    # -- payloads that are one text

    def _plain(self, shape: Shape, payloads: list[bytes], rows: Rows, topics: list[str], out: Routed) -> None:
        texts: list[str] = []
        good: list[int] = []
        for at, payload in enumerate(payloads):
            try:
                texts.append(payload.decode())
                good.append(at)
            except UnicodeDecodeError as error:
                out.discarded.append(("decode", f"{topics[at][:120]}: {error}"))
        rows, leaf = rows.at(good), shape.leaves[0]
        if shape.rule.payload == "availability":
            self._availability(shape, texts, rows, out)
        elif leaf.spec.kind == "state":
            self._leaf(shape, leaf, texts, rows, out)
        elif texts:
            numbers, is_number = parse_numbers(pa.array(texts, pa.string()))
            if is_number.any():
                self._emit(shape, leaf, numbers[is_number], rows.at(is_number), out)
            if not is_number.all():
                words = [text for text, number in zip(texts, is_number, strict=True) if not number]
                self._leaf(shape, leaf, words, rows.at(~is_number), out)

    def _availability(self, shape: Shape, texts: list[str], rows: Rows, out: Routed) -> None:
        for row, text, at_us in zip(rows.row.tolist(), texts, rows.ts_us.tolist(), strict=True):
            device = shape.owners[row][0]
            gone = word_of(text) in shape.rule.offline
            (out.offline.add if gone else out.offline.discard)(device)
            point = self._point(device, _ONLINE, Metric(label="device online"), text=True)
            out.texts.append((point, at_us, "false" if gone else "true", 0))

    # -- forms that are found out

    def _learn(self, shape: Shape, target: _Target, payload: bytes, reason: str) -> str:
        """Let the target's form grow to fit a payload that `shape` refused; says why it cannot."""
        if shape.rule.payload != "generic":
            return reason
        if target.shape is not shape:
            return ""  # a message before this one has taught it
        try:
            grown = self._grow(shape, flatten(payload))
        except (msgspec.DecodeError, ValueError) as error:
            return str(error)
        if grown is shape:
            return reason
        target.shape, target.row = grown, grown.row(*shape.owners[target.row])
        return ""

    def _grow(self, shape: Shape, found: dict[tuple[Key, ...], Any]) -> Shape:
        """The form that fits both what `shape` fits and the payload whose leaves were `found`."""
        rule, kinds = shape.rule, dict(shape.kinds)
        named = {parse_path(path) for path in (rule.time, rule.device_path, rule.metric_path) if path}
        for path, value in found.items():
            if path in named:
                continue
            dotted = _dotted(path)
            ignored = any(fnmatchcase(dotted, glob) for glob in rule.ignore)
            numeric = kinds.get(path) in {"number", "any"}  # a word where a number stood is worth telling
            stated = any(m.kind == "state" and fnmatchcase(dotted, m.path) for m in rule.metrics)
            kind = kind_of(value, texts=rule.texts or numeric or stated, ignored=ignored)
            if kind in _NOTHING and (path in kinds or any(known[: len(path)] == path for known in kinds)):
                continue
            known = kinds.get(path, kind)
            kinds[path] = kind if known in (kind, "null") else "any"
            for cut in range(1, len(path)):
                if kinds.get(path[:cut]) in _NOTHING:
                    del kinds[path[:cut]]
        kept = [path for path, kind in kinds.items() if kind not in _NOTHING and path not in named]
        leaves = [self._found_leaf(rule, path) for path in kept]
        return self._shape(rule, kinds, leaves)

    def _found_leaf(self, rule: TopicRule, path: tuple[Key, ...]) -> Leaf:
        dotted = _dotted(path)
        spec = next((m for m in rule.metrics if fnmatchcase(dotted, m.path)), Metric())
        return Leaf(path, spec.metric or dotted.removeprefix(rule.strip), spec)


def _own_times(shape: Shape, column: list[Any], rows: Rows) -> Rows:
    """The devices' own times; where there is none, that of arrival; where it cannot be right, flagged."""
    try:
        ts_us, readable = epoch_us_of(np.array(column, dtype=np.float64))
        absent = np.zeros(len(column), dtype=np.bool_)
    except (TypeError, ValueError):  # texts among them, or none at all
        numbers = [item if isinstance(item, float) else np.nan for item in column]
        ts_us, readable = epoch_us_of(np.array(numbers, dtype=np.float64))
        told_us, told, _ = shape.times.read(pa.array([x if isinstance(x, str) else None for x in column], pa.string()))
        ts_us, readable = np.where(told, told_us, ts_us), readable | told
        absent = np.array([item is UNSET or item is None for item in column], dtype=np.bool_)
    readable &= ~rows.again
    ahead = readable & (ts_us > rows.ts_us + TIME_AHEAD_S_MAX * 1_000_000)
    quality = np.where(readable, 0, rows.quality).astype(np.uint8)
    quality[ahead | ~(readable | absent)] |= TIME_SUSPECT
    return replace(rows, ts_us=np.where(readable, ts_us, rows.ts_us), quality=quality)


def _dotted(path: tuple[Key, ...]) -> str:
    return ".".join(map(str, path))
