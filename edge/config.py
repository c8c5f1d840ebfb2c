"""The agent's configuration: one TOML file, checked to the field. A problem names the file, the field and the fix."""

import difflib
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from edge.processing.config import ProcessingConfig
from edge.publish.config import PublishConfig
from edge.remote.layer import lay_over, read_kept
from edge.sources import EXTRAS, SourceConfig, SourceContext, SourceKind, kinds, load_kind
from wire.clock import SystemClock
from wire.errors import ConfigError, UserError
from wire.names import check_name

if TYPE_CHECKING:
    from edge.catalogue import NodeCatalogue

__all__ = [
    "AgentConfig", "BrokerConfig", "FlushConfig", "ModelsConfig", "PageConfig", "ScoringConfig", "SpoolConfig", "load",
    "problems", "spool_dir_of",
]  # fmt: skip

Positive = Annotated[int, Meta(gt=0)]
Seconds = Annotated[float, Meta(ge=0, le=3_600)]
Codec = Literal["auto", "arrow", "arrow+zstd", "packed", "packed+zstd"]
MIB = 1 << 20
_PORTS = {"mqtt": 1_883, "mqtts": 8_883, "ws": 80, "wss": 443}  # what a broker's URL may begin with


class BrokerConfig(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Where the uplink connects. The password stands in a file of its own, not in the configuration; `aid4 edge enrol`
    writes the certificate's files and `renew_url`."""

    url: str = "mqtt://127.0.0.1:1883"
    user: str = ""
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    transport: Literal["fast", "paho"] = "fast"
    keepalive_s: Annotated[float, Meta(ge=0.2, le=3_600)] = 10.0
    bytes_s: Annotated[float, Meta(ge=0, le=1e9)] = 0.0  # what a metered link may send of records; 0: all that it can
    renew_url: str = ""
    proxy: str = ""  # http://host:3128
    proxy_password_file: str = ""

    @property
    def host(self) -> str:
        """Host of the URL."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """Port of the URL, the usual one of its scheme unless given."""
        parts = urlsplit(self.url)
        return parts.port or _PORTS.get(parts.scheme, 1_883)

    @property
    def tls(self) -> bool:
        """Whether the URL asks for TLS."""
        return urlsplit(self.url).scheme in {"mqtts", "wss"}

    @property
    def websocket_path(self) -> str:
        """The path of an address over WebSocket, empty for plain MQTT."""
        parts = urlsplit(self.url)
        return (parts.path or "/mqtt") if parts.scheme in {"ws", "wss"} else ""


class SpoolConfig(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The disk between sources and uplink. Sizes in bytes."""

    dir: str = "spool"
    budget_bytes: Positive = 2_048 * MIB
    reserve_bytes: Annotated[int, Meta(ge=0)] = 16 * MIB  # of the disk, kept for events
    segment_bytes: Annotated[int, Meta(ge=4_096, le=256 * MIB)] = 16 * MIB
    keep_committed_s: Annotated[float, Meta(ge=0)] = 86_400.0  # so that a twin restored from a backup can heal
    when_full: Literal["refuse", "thin"] = "refuse"  # new bulk readings are refused, or the oldest thinned
    cache_bytes: Annotated[int, Meta(ge=0)] = 4 * MIB  # what was not sent yet; a backlog is read from the disk
    group_bulk_s: Annotated[float, Meta(ge=0, le=10)] = 0.0  # wait for company before an fdatasync; SD cards: 1.0
    group_event_s: Annotated[float, Meta(ge=0, le=10)] = 0.0


class FlushConfig(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """When waiting rows become records: by age, rows or bytes, whichever comes first."""

    age_s: Seconds = 0.1
    age_away_s: Seconds = 2.0  # of bulk, instead of a shorter age_s, while the twin has taken nothing for a minute
    rows: Annotated[int, Meta(gt=0, le=65_536)] = 10_000
    bytes: Annotated[int, Meta(ge=1_024, le=900_000)] = 512 * 1_024
    codec: Codec = "auto"


class ModelsConfig(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Trained models of this gateway. `root_file`: the root.json of `aid4 model keys`, brought by hand."""

    root_file: str = ""


class ScoringConfig(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[scoring]`: detectors on this gateway, see edge/scoring.py. Without the table nothing of it is loaded."""

    budget_per_day: Annotated[float, Meta(ge=1e-4, le=1e3)] = 0.02
    row_s: Annotated[float, Meta(ge=0.1, le=3_600)] = 60.0
    bundles: Annotated[list[str], Meta(max_length=64)] = []  # relative ones start at the folder of the file
    classes_off: Annotated[list[str], Meta(max_length=1_000)] = []
    points_off: Annotated[list[str], Meta(max_length=1_000)] = []


class PageConfig(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[page]`: the gateway's own page with live values, for a person on site; see edge/page.py."""

    port: Annotated[int, Meta(ge=0, le=65_535)] = 8_480
    host: str = "127.0.0.1"
    password_file: str = ""  # one line; needed when it listens beyond loopback


class AgentConfig(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One agent: who it is, its broker, its spool, when it flushes, and its sources."""

    site: str
    node: str
    broker: BrokerConfig = msgspec.field(default_factory=BrokerConfig)
    spool: SpoolConfig = msgspec.field(default_factory=SpoolConfig)
    bulk: FlushConfig = msgspec.field(default_factory=FlushConfig)
    event: FlushConfig = msgspec.field(default_factory=lambda: FlushConfig(age_s=0.02))
    models: ModelsConfig = msgspec.field(default_factory=ModelsConfig)
    scoring: ScoringConfig | None = None
    publish: PublishConfig | None = None
    processing: ProcessingConfig = msgspec.field(default_factory=ProcessingConfig)
    page: PageConfig | None = None
    sources: list[SourceConfig] = []
    file: Path = Path("edge.toml")

    def path(self, name: str) -> Path:
        """A path of the configuration; relative ones start at the folder of the file."""
        return self.file.parent / name

    @property
    def spool_dir(self) -> Path:
        """The folder of the spool."""
        return self.path(self.spool.dir)


_SECTIONS: dict[str, type[msgspec.Struct]] = {"broker": BrokerConfig, "spool": SpoolConfig, "models": ModelsConfig}
_OWN_NAMES = {"local", "scoring"}
_PROCESSING = ProcessingConfig.__struct_fields__
_TOP = ("site", "node", "broker", "spool", "flush", "models", "scoring", "publish", "page", *_PROCESSING, "source")


def load(path: Path, layer: str | None = None) -> AgentConfig:
    """Read and check a configuration; raises the first ConfigError of `problems`."""
    config, found = _read(path, layer)
    if found:
        raise found[0]
    assert config is not None
    return config


def problems(path: Path, layer: str | None = None) -> list[ConfigError]:
    """Everything wrong with a configuration file that one pass can find; empty when it is good.

    `layer` is what a twin laid over it, as TOML; None: the one that lies in the spool's folder.
    """
    return _read(path, layer)[1]


def spool_dir_of(table: dict[str, Any], path: Path) -> Path:
    """The folder of the spool by the tables of a file, before they are checked."""
    spool = table.get("spool")
    name = spool.get("dir") if isinstance(spool, dict) else None
    return path.parent / (name if isinstance(name, str) else SpoolConfig().dir)


def _read(path: Path, layer: str | None) -> tuple[AgentConfig | None, list[ConfigError]]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        layer = read_kept(spool_dir_of(table, path)).running.text if layer is None else layer
        table = lay_over(table, layer)
    except FileNotFoundError:
        fix = f"write one with `aid4 edge init {path}`"
        return None, [ConfigError("there is no such file", file=str(path), fix=fix)]
    except (OSError, UnicodeDecodeError) as error:
        return None, [ConfigError(f"cannot be read: {error}", file=str(path), fix="give a TOML file in UTF-8")]
    except tomllib.TOMLDecodeError as error:
        return None, [ConfigError(f"is not TOML: {error}", file=str(path), fix="mend the syntax at that place")]
    check = _Check(path)
    config = check.agent(table, path)
    return (None if check.found else config), check.found


class _Check:
    """One pass over the tables of a file, collecting what is wrong."""

    def __init__(self, path: Path) -> None:
        self.file, self.folder = str(path), path.parent
        self.found: list[ConfigError] = []
        self._catalogue: NodeCatalogue | None = None

    def agent(self, table: dict[str, Any], path: Path) -> AgentConfig:
        for name in sorted(set(table) - set(_TOP)):
            self._unknown(name, name, _TOP)
        flush = self._table(table, "flush")
        for name in sorted(set(flush) - {"bulk", "event"}):
            self._unknown(f"flush.{name}", name, ("bulk", "event"))
        config = AgentConfig(
            site=self._name(table, "site"),
            node=self._name(table, "node"),
            broker=self._convert(self._table(table, "broker"), BrokerConfig, "broker") or BrokerConfig(),
            spool=self._convert(self._table(table, "spool"), SpoolConfig, "spool") or SpoolConfig(),
            models=self._convert(self._table(table, "models"), ModelsConfig, "models") or ModelsConfig(),
            scoring=self._convert(self._table(table, "scoring"), ScoringConfig, "scoring")
            if "scoring" in table
            else None,
            publish=self._convert(self._table(table, "publish"), PublishConfig, "publish")
            if "publish" in table
            else None,
            processing=self._processing(table),
            page=self._convert(self._table(table, "page"), PageConfig, "page") if "page" in table else None,
            sources=self._sources(table.get("source", [])),
            file=path,
        )
        self._broker_url(config.broker)
        for kind in ("bulk", "event"):
            defaults = msgspec.structs.asdict(getattr(config, kind)) | self._table(flush, kind)
            setattr(config, kind, self._convert(defaults, FlushConfig, f"flush.{kind}") or FlushConfig())
        return config

    def _processing(self, table: dict[str, Any]) -> ProcessingConfig:
        rows = {name: table[name] for name in _PROCESSING if name in table}
        found = self._convert(rows, ProcessingConfig, "") or ProcessingConfig()
        for problem in found.problems():
            self.found.append(ConfigError(problem.problem, file=self.file, field=problem.field, fix=problem.fix))
        return found

    def _sources(self, tables: Any) -> list[SourceConfig]:
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            self._add("source", "must be a list of tables", "write [[source]] with two brackets")
            return []
        sources: list[SourceConfig] = []
        for at, table in enumerate(tables):
            source = self._source(table, f"source[{at}]")
            if source is None:
                continue
            if any(source.name == other.name for other in sources):
                self._add(f"source[{at}].name", f"{source.name!r} stands twice", "give every source its own name")
            sources.append(source)
        return sources

    def _source(self, table: dict[str, Any], field: str) -> SourceConfig | None:
        kind = table.get("kind")
        if not isinstance(kind, str):
            self._add(f"{field}.kind", "is missing", f"write one of {', '.join(kinds())}")
            return None
        try:
            row = load_kind(kind)
        except KeyError:
            self._add(f"{field}.kind", f"{kind!r} is not known", _nearest(kind, kinds()))
            return None
        except ImportError as error:
            extra = EXTRAS.get(kind, "edge")
            self._add(f"{field}.kind", f"{kind!r} cannot be loaded: {error}", f'pip install "aid4[{extra}]"')
            return None
        source: SourceConfig | None = self._convert(table, row.config, field)
        if source is not None:
            self._legal("source", source.name, f"{field}.name")
            if source.name in _OWN_NAMES:
                self._add(f"{field}.name", f"{source.name!r} is what the agent's own points come from", "give another")
            if source.device:
                self._legal("device", source.device, f"{field}.device")
            if source.enabled:
                self._make(source, row, field)
        return source

    def _make(self, source: SourceConfig, row: SourceKind, field: str) -> None:
        """Make the source without opening it: what its own files say is checked too, and that its points fit."""
        from edge.catalogue import NodeCatalogue  # only where there are sources is Arrow loaded

        self._catalogue = self._catalogue or NodeCatalogue()
        try:
            made = row.create(source, SourceContext(SystemClock(), self.folder))
            self._catalogue.learn(source.name, made.points())
        except UserError as error:
            self._mind(error, field)

    def _convert(self, table: dict[str, Any], kind: type[Any], field: str) -> Any:
        try:
            return msgspec.convert(table, kind)
        except msgspec.ValidationError as error:
            where, problem, fix = _explain(str(error), kind)
            self._add(f"{field}{where}", problem, fix)
        except UserError as error:
            self._mind(error, field)
        return None

    def _mind(self, error: UserError, field: str) -> None:
        where = error.field if error.file else f"{field}.{error.field}" if error.field else field
        self.found.append(ConfigError(error.problem, file=error.file or self.file, field=where, fix=error.fix))

    def _table(self, table: dict[str, Any], name: str) -> dict[str, Any]:
        value = table.get(name, {})
        if isinstance(value, dict):
            return value
        self._add(name, "must be a table", f"write [{name}] on a line of its own")
        return {}

    def _name(self, table: dict[str, Any], field: str) -> str:
        value = table.get(field)
        if not isinstance(value, str):
            self._add(field, "is missing" if value is None else "must be a text", f'write {field} = "…" at the top')
            return ""
        self._legal(field, value, field)
        return value

    def _legal(self, kind: str, name: str, field: str) -> None:
        try:
            check_name(kind, name)
        except UserError as error:
            self._add(field, error.problem, error.fix)

    def _broker_url(self, broker: BrokerConfig) -> None:
        parts = urlsplit(broker.url)
        try:
            good = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if not good:
            self._add(
                "broker.url",
                f"{broker.url!r} is no broker",
                "write mqtt://host:1883, mqtts://host:8883 or wss://host/mqtt",
            )
        if parts.password or parts.username:
            self._add("broker.url", "carries a user or password", "use broker.user and broker.password_file")

    def _unknown(self, field: str, name: str, known: tuple[str, ...]) -> None:
        self._add(field, "is not a known field", _nearest(name, known))

    def _add(self, field: str, problem: str, fix: str) -> None:
        self.found.append(ConfigError(problem, file=self.file, field=field, fix=fix))


def _explain(message: str, kind: type[Any]) -> tuple[str, str, str]:
    """(path below the table, problem, fix) of what msgspec says."""
    problem, _, path = message.partition(" - at `$")
    where = re.sub(r"^\.?", ".", path.rstrip("`")) if path.rstrip("`") else ""
    if unknown := re.match(r"Object contains unknown field `(.+)`", problem):
        known = _fields_at(kind, where)
        return f"{where}.{unknown[1]}", "is not a known field", _nearest(unknown[1], known)
    if missing := re.match(r"Object missing required field `(.+)`", problem):
        return f"{where}.{missing[1]}", "is missing", f"add {missing[1]} = …"
    return where, problem[0].lower() + problem[1:], f"write a value of that kind ({problem.removeprefix('Expected ')})"


def _fields_at(kind: Any, where: str) -> list[str]:
    """Names that a table may have at a path like `.map[0]` below `kind`."""
    for name in re.findall(r"\.([^.\[]+)", where):
        try:
            field = next(f for f in msgspec.structs.fields(kind) if f.encode_name == name)
        except (StopIteration, TypeError):
            return []
        kind = _struct_in(field.type)
    try:
        return [field.encode_name for field in msgspec.structs.fields(kind)]
    except TypeError:
        return []


def _struct_in(kind: Any) -> Any:
    """The struct inside `list[X]`, `X | None`, `dict[str, X]` or `Annotated[X, …]`."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    inner = [_struct_in(part) for part in getattr(kind, "__args__", ())]
    return next((part for part in inner if part is not None), None)


def _nearest(name: str, known: list[str] | tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"write one of {', '.join(known)}" if known else "take it out"
