"""Check a model against an IDS file (buildingSMART Information Delivery Specification 1.0), in a child process."""

import tempfile
from pathlib import Path

import msgspec

from bim.checks.ids_child import EXIT_IDS, REPORT_HTML, REPORT_JSON
from bim.checks.report import IdsReport
from bim.child_process import run_model_child
from bim.errors import ModelError
from bim.limits import GIB, MIB, ModelLimits
from bim.model_file import check_path
from bim.open import refusal
from bim.safe_xml import parse_xml
from wire.errors import InputError

__all__ = ["IDS_LIMITS", "check_ids"]

IDS_LIMITS = ModelLimits(memory_bytes=2 * GIB)  # every applicable element is kept for the report
_IDS_BYTES_MAX = 16 * MIB  # the largest of the field, with 850 specifications, has 2 MiB


def check_ids(model: str | Path, ids: Path, out_dir: Path, limits: ModelLimits = IDS_LIMITS) -> IdsReport:
    """Writes `<name of the IDS>.json` and `.html` into `out_dir`, and returns what the JSON holds.

    Raises ModelError when the model cannot be read or checked within its bounds, InputError when the IDS is none.
    """
    path = check_path(model, limits)
    _look_at(ids)
    out_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".checking-", dir=out_dir) as folder:
        work = Path(folder)
        given = [str(path.resolve()), str(ids.resolve()), str(work.resolve()), msgspec.json.encode(limits).decode()]
        code = run_model_child("bim.checks.ids_child", given, work, limits, str(model))
        if code == EXIT_IDS:
            raise InputError(_problem(work), file=str(ids), fix="mend the IDS; it must be valid IDS 1.0")
        if code != 0:
            raise refusal(code, work, str(model), limits)
        try:
            report = msgspec.json.decode((work / REPORT_JSON).read_bytes(), type=IdsReport)
        except (OSError, msgspec.DecodeError) as error:
            fix = "please report it with both files"
            raise ModelError("failed", f"no whole report: {error}", file=str(model), fix=fix) from error
        (work / REPORT_JSON).replace(out_dir / f"{ids.stem}.json")
        (work / REPORT_HTML).replace(out_dir / f"{ids.stem}.html")
    return report


def _look_at(ids: Path) -> None:
    """Refuse what is no small plain XML file before anything else touches it."""
    try:
        with ids.open("rb") as file:
            data = file.read(_IDS_BYTES_MAX + 1)
    except OSError as error:
        raise InputError(str(error.strerror), file=str(ids), fix="give the path of an .ids file") from error
    if len(data) > _IDS_BYTES_MAX:
        raise InputError(f"more than {_IDS_BYTES_MAX // MIB} MiB", file=str(ids), fix="split it")
    root = parse_xml(data, str(ids))
    if root.tag != "ids":
        raise InputError(f"its root is {root.tag!r}, not ids", file=str(ids), fix="give an IDS 1.0 file")


def _problem(work: Path) -> str:
    try:
        found: str = msgspec.json.decode((work / "stdout").read_bytes(), type=dict[str, str])["problem"]
    except (msgspec.DecodeError, KeyError):
        found = "it cannot be read"
    return found
