"""What the all-in-one park writes for its children: folders, the agent's configuration, one table a recording."""

import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from secrets import token_hex
from typing import Any, Literal

from aid4.park_outside import Listen
from wire.errors import ConfigError, InputError
from wire.names import slug

__all__ = [
    "NODE",
    "AgentLayout",
    "Layout",
    "ParkOptions",
    "agent_toml",
    "default_data_dir",
    "gateways",
    "has_model",
    "replay_sources",
    "site_name",
    "toml_value",
]

NODE = "gw-1"  # the first gateway: recordings, and whatever no other one reads
SIM_SPEED_MAX = 600.0
SIM_SPEED_OF_MAX = 60.0  # "max" is for recordings; the simulated park then runs a minute a second
_ARCHIVES = (".gz", ".txt", ".csv", ".parquet", ".shdr")


@dataclass(frozen=True, slots=True)
class ParkOptions:
    """What a person asked for; `speed` None is as fast as possible, `seconds` None is until stopped."""

    site: Path
    data_dir: Path
    ifc: Path | None = None
    replays: tuple[Path, ...] = ()
    port: int = 0
    speed: float | None = 1.0
    sim: bool = True
    seconds: float | None = None
    seed: int = 7
    scenario: str = ""  # of faults: a file, or the name of one of ours
    broker: Literal["nats", "mosquitto"] = "nats"
    listen: Listen | None = None  # gateways from outside may join there
    only: tuple[str, ...] = ()  # of the simulated devices; none: all
    past_days: float = 0.0  # of simulated devices, made for a twin that has nothing yet

    @property
    def sim_speed(self) -> float:
        """Times real time of the simulated devices."""
        return SIM_SPEED_OF_MAX if self.speed is None else min(self.speed, SIM_SPEED_MAX)


class AgentLayout:
    """The folder of one gateway's agent: its configuration, its password and its spool."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.config, self.password = folder, folder / "edge.toml", folder / "broker.password"
        self.spool, self.status = folder / "spool", folder / "spool" / "status.json"


class Layout:
    """The folders of one park below its data directory; nothing of a park lies elsewhere."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.broker, self.twin = root / "broker", root / "twin"
        self.model, self.log, self.lock = root / "model", root / "log", root / "lock"
        self.ports, self.dock = root / "devices.json", root / "dock.json"

    def ports_of(self, node: str) -> Path:
        """What the simulated devices write for a gateway's agent once all of its own listen."""
        return self.ports.with_name(f"{self.ports.name}.{node}")

    def agent(self, node: str) -> AgentLayout:
        """Where a gateway's agent lives; the first one where it lived when a park had only one."""
        return AgentLayout(self.root / ("edge" if node == NODE else f"edge-{node}"))

    def create(self, nodes: Sequence[str] = (NODE,)) -> None:
        """Make the folders; InputError when one cannot be made or written."""
        agents = [self.agent(node).folder for node in nodes]
        for folder in (self.root, self.broker, *agents, self.twin, self.model, self.log):
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            except OSError as error:
                fix = "give a folder that you may write with --data-dir"
                raise InputError(f"cannot be made: {error.strerror}", file=str(folder), fix=fix) from error
        if not os.access(self.root, os.W_OK | os.X_OK):
            fix = "give a folder that you may write with --data-dir"
            raise InputError("cannot be written", file=str(self.root), fix=fix)


def default_data_dir(site: str, env: Mapping[str, str] = os.environ) -> Path:
    """The user's state folder (XDG) of this site's park."""
    base = Path(env.get("XDG_STATE_HOME", "") or Path.home() / ".local" / "state")
    return base / "aid4" / site


def site_name(site: Path) -> str:
    """The name of a site from its site.toml, which stands in every topic."""
    name = _site_table(site).get("name")
    if not isinstance(name, str) or slug(name) != name:
        fix = 'write name = "…"'
        raise ConfigError("is missing or no legal name", file=str(site / "site.toml"), field="name", fix=fix)
    return name


def gateways(site: Path) -> tuple[str, ...]:
    """The nodes of a site, one agent each, by the `[[gateway]]` tables of its devices.toml; NODE where it has none."""
    file = site / "devices.toml"
    if not file.is_file():
        return (NODE,)
    found = [str(one.get("name", "")) for one in _table(file).get("gateway", []) if isinstance(one, dict)]
    for place, name in enumerate(found):
        if not name or slug(name) != name or name in found[:place]:
            fix = 'write name = "gw-2", each once'
            raise ConfigError("is missing or no legal name", file=str(file), field=f"gateway[{place}].name", fix=fix)
    return tuple(found) or (NODE,)


