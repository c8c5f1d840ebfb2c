"""A Sparkplug host application without its broker: births, data and deaths in, rows and wishes for rebirths out.

No clock and no I/O. Messages of a node that come out of turn wait `reorder_us` for those that are missing; then the
gap is counted and a rebirth is wanted. A node that dies takes its points with it: they are repeated once, stale.
"""

from typing import Any, Final

from edge.sources import Batch, SourceHealth
from edge.sources.columns import Happening, LastValues, PointList, events
from edge.sources.row_list import RowList
from edge.sources.sparkplug_message import PayloadError, decode
from edge.sources.sparkplug_tree import CONTROL, Metric, Node, NodeKey, Thing, Tree
from edge.sources.sparkplug_values import LeftOutError, Part, ValueRefusedError, parts, properties, quality_of
from wire.catalogue import Point
from wire.quality import BAD, HISTORICAL, NOT_A_NUMBER, TIME_SUSPECT

__all__ = ["SparkplugHost"]

HELD_MAX: Final = 32  # messages of one node that wait for an earlier one
SEQ: Final = 256
TIME_MS_MAX: Final = 7_258_118_400_000  # 2200; beyond it, the time of arrival is told
AHEAD_US_MAX: Final = 86_400_000_000
LEFT_OUT_TOLD_MAX: Final = 50


