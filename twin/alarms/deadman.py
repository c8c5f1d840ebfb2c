"""The message that the twin cannot send itself: a process of its own asks it for life and tells people when it is gone.

It shares nothing with the twin but its address and the routes of alarms.toml, so whatever ends the twin, a full disk
or a pulled plug on another machine, does not end this.
"""

import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field

from twin.alarms.message_text import back_texts, dead_texts
from twin.alarms.routes import Route
from twin.alarms.send import Message, SendError, send

__all__ = ["DeadMan", "answers"]

_ANSWER_S = 5.0


def answers(url: str) -> str:
    """Empty when the twin at `url` is alive, else what is wrong."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/healthz", timeout=_ANSWER_S):  # noqa: S310
            return ""
    except (OSError, urllib.error.URLError, ValueError) as error:
        return str(getattr(error, "reason", error))[:200] or type(error).__name__


@dataclass(slots=True)
class DeadMan:
    """`look` asks once and tells whom it must; times are seconds of a clock that never runs backwards."""

    url: str
    site: str
    routes: list[Route]
    after_s: float
    say: Callable[[str], None]
    silent_since_s: float | None = None
    _told: dict[str, str] = field(default_factory=dict)  # route -> what it was told last: "dead" or "back"

    def look(self, now_s: float) -> bool:
        """Whether the twin answers now."""
        problem = answers(self.url)
        if not problem:
            self.silent_since_s = None
            for route in self.routes:
                if self._told.get(route.name) == "dead":
                    self._tell(route, "back", *back_texts(self.site, route.language, url=self.url))
            return True
        if self.silent_since_s is None:
            self.silent_since_s = now_s
        if now_s - self.silent_since_s >= self.after_s:
            for route in self.routes:
                if self._told.get(route.name) != "dead":
                    texts = dead_texts(self.site, route.language, url=self.url, after_s=self.after_s, problem=problem)
                    self._tell(route, "dead", *texts)
        return False

    def watch(self, every_s: float) -> None:
        """Look until killed."""
        while True:
            self.look(time.monotonic())
            time.sleep(every_s)

    def _tell(self, route: Route, what: str, title: str, text: str) -> None:
        """A route that fails is tried again at the next look."""
        try:
            send(route, Message(title, text, self.site, []))
        except SendError as error:
            self.say(f"{route.name}: {error}")
        else:
            self._told[route.name] = what
            self.say(f"{route.name}: told: {title}")
