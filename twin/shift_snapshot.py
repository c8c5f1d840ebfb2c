"""How the park stands at a handover: alarms that wait, are shelved or out of service, and gateways that are silent."""

from collections.abc import Callable, Sequence

from twin.alarms.book import AlarmBook
from twin.node_views import NodeStatus
from twin.shift import LISTED_MAX, OpenAlarm, Snapshot

__all__ = ["snapshot_of"]

_OPEN = {"unacknowledged", "acknowledged", "returned"}


def snapshot_of(book: AlarmBook, nodes: Sequence[NodeStatus], label_of: Callable[[int], str]) -> Snapshot:
    """Lists are cut at `LISTED_MAX`, the counts are whole; `label_of` names a point."""
    chosen: dict[str, list[OpenAlarm]] = {"open": [], "shelved": [], "out_of_service": []}
    for alarm in book.all():
        place = alarm.state if alarm.state in chosen else "open" if alarm.state in _OPEN else ""
        if place and len(chosen[place]) < LISTED_MAX:
            why = {"shelved": alarm.shelved_why, "out_of_service": alarm.out_of_service_why}.get(alarm.state, "")
            what = alarm.definition
            label = what.text or (label_of(what.point) if what.point is not None else what.group)
            chosen[place].append(OpenAlarm(alarm.id, alarm.state, what.priority, what.key, label, why))
    counts = {str(state): count for state, count in book.counts().items() if state != "normal"}
    silent = [node.node for node in nodes if not node.online]
    return Snapshot(counts, chosen["open"], chosen["shelved"], chosen["out_of_service"], silent)
