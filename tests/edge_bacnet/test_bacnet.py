"""BACnet/IP between the agent's source and simulated controllers on loopback."""

import asyncio
import random
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bacpypes3.basetypes import PriorityValue
from bacpypes3.primitivedata import Real
from source_reader import Reading, sample

from edge.sources import SourceError
from edge.sources.bacnet_find import find_controllers
from sim_devices.physics.signals import Signal
from sim_devices.servers.bacnet import BacnetServer
from sim_devices.site import Device, Metric
from twin.commands import check_value
from twin.points import PointRow
from wire.errors import ConfigError, InputError
from wire.quality import BAD, STALE, SUBSTITUTED

METRICS = (
    Metric("supply_temperature", unit="Cel", low=-40, high=120),
    Metric("supply_setpoint", unit="Cel", low=10, high=30, writable=True),
    Metric("fan", declared="bool", writable=True),
    Metric("filter_alarm", declared="bool"),
    Metric("mode", kind="state", declared="enum", model=Signal(states=("off", "heat", "cool"))),
)
VALUES = {
    "supply_temperature": 19.5,
    "supply_setpoint": 21.0,
    "fan": True,
    "filter_alarm": False,
    "mode": "heat",
}


class Commands:
    """What the physics was told; it takes 10 to 30 and whole fans."""

    def __init__(self) -> None:
        self.told: list[tuple[str, float]] = []

    def __call__(self, metric: str, value: float) -> None:
        if not 0 <= value <= 30:
            raise InputError("too much", field=metric, fix="less")
        self.told.append((metric, value))


@asynccontextmanager
async def controller(
    metrics: tuple[Metric, ...] = METRICS, values: dict[str, Any] | None = None, **about: Any
) -> AsyncIterator[BacnetServer]:
    about = {"written": Commands(), "instance": 1001, "period_s": 0.2} | about
    server = BacnetServer(Device(about.pop("name", "ahu"), "ahu", "bacnet", "plant"), metrics, **about)
    async with asyncio.TaskGroup() as tasks:
        await server.start(tasks)
        await server.publish(VALUES if values is None else values)
        try:
            yield server
        finally:
            await server.close()


def table(server: BacnetServer, **changes: Any) -> dict[str, Any]:
    return server.source() | {"timeout_s": 1.0} | changes


async def test_the_sample_of_the_docs_is_a_legal_config() -> None:
    (found,) = sample("edge.sources.bacnet")
    assert found["kind"] == "bacnet"
    Reading(found)


async def test_objects_become_points_with_the_device_s_names_units_and_states() -> None:
    async with controller() as ahu:
        bare = table(ahu, devices=[{"name": "ahu", "address": f"127.0.0.1:{ahu.port}"}])
        async with Reading(bare) as read:
            await read.until(lambda: len({row.key for row in read.rows}) == 5)
            units = {point.metric: point.unit for point in read.source.points()}
            writable = {point.metric for point in read.source.points() if point.writable}
            mode, alarm = read.value("ahu/mode"), read.value("ahu/filter_alarm")
    assert units == {
        "supply_temperature": "Cel", "supply_setpoint": "Cel", "fan": "", "filter_alarm": "", "mode": ""
    }  # fmt: skip
    assert writable == {"supply_setpoint", "fan"}
    assert (mode, alarm) == ("heat", 0.0)


@pytest.mark.parametrize("confirmed", [True, False])
async def test_a_change_is_notified_long_before_the_next_poll(confirmed: bool) -> None:
    async with controller() as ahu, Reading(table(ahu, period_s=600, confirmed=confirmed)) as read:
        await read.until(lambda: read.value("ahu/supply_temperature") == 19.5)
        await ahu.publish(VALUES | {"supply_temperature": 25.0, "mode": "cool"})
        await read.until(lambda: read.value("ahu/supply_temperature") == 25.0 and read.value("ahu/mode") == "cool")


