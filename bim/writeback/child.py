"""The child process that writes a copy: `python -m bim.writeback.child MODEL OUT JOB_JSON REPORT LIMITS`.

Exit codes: 0 done, 3 the model was refused with the reason as JSON on stdout.
"""

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from bim.child import bound_this_process, open_model, refuse, too_little_memory
from bim.damage import text
from bim.errors import ModelError
from bim.limits import ModelLimits
from bim.model_file import check_path, plain_model
from bim.writeback.progress import Progress
from bim.writeback.psets import Psets
from bim.writeback.rows import Job, Report
from bim.writeback.sensors import Sensors
from wire.stopping import die_with_parent

__all__ = ["main"]

_ERRORS_SHOWN = 50
_SKIPPED_MAX = 10_000


def main(arguments: list[str]) -> int:
    """Write one copy; see the module."""
    file, out, job_file, report_file = arguments[0], Path(arguments[1]), Path(arguments[2]), Path(arguments[3])
    limits = msgspec.json.decode(arguments[4], type=ModelLimits)
    job = msgspec.json.decode(job_file.read_bytes(), type=Job)
    die_with_parent()
    bound_this_process(limits)
    try:
        plain = plain_model(check_path(file, limits), out.parent, limits)
        model, _ = open_model(plain, file, limits)
        before = _errors(model) if job.validate else None
        report = _write(model, job)
        model.write(str(out))
        if job.validate:
            report = _compared(report, before, out)
    except ModelError as refusal:
        return refuse(refusal)
    except MemoryError:
        return refuse(too_little_memory(file, limits))
    report_file.write_bytes(msgspec.json.encode(report))
    return 0


def _write(model: Any, job: Job) -> Report:
    psets = Psets(model)
    sensors, progress = Sensors(model, psets), Progress(model, psets)
    for row in job.sensors:
        sensors.write(row)
    for actual in job.actuals:
        progress.date(actual)
    for verdict in job.verdicts:
        progress.judge(verdict)
    return Report(
        sensors_added=sensors.added,
        sensors_kept=sensors.kept,
        keys_added=sensors.keys,
        tasks_dated=progress.tasks,
        elements_dated=progress.elements,
        verdicts=progress.verdicts,
        skipped=[text(one) for one in [*sensors.skipped, *progress.skipped][:_SKIPPED_MAX]],
    )


def _compared(report: Report, before: Counter[str] | None, out: Path) -> Report:
    """The copy, opened anew, may be as wrong as its original but no more."""
    import ifcopenshell

    after = _errors(ifcopenshell.open(str(out)))
    new = [text(one) for one in (after - (before or Counter())).elements()]
    return msgspec.structs.replace(
        report,
        errors_before=sum((before or Counter()).values()),
        errors_after=sum(after.values()),
        new_errors=new[:_ERRORS_SHOWN],
    )


def _errors(model: Any) -> Counter[str]:
    """What ifcopenshell.validate says, without instance numbers, which a copy may change."""
    import ifcopenshell.validate

    logger = ifcopenshell.validate.json_logger()
    ifcopenshell.validate.validate(model, logger)
    return Counter(" ".join(str(one.get("message", one)).split())[:300] for one in logger.statements)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
