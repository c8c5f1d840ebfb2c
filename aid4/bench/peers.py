"""What a user would otherwise write or install, measured beside us in the same run.

* `sqlite-rows`: the subscriber of many a tutorial: paho, json.loads, one INSERT and commit a reading, SQLite with WAL.
* `influxdb`: InfluxDB 1.x from the distribution, HTTP line protocol, 10,000 lines a request (when it is installed).
"""

import json
import shutil
import socket
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

__all__ = ["influxdb", "sqlite_rows"]

_LINES = 10_000


def sqlite_rows(port: int, user: str, password: str, topic_filter: str, folder: Path, seconds: float) -> float:
    """Readings per second that the tutorial's subscriber commits while devices flood the broker."""
    base = sqlite3.connect(folder / "rows.db", check_same_thread=False, isolation_level=None)
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("CREATE TABLE readings(topic TEXT, ts INTEGER, value REAL)")
    rows = [0]

    def on_message(client: mqtt.Client, data: Any, message: mqtt.MQTTMessage) -> None:
        reading = json.loads(message.payload)
        base.execute("INSERT INTO readings VALUES (?,?,?)", (message.topic, reading["ts"], reading["temperature"]))
        rows[0] += 1

    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set(user, password)
    client.on_message = on_message
    client.on_connect = lambda client, *_: client.subscribe(topic_filter, 1)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        time.sleep(1.0)
        before, began_s = rows[0], time.monotonic()
        time.sleep(seconds)
        return (rows[0] - before) / (time.monotonic() - began_s)
    finally:
        client.disconnect()
        client.loop_stop()
        base.close()


def influxdb(folder: Path, seconds: float) -> float | None:
    """Readings per second that InfluxDB takes in batches of 10,000 lines; None where it is not installed."""
    server = shutil.which("influxd")
    if server is None:
        return None
    lines = [
        b"\n".join(
            b"m,device=dev-%04d value=%.2f %d" % (n % 1_000, n % 977 / 100, (block * _LINES + n) * 1_000)
            for n in range(_LINES)
        )
        for block in range(20)
    ]
    with _influxd(server, folder) as port:
        _post(f"http://127.0.0.1:{port}/query?q=CREATE%20DATABASE%20bench", b"")
        sent, began_s = 0, time.monotonic()
        while time.monotonic() - began_s < seconds:
            _post(f"http://127.0.0.1:{port}/write?db=bench", lines[sent % len(lines)])
            sent += 1
        return sent * _LINES / (time.monotonic() - began_s)


@contextmanager
def _influxd(server: str, folder: Path) -> Iterator[int]:
    port, control = _free_port(), _free_port()
    config = folder / "influxdb.conf"
    config.write_text(
        f'reporting-disabled = true\nbind-address = "127.0.0.1:{control}"\n'
        f'[meta]\ndir = "{folder}/meta"\n[data]\ndir = "{folder}/data"\nwal-dir = "{folder}/wal"\n'
        f'[http]\nbind-address = "127.0.0.1:{port}"\nlog-enabled = false\n[monitor]\nstore-enabled = false\n'
    )
    process = subprocess.Popen([server, "-config", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(f"http://127.0.0.1:{port}/ping")
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _post(url: str, body: bytes) -> None:
    with urllib.request.urlopen(urllib.request.Request(url, data=body, method="POST"), timeout=30) as answer:  # noqa: S310
        answer.read()


def _wait_for(url: str) -> None:
    end_s = time.monotonic() + 20
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).read()  # noqa: S310 - a loopback address made here
        except (urllib.error.URLError, OSError):
            if time.monotonic() > end_s:
                raise
            time.sleep(0.1)
        else:
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