async def test_a_change_whose_notification_was_lost_is_found_by_reading_again() -> None:
    async with controller() as ahu, Reading(table(ahu, period_s=0.1, reread_s=0.3)) as read:
        await read.until(lambda: read.value("ahu/supply_temperature") == 19.5)
        assert ahu.stack is not None
        ahu.stack.cov_notification = lambda cov, apdu: None  # the network loses every one from now on
        await ahu.publish(VALUES | {"supply_temperature": 40.0})
        await read.until(lambda: read.value("ahu/supply_temperature") == 40.0)


async def test_subscriptions_are_renewed_at_half_their_lifetime() -> None:
    async with controller() as ahu, Reading(table(ahu, period_s=0.2, cov_lifetime_s=2, reread_s=600)) as read:
        await read.until(lambda: read.value("ahu/supply_temperature") == 19.5)
        assert ahu.stack is not None
        first = {id(cov.cancel_handle) for one in ahu.stack._cov_detections.values() for cov in one.cov_subscriptions}

        def renewed() -> bool:
            handles = [cov.cancel_handle for one in ahu.stack._cov_detections.values() for cov in one.cov_subscriptions]
            return len(handles) == 5 and not first & {id(handle) for handle in handles}

        await read.until(renewed)


@pytest.mark.parametrize(("cov", "silent_s"), [(True, 60.0), (False, 0.2)])
async def test_a_point_that_tells_changes_may_be_silent_until_it_is_read_again(cov: bool, silent_s: float) -> None:
    async with controller() as ahu:
        devices = [table(ahu)["devices"][0] | {"cov": cov}]
        async with Reading(table(ahu, period_s=0.2, reread_s=60, devices=devices)) as read:
            await read.until(lambda: read.value("ahu/supply_temperature") == 19.5)
            assert {point.period_s for point in read.source.points()} == {silent_s}


async def test_what_cannot_be_subscribed_is_polled() -> None:
    async with controller() as ahu:
        devices = [table(ahu)["devices"][0] | {"cov": False}]
        async with Reading(table(ahu, period_s=0.05, devices=devices)) as read:
            await read.until(lambda: read.value("ahu/supply_temperature") == 19.5)
            await ahu.publish(VALUES | {"supply_temperature": 33.0})
            await read.until(lambda: read.value("ahu/supply_temperature") == 33.0)
            assert ahu.stack is not None
            assert not ahu.stack._cov_detections


async def test_a_command_goes_into_the_priority_array_and_null_takes_it_out() -> None:
    async with controller() as ahu, Reading(table(ahu, priority=12)) as read:
        await read.until(lambda: read.value("ahu/supply_setpoint") == 21.0)
        setpoint = ahu.objects["supply_setpoint"]
        await read.source.write(read.point("ahu/supply_setpoint"), 24.0)
        assert setpoint.priorityArray[11].real == 24.0
        await read.until(lambda: read.value("ahu/supply_setpoint") == 24.0)
        await read.source.write(read.point("ahu/supply_setpoint"), "null")
        assert setpoint.priorityArray[11].null is not None
        await read.until(lambda: read.value("ahu/supply_setpoint") == 21.0)
        await read.source.write(read.point("ahu/fan"), False)
        await read.until(lambda: read.value("ahu/fan") == 0.0)


async def test_the_twin_lets_null_pass_to_points_that_take_it_and_to_no_others() -> None:
    async with controller() as ahu, Reading(table(ahu)) as read:
        await read.until(lambda: len(read.source.points()) == 5)
        setpoint, sensor = read.point("ahu/supply_setpoint"), read.point("ahu/supply_temperature")
    view = SimpleNamespace(key="gw/ahu/x", writable=True, low=10.0, high=30.0, unit="Cel")
    rows = [PointRow(id=1, node="gw", device="ahu", metric="x", meta=point.meta) for point in (setpoint, sensor)]
    assert check_value(view, rows[0], "null") == "null"
    assert check_value(view, rows[0], 22) == 22.0
    with pytest.raises(InputError, match="takes a number"):
        check_value(view, rows[1], "null")


