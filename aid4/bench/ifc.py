"""`aid4 bench ifc`: models into tiles, against the opencascade kernel alone; a large model; the plan over elements.

Each part is a row of PARTS and gives figures and whether its goals are held. Times are processor seconds of the child
processes, everything included (start, parsing, tiles on disk), since walls say more about the neighbours.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from aid4.bench.made_model import write_model
from aid4.bench.plan_state import plan_state
from bim.errors import ModelError
from bim.limits import GIB, MIB
from bim.tiles import TileSet, build_tiles, load_meshes

__all__ = ["FOLDER", "PARTS", "ifc"]

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "bim"
GOAL_TIMES_FASTER = 5.0
GOAL_MADE_BYTES = 30_000_000  # of 100,000 elements
GOAL_MEMORY_BYTES = 3 * GIB // 2
GOAL_PLANNED_STATE_MS = 10.0
GOAL_STATE_MS = 50.0
_MADE_ELEMENTS = 100_000


class Wish(NamedTuple):
    """What a person asked for."""

    files: list[Path]
    elements: int
    repeats: int
    tell: Callable[[str], None]


def ifc(
    files: Iterable[Path] = (), parts: Iterable[str] = (), elements: int = _MADE_ELEMENTS, repeats: int = 1,
    tell: Callable[[str], None] = lambda _line: None,
) -> dict[str, Any]:  # fmt: skip
    """Figures by part and `held`; raises ModelError or WrongAnswerError when something is wrong instead of slow."""
    wish = Wish(list(files) or sorted(FOLDER.rglob("*.ifc")), elements, repeats, tell)
    found = {name: PARTS[name](wish) for name in parts or PARTS}
    return {**found, "held": all(part["held"] for part in found.values())}


def _files(wish: Wish) -> dict[str, Any]:
    """Real files: ours and opencascade in turn, element by element."""
    rows = []
    for file in wish.files:
        row = _file(file, wish.repeats)
        rows.append(row)
        wish.tell("  ".join(f"{name} {value}" for name, value in row.items()))
    done = [row for row in rows if "refused" not in row]
    ours, other = (sum(row[name] for row in done) for name in ("tiles_cpu_s", "opencascade_cpu_s"))
    figures = {
        "files": rows,
        "tiles_cpu_s": round(ours, 2),
        "opencascade_cpu_s": round(other, 2),
        "times_faster": round(other / ours, 2) if ours else 0.0,
        "times_faster_median": round(statistics.median(row["times_faster"] for row in done), 2) if done else 0.0,
        "elements": sum(row["elements"] for row in done),
        "lost_named": sum(row["lost_named"] for row in done),
        "lost_silently": sum(row["lost_silently"] for row in done),
        "lost_beside_opencascade": sum(row["lost_beside_opencascade"] for row in done),
        "memory_mib": max((row["memory_mib"] for row in done), default=0),
    }
    held = figures["times_faster"] >= GOAL_TIMES_FASTER and not figures["lost_silently"]
    return figures | {"held": held and bool(done) and figures["memory_mib"] * MIB < GOAL_MEMORY_BYTES}


def _file(file: Path, repeats: int) -> dict[str, Any]:
    ours: list[float] = []
    other: list[float] = []
    with tempfile.TemporaryDirectory(prefix="aid4-bench-ifc-") as folder:
        out = Path(folder)
        for _ in range(repeats):
            try:
                tileset, cpu_s = _children_cpu_s(lambda: build_tiles(file, out, plans=False))
            except ModelError as refusal:
                return {"file": file.name, "refused": refusal.problem}
            ours.append(cpu_s)
            judge, cpu_s = _children_cpu_s(lambda: _opencascade(file))
            other.append(cpu_s)
        known = set(load_meshes(out).global_ids)
    named = {one.global_id for one in tileset.lost}
    tiles_s, opencascade_s = statistics.median(ours), statistics.median(other)
    return {
        "file": file.name,
        "elements": tileset.represented,
        "tiles_cpu_s": round(tiles_s, 2),
        "opencascade_cpu_s": round(opencascade_s, 2),
        "times_faster": round(opencascade_s / tiles_s, 2),
        "lost_named": len(tileset.lost),
        "lost_silently": len(set(judge["represented"]) - known - named),
        "lost_beside_opencascade": len(set(judge["made"]) - known),
        "tiles_bytes": _size(tileset),
        "memory_mib": tileset.memory_mib,
    }


def _made(wish: Wish) -> dict[str, Any]:
    """One model of many elements, made with a seed."""
    with tempfile.TemporaryDirectory(prefix="aid4-bench-ifc-") as folder:
        file, out = Path(folder) / "made.ifc", Path(folder) / "tiles"
        write_model(file, wish.elements)
        started = time.perf_counter()
        tileset, cpu_s = _children_cpu_s(lambda: build_tiles(file, out, plans=False))
        wall_s = time.perf_counter() - started
        size = file.stat().st_size
    per_element = _size(tileset) / max(tileset.features, 1)
    figures = {
        "elements": wish.elements,
        "model_bytes": size,
        "meshes": tileset.meshes,
        "lost_named": len(tileset.lost),
        "lost_silently": wish.elements - tileset.meshes - len(tileset.lost),
        "triangles": sum(tile.triangles for tile in tileset.tiles),
        "tiles": len(tileset.tiles),
        "tiles_bytes": _size(tileset),
        "bytes_an_element": round(per_element, 1),
        "cpu_s": round(cpu_s, 1),
        "wall_s": round(wall_s, 1),
        "memory_mib": tileset.memory_mib,
    }
    small = per_element * _MADE_ELEMENTS <= GOAL_MADE_BYTES
    wish.tell("  ".join(f"{name} {value}" for name, value in figures.items()))
    return figures | {"held": small and not figures["lost_silently"] and tileset.memory_mib * MIB < GOAL_MEMORY_BYTES}


def _plan(_wish: Wish) -> dict[str, Any]:
    figures = plan_state()
    quick = figures["planned_state_ms"] < GOAL_PLANNED_STATE_MS and figures["state_ms"] < GOAL_STATE_MS
    return figures | {"held": quick}


PARTS: dict[str, Callable[[Wish], dict[str, Any]]] = {"files": _files, "made": _made, "plan": _plan}


def _opencascade(file: Path) -> dict[str, list[str]]:
    command = [sys.executable, "-m", "aid4.bench.opencascade", str(file)]
    done = subprocess.run(command, capture_output=True, check=True)
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def _children_cpu_s(work: Callable[[], Any]) -> tuple[Any, float]:
    """What `work` gives, and the processor seconds of the child processes that it started and that ended."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _size(tileset: TileSet) -> int:
    return sum(tile.bytes for tile in tileset.tiles)
