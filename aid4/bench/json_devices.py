"""A thousand JSON devices in one process: publishes at QoS 1 as fast as the broker takes it, on one raw socket.

Messages are encoded once, before the clock starts, so that the publisher costs the machine next to nothing.

    python -m aid4.bench.json_devices PORT USER PASSWORD SECONDS      prints the number of messages acknowledged
"""

import select
import socket
import sys
import time

from wire.mqtt import packets

__all__ = ["TOPIC", "flood"]

TOPIC = "bench/{device}/state"
DEVICES = 1_000
MESSAGES = 20_000  # encoded once, sent again and again
CHUNK = 200  # messages in one write
UNACKED_MAX = 20_000  # below what NATS and mosquitto hold for one client


def flood(port: int, user: str, password: str, seconds: float) -> int:
    """Publish for so long, then wait for what is unacknowledged; returns how many were acknowledged."""
    chunks = _chunks()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        hello = packets.connect(f"bench-devices-{port}", user=user, password=password, keepalive_s=0, will=None)
        connection.sendall(hello)
        if connection.recv(4) != b"\x20\x02\x00\x00":
            raise SystemExit("the broker refused the devices")
        return _run(connection, chunks, time.monotonic() + seconds)


def _run(connection: socket.socket, chunks: list[bytes], end_s: float) -> int:
    sent = acknowledged = spare = turn = 0
    while True:
        sending = time.monotonic() < end_s
        if not sending and (acknowledged == sent or time.monotonic() > end_s + 5):
            return acknowledged
        if sending and sent - acknowledged < UNACKED_MAX:
            connection.sendall(chunks[turn % len(chunks)])
            sent += CHUNK
            turn += 1
        wait_s = 0.0 if sending and sent - acknowledged < UNACKED_MAX else 0.05
        if select.select([connection], [], [], wait_s)[0]:
            data = connection.recv(1 << 16)
            if not data:
                raise SystemExit("the broker closed the connection")
            acknowledged, spare = acknowledged + (spare + len(data)) // 4, (spare + len(data)) % 4


def _chunks() -> list[bytes]:
    """MESSAGES publishes, CHUNK to a piece; a PUBACK is four bytes, so answers are counted, not parsed."""
    packed = []
    for number in range(MESSAGES):
        topic = TOPIC.format(device=f"dev-{number % DEVICES:04d}")
        payload = b'{"ts": %d, "temperature": %.2f}' % (1_750_000_000_000 + number * 10, 20 + (number % 977) / 100)
        head = packets.publish_head(topic, len(payload), qos=1, mid=number % 65_535 + 1)
        packed.append(head + payload)
    return [b"".join(packed[at : at + CHUNK]) for at in range(0, MESSAGES, CHUNK)]


if __name__ == "__main__":
    print(flood(int(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4])))
