"""The agent's certificate, renewed at half of its life while the agent runs.

The new pair replaces the old one on disk; the link takes it when it connects the next time, and its connection of now
goes on. A gateway that was off-line past the end of its certificate renews as soon as it reaches the twin again.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Final

from edge.config import AgentConfig
from edge.enrol import NextKey, renew
from edge.trust_files import Held, read_held
from edge.trust_http import RefusedError
from wire.clock import Clock
from wire.errors import LinkError, UserError
from wire.limits import CLOCK_TRUSTED_FROM_US

__all__ = ["Renewal"]

log = logging.getLogger("aid4.edge")

LOOK_S: Final = 5.0
RETRY_S_MIN: Final = 30.0
RETRY_S_MAX: Final = 3_600.0
REFUSED_S: Final = 6 * 3_600.0  # what a person must mend is not asked for every minute
_ENDED: Final = ("expired", "bad certificate", "certificate_unknown")  # what a broker's TLS says of one that ended


class Renewal:
    """Of one agent; without a certificate of a twin it does nothing. `link_error` says why there is no link."""

    def __init__(self, config: AgentConfig, clock: Clock, link_error: Callable[[], str]) -> None:
        self._config, self._clock, self._link_error = config, clock, link_error
        self._began_s = clock.monotonic_s()
        self._wait_s, self._next_s = RETRY_S_MIN, 0.0
        self._key: NextKey | None = None
        self.problem = ""
        self.renewed = 0

    @property
    def held(self) -> Held | None:
        """The certificate of now, None without one of a twin."""
        broker = self._config.broker
        if not (broker.cert_file and broker.renew_url):
            return None
        try:
            return read_held(self._config.path(broker.cert_file))
        except UserError as error:
            self.problem = str(error)
            return None

    def figures(self) -> dict[str, float | int | str]:
        """For the health of the agent; empty without a certificate."""
        held = self.held
        if held is None:
            return {"certificate_problem": self.problem} if self.problem else {}
        told: dict[str, float | int | str] = {
            "certificate_serial": held.serial, "certificate_end_us": held.not_after_us,
        }  # fmt: skip
        return told | ({"certificate_problem": self.problem} if self.problem else {})

    async def run(self) -> None:
        """Renew when it is due, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            held, now_s = self.held, self._clock.monotonic_s()
            if held is not None and now_s >= self._next_s and self.due(held):
                self._next_s = now_s + await self._attempt()

    def due(self, held: Held) -> bool:
        """Whether half of its life is over. By a clock that was never set: half a life after this start; and in any
        case when the broker says that it ended."""
        if any(word in self._link_error().lower() for word in _ENDED):
            return True
        now_us = self._clock.wall_us()
        if now_us < CLOCK_TRUSTED_FROM_US:
            return self._clock.monotonic_s() - self._began_s >= (held.renew_us - held.not_before_us) / 1e6
        return now_us >= held.renew_us

    async def _attempt(self) -> float:
        """Renew once; how long to wait before the next look."""
        self._key = self._key or await asyncio.to_thread(NextKey, self._config.node)
        try:
            held = await asyncio.to_thread(renew, self._config, self._key)
        except RefusedError as error:
            self._key, self.problem = None, f"the twin does not renew the certificate: {error.problem}; {error.fix}"
            log.warning("%s", self.problem)
            return REFUSED_S
        except (LinkError, UserError, OSError, ValueError) as error:
            self.problem = f"the certificate could not be renewed yet: {error}"
            wait_s, self._wait_s = self._wait_s, min(2 * self._wait_s, RETRY_S_MAX)
            return wait_s * random.uniform(0.5, 1.0)  # noqa: S311 - spreads a herd, hides nothing
        log.info("certificate renewed: %s", held.serial)
        self._key, self.problem, self._wait_s, self._began_s = None, "", RETRY_S_MIN, self._clock.monotonic_s()
        self.renewed += 1
        return RETRY_S_MIN
