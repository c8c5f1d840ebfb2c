"""The SECS/GEM host as a process of its own: the library's threads never end, and a broken frame may take them along.

First line in: the settings as JSON. Then lines in are commands, lines out are what the equipment says; both as below.
It ends with its parent (no more input), and by itself when the connection ends, to be started afresh.

| out | fields |
|---|---|
| `ready` | `variables` [id, name, unit], `constants` [id, name, low, high, default, unit], `alarms` [id, text, code] |
| `values` | `at`, `values` {id: value}, `constants` {id: value} |
| `event` | `at`, `event` id, `values` {id: value} |
| `alarm` | `at`, `alarm` id, `code`, `text` |
| `lost`, `alive`, `answer` (`id`, `why`: "" when taken) | |
"""

import json
import logging
import os
import queue
import resource
import sys
import threading
import time
from typing import Any, Final

import secsgem.common
import secsgem.gem
import secsgem.hsms

MEMORY_BYTES_MAX: Final = 1 << 30  # of addresses: a frame that claims four gigabytes ends this process, nothing else
LINE_BYTES_MAX: Final = 1 << 20
IDS_MAX: Final = 2_000
CHUNK: Final = 200  # variables a request
ALIVE_S: Final = 1.0
PATIENCE: Final = 2.0  # timeouts from a connection to communication
FAILURES_MAX: Final = 3  # requests without an answer, one after the other
TELLING: Final = threading.Lock()


def tell(what: str, **fields: Any) -> None:
    """One line to the parent; without a parent there is nothing left to do."""
    line = json.dumps({"what": what, **fields}, default=str)
    try:
        with TELLING:
            sys.stdout.write(line[:LINE_BYTES_MAX] + "\n")
            sys.stdout.flush()
    except OSError:
        os._exit(0)


def now_us() -> int:
    """UTC in µs, by this process's wall clock."""
    return time.time_ns() // 1_000


def plain(value: Any) -> Any:
    """A SECS-II item as JSON."""
    got = value.get() if hasattr(value, "get") and not isinstance(value, dict) else value
    if isinstance(got, bytes | bytearray):
        return list(got)
    if isinstance(got, list | tuple):
        return [plain(one) for one in got]
    return got


class Host(secsgem.gem.GemHostHandler):  # type: ignore[misc]
    """The host: takes alarms and event reports, whoever defined them."""

    reports: dict[Any, list[Any]]

    def _on_s05f01(self, handler: Any, message: Any) -> Any:
        told = self.settings.streams_functions.decode(message)
        tell("alarm", at=now_us(), alarm=plain(told.ALID), code=plain(told.ALCD), text=str(plain(told.ALTX)))
        return self.stream_function(5, 2)(0)

    def _on_s06f11(self, handler: Any, message: Any) -> Any:
        told = self.settings.streams_functions.decode(message)
        values: dict[str, Any] = {}
        for report in told.RPT:
            ids = self.reports.get(plain(report.RPTID), [])
            values |= {str(one): value for one, value in zip(ids, plain(report.V), strict=False)}
        tell("event", at=now_us(), event=plain(told.CEID), values=values)
        return self.stream_function(6, 12)(0)


