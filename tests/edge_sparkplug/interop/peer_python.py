"""pysparkplug as a peer: `node PORT` is an edge node, `host PORT` a listener. JSON lines out, commands by line in.

Runs in the environment of requirements.txt, not in ours.
"""

import json
import sys
import time
from datetime import UTC, datetime

from pysparkplug import Client, DataType, DCmd, Device, EdgeNode, Message, MessageType, Metric, NCmd, QoS, Topic

GROUP, NODE, DEVICE = "foreign", "python-node", "press"
VALUES = [
    ("int8", DataType.INT8, -5),
    ("int16", DataType.INT16, -30000),
    ("int32", DataType.INT32, -2000000000),
    ("int64", DataType.INT64, -9007199254740991),
    ("uint8", DataType.UINT8, 250),
    ("uint16", DataType.UINT16, 65000),
    ("uint32", DataType.UINT32, 4000000000),
    ("uint64", DataType.UINT64, 9007199254740991),
    ("float", DataType.FLOAT, 1.5),
    ("double", DataType.DOUBLE, 2.718281828459045),
    ("boolean", DataType.BOOLEAN, True),
    ("string", DataType.STRING, "Dubnica nad Váhom 竹科"),
    ("text", DataType.TEXT, "auto"),
    ("uuid", DataType.UUID, "0f8fad5b-d9cb-469f-a165-70867728950e"),
    ("datetime", DataType.DATETIME, datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)),
    ("int16s", DataType.INT16_ARRAY, (-1, 2, 300)),
    ("doubles", DataType.DOUBLE_ARRAY, (0.5, -0.25)),
    ("booleans", DataType.BOOLEAN_ARRAY, (True, False, True)),
    ("strings", DataType.STRING_ARRAY, ("one", "two")),
    ("blob", DataType.BYTES, b"\x00\x01"),
    ("setpoint", DataType.INT32, 20),
]


def now():
    return time.time_ns() // 1_000_000


def metric(name, kind, value, **more):
    return Metric(timestamp=now(), name=name, datatype=kind, value=value, **more)


def tell(kind, topic, payload):
    metrics = [
        {
            "name": one.name,
            "alias": one.alias,
            "type": one.datatype.name,
            "value": one.value if isinstance(one.value, (int, float, str, bool, type(None))) else str(one.value),
            "historical": one.is_historical,
        }
        for one in getattr(payload, "metrics", ())
    ]
    seq = getattr(payload, "seq", None)
    print(json.dumps({"kind": kind, "device": topic.device_id or "", "seq": seq, "metrics": metrics}), flush=True)


def run_node(port):
    def heard(node, message):
        tell(message.topic.message_type.value, message.topic, message.payload)
        for one in message.payload.metrics:
            if one.name == "setpoint":
                node.update_device(DEVICE, (metric("setpoint", DataType.INT32, one.value),))

    node = EdgeNode(GROUP, NODE, (metric("uptime", DataType.DOUBLE, 1.0),), cmd_callback=heard)
    device = Device(DEVICE, tuple(metric(*one) for one in VALUES), cmd_callback=heard)
    node.register(device)
    node.connect("127.0.0.1", port=port)
    print(json.dumps({"kind": "ready"}), flush=True)
    for line in sys.stdin:
        if line.strip() == "data":
            node.update_device(DEVICE, (metric("double", DataType.DOUBLE, 3.25), metric("int8", DataType.INT8, 7)))
            old = Metric(1_750_000_000_000, "float", DataType.FLOAT, value=0.5, is_historical=True)
            node.update_device(DEVICE, (old,))
        else:
            break
    node.disconnect()


def run_host(port):
    client = Client(client_id="python-host")
    for kind, deep in (("NBIRTH", 0), ("NDATA", 0), ("NDEATH", 0), ("DBIRTH", 1), ("DDATA", 1), ("DDEATH", 1)):
        topic = Topic(
            message_type=MessageType(kind), group_id="ours", edge_node_id="+", device_id="+" if deep else None
        )
        client.subscribe(topic, QoS.AT_LEAST_ONCE, lambda _, m: tell(m.topic.message_type.value, m.topic, m.payload))
    client.connect("127.0.0.1", port=port, callback=lambda _: print(json.dumps({"kind": "ready"}), flush=True))
    for line in sys.stdin:
        asked = json.loads(line)
        one = metric(asked["metric"], DataType[asked["type"]], asked["value"])
        if asked["device"]:
            kind, payload = MessageType.DCMD, DCmd(timestamp=now(), metrics=(one,))
        else:
            kind, payload = MessageType.NCMD, NCmd(timestamp=now(), metrics=(one,))
        topic = Topic(message_type=kind, group_id="ours", edge_node_id=asked["node"], device_id=asked["device"] or None)
        client.publish(Message(topic, payload, QoS.AT_MOST_ONCE, False), include_dtypes=True)
    client.disconnect()


if __name__ == "__main__":
    {"node": run_node, "host": run_host}[sys.argv[1]](int(sys.argv[2]))
