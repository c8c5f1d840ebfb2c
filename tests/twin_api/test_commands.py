"""Commands: checked before they are sent, sent once, followed to the device's answer, audited."""

import asyncio
from typing import Any

import pytest

from twin.commands import Commands
from wire.clock import ManualClock
from wire.limits import COMMAND_LIFE_S
from wire.messages import Command, Reply


class Wire:
    """Records what would go to the broker."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Command]] = []
        self.connected = True

    def __call__(self, node: str, command: Command) -> bool:
        if self.connected:
            self.sent.append((node, command))
        return self.connected


@pytest.fixture
async def wire(park: Any) -> Wire:
    wire = Wire()
    park.twin.commands = Commands(park.twin.store, park.twin.clock, wire)
    return wire


async def test_a_command_goes_to_its_node_with_an_expiry_and_a_counter(park: Any, wire: Wire) -> None:
    sent = await park.post("/commands", {"point": "gw/ahu/setpoint", "value": 22.5}, 202)
    [(node, command)] = wire.sent
    assert (node, command.id, command.point, command.value) == ("gw", sent["id"], "ahu/setpoint", 22.5)
    assert command.expires_us - command.issued_us == int(COMMAND_LIFE_S * 1e6)
    await park.post("/commands", {"point": "gw/ahu/fan", "value": True}, 202)
    assert wire.sent[1][1].counter > command.counter


async def test_a_command_is_followed_to_the_devices_answer(park: Any, wire: Wire) -> None:
    sent = await park.post("/commands", {"point": "gw/ahu/setpoint", "value": 22}, 202)
    assert (await park.get(f"/commands/{sent['id']}"))["status"] == "sent"
    park.twin.commands.take_reply("gw", Reply(sent["id"], "accepted", 0))
    park.twin.commands.take_reply("gw", Reply(sent["id"], "done", 0, "written"))
    park.twin.commands.take_reply("gw", Reply(sent["id"], "failed", 0, "too late"))
    shown = await park.get(f"/commands/{sent['id']}")
    assert (shown["status"], shown["detail"], shown["point"]) == ("done", "written", "gw/ahu/setpoint")
    rows = (await park.post("/query", {"sql": "select status, value from commands"}, 200))["rows"]
    assert rows == [["done", "22.0"]]


async def test_another_node_cannot_answer_a_command(park: Any, wire: Wire) -> None:
    sent = await park.post("/commands", {"point": "gw/ahu/setpoint", "value": 22}, 202)
    park.twin.commands.take_reply("gw2", Reply(sent["id"], "done", 0))
    assert (await park.get(f"/commands/{sent['id']}"))["status"] == "sent"


async def test_without_a_connection_the_command_has_failed(park: Any, wire: Wire) -> None:
    wire.connected = False
    sent = await park.post("/commands", {"point": "gw/ahu/setpoint", "value": 22}, 202)
    assert sent["status"] == "failed"


@pytest.mark.parametrize(
    ("point", "value", "status", "field"),
    [
        ("gw/meter/power", 5, 409, "point"),
        ("gw/no/such", 5, 404, "point"),
        ("gw/ahu/setpoint", 31, 400, "value"),
        ("gw/ahu/setpoint", 14.9, 400, "value"),
        ("gw/ahu/setpoint", "warm", 400, "value"),
        ("gw/ahu/setpoint", True, 400, "value"),
        ("gw/ahu/fan", 1, 400, "value"),
        ("gw/ahu/stage", 256, 400, "value"),
        ("gw/ahu/stage", 1.5, 400, "value"),
        ("gw/ahu/program", "party", 400, "value"),
        ("gw/ahu/program", 5, 400, "value"),
        ("gw/ahu/setpoint", None, 400, "value"),
    ],
)
async def test_what_a_point_does_not_take_is_never_sent(
    park: Any, wire: Wire, point: str, value: Any, status: int, field: str
) -> None:
    problem = await park.post("/commands", {"point": point, "value": value}, status)
    assert problem["field"] == field
    assert problem["fix"]
    assert wire.sent == []


async def test_a_twin_without_a_broker_says_so(park: Any) -> None:
    problem = await park.post("/commands", {"point": "gw/ahu/setpoint", "value": 22}, 409)
    assert "broker" in problem["fix"]


async def test_counters_grow_over_restarts(park: Any, wire: Wire) -> None:
    await park.post("/commands", {"point": "gw/ahu/setpoint", "value": 22}, 202)
    again = Commands(park.twin.store, park.twin.clock, wire)
    view = park.twin.directory.find("gw/ahu/setpoint")
    await again.issue(view, park.twin.store.points.by_id[view.id], 23, by="test")
    assert wire.sent[1][1].counter > wire.sent[0][1].counter


async def test_a_restarted_twin_still_takes_the_answer(park: Any, wire: Wire) -> None:
    sent = await park.post("/commands", {"point": "gw/ahu/setpoint", "value": 22}, 202)
    again = park.twin.commands = Commands(park.twin.store, park.twin.clock, wire)
    before = await park.get(f"/commands/{sent['id']}")
    assert (before["status"], before["value"], before["by"], before["point"]) == (
        "sent", 22.0, "local", "gw/ahu/setpoint",
    )  # fmt: skip
    again.take_reply("gw", Reply(sent["id"], "done", 0, "written"))
    assert (await park.get(f"/commands/{sent['id']}"))["status"] == "done"
    third = Commands(park.twin.store, park.twin.clock, wire)
    third.take_reply("gw", Reply(sent["id"], "failed", 0))
    assert third.get(sent["id"]).status == "done", "what has ended does not change after a restart either"


async def test_a_command_that_nobody_answers_expires_and_stays_so(park: Any, wire: Wire) -> None:
    clock = ManualClock(wall_us=park.twin.clock.wall_us())
    park.twin.commands = Commands(park.twin.store, clock, wire)
    sent = await park.post("/commands", {"point": "gw/ahu/setpoint", "value": 22}, 202)
    await park.post("/commands", {"point": "gw/ahu/fan", "value": True}, 202)
    clock.advance(COMMAND_LIFE_S + 1)
    assert (await park.get(f"/commands/{sent['id']}"))["status"] == "sent", "its answer may be under way"
    clock.advance(2)
    again = Commands(park.twin.store, clock, wire)
    again.expire()
    again.take_reply("gw", Reply(sent["id"], "done", 0))
    assert again.get(sent["id"]).status == "expired"
    await asyncio.to_thread(park.twin.store.writer.run, lambda _: None)  # what was submitted before is written
    rows = (await park.post("/query", {"sql": "select distinct status, detail from commands"}, 200))["rows"]
    assert rows == [["expired", "no answer in time"]]


async def test_the_commands_of_a_point_are_listed_newest_first(park: Any, wire: Wire) -> None:
    for value in (20, 21):
        await park.post("/commands", {"point": "gw/ahu/setpoint", "value": value}, 202)
    await park.post("/commands", {"point": "gw/ahu/fan", "value": True}, 202)
    items = (await park.get("/commands", point="gw/ahu/setpoint"))["items"]
    assert [item["value"] for item in items] == [21.0, 20.0]
    assert len((await park.get("/commands"))["items"]) == 3