async def test_a_command_below_a_higher_priority_is_told_as_not_carried_out() -> None:
    async with controller() as ahu, Reading(table(ahu, priority=16)) as read:
        await read.until(lambda: read.value("ahu/supply_setpoint") == 21.0)
        ahu.objects["supply_setpoint"].priorityArray[7] = PriorityValue(Real(28.0))
        with pytest.raises(SourceError, match="priority 8 holds"):
            await read.source.write(read.point("ahu/supply_setpoint"), 24.0)


async def test_a_command_that_the_device_or_the_point_refuses_is_told() -> None:
    async with controller() as ahu:
        device = table(ahu)["devices"][0] | {"points": []}  # without the limits that the table knows
        async with Reading(table(ahu, devices=[device])) as read:
            await read.until(lambda: read.value("ahu/supply_setpoint") == 21.0)
            with pytest.raises(SourceError, match="value-out-of-range"):
                await read.source.write(read.point("ahu/supply_setpoint"), 99.0)
            with pytest.raises(SourceError, match="takes no commands"):
                await read.source.write(read.point("ahu/supply_temperature"), 20.0)
            with pytest.raises(SourceError, match="takes a number"):
                await read.source.write(read.point("ahu/supply_setpoint"), "warm")
            assert ahu.objects["supply_setpoint"].presentValue == 21.0


async def test_status_flags_become_quality() -> None:
    async with controller() as ahu, Reading(table(ahu)) as read:
        await read.until(lambda: len({row.key for row in read.rows}) == 5)
        await ahu.publish(VALUES | {"supply_temperature": None})
        await read.until(lambda: bool(read.last("ahu/supply_temperature").quality & BAD))
        ahu.objects["supply_setpoint"].statusFlags = [0, 0, 1, 0]
        await read.until(lambda: bool(read.last("ahu/supply_setpoint").quality & SUBSTITUTED))


async def test_a_device_that_is_gone_has_stale_points_and_comes_back_with_all_of_them() -> None:
    async with controller() as ahu, Reading(table(ahu, timeout_s=0.4)) as read:
        await read.until(lambda: len({row.key for row in read.rows}) == 5)
        async with asyncio.TaskGroup() as tasks:
            await ahu.cut()
            keys = {point.key for point in read.source.points()}
            await read.until(lambda: {row.key for row in read.rows if row.quality & STALE} == keys)
            assert read.health.state == "waiting"
            await ahu.publish(VALUES | {"supply_temperature": 30.0})
            before = len(read.rows)
            await ahu.start(tasks)
            await read.until(lambda: {row.key for row in read.rows[before:] if not row.quality} == keys)
            assert read.value("ahu/supply_temperature") == 30.0
            await ahu.publish(VALUES | {"supply_temperature": 31.0})
            await read.until(lambda: read.value("ahu/supply_temperature") == 31.0)


async def test_250_points_that_change_all_at_once_stay_alive() -> None:
    metrics = tuple(Metric(f"t{at}", unit="Cel", low=-50, high=150) for at in range(250))
    start = {metric.name: 20.0 for metric in metrics}
    async with controller(metrics, start) as plant, Reading(table(plant, period_s=30, timeout_s=10)) as read:
        await read.until(lambda: len({row.key for row in read.rows}) == 250)
        for round_number in range(1, 4):
            at_last = {name: 20.0 + round_number * 10 + at / 100 for at, name in enumerate(start)}
            await plant.publish(at_last)
            await read.until(
                lambda wanted=at_last: all(
                    abs(read.value(f"ahu/{name}") - value) < 1e-4 for name, value in wanted.items()
                )
            )
    assert not read.health.errors
    assert not read.health.discarded


async def test_two_devices_with_one_instance_are_both_read_and_told_as_an_event() -> None:
    async with controller() as first, controller(name="other") as second:
        devices = [first.source()["devices"][0], second.source()["devices"][0]]
        async with Reading(table(first, devices=devices)) as read:
            await read.until(lambda: bool(read.events))
            await read.until(lambda: {row.key.split("/")[0] for row in read.rows} == {"ahu", "other"})
    assert read.events[0]["kind"] == "duplicate_instance"
    assert "1001 stands twice" in read.events[0]["message"]
    assert read.health.errors["duplicate"] == 1


