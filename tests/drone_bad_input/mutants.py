"""Run as a process of its own: read seeded mutants of files, and print how each ended as one JSON document.

`python mutants.py SEED COUNT FILE…` — memory is bounded, so a reader that reserves what a broken length says dies here.
A native crash ends the process, which the test sees.
"""

import json
import random
import resource
import sys
import tempfile
import time
import traceback
from pathlib import Path

from drone_ingest import Cloud, read
from drone_ingest.clouds.columns import survey
from drone_ingest.summary import summary_of
from wire.errors import InputError

_ADDRESS_BYTES = 3 << 30


def mutant(rng: random.Random, data: bytes, others: list[bytes]) -> bytes:
    """Truncated, bit-flipped, head-damaged, cut out of the middle, spliced with another file, or blanked."""
    kind, broken = rng.randrange(6), bytearray(data)
    at = rng.randrange(len(data))
    if kind == 0:
        return data[:at]
    if kind == 1:
        for _ in range(rng.randint(1, 40)):
            broken[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 2:
        for _ in range(rng.randint(1, 8)):
            broken[rng.randrange(min(len(data), 600))] = rng.choice([0, 255, 127, 128, rng.randrange(256)])
    elif kind == 3:
        del broken[at : at + rng.randrange(1, 5_000)]
    elif kind == 4:
        other = rng.choice(others)
        start = rng.randrange(len(other))
        broken[at:at] = other[start : start + rng.randrange(1, 5_000)]
    else:
        size = rng.randrange(1, 3_000)
        broken[at : at + size] = bytes([rng.choice([0, 255, 0xFD, rng.randrange(256)])]) * size
    return bytes(broken)


def outcome(file: Path) -> str:
    """How reading it ended: ok, damaged, refused, or what was raised."""
    try:
        found = read(file)
        if isinstance(found, Cloud):
            survey(found)
        summary = summary_of(found)
        json.dumps(summary, allow_nan=False)
    except InputError as refusal:
        return "refused" if refusal.file or refusal.field else f"a refusal without file: {refusal}"
    except Exception:  # noqa: BLE001 - the very thing that is looked for
        return traceback.format_exc(limit=-3)
    if len(summary["warnings"]) > 300:
        return "more warnings than anybody reads"
    return "damaged" if found.damages else "ok"


def main(seed: int, count: int, files: list[Path]) -> None:
    """See the module."""
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_BYTES, _ADDRESS_BYTES))
    contents = [file.read_bytes() for file in files]
    ended: dict[str, int] = {}
    slowest_s = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            for file, data in zip(files, contents, strict=True):
                rng = random.Random(f"{file.name} {seed + number}")
                broken = Path(folder) / file.name
                broken.write_bytes(mutant(rng, data, contents))
                began_s = time.process_time()
                how = outcome(broken)
                slowest_s = max(slowest_s, time.process_time() - began_s)
                ended[how] = ended.get(how, 0) + 1
    status = Path("/proc/self/status").read_text(encoding="ascii")  # rusage counts the parent before the exec, too
    peak_mib = int(status.split("VmHWM:")[1].split()[0]) // 1024
    print(json.dumps({"ended": ended, "slowest_s": slowest_s, "peak_mib": peak_mib}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), [Path(name) for name in sys.argv[3:]])
