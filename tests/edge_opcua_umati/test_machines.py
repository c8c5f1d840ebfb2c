"""Machines after umati: the folder Machines is read with names, units and identification; the node set of the
specification itself says that the structure is the right one."""

import asyncio
import xml.etree.ElementTree as ET
from contextlib import asynccontextmanager

from acting_reader import Reader

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