async def test_a_device_is_found_by_its_instance_and_strangers_are_not() -> None:
    async with controller() as ahu:
        asked = {"name": "ahu", "instance": 1001}
        who_is = f"127.0.0.1:{ahu.port}"
        async with Reading(table(ahu, devices=[asked], who_is=who_is)) as read:
            await read.until(lambda: len({row.key for row in read.rows}) == 5)
        async with Reading(table(ahu, devices=[], who_is=who_is, discover=[1000, 1999])) as read:
            await read.until(lambda: read.value("bacnet-1001/supply_temperature") == 19.5)
        wrong = table(ahu)["devices"][0] | {"instance": 7}
        async with Reading(table(ahu, devices=[wrong])) as read:
            await read.until(lambda: "is device 1001, not 7" in read.health.why)
            assert not read.rows


async def test_a_device_that_knows_itself_by_its_own_number_only_is_asked_who_it_is() -> None:
    async with controller() as ahu:
        assert ahu.stack is not None
        ahu.stack.device_object = None  # the wildcard instance is no object of it
        ahu.stack.do_WhoIsRequest = lambda apdu: _i_am(ahu, apdu)
        async with Reading(table(ahu)) as read:
            await read.until(lambda: len({row.key for row in read.rows}) == 5)


async def _i_am(server: BacnetServer, apdu: Any) -> None:
    from bacpypes3.apdu import IAmRequest

    answer = IAmRequest(
        iAmDeviceIdentifier=("device", 1001),
        maxAPDULengthAccepted=480,
        segmentationSupported="segmented-both",
        vendorID=999,
        destination=apdu.pduSource,
    )
    server.stack.request(answer)


async def test_a_device_without_reads_of_many_and_segments_is_read_one_by_one() -> None:
    async with controller() as ahu:
        assert ahu.stack is not None
        ahu.stack.do_ReadPropertyMultipleRequest = None  # an unrecognized service: the device rejects it
        async with Reading(table(ahu, period_s=0.1)) as read:
            await read.until(lambda: len({row.key for row in read.rows}) == 5)
            assert not read.health.errors


async def test_an_object_that_nobody_can_read_is_bad_and_the_others_are_good() -> None:
    async with controller() as ahu:
        assert ahu.stack is not None
        ahu.stack.do_ReadPropertyMultipleRequest = None
        device = table(ahu)["devices"][0] | {"cov": False}
        async with Reading(table(ahu, period_s=0.1, devices=[device])) as read:
            await read.until(lambda: read.value("ahu/supply_temperature") == 19.5)
            whole = read.source._link.read

            async def torn(to: Any, what: tuple[int, int], name: int, index: int | None = None) -> list[Any]:
                if what == (0, 1):
                    raise SourceError("decode", "3 bytes where 4 to 4 belong")
                return await whole(to, what, name, index)

            read.source._link.read = torn
            await read.until(lambda: bool(read.last("ahu/supply_temperature").quality & BAD))
            await ahu.publish(VALUES | {"supply_setpoint": 25.0})
            await read.until(lambda: read.value("ahu/supply_setpoint") == 25.0)
            assert read.health.errors["decode"] > 0


async def test_a_slow_device_holds_up_no_other() -> None:
    async with controller() as fast, controller(name="slow", instance=1002) as slow:
        assert slow.stack is not None
        answer = slow.stack.response

        async def late(apdu: Any) -> None:
            await asyncio.sleep(0.5)
            await answer(apdu)

        slow.stack.response = late
        devices = [slow.source()["devices"][0], fast.source()["devices"][0]]
        async with Reading(table(fast, devices=devices)) as read:
            await read.until(lambda: read.value("ahu/supply_temperature") == 19.5)
            await fast.publish(VALUES | {"supply_temperature": 22.0})
            await read.until(lambda: read.value("ahu/supply_temperature") == 22.0)
            assert not [row for row in read.rows if row.key == "slow/supply_temperature"]


