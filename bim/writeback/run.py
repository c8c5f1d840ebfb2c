"""Write sensors, dates and verdicts into a copy of a model, and read the copy again before it gets its name."""

import tempfile
from pathlib import Path

import msgspec

from bim.child_process import run_model_child
from bim.errors import ModelError
from bim.limits import GIB, ModelLimits
from bim.model_file import check_path, sha256_of
from bim.open import read_model, refusal
from bim.writeback.rows import Job, Report
from wire.errors import InputError

__all__ = ["WRITE_LIMITS", "write_back"]

WRITE_LIMITS = ModelLimits(memory_bytes=2 * GIB, wall_s=600.0, cpu_s=540)  # original and copy are open to be compared
_ASK = "please report it with the file"


def write_back(model: str | Path, out: Path, job: Job, limits: ModelLimits = WRITE_LIMITS) -> Report:
    """Write the copy `out`; the original is only read, and `out` appears whole or not at all.

    Raises ModelError when the model cannot be read or the copy cannot be read again, InputError for an `out` that
    is the original or cannot be written.
    """
    path = check_path(model, limits)
    if out.exists() and out.samefile(path):
        raise InputError("it is the original", file=str(out), field="out", fix="give the copy another name")
    if out.suffix.lower() != ".ifc":
        raise InputError("its name does not end in .ifc", file=str(out), field="out", fix="name the copy *.ifc")
    try:
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=out.parent) as folder:
            return _write(path, out, job, limits, Path(folder), str(model))
    except OSError as error:
        raise InputError(str(error.strerror), file=str(out), fix="give a path that can be written") from error


def _write(path: Path, out: Path, job: Job, limits: ModelLimits, work: Path, shown: str) -> Report:
    copy, report_file, job_file = work / "copy.ifc", work / "report.json", work / "job.json"
    job_file.write_bytes(msgspec.json.encode(job))
    given = [str(one.resolve()) for one in (path, copy, job_file, report_file)]
    code = run_model_child("bim.writeback.child", [*given, msgspec.json.encode(limits).decode()], work, limits, shown)
    if code != 0:
        raise refusal(code, work, shown, limits)
    try:
        report = msgspec.json.decode(report_file.read_bytes(), type=Report)
    except (OSError, msgspec.DecodeError) as error:
        raise ModelError("failed", f"no whole copy was left: {error}", file=shown, fix=_ASK) from error
    read_model(copy, work / "read", limits)  # raises where our own reader would not take it
    digest = sha256_of(copy)
    copy.replace(out)
    return msgspec.structs.replace(report, out=str(out), sha256=digest)
