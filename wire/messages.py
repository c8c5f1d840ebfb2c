"""Control messages between agent and twin: small frozen structs, JSON on the wire, bounded and checked."""

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from wire.errors import MessageError
from wire.limits import (
    ACK_RANGES_MAX,
    CONFIG_BYTES_MAX,
    FILE_PART_BYTES,
    HELLO_ABSENT_MAX,
    HELLO_EPOCHS_MAX,
    LOG_PART_BYTES,
    MESSAGE_BYTES_MAX,
    TRIAL_S_MAX,
)
from wire.software import VersionOrNone

__all__ = [
    "Ack", "Answer", "Ask", "CheckAnswer", "CheckAsk", "Command", "ConfigAnswer", "ConfigAsk", "ConfigWanted",
    "Desired", "DownHello", "EpochSpan", "Fetch", "FilePart", "Health", "Hello", "LogsAnswer", "LogsAsk",
    "ModelFigures", "Problem", "Reply", "SectionFigures", "SoftwareWanted", "SourceFigures", "SpoolFigures",
    "Status", "UplinkFigures", "decode", "encode",
]  # fmt: skip

EpochHex = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
Seq = Annotated[int, Meta(ge=0)]  # msgspec itself refuses what does not fit 64 bits
Text = Annotated[str, Meta(max_length=2_000)]
M = TypeVar("M", bound=msgspec.Struct)


class EpochSpan(msgspec.Struct, frozen=True):
    """What the agent still holds of one epoch: records `floor..head`, and its catalogue records at any seq.

    `absent` are seqs in between that it will never send (thinned, damaged, refused): a twin restored from a backup
    may no longer have the gap record that named them.
    """

    epoch: EpochHex
    floor: Seq
    head: Seq
    catalogues: Annotated[list[Seq], Meta(max_length=1_024)] = []
    absent: Annotated[list[tuple[Seq, Seq]], Meta(max_length=HELLO_ABSENT_MAX)] = []


class Hello(msgspec.Struct, frozen=True):
    """up/hello: who is there and what it holds. `boot` identifies this start of the agent process."""

    boot: Seq
    epochs: Annotated[list[EpochSpan], Meta(max_length=HELLO_EPOCHS_MAX)]
    generation: int = 0
    agent: Text = ""
    where: Text = ""  # address and host name of the gateway, to tell two that use one name apart


class DownHello(msgspec.Struct, frozen=True):
    """down/hello: the twin asks for an up/hello. `boot` identifies this start of the twin process."""

    boot: Seq
    refused: Text = ""  # why this agent is not served, e.g. another one with its name is alive


class Ack(msgspec.Struct, frozen=True):
    """down/ack: the committed ranges of one epoch, ascending; `complete` is False when the list was cut."""

    epoch: EpochHex
    ranges: Annotated[list[tuple[Seq, Seq]], Meta(max_length=ACK_RANGES_MAX)]
    boot: Seq
    window_bytes: int | None = None
    complete: bool = True


class Status(msgspec.Struct, frozen=True):
    """up/status, retained; with `online=False` it is also the last will."""

    online: bool
    boot: Seq
    since_us: int
    agent: Text = ""


class SourceFigures(msgspec.Struct, frozen=True):
    """The same counters for every source, in readings."""

    kind: str
    state: str
    received: int = 0
    sent: int = 0
    discarded: int = 0
    errors: dict[str, int] = {}
    last_us: int | None = None
    why: Text = ""


class SpoolFigures(msgspec.Struct, frozen=True):
    """The spool's depth and what it refused or thinned, in readings."""

    bytes: int = 0
    records: int = 0
    readings_accepted: int = 0
    pending_records: int = 0
    pending_bytes: int = 0
    epochs: int = 0
    oldest_pending_us: int | None = None
    refused: int = 0
    thinned: int = 0
    free_bytes: int = 0


class UplinkFigures(msgspec.Struct, frozen=True):
    """The uplink's counters, in records."""

    connected: bool = False
    sent: int = 0
    resent: int = 0
    acked: int = 0
    window_bytes: int = 0
    last_ack_us: int | None = None


class ModelFigures(msgspec.Struct, frozen=True):
    """One model of a node: is it there, does it run, and what it said since it runs in this mode."""

    version: Text
    mode: Text
    state: Literal["waiting", "idle", "loading", "running", "refused", "failed"] = "waiting"  # idle: nothing scores
    problem: Text = ""
    rows: int = 0
    tick_ms_p99: float | None = None
    crashes: int = 0
    episodes: int = 0
    stream_days: float = 0.0
    score_median: float | None = None


class SectionFigures(msgspec.Struct, frozen=True):
    """How one section of the desired state stands (config, software): what runs, and what became of the newest wanted.

    `revision` is what runs, 0 for what was installed by hand; `judged` the newest that was tried. What was refused or
    rolled back is never tried again: a later revision has to come.
    """

    revision: int = 0
    judged: int = 0
    state: Literal["local", "fetching", "trying", "running", "refused", "rolled_back"] = "local"
    digest: Text = ""  # SHA-256 of what runs, as it was sent
    version: Text = ""
    since_us: int = 0
    problem: Text = ""
    field: Text = ""
    fix: Text = ""
    progress_ratio: float = 0.0  # of what is fetched now


class Health(msgspec.Struct, frozen=True):
    """up/health: how the agent does. `desired` is the revision of the desired state that it follows."""

    ts_us: int
    sources: dict[str, SourceFigures]
    spool: SpoolFigures
    uplink: UplinkFigures
    host: dict[str, float | int | str] = {}
    desired: int = 0
    models: dict[str, ModelFigures] = {}
    config: SectionFigures | None = None  # None: an agent that cannot be configured from afar
    software: SectionFigures | None = None


