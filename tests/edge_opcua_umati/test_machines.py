"""Machines after umati: the folder Machines is read with names, units and identification; the node set of the
specification itself says that the structure is the right one."""

import asyncio
import json
import random
import xml.etree.ElementTree as ET
from contextlib import asynccontextmanager
from datetime import datetime

from acting_reader import Reader
from asyncua import ua

from edge.sources.columns import events
from edge.sources.opcua_events import EventReader
from sim_devices.servers.opcua import MACHINERY, MACHINES_ID, OpcUaServer
from sim_devices.site import Device, Metric

METRICS = (
    Metric("spindle_speed", "/min", declared="f64"),
    Metric("spindle_temperature", "Cel", declared="f64"),
    Metric("power", "kW", declared="f64"),
    Metric("execution", kind="state", declared="enum"),
)
SHOWN = {"spindle_speed": 4200.0, "spindle_temperature": 41.5, "power": 7.25, "execution": "ACTIVE"}


@asynccontextmanager
async def mill():
    device = Device(name="mill-1", kind="machine-tool", protocol="opcua", space="Hall", label="Mill")
    server = OpcUaServer(device, METRICS)
    async with asyncio.TaskGroup() as tasks:
        try:
            await server.start(tasks)
            await server.publish(SHOWN)
            yield server
        finally:
            await server.close()


async def test_each_machine_is_a_device_with_units_and_identification(tmp_path):
    table = {"kind": "opcua", "name": "hall", "period_s": 0.1, "machines": True}
    async with mill() as server, Reader({**table, "url": server.url}, tmp_path) as reader:
        await reader.until(lambda: reader.value("mill-1/monitoring_spindle_actual_speed") == 4200.0)
        await reader.until(lambda: reader.value("mill-1/monitoring_channel_state") == "ACTIVE")
        await reader.until(lambda: reader.value("mill-1/identification_manufacturer"))
        assert reader.value("mill-1/identification_manufacturer") == "AID4"
        units = {point.metric: point.unit for point in reader.source.points()}
        assert units["monitoring_spindle_actual_speed"] == "{rpm}"
        assert units["monitoring_spindle_temperature"] == "Cel"
        assert units["monitoring_machine_tool_active_power"] == "kW"
        await server.publish({**SHOWN, "power": 9.5})
        await reader.until(lambda: reader.value("mill-1/monitoring_machine_tool_active_power") == 9.5)


async def test_an_alarm_of_a_machine_is_told_with_its_severity_and_its_end(tmp_path):
    table = {"kind": "opcua", "name": "hall", "period_s": 0.1, "machines": True, "events": True}
    async with mill() as server, Reader({**table, "url": server.url}, tmp_path) as reader:
        await reader.until(lambda: reader.source.health.state == "running")
        await server.alarm("coolant_low", "Coolant below minimum", 700, active=True)
        await reader.until(lambda: reader.events)
        await server.alarm("coolant_low", "Coolant is full", 100, active=False)
        await reader.until(lambda: len(reader.events) == 2)
        raised, over = reader.events
        assert (raised["device"], raised["kind"], raised["severity"]) == ("mill-1", "machine_alarm", 2)
        assert raised["message"] == "Coolant below minimum"
        detail = json.loads(raised["detail"])
        assert (detail["condition"], detail["severity"], detail["acknowledged"]) == ("coolant_low", 700, False)
        assert (over["kind"], over["severity"], over["message"]) == ("machine_alarm_over", 0, "Coolant is full")


def test_events_that_no_server_should_send_become_a_row_or_a_value_error():
    chance, reader, told = random.Random(6), EventReader("hall"), 0
    junk = [
        None,
        7,
        -1,
        True,
        2**70,
        "x" * 9_000,
        b"id",
        [],
        {},
        datetime(1, 1, 1),
        ua.NodeId(3),
        ua.LocalizedText("t"),
    ]
    for _ in range(2_000):
        fields = [chance.choice(junk) for _ in range(chance.choice((10, 10, 10, 3)))]
        try:
            row = reader.read(fields, 1_700_000_000_000_000)
        except (ValueError, TypeError, OverflowError):
            continue
        if row is not None:
            told += 1
            assert 0 <= row.severity <= 3
            assert len(row.message) <= 500
            events([row]).rows.validate(full=True)
    assert told > 100


def test_the_folder_stands_where_the_specification_puts_it(shared_data):
    """Its node id in the node set of OPC 40001-1, and the parts of a MachineTool in that of OPC 40501-1."""
    space = {"ua": "http://opcfoundation.org/UA/2011/03/UANodeSet.xsd"}
    machinery = ET.parse(shared_data / "field/opcua/Opc.Ua.Machinery.NodeSet2.xml").getroot()
    (folder,) = [one for one in machinery.findall("ua:UAObject", space) if one.get("BrowseName") == "1:Machines"]
    assert folder.get("NodeId") == f"ns=1;i={MACHINES_ID}"
    assert MACHINERY in [one.text for one in machinery.findall("ua:NamespaceUris/ua:Uri", space)]
    tools = ET.parse(shared_data / "field/opcua/Opc.Ua.MachineTool.NodeSet2.xml").getroot()
    (kind,) = [one for one in tools.findall("ua:UAObjectType", space) if one.get("BrowseName") == "1:MachineToolType"]
    parts = {
        one.get("BrowseName", "").partition(":")[2]
        for one in tools.findall("ua:UAObject", space)
        if one.get("ParentNodeId") == kind.get("NodeId")
    }
    assert {"Monitoring", "Production", "Identification"} <= parts
