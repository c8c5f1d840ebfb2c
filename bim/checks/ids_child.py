"""The child process that checks one model: `python -m bim.checks.ids_child MODEL IDS OUT_DIR LIMITS`.

It bounds itself, then writes report.html (of ifctester) and, last of all, report.json (see bim/checks/report.py).
Exit codes: 0 done, 3 the model was refused, 4 the IDS was, both with the reason as JSON on stdout.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import msgspec

from bim.checks.report import FAILED_SHOWN_MAX, Failed, IdsReport, Requirement, Specification
from bim.child import bound_this_process, open_model, refuse, too_little_memory
from bim.damage import text
from bim.errors import ModelError
from bim.limits import ModelLimits
from bim.model_file import check_path, plain_model
from wire.stopping import die_with_parent

__all__ = ["EXIT_IDS", "REPORT_HTML", "REPORT_JSON", "main"]

EXIT_IDS = 4
_FROM_ELSEWHERE = re.compile(r"<link[^>]*https?://[^>]*>")
REPORT_HTML, REPORT_JSON = "report.html", "report.json"


def main(arguments: list[str]) -> int:
    """Check one model; see the module."""
    file, ids_file, out_dir = arguments[0], arguments[1], Path(arguments[2])
    limits = msgspec.json.decode(arguments[3], type=ModelLimits)
    die_with_parent()
    bound_this_process(limits)
    try:
        plain = plain_model(check_path(file, limits), out_dir, limits)
        model, _ = open_model(plain, file, limits)
    except ModelError as refusal:
        return refuse(refusal)
    except MemoryError:
        return refuse(too_little_memory(file, limits))
    specifications = _open_ids(ids_file)
    if specifications is None:
        return EXIT_IDS
    try:
        _validate(specifications, model, file)
    except MemoryError:
        return refuse(too_little_memory(file, limits))
    report = _report(specifications, ids_file, file, plain.text.schema, out_dir)
    (out_dir / REPORT_JSON).write_bytes(msgspec.json.encode(report))
    return 0


def _open_ids(path: str) -> Any:
    """The IDS, or None after saying why not; its schema, xmlschema's and ifctester's own errors are many."""
    from ifctester import ids

    try:
        found = ids.open(path, validate=True)
    except Exception as error:  # noqa: BLE001  (whatever it is, the file is to blame)
        cause = getattr(error, "xml_error", error)
        reason = text(getattr(cause, "reason", None) or cause).strip().splitlines()
        sys.stdout.write(json.dumps({"problem": " ".join(reason[:2])[:500] or type(error).__name__}))
        return None
    return found


def _validate(specifications: Any, model: Any, file: str) -> None:
    """Against every specification, also those for other IFC versions, as the official test cases want it."""
    specifications.validate(model, filepath=Path(file).name)


def _report(specifications: Any, ids_file: str, file: str, schema: str, out_dir: Path) -> IdsReport:
    from ifctester import reporter

    html = reporter.Html(specifications)
    html.report()
    page = _FROM_ELSEWHERE.sub("", html.to_string())  # a report must not fetch fonts from anybody
    (out_dir / REPORT_HTML).write_text(page, encoding="utf-8")
    found = [_specification(one) for one in specifications.specifications]
    return IdsReport(
        ids=Path(ids_file).name,
        title=text(specifications.info.get("title")),
        model=Path(file).name,
        schema=schema,
        met=all(one.met for one in found),
        specifications=found,
    )


def _specification(one: Any) -> Specification:
    applicable = len(one.applicable_entities)
    return Specification(
        name=text(one.name),
        description=text(one.description),
        instructions=text(one.instructions),
        cardinality=_cardinality(one),
        applies_to="; ".join(text(facet.to_string("applicability")) for facet in one.applicability),
        applicable=applicable,
        for_this_version=bool(one.is_ifc_version),
        met=bool(one.status),
        requirements=[_requirement(one, facet, applicable) for facet in one.requirements],
    )


def _cardinality(one: Any) -> str:
    if one.maxOccurs == 0:
        return "prohibited"
    return "optional" if one.minOccurs == 0 else "required"


def _requirement(specification: Any, facet: Any, applicable: int) -> Requirement:
    failures = facet.failures
    return Requirement(
        text=text(facet.to_string("requirement", specification, facet)),
        facet=type(facet).__name__,
        met=bool(facet.status),
        passed=max(0, applicable - len(failures)),
        failed=len(failures),
        elements=[_failed(one) for one in failures[:FAILED_SHOWN_MAX]],
    )


def _failed(failure: Any) -> Failed:
    element = failure["element"]
    return Failed(
        global_id=text(getattr(element, "GlobalId", None)),
        type=element.is_a(),
        name=text(getattr(element, "Name", None)),
        reason=text(failure["reason"]),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
