"""A broker that keeps the last message of a device, killed and started again at its port."""

import asyncio
import shutil
import signal
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from edge.conformance import Bench, free_port
from wire.mqtt import Link, LinkConfig

UP_S_MAX = 60.0


class MqttBench(Bench):
    can = frozenset({"leaves", "floods"})
    stale_within_s = 1.5

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port, self.value = free_port(), 1
        self.process: subprocess.Popen[bytes] | None = None

    def table(self) -> dict[str, Any]:
        rule = {"pattern": "plant/value", "payload": "text", "device": "source"}
        return {"kind": "mqtt", "url": f"mqtt://127.0.0.1:{self.port}", "topic": [rule], "keepalive_s": 1.0}

    async def start(self) -> None:
        shutil.rmtree(self.folder / "js", ignore_errors=True)
        path = self.folder / "nats.conf"
        path.write_text(
            f'server_name: t\nhost: 127.0.0.1\nport: -1\njetstream {{ store_dir: "{self.folder}/js" }}\n'
            f"mqtt {{ host: 127.0.0.1, port: {self.port} }}\n"
        )
        server = str(Path(sysconfig.get_path("scripts")) / "nats-server")
        self.process = subprocess.Popen([server, "-c", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        await self.say(b"%d" % self.value)

    async def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    async def change(self, value: int) -> None:
        self.value = value
        if self.process is not None:
            await self.say(b"%d" % value)

    async def say(self, *payloads: bytes) -> None:
        async with Link(LinkConfig("127.0.0.1", self.port, client_id="device")) as device:
            async with asyncio.timeout(UP_S_MAX):
                await device.up()
                for payload in payloads:
                    device.publish("plant/value", payload, qos=1, retain=True)
                while device.stats.acknowledged < len(payloads):
                    await asyncio.sleep(0.005)

    async def flood(self) -> None:
        await self.say(*[b"%d" % value for value in range(2, 500)])


BENCH = MqttBench
