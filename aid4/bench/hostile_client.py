"""Users who mean no good: sends hostile SQL to a twin from several threads, and counts what it answered.

python -m aid4.bench.hostile_client URL SECONDS      prints {"queries","answered","refused","interrupted"}
"""

import json
import os
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter

__all__ = ["HOSTILE", "hammer"]

CLIENTS = 24  # more than the twin lets stand in line
REFUSED_REST_S = 0.05  # a refused client asks again at once, as a bad script does
WAIT_S = 45.0  # longer than any query may run
HOSTILE = (
    "SELECT count(*) FROM readings a, readings b, readings c WHERE a.value < b.value + c.value",
    "SELECT * FROM readings ORDER BY value DESC, recv, ts, point, quality",
    "SELECT list(repeat('x', 10000) || r.value) FROM readings r",
    "SELECT * FROM readings",
    "SELECT repeat('x', 1000000000), repeat('y', 1000000000)",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
    "SELECT point, ts, avg(value) OVER (PARTITION BY point ORDER BY ts ROWS 100000 PRECEDING) FROM readings",
    "SELECT DISTINCT value, ts, recv, md5(value::VARCHAR) FROM readings ORDER BY 4",
    "SELECT sum(i * j) FROM range(100000000) a(i), range(100000000) b(j)",
    "SELECT point, count(*), median(value), mode(quality) FROM readings GROUP BY ALL ORDER BY 2",
    "SELECT string_agg(value::VARCHAR, ',') FROM readings GROUP BY ts",
)


def hammer(url: str, seconds: float) -> Counter[str]:
    """Send until the time is over; what still runs then counts as interrupted by us."""
    counts: Counter[str] = Counter(queries=0, answered=0, refused=0, interrupted=0)
    lock, end_s = threading.Lock(), time.monotonic() + seconds
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def client(first: int) -> None:
        turn = first
        while time.monotonic() < end_s:
            with lock:
                counts["queries"] += 1
            fate = _ask(opener, url, HOSTILE[turn % len(HOSTILE)])
            turn += 1
            if fate == "refused":
                time.sleep(REFUSED_REST_S)
            if time.monotonic() < end_s:
                with lock:
                    counts[fate] += 1

    threads = [threading.Thread(target=client, args=(at,), daemon=True) for at in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end_s - time.monotonic()))
    with lock:
        counts["interrupted"] += counts["queries"] - counts["answered"] - counts["refused"] - counts["interrupted"]
        return counts.copy()


def _ask(opener: urllib.request.OpenerDirector, url: str, sql: str) -> str:
    """What became of one query: answered, refused since too many are in line, or interrupted by one of the bounds."""
    body = json.dumps({"sql": sql, "limit_rows": 1_000_000}).encode()
    request = urllib.request.Request(  # noqa: S310 - http, ours
        f"{url}/api/v1/query", body, {"Content-Type": "application/json"}
    )
    try:
        with opener.open(request, timeout=WAIT_S) as answer:
            while answer.read(1 << 20):
                pass
    except urllib.error.HTTPError as error:
        error.close()
        return "refused" if error.code == 429 else "interrupted"
    except OSError:
        return "interrupted"
    return "answered"


if __name__ == "__main__":
    os.nice(19)  # users have machines of their own: what the twin does for them counts, not what they do
    print(json.dumps(hammer(sys.argv[1], float(sys.argv[2]))), flush=True)