async def test_garbage_strangers_and_a_flood_end_with_themselves() -> None:
    noise = random.Random(4)
    async with controller() as ahu:
        bind = f"127.0.0.1:{_free_port()}"
        async with Reading(table(ahu, bind=bind)) as read:
            await read.until(lambda: len({row.key for row in read.rows}) == 5)
            host, port = bind.split(":")
            assert ahu._cable is not None
            for at in range(3_000):  # from the device itself, half of it with a BACnet header
                body = noise.randbytes(noise.randrange(1, 60))
                head = b"\x81\x0a" + (len(body) + 4).to_bytes(2, "big") if at % 2 else b""
                ahu._cable.local_transport.sendto(
                    head + (b"\x01\x00" if at % 4 == 1 else b"") + body, (host, int(port))
                )
                if at % 100 == 0:
                    await asyncio.sleep(0)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:

                def is_counted() -> bool:
                    stranger.sendto(b"\x81\x0b\x00\x08\x01\x00\x10\x08", (host, int(port)))
                    return read.health.errors.get("stranger", 0) > 0

                await read.until(is_counted)
            await ahu.publish(VALUES | {"supply_temperature": 44.0})
            await read.until(lambda: read.value("ahu/supply_temperature") == 44.0)


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_device_that_lies_about_how_many_objects_it_has_is_refused() -> None:
    async with controller() as ahu:
        assert ahu.stack is not None
        read_property = ahu.stack.device_object.read_property

        async def lying(attr: Any, index: Any = None) -> Any:
            if str(attr) == "object-list" and index is None:
                from bacpypes3.errors import AbortException

                raise AbortException("segmentation-not-supported")
            if str(attr) == "object-list" and index == 0:
                from bacpypes3.primitivedata import Unsigned

                return Unsigned(4_000_000_000)
            return await read_property(attr, index)

        object.__setattr__(ahu.stack.device_object, "read_property", lying)
        bare = {"name": "ahu", "address": f"127.0.0.1:{ahu.port}"}
        async with Reading(table(ahu, devices=[bare])) as read:
            await read.until(lambda: "4000000000 objects" in read.health.why)
            assert not read.source.points()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"devices": []}, "devices"),
        ({"devices": [{"name": "a"}]}, "devices[0].address"),
        ({"devices": [{"name": "a", "address": "nowhere at all"}]}, "devices[0].address"),
        ({"devices": [{"name": "a", "address": "10.0.0.1", "points": [{"object": "thing,1"}]}]}, "points[0].object"),
        ({"discover": [1, 9], "devices": []}, "who_is"),
    ],
)
async def test_a_config_that_cannot_work_names_the_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Reading({"kind": "bacnet", "name": "x", **change})
    assert field in str(caught.value)


async def test_controllers_are_found_by_asking_who_is_there() -> None:
    async with controller() as ahu:
        where = f"127.0.0.1:{ahu.port}"
        assert await find_controllers(where, bind="127.0.0.1:0", wait_s=0.5) == [(1001, where)]
        assert await find_controllers(where, bind="127.0.0.1:0", low=1, high=9, wait_s=0.2) == []
        with pytest.raises(ValueError):
            await find_controllers("nowhere at all")


def test_a_gateway_without_the_library_is_told_which_extra_to_install(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    file.write_text(
        'site = "a"\nnode = "b"\n[broker]\nurl = "mqtt://127.0.0.1:1883"\n'
        '[[source]]\nkind = "bacnet"\nname = "hvac"\ndevices = [{ name = "ahu", address = "127.0.0.1" }]\n'
    )
    code = (
        "import sys; sys.modules['bacpypes3'] = None\nfrom pathlib import Path\nfrom edge.config import problems\n"
        f"print(*(f'{{one}} {{one.fix}}' for one in problems(Path({str(file)!r}))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "aid4[bacnet]"' in done.stdout
