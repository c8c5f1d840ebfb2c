"""What one agent takes from the field, what it costs, and what it keeps while nobody hears it.

The peers are other people's servers in processes of their own. Losses are counted in the twin's database: everything
that a device says counts up from 1, so a number that is missing was lost, and one that stands twice was doubled.
"""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aid4.bench.bench_park import NODE, SITE, BenchPark
from aid4.bench.children import python
from aid4.bench.field_offline import offline
from aid4.bench.field_sim import sim
from twin.store import Store

__all__ = ["field"]

CHANGES_S, REGISTERS_S = 10_000, 5_000
OPCUA_SERVERS, OPCUA_NODES = 2, 100
MODBUS_UNITS, UNIT_REGISTERS = 5, 1_000
RATE_RSS_MIB_MAX, LIGHT_RSS_MIB_MAX = 250, 120
CORES_MAX = 1.0
SETTLE_S_MAX = 120.0
WATCH_S = 10.0
QUIET_LOOKS = 10
STATUS_S = 3.0  # the agent writes its status more often
PENDING_MAX = 20  # what is on its way at any time

Tell = Callable[[str], None]


def field(*, parts: Sequence[str], seconds: float, days: float, tell: Tell) -> dict[str, Any]:
    """Run the chosen parts; `held` says whether every number that was measured is within its goal."""
    runs: dict[str, Callable[[], dict[str, Any]]] = {
        "rate": lambda: _rate(seconds),
        "sources": lambda: _sources(seconds),
        "light": _light,
        "offline": lambda: offline(days),
        "sim": lambda: sim(min(seconds, 20.0)),
    }
    found: dict[str, Any] = {}
    for part in parts:
        tell(f"{part} …")
        found[part] = runs[part]()
    return {"held": all(one["held"] for one in found.values()), **found}


