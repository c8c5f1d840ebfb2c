"""Control messages between programs of different age: what is unknown is ignored, what is missing has a default, and
nothing that the first release needs is ever left out."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.uplink_core import UplinkCore
from wire import messages
from wire.errors import MessageError
from wire.messages import Ack, Command, EpochSpan, Health, Hello, Reply, Status, decode, encode

KINDS = ("Hello", "DownHello", "Ack", "Status", "Health", "Command", "Reply", "Desired")
NEEDED = {
    "Hello": {"boot": 1, "epochs": []},
    "DownHello": {"boot": 1},
    "Ack": {"epoch": "00" * 16, "ranges": [], "boot": 1},
    "Status": {"online": True, "boot": 1, "since_us": 5},
    "Health": {"ts_us": 5, "sources": {"m": {"kind": "modbus", "state": "running"}}, "spool": {}, "uplink": {}},
    "Command": {"id": "c", "point": "d/m", "value": 1.0, "issued_us": 1, "expires_us": 2, "counter": 1},
    "Reply": {"id": "c", "status": "done", "ts_us": 1},
    "Desired": {"revision": 1},
}


@pytest.fixture
def frozen(golden: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((golden / "messages-1.json").read_text())
    return found


def kind_of(name: str) -> type[msgspec.Struct]:
    kind: type[msgspec.Struct] = getattr(messages, name)
    return kind


def with_more(value: Any) -> Any:
    """The same document as a later release may send it: with a field more in every object that is a struct."""
    if isinstance(value, list):
        return [with_more(item) for item in value]
    if not isinstance(value, dict):
        return value
    more = {name: with_more(item) for name, item in value.items()}
    return more if set(more) <= {"meters", "read", "cpu", "rss_bytes", "version", "log"} else {**more, "future": [1]}


def holds(newer: Any, older: Any) -> bool:
    """Whether `newer` says all that `older` says."""
    if isinstance(older, dict):
        return isinstance(newer, dict) and all(name in newer and holds(newer[name], older[name]) for name in older)
    if isinstance(older, list):
        return len(newer) == len(older) and all(map(holds, newer, older))
    return bool(newer == older and type(newer) is type(older))


@pytest.mark.parametrize("name", KINDS)
def test_a_message_of_the_first_release_is_read_and_said_again_in_full(frozen: dict[str, Any], name: str) -> None:
    message = decode(kind_of(name), json.dumps(frozen[name]).encode())
    assert holds(json.loads(encode(message)), frozen[name])


@pytest.mark.parametrize("name", KINDS)
def test_fields_of_a_later_release_are_ignored(frozen: dict[str, Any], name: str) -> None:
    later = json.dumps(with_more(frozen[name])).encode()
    assert b"future" in later
    assert decode(kind_of(name), later) == decode(kind_of(name), json.dumps(frozen[name]).encode())


@pytest.mark.parametrize("name", KINDS)
def test_what_an_earlier_program_did_not_say_has_a_default(name: str) -> None:
    decode(kind_of(name), json.dumps(NEEDED[name]).encode())
    for field in NEEDED[name]:
        less = {key: value for key, value in NEEDED[name].items() if key != field}
        with pytest.raises(MessageError, match=field):
            decode(kind_of(name), json.dumps(less).encode())


def test_an_agent_that_does_not_know_absent_is_served_by_todays_twin(opened: Any, tmp_path: Path) -> None:
    span = {"epoch": "ab" * 16, "floor": 5, "head": 9, "catalogues": [1]}
    old = decode(Hello, json.dumps({"boot": 9, "epochs": [span], "generation": 1}).encode())
    new = decode(Hello, json.dumps({"boot": 9, "epochs": [{**span, "absent": [[6, 7]]}], "later": {}}).encode())
    with opened(tmp_path / "data") as bench:
        bench.take([], old)
        assert bench.ranges(b"\xab" * 16) == [(2, 4)]
        bench.take([], new)
        assert bench.ranges(b"\xab" * 16) == [(2, 4), (6, 7)]


def test_todays_agent_drains_to_a_twin_that_says_less_and_to_one_that_says_more() -> None:
    epoch = b"\xcd" * 16
    less = {"epoch": epoch.hex(), "ranges": [[1, 2]], "boot": 4}
    more = {**less, "ranges": [[1, 3]], "complete": True, "window_bytes": 1_000, "priority": "low"}
    core = UplinkCore(boot=1)
    core.appended(epoch, 1, [100, 100, 100])
    core.connected(0.0)
    for document, covered in ((less, 2), (more, 3)):
        ack = decode(Ack, json.dumps(document).encode())
        core.acked(epoch, ack.ranges, ack.boot, 0.1, ack.window_bytes)
        assert core.covered(epoch, 1, covered)
    assert core.pending_bytes == 0


def test_what_todays_programs_send_stays_within_the_first_releases_fields(frozen: dict[str, Any]) -> None:
    """A message without the newer fields set must be one that the first release would read: same names, same types."""
    sent: list[msgspec.Struct] = [
        Hello(1, [EpochSpan("ab" * 16, 1, 2)]),
        Status(False, 1, 2),
        Command("c", "d/m", 1.0, 1, 2, 3),
        Reply("c", "done", 1),
        Health(1, {}, messages.SpoolFigures(), messages.UplinkFigures()),
    ]
    for message in sent:
        name = type(message).__name__
        assert set(frozen[name]) <= set(json.loads(encode(message))), name
