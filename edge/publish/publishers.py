"""The publishers that a configuration asks for; what none asks for is not loaded."""

import asyncio
import logging
from typing import Final, Protocol

from edge.config import AgentConfig
from edge.publish.outlet import Outlet

__all__ = ["Publisher", "keep_publishing", "publishers"]

log = logging.getLogger("aid4.edge")

RESTART_S_MIN: Final = 1.0
RESTART_S_MAX: Final = 60.0


class Publisher(Protocol):
    """Something that tells others of this node's points."""

    async def run(self) -> None:
        """Publish until cancelled; a broker that is away is waited for."""

    def figures(self) -> dict[str, float | int | str]:
        """What it did, for the health report."""
        ...


def publishers(config: AgentConfig, outlet: Outlet) -> list[Publisher]:
    """One for each table of `[publish]`."""
    made: list[Publisher] = []
    if config.publish is not None and config.publish.sparkplug is not None:
        from edge.publish.sparkplug import SparkplugOut

        made.append(SparkplugOut(config.publish.sparkplug, outlet))
    if config.publish is not None and config.publish.homeassistant is not None:
        from edge.publish.homeassistant import HomeAssistantOut

        made.append(HomeAssistantOut(config.publish.homeassistant, outlet))
    return made


async def keep_publishing(publisher: Publisher) -> None:
    """Run a publisher until cancelled; after an error again, with backoff. Sources and uplink never notice."""
    backoff_s = RESTART_S_MIN
    while True:
        try:
            await publisher.run()
        except Exception as error:  # noqa: BLE001 - whatever a publisher raises stops this publisher only
            log.warning("%s: %s: %s; again in %.0f s", type(publisher).__name__, type(error).__name__, error, backoff_s)
        await asyncio.sleep(backoff_s)
        backoff_s = min(2 * backoff_s, RESTART_S_MAX)
