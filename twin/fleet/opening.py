"""The fleet desk of a twin, joined to what hears the agents."""

from collections.abc import Callable
from typing import Any

from twin.alarms.desk import AlarmDesk
from twin.fleet.alarms import fleet_reports
from twin.fleet.config import SECTION, config_body
from twin.fleet.desk import FleetDesk
from twin.ingest import Ingest
from twin.store import Store

__all__ = ["open_fleet"]


def open_fleet(store: Store, ingest: Ingest | None, models: Callable[[str], Any], alarms: AlarmDesk) -> FleetDesk:
    """`models(node)` is that section of the desired state; without `ingest` nobody is told or asked."""
    desk = FleetDesk(
        store,
        store.clock,
        send=ingest.send if ingest else lambda _node, _kind, _message: False,
        told=ingest.told_sections if ingest else dict,
    )
    desk.post.sections["models"] = models
    desk.add_section(SECTION, config_body(""))

    def ring() -> None:
        if reports := fleet_reports(alarms.book, desk.rollouts(), desk.wanted, desk.told(), store.clock.wall_us()):
            alarms.report(reports)

    desk.looked = ring
    if ingest is not None:
        ingest.on_answer = desk.asks.heard
    return desk