def has_model(site: Path) -> bool:
    """Whether the site names a building model of its own."""
    return "model" in _site_table(site)


def _site_table(site: Path) -> dict[str, Any]:
    return _table(site / "site.toml")


def _table(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", file=str(file), fix="give a TOML file in UTF-8") from error


def replay_sources(site: Path, files: Sequence[Path], speed: float | None) -> tuple[list[dict[str, Any]], list[str]]:
    """One `[[source]]` table a recording, by the first `[[replay]]` rule of the site's replay.toml whose `match`
    fits the file's name; `speed` None is as fast as possible. The second list warns of files without a rule.

    Each call begins the recordings anew; the agent that it is written for goes on where it was, however often it dies.
    """
    rules, sources, warnings, session = _rules(site / "replay.toml"), [], [], token_hex(8)
    taken: set[str] = set()
    for file in files:
        if not file.is_file():
            raise InputError("there is no such recording", file=str(file), field="--replay", fix="give a file")
        rule = next((rule for rule in rules if fnmatchcase(file.name, rule["match"])), None)
        if rule is None:
            warnings.append(f"{file.name}: no rule in {site.name}/replay.toml; its times without an offset are UTC")
        table = {key: value for key, value in (rule or {}).items() if key != "match"}
        name = _free_name(_stem(file), taken)
        table = {
            "kind": "replay",
            "name": name,
            "device": name,
            "session": session,
            **table,
            "file": str(file.resolve()),
        }
        sources.append({**table, "speed": "max" if speed is None else speed})
    return sources, warnings


def agent_toml(
    site: str,
    *,
    broker_port: int,
    password_file: Path,
    sources: Sequence[Mapping[str, Any]],
    derived: Sequence[Mapping[str, Any]] = (),
    root_file: Path | None = None,
    node: str = NODE,
) -> str:
    """The agent's configuration file; `root_file` says whom to trust for models."""
    lines = [
        "# written by `aid4 run` at each start",
        f'site = "{site}"',
        f'node = "{node}"',
        "[broker]",
        f'url = "mqtt://127.0.0.1:{broker_port}"',
        f'user = "{node}"',
        f"password_file = {_text(str(password_file))}",
        "[spool]",
        'dir = "spool"',
    ]
    if root_file is not None:
        lines += ["[models]", f"root_file = {_text(str(root_file))}"]
    for header, table in [*(("source", one) for one in sources), *(("derived", one) for one in derived)]:
        lines.append(f"[[{header}]]")
        lines += [f"{_key(name)} = {toml_value(value)}" for name, value in table.items() if value is not None]
    return "\n".join(lines) + "\n"


def _rules(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    try:
        rules = tomllib.loads(file.read_text(encoding="utf-8")).get("replay", [])
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"is not TOML: {error}", file=str(file), fix="mend the syntax at that place") from error
    for at, rule in enumerate(rules):
        if not isinstance(rule, dict) or not isinstance(rule.get("match"), str):
            fix = 'write [[replay]] and match = "*.csv"'
            raise ConfigError("is missing", file=str(file), field=f"replay[{at}].match", fix=fix)
    return list(rules)


def _stem(file: Path) -> str:
    name = file.name
    while (suffix := Path(name).suffix).lower() in _ARCHIVES:
        name = name.removesuffix(suffix)
    return slug(name)


def _free_name(name: str, taken: set[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name[:60]}-{number}"
    taken.add(free)
    return free


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("_", "a").replace("-", "a").isalnum()
    return name if bare else _text(name)


def toml_value(value: Any) -> str:
    """A TOML value on one line; tables inside are inline tables."""
    if isinstance(value, Mapping):
        pairs = [f"{_key(str(name))} = {toml_value(inner)}" for name, inner in value.items() if inner is not None]
        return "{ " + ", ".join(pairs) + " }" if pairs else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(inner) for inner in value) + "]"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(float(value)) if isinstance(value, float) else str(value)


def _text(value: str) -> str:
    """A basic string of TOML: that of JSON, but DEL is escaped and a surrogate pair is not."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
