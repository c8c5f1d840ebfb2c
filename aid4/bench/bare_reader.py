"""A subscriber that only counts: what the broker alone passes on, at QoS 1, to a bare packet reader.

python -m aid4.bench.bare_reader PORT USER PASSWORD FILTER        counts until stdin closes, then prints the count
"""

import asyncio
import sys

from wire.mqtt import Link, LinkConfig

__all__ = ["count_messages"]


async def count_messages(port: int, user: str, password: str, topic_filter: str) -> int:
    """Subscribe, say `ready`, count until stdin closes."""
    link = Link(LinkConfig("127.0.0.1", port, user=user, password=password, client_id="bare-reader"))
    await link.subscribe([(topic_filter, 1)])
    async with link:
        await link.up()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        return link.stats.received


if __name__ == "__main__":
    print(asyncio.run(count_messages(int(sys.argv[1]), *sys.argv[2:5])), flush=True)