class Session:
    """What is done with a host: describe the equipment, subscribe, poll, carry out."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._wanted = settings
        active = settings["mode"] == "active"
        mode = secsgem.hsms.HsmsConnectMode.ACTIVE if active else secsgem.hsms.HsmsConnectMode.PASSIVE
        made = secsgem.hsms.HsmsSettings(
            address=settings["host"], port=settings["port"], connect_mode=mode, session_id=settings["session_id"],
            device_type=secsgem.common.DeviceType.HOST, establish_communication_timeout=2,
            t3=settings["timeout_s"], t5=1.0, t6=settings["timeout_s"],
        )  # fmt: skip
        self.host = Host(made)
        self._connected_s = 0.0
        self.host.protocol.events.connected += self._connected
        self.host.protocol.events.disconnected += self._disconnected
        self.host.reports = {}
        self.commands: queue.Queue[dict[str, Any]] = queue.Queue(maxsize=64)
        self._variables: list[Any] = []
        self._constants: list[Any] = []
        self._failures = 0

    def run(self) -> None:
        """Until this process ends."""
        self.host.enable()
        while True:
            while not self.host.waitfor_communicating(ALIVE_S):
                tell("alive")
                waited_s = time.monotonic() - self._connected_s
                if self._connected_s and waited_s > PATIENCE * self._wanted["timeout_s"]:
                    self._disconnected(None)  # it is there, and nothing that it says can be used
            if self._describe():
                self._poll()
            tell("lost")

    def _connected(self, _: Any) -> None:
        self._connected_s = time.monotonic()

    def _disconnected(self, _: Any) -> None:
        """One life, one connection: what the library holds of a broken one is not to be trusted."""
        tell("lost")
        os._exit(3)

    def _ask(self, stream: int, function: int, body: Any = None) -> Any:
        """The decoded answer; None when there is none."""
        made = self.host.stream_function(stream, function)
        message = self.host.send_and_waitfor_response(made() if body is None else made(body))
        answer = self.host.settings.streams_functions.decode(message) if message is not None else None
        if answer is None or answer.function == 0 or answer.stream != stream:
            self._failures += answer is None
            if self._failures >= FAILURES_MAX:
                self._disconnected(None)
            return None
        self._failures = 0
        return answer.get()

    def _describe(self) -> bool:
        """Go online, learn the names, switch on alarms and reports."""
        self._ask(1, 17)
        names = self._kept(self._ask(1, 11, []), "SVID")
        if names is None:
            return False
        self._variables = [one["SVID"] for one in names][:IDS_MAX]
        constants = self._kept(self._ask(2, 29, []), "ECID") or []
        self._constants = [one["ECID"] for one in constants][:IDS_MAX]
        alarms = self._ask(5, 5, []) or []
        for one in alarms[:IDS_MAX]:
            self._ask(5, 3, {"ALED": 0x80, "ALID": one["ALID"]})
        self._subscribe()
        tell(
            "ready",
            variables=[[one["SVID"], one["SVNAME"], one["UNITS"]] for one in names[:IDS_MAX]],
            constants=[[one["ECID"], one["ECNAME"], one["ECMIN"], one["ECMAX"], one["ECDEF"], one["UNITS"]]
                       for one in constants[:IDS_MAX]],
            alarms=[[one["ALID"], one["ALTX"], plain(one["ALCD"])] for one in alarms[:IDS_MAX]],
        )  # fmt: skip
        return True

    def _kept(self, listed: Any, key: str) -> Any:
        """Those of a list that are wanted; None stays None."""
        only = self._wanted["only"]
        return listed if listed is None or only is None else [one for one in listed if one[key] in only]

    def _subscribe(self) -> None:
        """Reports and events anew: S2F37 off, S2F33 all gone, then one report an event."""
        events = self._wanted["events"]
        if not events:
            return
        self._ask(2, 37, {"CEED": False, "CEID": []})
        self._ask(2, 33, {"DATAID": 0, "DATA": []})
        for number, one in enumerate(events, 1):
            self.host.reports[number] = one["values"]
            if one["values"]:
                self._ask(2, 33, {"DATAID": 0, "DATA": [{"RPTID": number, "VID": one["values"]}]})
                self._ask(2, 35, {"DATAID": 0, "DATA": [{"CEID": one["id"], "RPTID": [number]}]})
            self._ask(2, 37, {"CEED": True, "CEID": [one["id"]]})

    def _poll(self) -> None:
        """Read all variables each period, and carry out commands between."""
        due_s = time.monotonic()
        while self.host.waitfor_communicating(0.01):
            if time.monotonic() >= due_s:
                due_s = max(due_s + self._wanted["period_s"], time.monotonic())
                values = self._read(1, 3, self._variables)
                constants = self._read(2, 13, self._constants)
                tell("values", at=now_us(), values=values, constants=constants)
            try:
                wanted = self.commands.get(timeout=min(max(due_s - time.monotonic(), 0.0), ALIVE_S))
            except queue.Empty:
                continue
            tell("answer", id=wanted["id"], why=self._carry_out(wanted))

    def _read(self, stream: int, function: int, ids: list[Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for at in range(0, len(ids), CHUNK):
            part = ids[at : at + CHUNK]
            answer = self._ask(stream, function, part)
            if isinstance(answer, list) and len(answer) == len(part):
                found |= {str(one): plain(value) for one, value in zip(part, answer, strict=True)}
        return found

    def _carry_out(self, wanted: dict[str, Any]) -> str:
        if "constant" in wanted:
            code = self._ask(2, 15, [{"ECID": wanted["constant"], "ECV": wanted["value"]}])
            return "" if code == 0 else f"the equipment answered EAC {code}"
        params = [{"CPNAME": name, "CPVAL": value} for name, value in wanted["params"]]
        answer = self._ask(2, 41, {"RCMD": wanted["command"], "PARAMS": params})
        code = answer.get("HCACK") if isinstance(answer, dict) else None
        return "" if code in (0, 4) else f"the equipment answered HCACK {code}"


def _listen(session: Session) -> None:
    for line in sys.stdin:
        session.commands.put(json.loads(line))
    os._exit(0)


def main() -> None:
    """Serve one piece of equipment."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    logging.disable(logging.CRITICAL)
    session = Session(json.loads(sys.stdin.readline()))
    threading.Thread(target=_listen, args=(session,), daemon=True).start()
    try:
        session.run()
    except Exception as error:  # noqa: BLE001 - whatever the library raises ends this process, and its parent hears why
        tell("failed", why=f"{type(error).__name__}: {error}"[:500])
    os._exit(4)


if __name__ == "__main__":
    main()
