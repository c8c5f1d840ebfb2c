"""People are told by a real SMTP server and a real webhook on loopback: once, in time, and of what still rings."""

import json
import socket
import threading
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage as Mail
from email.policy import default as email_policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from twin.alarms.book import AlarmBook
from twin.alarms.deadman import DeadMan
from twin.alarms.dispatch import Dispatch
from twin.alarms.routes import OnCall, Route, read_hours
from twin.alarms.states import Definition
from twin.store import Store
from wire.clock import ManualClock


class Mailbox:
    """What an SMTP server took."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], Mail]] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=email_policy)))
        return "250 taken"


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, str]]:
    box = Mailbox()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    try:
        yield box, f"smtp://127.0.0.1:{port}"
    finally:
        server.stop()


class Hook(BaseHTTPRequestHandler):
    """Takes POSTs; answers with the next status of the list."""

    taken: list[tuple[dict[str, str], bytes]]
    answers: list[int]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        status = self.answers.pop(0) if self.answers else 204
        if status < 300:
            self.taken.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(status)
        if status in (301, 302):
            self.send_header("location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def webhook() -> Iterator[tuple[type[Hook], str]]:
    kind = type("Own", (Hook,), {"taken": [], "answers": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield kind, f"http://127.0.0.1:{server.server_port}/send"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class Office:
    """An alarm book, and messages that go out when time is let pass."""

    def __init__(self, store: Store, clock: ManualClock, routes: list[Route], **more: Any) -> None:
        self.clock, self.book = clock, AlarmBook(store, clock)
        self.dispatch = Dispatch(
            store, clock, self.book, site=lambda: ("Campus", "Europe/Bratislava"),
            key_of=lambda point: f"gw/d{point}/m", **more,
        )  # fmt: skip
        self.dispatch.use(routes)
        self.book.on_steps.append(self.dispatch.heard)

    def ring(self, name: str = "1", priority: str = "high", point: int | None = 1) -> int:
        definition = Definition(
            key=f"point:gw/d{name}/m:high", kind="high", source="point", priority=priority, point=point, limit=30.0,
            action="Open the valve.",
        )  # fmt: skip
        [step] = self.book.condition(definition, active=True, at_us=self.clock.wall_us(), value=35.5)
        return step.alarm

    def pass_time(self, seconds: float) -> None:
        self.dispatch.gather()
        self.clock.advance(seconds)
        for message in self.dispatch.due():
            self.dispatch.attempt(message)


def email(server: str, **fields: Any) -> Route:
    return Route(**({"name": "duty", "kind": "email", "to": "duty@park.example", "server": server} | fields))


def test_an_alarm_reaches_a_mailbox_with_what_to_do(
    store: Store, clock: ManualClock, mailbox: tuple[Mailbox, str]
) -> None:
    box, server = mailbox
    office = Office(store, clock, [email(server, to=["duty@park.example", "chief@park.example"])])
    office.ring()
    office.pass_time(3)
    [(receivers, mail)] = box.mails
    assert receivers == ["duty@park.example", "chief@park.example"]
    assert mail["Subject"].strip() == "Campus: HIGH gw/d1/m high 35.5 (limit 30.0) since 15 Jun 2025 17:06"
    assert "What to do: Open the valve." in mail.get_content()
    office.pass_time(3_600)
    assert len(box.mails) == 1


def test_people_are_told_in_the_language_of_their_route(
    store: Store, clock: ManualClock, mailbox: tuple[Mailbox, str]
) -> None:
    """Priority, finding, time and what to do; a class's own translation of it, where the site gives one.

    Compared without spaces: between two encoded words of a header they may go (RFC 2047)."""
    box, server = mailbox
    said = {"sk": "Otvorte ventil.", "zh-TW": "開啟閥門。"}
    office = Office(
        store, clock, [email(server, name=language.lower(), language=language) for language in ("sk", "zh-TW")],
        meanings=lambda language: {"Open the valve.": said[language]},
    )  # fmt: skip
    office.ring()
    office.ring("2", "critical", point=2)
    office.pass_time(3)
    told = {"".join(str(mail["Subject"]).split()): mail.get_content() for _, mail in box.mails}
    assert sorted(told) == [
        "Campus:2則警報，首則緊急gw/d2/m過高35.5（限值30.0）自2025年6月15日17:06",
        "Campus:početalarmov2,prvýKRITICKÝgw/d2/mvysoko35.5(medza30.0)od15.6.202517:06",
    ]
    assert [text.strip().splitlines()[-1] for _, text in sorted(told.items())] == [
        "處置：開啟閥門。",
        "Čo robiť: Otvorte ventil.",
    ]


def test_a_flood_is_one_message_with_the_most_urgent_first(
    store: Store, clock: ManualClock, mailbox: tuple[Mailbox, str]
) -> None:
    box, server = mailbox
    office = Office(store, clock, [email(server)])
    for number in range(120):
        office.ring(str(number), "critical" if number == 77 else "high", point=number)
    office.pass_time(3)
    [(_, mail)] = box.mails
    assert mail["Subject"].strip().startswith("Campus: 120 alarms, first CRITICAL gw/d77/m")
    assert "and 70 more" in mail.get_content()


def test_a_route_is_told_only_of_its_priorities_and_points(
    store: Store, clock: ManualClock, mailbox: tuple[Mailbox, str]
) -> None:
    box, server = mailbox
    office = Office(store, clock, [email(server, points="gw/d2/*")])
    office.ring("1", point=1)
    office.ring("2", "low", point=2)
    office.pass_time(3)
    assert box.mails == []
    office.ring("22", point=2)
    office.pass_time(3)
    assert len(box.mails) == 1


def test_escalation_reaches_the_chief_only_when_nobody_has_acknowledged(
    store: Store, clock: ManualClock, mailbox: tuple[Mailbox, str]
) -> None:
    box, server = mailbox
    office = Office(store, clock, [email(server, name="chief", to="chief@park.example", after_s=600)])
    seen, unseen = office.ring("1"), office.ring("2")
    office.pass_time(300)
    office.book.act([seen], lambda one: one.acknowledge(clock.wall_us(), "eva"))
    assert box.mails == []
    office.pass_time(303)
    [(_, mail)] = box.mails
    assert "gw/d1/m" in mail["Subject"]
    assert "alarms" not in mail["Subject"]
    assert office.book.get(unseen).rings


def test_a_webhook_that_fails_is_asked_again_even_by_the_next_start(
    store: Store, clock: ManualClock, webhook: tuple[type[Hook], str]
) -> None:
    hook, url = webhook
    hook.answers = [503, 302]  # a redirect is a failure, too: a secret header must not go elsewhere
    route = Route(name="sms", kind="webhook", url=url, headers={"authorization": "Bearer x"}, body='{"t": "{text}"}')
    office = Office(store, clock, [route])
    office.ring()
    office.pass_time(3)
    assert hook.taken == []
    office.pass_time(6)
    assert hook.taken == []
    store.writer.run(lambda _: None)
    assert "302" in office.dispatch.newest(1)[0]["problem"]
    after = Office(store, clock, [route])  # the twin starts again
    after.pass_time(60)
    [(headers, body)] = hook.taken
    assert headers["authorization"] == "Bearer x"
    assert json.loads(body)["t"].startswith("HIGH gw/d1/m high 35.5")
    store.writer.run(lambda _: None)
    [message] = after.dispatch.newest(10)
    assert (message["attempts"], message["sent"] is not None, message["problem"]) == (2, True, "")


def test_our_own_document_names_the_alarms(store: Store, clock: ManualClock, webhook: tuple[type[Hook], str]) -> None:
    hook, url = webhook
    office = Office(store, clock, [Route(name="chat", kind="webhook", url=url)])
    alarm = office.ring()
    office.pass_time(3)
    document = json.loads(hook.taken[0][1])
    assert document["alarms"][0] | {"raised": ""} == {
        "id": alarm, "key": "point:gw/d1/m:high", "priority": "high", "state": "unacknowledged", "raised": "",
        "value": 35.5, "limit": 30.0, "element": None,
    }  # fmt: skip


def test_who_is_not_on_call_is_told_when_the_shift_begins(
    store: Store, clock: ManualClock, mailbox: tuple[Mailbox, str]
) -> None:
    box, server = mailbox  # 15 June 2025, 15:06 UTC, was a Sunday, 17:06 in Bratislava
    office = Office(store, clock, [email(server, hours="Mon-Fri 07:00-19:00")])
    office.ring()
    office.pass_time(3)
    assert box.mails == []
    office.pass_time((13 * 60 + 53) * 60)  # Monday, 06:59
    assert box.mails == []
    office.pass_time(120)
    assert len(box.mails) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mon-Fri 07:00-19:00", [OnCall(frozenset(range(5)), 420, 1_140)]),
        ("Sat 22:00-06:00", [OnCall(frozenset({5}), 1_320, 360)]),
        ("Fri-Mon 00:00-24:00", [OnCall(frozenset({4, 5, 6, 0}), 0, 1_440)]),
        ("08:00-16:00", [OnCall(frozenset(range(7)), 480, 960)]),
        ("", []),
    ],
)
def test_hours_are_read_as_people_write_them(text: str, expected: list[OnCall]) -> None:
    assert read_hours(Route(name="a", kind="email", hours=text)) == expected


@pytest.mark.parametrize("text", ["Mon-Fri", "Foo 07:00-19:00", "Mon 7-19", "Mon 25:00-26:00", "Mon 07:00-19:00 x"])
def test_hours_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not like|none of|no such"):
        read_hours(Route(name="a", kind="email", hours=text))


def test_a_dead_server_keeps_the_message(store: Store, clock: ManualClock) -> None:
    office = Office(store, clock, [email("smtp://127.0.0.1:9")])
    office.ring()
    office.pass_time(3)
    store.writer.run(lambda _: None)
    [message] = office.dispatch.newest(10)
    assert message["attempts"] == 1
    assert message["sent"] is None
    assert "refused" in message["problem"].lower()


def test_a_dead_twin_is_told_once_and_so_is_its_return(webhook: tuple[type[Hook], str]) -> None:
    hook, url = webhook
    hook.answers = [500]  # the first try fails: it is told at the next look
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    said: list[str] = []
    route = Route(name="sms", kind="webhook", url=url)
    dead_man = DeadMan(f"http://127.0.0.1:{port}", "Campus", [route], 60.0, said.append)
    assert [dead_man.look(now_s) for now_s in (0.0, 30.0, 61.0)] == [False, False, False]
    assert hook.taken == []
    assert not dead_man.look(71.0)
    assert not dead_man.look(300.0)
    [(_, body)] = hook.taken
    assert "THE TWIN IS SILENT" in json.loads(body)["title"]
    twin = ThreadingHTTPServer(("127.0.0.1", port), type("Alive", (Hook,), {"do_GET": _alive}))
    threading.Thread(target=twin.serve_forever, daemon=True).start()
    try:
        assert dead_man.look(310.0)
        assert dead_man.look(320.0)
    finally:
        twin.shutdown()
        twin.server_close()
    assert [json.loads(body)["title"] for _, body in hook.taken][1:] == ["Campus: the twin answers again"]


def _alive(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