class Command(msgspec.Struct, frozen=True):
    """down/cmd: write `value` to the point `device/metric`, before `expires_us`, once (`counter` grows)."""

    id: Annotated[str, Meta(max_length=64)]
    point: Annotated[str, Meta(max_length=160)]
    value: bool | float | Text
    issued_us: int
    expires_us: int
    counter: int
    by: Annotated[str, Meta(max_length=120)] = ""


class Reply(msgspec.Struct, frozen=True):
    """up/reply: what became of a command."""

    id: Annotated[str, Meta(max_length=64)]
    status: Literal["accepted", "refused", "done", "failed", "expired"]
    ts_us: int
    detail: Text = ""


class Desired(msgspec.Struct, frozen=True):
    """down/desired: the state the agent should reach; `revision` grows.

    `state` has sections by name, each judged by itself: `models` (what is not listed is taken off), `config` (a
    ConfigWanted), `software`. Of a section that is absent, or not known here, nothing is wanted: it stays as it is.
    """

    revision: int
    state: dict[str, Any] = {}


class ConfigWanted(msgspec.Struct, frozen=True):
    """The section `config`: a TOML text that is laid over the gateway's own file; empty takes the layer off.

    `trial_s` is how long it is watched before it counts as good; `strict` when also each source that it brings or
    changes has to speak.
    """

    revision: Annotated[int, Meta(ge=1, le=2**53)]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    text: Annotated[str, Meta(max_length=CONFIG_BYTES_MAX)]
    trial_s: Annotated[float, Meta(ge=1, le=TRIAL_S_MAX)] = 120.0
    strict: bool = False


class SoftwareWanted(msgspec.Struct, frozen=True):
    """The section `software`: the version that shall run, empty for what ran before a twin first named one. It chooses
    among what the operator signed, no more.

    `trial_s` is how long it may take until the twin is heard and the sources that spoke speak again.
    """

    revision: Annotated[int, Meta(ge=1, le=2**53)]
    version: VersionOrNone
    trial_s: Annotated[float, Meta(ge=1, le=TRIAL_S_MAX)] = 600.0


class ConfigAsk(msgspec.Struct, frozen=True, tag="config"):
    """What does this agent run?"""


class CheckAsk(msgspec.Struct, frozen=True, tag="check"):
    """Would this agent take that layer? Nothing is changed."""

    text: Annotated[str, Meta(max_length=CONFIG_BYTES_MAX)]


class LogsAsk(msgspec.Struct, frozen=True, tag="logs"):
    """A part of the agent's log: behind the cursor `after`, else from `since_us`, else the newest."""

    after: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    since_us: int | None = None
    level: Literal["debug", "info", "warning", "error"] = "info"  # and what is worse
    bytes: Annotated[int, Meta(ge=1_024, le=LOG_PART_BYTES)] = 16_384


class Ask(msgspec.Struct, frozen=True):
    """down/ask: a question to an agent, answered with its id or not at all."""

    id: Annotated[str, Meta(max_length=64)]
    about: ConfigAsk | CheckAsk | LogsAsk


class Problem(msgspec.Struct, frozen=True, tag="problem"):
    """What a person can mend: the data of a UserError."""

    problem: Text
    file: Text = ""
    field: Text = ""
    fix: Text = ""


class ConfigAnswer(msgspec.Struct, frozen=True, tag="config"):
    """What is asked for from afar, as TOML with its secrets masked; `remote` are the parts that come from the layer."""

    text: str
    remote: list[str]
    figures: SectionFigures


class CheckAnswer(msgspec.Struct, frozen=True, tag="check"):
    """Good when there are no problems. `diff` is unified, secrets masked; `parts` are what it touches."""

    problems: list[Problem]
    diff: str = ""
    parts: list[str] = []


class LogsAnswer(msgspec.Struct, frozen=True, tag="logs"):
    """Lines, oldest first; `after` asks for what follows, `more` says that there is some already."""

    lines: list[str]
    after: int
    more: bool = False


class Answer(msgspec.Struct, frozen=True):
    """up/answer."""

    id: Annotated[str, Meta(max_length=64)]
    about: ConfigAnswer | CheckAnswer | LogsAnswer | Problem


class Fetch(msgspec.Struct, frozen=True):
    """up/fetch: an agent asks for a part of a file of the twin's model repository. One at a time."""

    name: Annotated[str, Meta(max_length=200)]
    offset: Annotated[int, Meta(ge=0, le=2**40)]


class FilePart(msgspec.Struct, frozen=True):
    """down/file: the part that begins at `offset`; `total` is -1 when there is no such file."""

    name: Annotated[str, Meta(max_length=200)]
    offset: Annotated[int, Meta(ge=0, le=2**40)]
    total: Annotated[int, Meta(ge=-1, le=2**40)]
    data: Annotated[bytes, Meta(max_length=FILE_PART_BYTES)] = b""


_ENCODER = msgspec.json.Encoder()


def encode(message: msgspec.Struct) -> bytes:
    """The bytes that go on the wire."""
    return _ENCODER.encode(message)


def decode(kind: type[M], data: bytes | bytearray | memoryview) -> M:
    """Read a message of one kind; MessageError when it is too large or not valid."""
    if len(data) > MESSAGE_BYTES_MAX:
        raise MessageError("size", f"{kind.__name__} of {len(data)} bytes, at most {MESSAGE_BYTES_MAX}")
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError("form", f"{kind.__name__}: {error}") from error