class SparkplugHost:
    """`take` the messages of one broker in order, `poll` often, and carry off `batches` and `wanted`."""

    def __init__(self, tree: Tree, health: SourceHealth, reorder_us: int) -> None:
        self.tree, self.health, self._reorder_us = tree, health, reorder_us
        self.points: PointList = tree.points
        self.wanted: dict[NodeKey, str] = {}  # nodes whose birth is missing, and why
        self.reported: dict[int, float | str] = {}  # newest values of points since last cleared, for commands
        self.gaps = 0  # messages that never came
        self._last = LastValues(self.points)
        self._rows = RowList(self.points)
        self._done: list[Batch] = []
        self._events: list[Happening] = []

    def take(self, kind: str, key: NodeKey, device: str, raw: bytes, at_us: int) -> None:
        """One message of the namespace; what cannot be used is counted."""
        try:
            payload = decode(raw)
        except PayloadError as error:
            self._refuse("decode", f"{'/'.join(key)[:100]} {kind}: {error}")
            return
        node = self.tree.node(key)
        if node is None:
            self._refuse("nodes", "")
        elif kind == "NBIRTH":
            self._node_birth(node, payload, at_us)
        elif kind == "NDEATH":
            self._node_death(node, payload, at_us)
        elif not node.alive:
            self._refuse("unborn", f"{node.itself.name}: {kind} before its birth")
            self._want(node, "it speaks and was not born")
        else:
            self._in_turn(node, (kind, device, payload, at_us), at_us)

    def poll(self, now_us: int) -> None:
        """Give up on messages that are missing for too long."""
        for node in self.tree.nodes.values():
            if node.held and now_us - node.held_us >= self._reorder_us:
                self._skip_gap(node, now_us)

    def clock_stepped(self, step_us: int) -> None:
        """What waits has waited as long as it has."""
        for node in self.tree.nodes.values():
            node.held_us += step_us

    def link_lost(self, now_us: int, why: str) -> None:
        """The broker is gone, and with it every node; each is asked for a birth when it is back."""
        for node in self.tree.nodes.values():
            if node.alive:
                self._die(node, now_us, why)
                self._want(node, "the link was lost")

    def batches(self) -> list[Batch]:
        """All rows and events so far, in their order."""
        self._close_rows()
        done, self._done = self._done, []
        if self._events:
            done.append(events(self._events))
            self._events = []
        return done

    def alive(self) -> int:
        """How many nodes are there."""
        return sum(node.alive for node in self.tree.nodes.values())

    def left_out(self) -> dict[str, str]:
        """Metrics that became no points, by `device/metric`, and why."""
        things = [thing for node in self.tree.nodes.values() for thing in node.things()]
        return {f"{thing.name}/{name}": why for thing in things for name, why in thing.left_out.items()}

    def owner(self, point: Point) -> tuple[Node, Thing, Metric, str]:
        """Whose a point is. Raises KeyError for one that says whether a device is there."""
        return self.tree.owner[point.id]

    # -- births and deaths

    def _node_birth(self, node: Node, payload: Any, at_us: int) -> None:
        if not payload.HasField("seq") or payload.seq >= SEQ:
            self._refuse("seq", f"{node.itself.name}: a birth without a sequence number")
            return
        was_alive = node.alive
        for device in node.devices.values():
            if device.alive:
                self._lose(device, at_us)
        bd_seq = _bd_seq(payload)
        if bd_seq is None:
            self.health.error("bdseq", f"{node.itself.name}: a birth without bdSeq")
        node.bd_seq, node.alive, node.next_seq = bd_seq, True, (payload.seq + 1) % SEQ
        node.held.clear()
        node.aliases.clear()
        for thing in node.things():
            thing.aliases.clear()
        self.wanted.pop(node.key, None)
        self._born(node, node.itself, payload, at_us)
        if not was_alive:
            self._tell(node.itself, at_us, "sparkplug_birth", 0, f"edge node {'/'.join(node.key)} is there")

    def _node_death(self, node: Node, payload: Any, at_us: int) -> None:
        bd_seq = _bd_seq(payload)
        late = bd_seq is not None and node.bd_seq is not None and (node.bd_seq - bd_seq) % SEQ in range(1, SEQ // 2)
        if not node.alive or late:  # pysparkplug 0.6 says goodbye with its next number, which cannot be late
            self.health.error("late_death", f"{node.itself.name}: the death {bd_seq} of a session that is over")
            return
        self._die(node, at_us, "its death was told")

    def _die(self, node: Node, at_us: int, why: str) -> None:
        for thing in node.things():
            if thing.alive:
                self._lose(thing, at_us)
        node.alive = False
        node.held.clear()
        self._tell(node.itself, at_us, "sparkplug_death", 2, f"edge node {'/'.join(node.key)}: {why}")

    def _lose(self, thing: Thing, at_us: int) -> None:
        """Repeat a node's or device's points, stale, after all that it said."""
        thing.alive, thing.stale_us = False, at_us
        self._close_rows()
        self._done += self._last.stale(thing.points, at_us, self.health)
        self._rows.add(self.tree.online(thing), at_us, "false")

    def _born(self, node: Node, thing: Thing, payload: Any, at_us: int) -> None:
        before = set(thing.left_out)
        thing.alive = True
        declared = self.tree.declare(node, thing, payload)
        self._rows.add(self.tree.online(thing), at_us, "true")
        for metric, told in declared:
            self._value(node, thing, metric, told, payload, at_us)
        if fresh := set(thing.left_out) - before:
            some = dict(list(thing.left_out.items())[:LEFT_OUT_TOLD_MAX])
            message = f"{len(fresh)} metrics of {thing.name} are no points"
            self._events.append(Happening(at_us, thing.name, "metrics_left_out", 1, message, {"metrics": some}))

    # -- messages in their order

    def _in_turn(self, node: Node, message: tuple[str, str, Any, int], at_us: int) -> None:
        payload = message[2]
        if not payload.HasField("seq") or payload.seq >= SEQ:
            self.health.error("seq", f"{node.itself.name}: {message[0]} without a sequence number")
            self._want(node, "a message without a sequence number")
            self._apply(node, *message)
            return
        ahead = (payload.seq - node.next_seq) % SEQ
        if ahead == 0:
            self._step(node, message)
            self._follow(node)
        elif ahead > SEQ - HELD_MAX:
            self._refuse("repeated", f"{node.itself.name}: seq {payload.seq} was there before")
            self._want(node, "a sequence number came twice")
        else:
            if not node.held:
                node.held_us = at_us
            node.held[payload.seq] = message
            if len(node.held) > HELD_MAX:
                self._skip_gap(node, at_us)

    def _step(self, node: Node, message: tuple[str, str, Any, int]) -> None:
        node.next_seq = (message[2].seq + 1) % SEQ
        self._apply(node, *message)

    def _follow(self, node: Node) -> None:
        while node.held and node.alive and (message := node.held.pop(node.next_seq, None)) is not None:
            self._step(node, (message[0], message[1], message[2], message[3]))

    def _skip_gap(self, node: Node, at_us: int) -> None:
        """Go on with the first message that waits; what lies before it never came."""
        while node.held:
            first = min(node.held, key=lambda seq: (seq - node.next_seq) % SEQ)
            missing = (first - node.next_seq) % SEQ
            if missing:
                self.gaps += missing
                self.health.received += missing
                self.health.discarded += missing
                self.health.errors["gap"] = self.health.errors.get("gap", 0) + missing
                self.health.why = f"{node.itself.name}: {missing} messages before seq {first} never came"
                self._tell(node.itself, at_us, "sparkplug_gap", 1, self.health.why)
                self._want(node, "messages are missing")
            node.next_seq = first
            self._follow(node)

    def _apply(self, node: Node, kind: str, device: str, payload: Any, at_us: int) -> None:
        thing = self.tree.device(node, device)
        if thing is None:
            return
        if kind == "DBIRTH":
            self._born(node, thing, payload, at_us)
        elif kind == "DDEATH":
            if thing.alive:
                self._lose(thing, at_us)
        elif not thing.alive:
            self._refuse("unborn", f"{thing.name}: {kind} before its birth")
            self._want(node, "a device speaks and was not born")
        else:
            for told in payload.metrics:
                if told.name.startswith(CONTROL):
                    continue
                metric = self.tree.find(node, thing, told)
                if metric is None:
                    self.health.received += 1
                    self.health.discarded += 1
                    self._want(node, "a metric that no birth declared")
                else:
                    self._value(node, thing, metric, told, payload, at_us)

    # -- values

    def _value(self, node: Node, thing: Thing, metric: Metric, told: Any, payload: Any, at_us: int) -> None:
        """The rows of one metric; one that cannot be read is counted, one of no use is listed."""
        quality = HISTORICAL if told.is_historical else 0
        if told.HasField("properties") and (code := properties(told).get("Quality")) is not None:
            quality |= quality_of(code)
        when_us, suspect = _time_us(told, payload, at_us)
        if when_us <= thing.stale_us and not told.is_historical:
            when_us = max(at_us, thing.stale_us + 1)  # or the twin would take "stale" for the newer word
        try:
            found = list(parts(told, metric.type))
        except LeftOutError as error:
            thing.left_out[metric.name] = str(error)
            return
        except ValueRefusedError as error:
            self._refuse("decode", f"{thing.name}/{metric.name[:80]}: {error}")
            return
        for part in found:
            self._row(node, thing, metric, part, when_us, quality | suspect)

    def _row(self, node: Node, thing: Thing, metric: Metric, part: Part, at_us: int, quality: int) -> None:
        numeric = part.type not in ("Boolean", "String", "Text", "UUID", "DateTime")
        value = part.value
        if value is None:
            value, quality = (float("nan"), quality | NOT_A_NUMBER) if numeric else ("", quality | BAD)
        point = self.tree.point(node, thing, metric, part.suffix, part.type, word=not numeric)
        if point is None:
            self._refuse("points", "")
            return
        self._rows.add(point, at_us, value, quality)
        if not quality & HISTORICAL:
            self.reported[point] = value

    def _close_rows(self) -> None:
        if len(self._rows):
            self._done += self._rows.batches(self._last, self.health)

    def _want(self, node: Node, why: str) -> None:
        self.wanted.setdefault(node.key, why)

    def _tell(self, thing: Thing, at_us: int, kind: str, severity: int, message: str) -> None:
        self._events.append(Happening(at_us, thing.name, kind, severity, message[:300], {}))

    def _refuse(self, stage: str, why: str) -> None:
        self.health.received += 1
        self.health.discarded += 1
        if why:
            self.health.error(stage, why)


def _bd_seq(payload: Any) -> int | None:
    """The birth/death sequence number of a payload."""
    for metric in payload.metrics:
        if metric.name == "bdSeq":
            field = metric.WhichOneof("value")
            return int(getattr(metric, field)) if field in ("int_value", "long_value") else None
    return None


def _time_us(told: Any, payload: Any, at_us: int) -> tuple[int, int]:
    """The metric's own time, else its message's, else that of arrival; flagged when it cannot be right."""
    ms = told.timestamp if told.HasField("timestamp") else payload.timestamp
    if not 0 < ms < TIME_MS_MAX:
        return at_us, TIME_SUSPECT if ms else 0
    return (ms * 1_000, 0) if ms * 1_000 <= at_us + AHEAD_US_MAX else (at_us, TIME_SUSPECT)
