"""A real OPC UA client browses and follows the machine tool."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from asyncua import Client, ua

from sim_devices.faults import Fault, Scenario
from sim_devices.park import Park
from sim_devices.servers.opcua import MACHINERY, NAMESPACE, NODES, OpcUaServer


def _machine(park: Park) -> OpcUaServer:
    return next(server for server in park.servers if isinstance(server, OpcUaServer))


async def test_every_variable_shows_the_physics_and_the_machine_says_who_it_is(site_dir: Path, start_us: int) -> None:
    async with Park(site_dir, seed=7, speed=1e-6, start_us=start_us) as park, Client(_machine(park).url) as client:
        index = await client.get_namespace_index(NAMESPACE)
        for metric, path in NODES.items():
            node = client.get_node(ua.NodeId(f"mill-1.{path}", index))
            assert await node.read_value() == park.campus.values()[f"mill-1/{metric}"], metric
        serial = client.get_node(ua.NodeId("mill-1.Identification.SerialNumber", index))
        assert await serial.read_value() == "mill-1"


async def test_the_machine_is_found_by_browsing(site_dir: Path, start_us: int) -> None:
    async with Park(site_dir, seed=7, speed=1e-6, start_us=start_us) as park, Client(_machine(park).url) as client:
        index = await client.get_namespace_index(NAMESPACE)
        machinery = await client.get_namespace_index(MACHINERY)
        path = [f"{index}:{name}" for name in ("mill-1", "Monitoring", "Spindle", "ActualSpeed")]
        node = await client.nodes.objects.get_child([f"{machinery}:Machines", *path])
        assert (await node.read_data_type_as_variant_type()) is ua.VariantType.Double


async def test_a_device_whose_clock_is_skewed_stamps_its_readings_ahead(site_dir: Path, start_us: int) -> None:
    scenario = Scenario("", (Fault(what="clock-skew", device="mill-1", from_s=0.0, to_s=600.0, amount=900.0),))
    async with (
        Park(site_dir, seed=7, speed=1e-6, start_us=start_us, scenario=scenario) as park,
        Client(_machine(park).url) as client,
    ):
        index = await client.get_namespace_index(NAMESPACE)
        node = client.get_node(ua.NodeId(f"mill-1.{NODES['vibration']}", index))
        stamped = (await node.read_data_value()).SourceTimestamp
        assert stamped is not None
        ahead_s = (stamped.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds()
        assert 600 < ahead_s <= 900


class _Log:
    def __init__(self) -> None:
        self.values: list[float] = []

    def datachange_notification(self, node: object, value: float, data: object) -> None:
        self.values.append(value)


async def test_a_subscription_sees_the_axes_move_faster_than_once_a_second(site_dir: Path, start_us: int) -> None:
    async with Park(site_dir, seed=7, speed=20.0, start_us=start_us) as park, Client(_machine(park).url) as client:
        index = await client.get_namespace_index(NAMESPACE)
        log = _Log()
        subscription = await client.create_subscription(50, log)
        await subscription.subscribe_data_change(client.get_node(ua.NodeId(f"mill-1.{NODES['position_x']}", index)))
        async with asyncio.timeout(20):
            while len(set(log.values)) < 8:
                await asyncio.sleep(0.05)
        await subscription.delete()


async def test_a_cut_machine_comes_back_at_the_same_address(site_dir: Path, start_us: int) -> None:
    async with Park(site_dir, seed=7, speed=1e-6, start_us=start_us) as park:
        machine = _machine(park)
        url = machine.url
        await machine.cut()
        try:
            await Client(url, timeout=1).connect()
        except OSError:
            refused = True
        else:
            refused = False
        await machine.start(park._tasks)
        async with Client(url) as client:
            assert await client.get_namespace_index(NAMESPACE) > 0
        assert refused
        assert machine.url == url
