"""What an operator of the twin sees of alarms: looked at while they ring, then read from the journal."""

from datetime import datetime
from typing import Any, Final, NamedTuple

from aid4.scenario_score import Ring, told
from aid4.twin_client import TwinClient, TwinSilentError

__all__ = ["Watched"]

_PAGE: Final = 20_000
_OURS: Final = ("point", "device", "detector", "node", "alike")  # not of a plan or a scan: those have other faults
_JOURNAL = "alarms/journal?what=raised&what=returned&what=suppressed"


class _Look(NamedTuple):
    """What an alarm said at a moment."""

    at_us: int
    cause: str
    also: tuple[str, ...]


class Watched:
    """`look` now and then, `read_journal` once, then `rings`."""

    def __init__(self) -> None:
        self._alarms: dict[int, dict[str, Any]] = {}
        self._looks: dict[int, list[_Look]] = {}
        self._journal: list[dict[str, Any]] = []

    async def look(self, twin: TwinClient, now_us: int) -> None:
        """Take note of what the alarms say now; a twin that is busy is looked at again."""
        try:
            page = await twin.get(f"alarms?limit={_PAGE}")
        except TwinSilentError:
            return
        self._note(page["items"], now_us)

    async def read_journal(self, twin: TwinClient, start_us: int) -> None:
        """Everything that rang since the start, and every alarm that there is."""
        state = "&".join(
            f"state={one}" for one in ("normal", "unacknowledged", "returned", "acknowledged", "suppressed")
        )
        self._note((await twin.get(f"alarms?limit={_PAGE}&{state}"))["items"], None)
        since = datetime.fromtimestamp(start_us / 1e6).astimezone().isoformat().replace("+", "%2B")
        self._journal = (await twin.get(f"{_JOURNAL}&from={since}&limit={_PAGE}"))["items"]

    def rings(self, start_us: int) -> list[Ring]:
        """In the order of time."""
        steps = sorted(self._journal, key=lambda step: str(step["at"]))
        return [
            self._ring(step, [one for one in steps[place + 1 :] if one["alarm"] == step["alarm"]], start_us)
            for place, step in enumerate(steps)
            if step["what"] == "raised" and _counts(self._alarms.get(step["alarm"]))
        ]

    def _ring(self, step: dict[str, Any], later: list[dict[str, Any]], start_us: int) -> Ring:
        alarm, at_us = self._alarms[step["alarm"]], _micros(step["at"])
        end = next((one for one in later if one["what"] == "returned"), None)
        again = next((_micros(one["at"]) for one in later if one["what"] == "raised"), None)
        looks = [
            look
            for look in self._looks.get(step["alarm"], [])
            if look.at_us >= at_us and (not again or look.at_us < again)
        ]
        return Ring(
            alarm=step["alarm"],
            at_s=(at_us - start_us) / 1e6,
            device=_device(alarm["key"]),
            kind=alarm["kind"],
            text=alarm["text"] or alarm["label"],
            also=tuple(sorted({name for look in looks for name in look.also})),
            causes=tuple(((look.at_us - start_us) / 1e6, look.cause) for look in looks if look.cause),
            returned_s=None if end is None else (_micros(end["at"]) - start_us) / 1e6,
            suppressed=step["state"] == "suppressed",
        )

    def _note(self, items: list[dict[str, Any]], now_us: int | None) -> None:
        for alarm in items:
            self._alarms[alarm["id"]] = alarm
            if now_us is not None:
                also = tuple(asset.partition("/")[2] for asset in alarm["detail"].get("also") or [])
                self._looks.setdefault(alarm["id"], []).append(_Look(now_us, told(alarm), also))


def _counts(alarm: dict[str, Any] | None) -> bool:
    """Whether it is about the park. A node's clock is not: a moment on the way is a minute in a run."""
    return alarm is not None and alarm["source"] in _OURS and (alarm["source"], alarm["kind"]) != ("node", "clock")


def _device(key: str) -> str:
    """`point:gw-1/room-lab/co2:high`, `detector:gw-1/room-lab:anomaly`, `node:gw-1:offline` → the device or node."""
    place = key.partition(":")[2].rpartition(":")[0]
    parts = place.split("/")
    return parts[1] if len(parts) > 1 else place


def _micros(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1e6)