def _rate(seconds: float) -> dict[str, Any]:
    """10,000 OPC UA changes and 5,000 Modbus registers a second into one agent."""
    with BenchPark.open() as park:
        names = [f"opcua{number}" for number in range(OPCUA_SERVERS)]
        for name in names:
            share = (str(OPCUA_NODES), str(CHANGES_S / OPCUA_SERVERS), str(seconds))
            _devices(park, "opcua", name, *share)
        _devices(park, "modbus", "modbus", str(MODBUS_UNITS), str(UNIT_REGISTERS))
        sources = [_modbus(park.folder, _port(park, "modbus"), MODBUS_UNITS, UNIT_REGISTERS)]
        sources += [_opcua(name, _port(park, name), OPCUA_NODES) for name in names]
        with park.twin(), park.agent("\n".join(sources)):
            _heard(park, len(sources))
            cost = _Cost(park)
            before = _received(park, "modbus")
            for name in names:
                (park.folder / f"{name}.go").touch()
            made = [_made(park, name, seconds) for name in names]
            used, polled = cost.so_far(), _received(park, "modbus") - before
            _settled(park, {name: one["changes"] for name, one in zip(names, made, strict=True)})
            errors = _errors(park)
        lost, doubled, rows = {}, {}, {}
        with Store.open(park.folder / "twin", site=SITE) as store:
            for kind in ("opcua", "modbus"):
                lost[kind], doubled[kind], rows[kind] = _counted(store, f"{kind}%")
        wanted = sum(one["changes"] // OPCUA_NODES * OPCUA_NODES for one in made)
    changes_s = sum(one["changes"] / one["seconds"] for one in made)
    registers_s = polled / used["seconds"]
    lost["opcua"] = max(lost["opcua"], wanted - rows["opcua"])
    return {
        "changes_s": round(changes_s),
        "registers_s": round(registers_s),
        "lost": lost,
        "doubled": doubled,
        "rows": rows,
        "errors": errors,
        **used,
        "held": not sum(lost.values()) and not sum(doubled.values()) and used["rss_mib"] < RATE_RSS_MIB_MAX
        and changes_s > 0.9 * CHANGES_S and registers_s > 0.9 * REGISTERS_S,
    }  # fmt: skip


def _sources(seconds: float) -> dict[str, Any]:
    """Forty sources of three protocols at once."""
    with BenchPark.open() as park:
        sources: list[str] = []
        modbus = [f"modbus{number}" for number in range(16)]
        for name in modbus:
            _devices(park, "modbus", name, "1", "20")
        for number in range(8):
            _devices(park, "opcua", f"opcua{number}", "20", "20", str(seconds * 4))
        _devices(park, "mtconnect", "mtconnect", "16", "1.0")
        sources += [_modbus(park.folder, _port(park, name), 1, 20, name) for name in modbus]
        for number in range(8):
            sources.append(_opcua(f"opcua{number}", _port(park, f"opcua{number}"), 20))
            (park.folder / f"opcua{number}.go").touch()
        sources += [_mtconnect(number, port) for number, port in enumerate(_port(park, "mtconnect"))]
        with park.twin(), park.agent("\n".join(sources)):
            _heard(park, len(sources))
            cost = _Cost(park)
            time.sleep(seconds)
            used = cost.so_far()
    return {"sources": len(sources), **used, "held": used["cores"] < CORES_MAX}


def _light() -> dict[str, Any]:
    """An agent that knows Modbus and MQTT only, as on a small gateway."""
    with BenchPark.open() as park:
        _devices(park, "modbus", "modbus", "1", "1000")
        user = park.users[NODE]
        sources = [_modbus(park.folder, _port(park, "modbus"), 1, 1_000)]
        sources.append(
            f'[[source]]\nkind = "mqtt"\nname = "mqtt"\nurl = "mqtt://127.0.0.1:{park.broker.port}"\n'
            f'user = "{user.name}"\npassword_file = "{park.secret(NODE)}"\n'
            f'topic = [{{ pattern = "aid4/1/{SITE}/{NODE}/down/hello", payload = "text", device = "own" }}]\n'
        )
        with park.twin(), park.agent("\n".join(sources)):
            _heard(park, 1)
            cost = _Cost(park)
            time.sleep(WATCH_S)
            used = cost.so_far()
    return {**used, "held": used["rss_mib"] < LIGHT_RSS_MIB_MAX}


class _Cost:
    """Processor and memory of the agent from now on."""

    def __init__(self, park: BenchPark) -> None:
        self._park = park
        self._cpu_s, self._at_s = park.children.cpu_s("agent"), time.monotonic()

    def so_far(self) -> dict[str, Any]:
        """Cores used, and the most memory that it ever had."""
        passed_s = time.monotonic() - self._at_s
        cores = (self._park.children.cpu_s("agent") - self._cpu_s) / passed_s
        status = Path(f"/proc/{self._park.children.pid('agent')}/status").read_text()
        peak_kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
        return {"seconds": round(passed_s, 1), "cores": round(cores, 2), "rss_mib": round(peak_kib / 1_024)}


def _devices(park: BenchPark, kind: str, name: str, *numbers: str) -> None:
    park.children.start(name, python("-m", "aid4.bench.field_devices", kind, str(park.folder), name, *numbers))


def _port(park: BenchPark, name: str) -> Any:
    file = park.folder / f"{name}.port"
    _until(lambda: file.exists() and file.read_text(), f"{name} never listened: {park.children.output(name)}")
    return json.loads(file.read_text())


def _made(park: BenchPark, name: str, seconds: float) -> dict[str, Any]:
    file = park.folder / f"{name}.made"
    _until(file.exists, f"{name} never ended: {park.children.output(name)}", seconds + SETTLE_S_MAX)
    made: dict[str, Any] = json.loads(file.read_text())
    return made


def _modbus(folder: Path, port: int, units: int, registers: int, name: str = "modbus") -> str:
    """One source that polls all registers of all units once a second."""
    table = ", ".join(f'{{ metric = "r{at}", address = {at} }}' for at in range(registers))
    (folder / f"map{registers}.toml").write_text(f"register = [{table}]\n")
    devices = ", ".join(
        f'{{ name = "{name}-{unit}", unit = {unit}, map = "map{registers}.toml" }}' for unit in range(1, units + 1)
    )
    return (
        f'[[source]]\nkind = "modbus"\nname = "{name}"\nurl = "tcp://127.0.0.1:{port}"\n'
        f"timeout_s = 10.0\ndevices = [{devices}]\n"
    )


def _opcua(name: str, port: int, nodes: int) -> str:
    listed = ", ".join(f'{{ id = "ns=2;s=c{number}" }}' for number in range(nodes))
    url = f"opc.tcp://127.0.0.1:{port}"
    return (
        f'[[source]]\nkind = "opcua"\nname = "{name}"\ndevice = "{name}"\nurl = "{url}"\n'
        f"timeout_s = 30.0\nnodes = [{listed}]\n"
    )


def _mtconnect(number: int, port: int) -> str:
    return f'[[source]]\nkind = "mtconnect"\nname = "mtconnect{number}"\nurl = "http://127.0.0.1:{port}"\n'


def _status(park: BenchPark) -> dict[str, Any]:
    file = park.folder / "spool" / "status.json"
    return json.loads(file.read_text()) if file.exists() else {}


def _heard(park: BenchPark, sources: int) -> None:
    """Wait until so many sources have given something."""

    def enough() -> bool:
        heard: int = sum(one["sent"] > 0 for one in _status(park).get("sources", {}).values())
        return heard >= sources

    _until(enough, "the sources never spoke", why=lambda: park.children.output("agent"))


def _settled(park: BenchPark, made: dict[str, int]) -> None:
    """Wait until the agent has heard all, or hears nothing more, and the twin has what it accepted."""
    heard, quiet = 0, 0
    while quiet < QUIET_LOOKS and any(_received(park, name) < count for name, count in made.items()):
        time.sleep(1.0)
        before, heard = heard, sum(_received(park, name) for name in made)
        quiet = quiet + 1 if heard == before else 0
    time.sleep(STATUS_S)
    _until(lambda: _status(park)["spool"]["pending_records"] < PENDING_MAX, "the twin never caught up")


def _errors(park: BenchPark) -> dict[str, Any]:
    """What the sources counted, by name; empty when all is well."""
    sources = _status(park)["sources"].items()
    return {name: {**one["errors"], "discarded": one["discarded"]} for name, one in sources
            if one["errors"] or one["discarded"]}  # fmt: skip


def _received(park: BenchPark, name: str) -> int:
    received: int = _status(park)["sources"][name]["received"]
    return received


def _until(true: Callable[[], Any], what: str, within_s: float = SETTLE_S_MAX, why: Callable[[], str] = str) -> None:
    end_s = time.monotonic() + within_s
    while not true():
        if time.monotonic() > end_s:
            raise TimeoutError(f"{what}\n{why()}")
        time.sleep(0.1)


def _counted(store: Store, devices: str) -> tuple[int, int, int]:
    """Readings of counters that are missing below their highest, that stand twice, and all of them."""
    with store.cursor() as cursor:
        found = cursor.execute(
            "SELECT coalesce(sum(high - kinds), 0), coalesce(sum(n - kinds), 0), coalesce(sum(n), 0) FROM ("
            " SELECT count(*) n, count(DISTINCT r.value) kinds, max(r.value) high FROM readings r"
            " JOIN points p ON p.id = r.point WHERE p.device LIKE ? AND r.quality = 0 AND r.value > 0 GROUP BY p.id)",
            [devices],
        ).fetchone()
    assert found is not None
    return int(found[0]), int(found[1]), int(found[2])
