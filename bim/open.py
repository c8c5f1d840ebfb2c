"""The parent's side: have one model read in a child process, and turn every failure into a refusal.

`read_model` blocks its thread until the child ends or is killed; the caller's own process cannot be harmed
by any file.
"""

import signal
import tempfile
from pathlib import Path

import msgspec
import pyarrow as pa

from bim.child import EXIT_REFUSED
from bim.child_process import run_child
from bim.errors import REASONS, SPLIT, ModelError
from bim.limits import MIB, ModelLimits
from bim.model_file import check_path
from bim.summary import MODEL_JSON, TABLE_FILES, ModelSummary
from bim.tables import ELEMENTS, PSETS, RELATIONS, read_table

__all__ = ["load_tables", "read_model", "refusal"]

_SCHEMAS = {"elements": ELEMENTS, "psets": PSETS, "relations": RELATIONS}
_ANSWER_BYTES_MAX = 65_536  # a refusal is a few hundred bytes
_COMPLAINT_CHARS = 500  # of a crashed child's last words
_NO_MEMORY = (
    "bad_alloc",
    "MemoryError",
    "Cannot allocate memory",
    "failed to map segment",
    "Memory allocation still failed",  # OpenBLAS
    "realloc of size",  # Arrow
    "malloc of size",
)
_ASK = "raise the memory bound if the model is large; else please report it with the file"


class _Answer(msgspec.Struct):
    """What a refusing child prints."""

    problem: str
    reason: str
    fix: str = ""


def read_model(path: str | Path, out_dir: Path, limits: ModelLimits | None = None) -> ModelSummary:
    """Read one IFC or IFCZIP file into `out_dir` (made if missing; an older model there is replaced only on success).

    Raises ModelError (a UserError) with file, reason and fix, whatever the file does to the child.
    """
    limits = limits or ModelLimits()
    model = check_path(path, limits)
    out_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".reading-", dir=out_dir) as work:
        work_dir = Path(work)
        given = [str(model.resolve()), str(work_dir.resolve()), "--limits", msgspec.json.encode(limits).decode()]
        code = run_child("bim.child", given, work_dir, limits.wall_s)
        if code is None:
            problem = f"reading it takes more than {limits.wall_s:g} s"
            raise ModelError("time", problem, file=str(path), fix=SPLIT)
        if code != 0:
            raise refusal(code, work_dir, str(path), limits)
        summary = _take(work_dir, str(path))
        for name in (*TABLE_FILES.values(), MODEL_JSON):
            (work_dir / name).replace(out_dir / name)
    return msgspec.structs.replace(summary, out_dir=str(out_dir))


def load_tables(out_dir: Path) -> dict[str, pa.Table]:
    """The tables "elements", "psets" and "relations" of a model that read_model has read."""
    return {name: read_table(out_dir / file, _SCHEMAS[name]) for name, file in TABLE_FILES.items()}


def refusal(code: int, work_dir: Path, file: str, limits: ModelLimits) -> ModelError:
    """Why a child with this exit code (negative: a signal) gave nothing, from what it left in its folder."""
    if code == EXIT_REFUSED:
        answer = _answer(work_dir)
        if answer is not None:
            return ModelError(answer.reason, answer.problem, file=file, fix=answer.fix)  # type: ignore[arg-type]
    words = (work_dir / "stderr").read_bytes()[-_COMPLAINT_CHARS:].decode("utf-8", "replace").strip()
    if code == -signal.SIGXCPU:
        problem = f"reading it takes more than {limits.cpu_s} s of processor time"
        return ModelError("time", problem, file=file, fix=SPLIT)
    if code == -signal.SIGXFSZ:
        problem = f"its tables are larger than {limits.output_bytes // MIB} MiB"
        return ModelError("too_big", problem, file=file, fix=SPLIT)
    if _out_of_memory(words):
        problem = f"reading it takes more than {limits.memory_bytes // MIB} MiB of memory"
        return ModelError("memory", problem, file=file, fix=SPLIT)
    if code == -signal.SIGKILL:
        problem = "the reader was killed from outside; perhaps this machine is short of memory"
        return ModelError("memory", problem, file=file, fix=SPLIT)
    if code < 0:
        return ModelError("crash", f"the reader crashed ({_signal_name(-code)})", file=file, fix=_ASK)
    last = words.splitlines()[-1] if words else f"exit code {code}"
    return ModelError("failed", f"the reader failed: {last}", file=file, fix=_ASK)


def _answer(work_dir: Path) -> _Answer | None:
    data = (work_dir / "stdout").read_bytes()[:_ANSWER_BYTES_MAX]
    try:
        answer = msgspec.json.decode(data, type=_Answer)
    except msgspec.DecodeError:
        return None
    return answer if answer.reason in REASONS else None


def _out_of_memory(words: str) -> bool:
    """Whether a child's last words are those of a process that got no more memory."""
    return any(
        sign in words for sign in ("bad_alloc", "MemoryError", "Cannot allocate memory", "failed to map segment")
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _take(work_dir: Path, file: str) -> ModelSummary:
    """What the child wrote, checked; raises ModelError when it is not whole."""
    try:
        summary = msgspec.json.decode((work_dir / MODEL_JSON).read_bytes(), type=ModelSummary)
        for name, table in TABLE_FILES.items():
            read_table(work_dir / table, _SCHEMAS[name])
    except (OSError, msgspec.DecodeError, pa.ArrowInvalid) as error:
        raise ModelError("failed", f"the reader left no whole result: {error}", file=file, fix=_ASK) from error
    return summary
