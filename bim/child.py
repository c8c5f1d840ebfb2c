"""The child process that reads one model: `python -m bim.child FILE OUT_DIR [--limits JSON]`.

It bounds itself (memory, processor time, size of what it writes), reads, writes the tables, and model.json
last of all: when that exists, everything is there. Exit codes: 0 done, 3 refused with the reason as JSON on
stdout; anything else is a crash, and the parent says so.
"""

import errno
import json
import re
import resource
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from bim.damage import text
from bim.errors import SPLIT, ModelError
from bim.limits import MIB, ModelLimits
from bim.model_file import PlainModel, check_path, plain_model, sha256_of
from bim.step_text import where_it_breaks
from bim.summary import MODEL_JSON, TABLE_FILES, Counts, LostElement, ModelSummary, UnitNames
from bim.tables import write_table
from wire.stopping import die_with_parent

__all__ = [
    "EXIT_REFUSED",
    "bound_this_process",
    "bounded",
    "main",
    "memory_bytes",
    "open_model",
    "refuse",
    "too_little_memory",
]

EXIT_REFUSED = 3
_EXPORT_AGAIN = "export the model again, or repair it with a STEP checker"
_LIBRARIES_BYTES = 360 * MIB  # address space of Python, numpy, Arrow and the IFC library
_MEMORY_FIXED_BYTES = 48 * MIB  # code and buffers that any model takes
_MEMORY_PER_BYTE = 10  # parsed model and tables of real files take 6 to 10 bytes a byte of text
_WHOLE_RATIO = 0.99  # below that share of readable instances a model is not "nearly whole"


def main(arguments: list[str]) -> int:
    """Read one model; see the module."""
    file, out_dir = arguments[0], Path(arguments[1])
    limits = ModelLimits()
    if arguments[2:3] == ["--limits"]:
        limits = msgspec.json.decode(arguments[3], type=ModelLimits)
    bound_this_process(limits)
    try:
        summary = read_into(file, out_dir, limits)
    except ModelError as refusal:
        return refuse(refusal)
    except MemoryError:
        return refuse(too_little_memory(file, limits))
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        problem = f"its tables are larger than {limits.output_bytes // MIB} MiB"
        return refuse(ModelError("too_big", problem, file=file, fix=SPLIT))
    _write_last(out_dir / MODEL_JSON, msgspec.json.encode(summary))
    return 0


def bound_this_process(limits: ModelLimits) -> None:
    """The kernel's bounds on memory, processor time and file size; no core dumps, no life after the parent's."""
    die_with_parent(signal.SIGKILL)
    bounds = {
        resource.RLIMIT_AS: limits.memory_bytes,
        resource.RLIMIT_CPU: limits.cpu_s,
        resource.RLIMIT_FSIZE: max(limits.output_bytes, limits.unpacked_bytes),
        resource.RLIMIT_CORE: 0,
    }
    for what, bound in bounds.items():
        _, hard = resource.getrlimit(what)
        soft = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(what, (soft, hard))  # at the soft bound a signal ends us that tells which bound it was


def read_into(file: str, out_dir: Path, limits: ModelLimits) -> ModelSummary:
    """Read one model and write its tables; raises ModelError."""
    started = time.monotonic()
    path = check_path(file, limits)
    plain = plain_model(path, out_dir, limits)
    model, complaints = open_model(plain, file, limits)
    instances = len(model.entity_names())
    warnings = [*plain.warnings, *complaints]
    tables = _read(model, limits, file)
    for name, table in (("elements", tables.elements), ("psets", tables.psets), ("relations", tables.relations)):
        write_table(table, out_dir / TABLE_FILES[name])
    lost = [LostElement(one.global_id, one.step, text(one.reason)) for one in tables.lost]
    warnings += [*tables.warnings, *_outside_references(model)]
    if not tables.elements.num_rows:
        raise ModelError("malformed", "it holds no project and no element", file=file, fix=_EXPORT_AGAIN)
    codes = {kind: unit.code for kind, unit in sorted(tables.units.by_kind.items()) if unit.code}
    return ModelSummary(
        file=path.name,
        bytes=path.stat().st_size,
        sha256=sha256_of(path),
        schema=plain.text.schema,
        application=_header(model, "originating_system"),
        written=_header(model, "time_stamp"),
        project=_project_name(tables.elements),
        units=UnitNames(length_m=tables.units.length_m, stated=tables.units.stated, by_kind=codes),
        georeference=tables.georeference,
        counts=_counts(tables, instances),
        lost=lost[: limits.warnings],
        warnings=bounded(warnings, limits.warnings),
        read_s=round(time.monotonic() - started, 3),
        memory_mib=memory_bytes("VmHWM") // MIB,
    )


def open_model(plain: PlainModel, file: str, limits: ModelLimits) -> tuple[Any, list[str]]:
    """The open file and what was complained about; raises ModelError when much of it cannot be read."""
    if limits.memory_bytes < _LIBRARIES_BYTES:
        raise too_little_memory(file, limits)
    try:
        import ifcopenshell  # only here: it is what crashes and what is heavy
    except ModuleNotFoundError as missing:
        problem = f"reading models needs the package {missing.name}, which is not installed"
        raise ModelError("failed", problem, file=file, fix='pip install "aid4[bim]"') from missing
    # short of memory the parser crashes, or says that the file is at fault: so ask before
    if _MEMORY_FIXED_BYTES + plain.path.stat().st_size * _MEMORY_PER_BYTE > _memory_left(limits):
        raise too_little_memory(file, limits)
    ifcopenshell.get_log()
    try:
        model = ifcopenshell.open(str(plain.path), format=".ifc")
    except (ifcopenshell.Error, OSError, RuntimeError, ValueError) as error:
        raise ModelError("malformed", f"it cannot be parsed: {error}", file=file, fix=_EXPORT_AGAIN) from error
    complaints = _complaints(ifcopenshell.get_log())
    return model, [*_check_whole(plain, len(model.entity_names()), file), *complaints]


def _complaints(log: str) -> list[str]:
    """The parser's complaints by kind, with how many there are and the first of each."""
    lines = [re.sub(r"^\[\w+\] \[[^\]]*\] ", "", line) for line in log.splitlines() if line.startswith("[error]")]
    kinds = Counter(re.sub(r"#?\d+", "#", line) for line in lines)
    first = {re.sub(r"#?\d+", "#", line): line for line in reversed(lines)}
    return [f"{first[kind]} ({count} of this kind)" if count > 1 else first[kind] for kind, count in kinds.items()]


def _check_whole(plain: PlainModel, instances: int, file: str) -> list[str]:
    """Compare what was parsed with what the text defines; raises ModelError when much is missing."""
    if instances == plain.text.instances:
        return []
    defined, open_line = where_it_breaks(plain.path)
    if open_line is not None:
        problem = f"line {open_line}: a text or a comment is never closed; {instances} instances before it can be read"
        raise ModelError("malformed", problem, file=file, fix=_EXPORT_AGAIN)
    if instances < defined * _WHOLE_RATIO:
        problem = f"only {instances} of {defined} instances can be read"
        raise ModelError("malformed", problem, file=file, fix=_EXPORT_AGAIN)
    return [f"{defined - instances} of {defined} instances cannot be read"] if instances != defined else []


def _read(model: Any, limits: ModelLimits, file: str) -> Any:
    from bim.reader import BoundError, read

    try:
        return read(model, limits)
    except BoundError as much:
        raise ModelError("too_big", str(much), file=file, fix=SPLIT) from much


def _outside_references(model: Any) -> list[str]:
    """Addresses and paths that the file names; they are shown as text and never followed."""
    count = 0
    for ifc_class, attribute in (("IfcExternalReference", "Location"), ("IfcImageTexture", "URLReference")):
        try:
            count += sum(1 for one in model.by_type(ifc_class) if getattr(one, attribute, None))
        except RuntimeError:  # not in this schema, or an attribute that cannot be read
            continue
    return [f"{count} references to files or addresses outside the model are not followed"] if count else []


def _header(model: Any, attribute: str) -> str:
    try:
        return text(getattr(model.header.file_name, attribute))[:200]
    except (AttributeError, RuntimeError, ValueError):
        return ""


def _project_name(elements: pa.Table) -> str:
    import pyarrow.compute as pc  # a tenth of a second that other children of this room need not pay

    rows = elements.filter(pc.equal(elements["category"], "project")).select(["name", "long_name"]).to_pylist()
    return (rows[0]["long_name"] or rows[0]["name"]) if rows else ""


def _counts(tables: Any, instances: int) -> Counts:
    elements = tables.elements
    rows = elements.select(["type", "category", "storey", "space", "has_shape"]).to_pylist()
    types = Counter(row["type"] for row in rows)
    parts = [row for row in rows if row["category"] == "element"]
    return Counts(
        instances=instances,
        products=sum(1 for row in rows if row["category"] not in ("project", "group")),
        with_shape=sum(1 for row in rows if row["has_shape"]),
        elements=len(parts),
        storeys=types["IfcBuildingStorey"],
        spaces=types["IfcSpace"],
        spaces_with_footprint=elements.num_rows - elements["footprint_m"].null_count,
        zones=types["IfcZone"],
        systems=sum(types[name] for name in ("IfcSystem", "IfcDistributionSystem", "IfcBuildingSystem")),
        without_storey=sum(1 for row in parts if row["storey"] is None),
        in_space=sum(1 for row in parts if row["space"] is not None),
        properties=tables.psets.num_rows,
        relations=tables.relations.num_rows,
        lost=len(tables.lost),
        types=dict(sorted(types.items())),
    )


def too_little_memory(file: str, limits: ModelLimits) -> ModelError:
    """The refusal of a model that needs more than the bound."""
    problem = f"reading it takes more than {limits.memory_bytes // MIB} MiB of memory"
    return ModelError("memory", problem, file=file, fix=SPLIT)


def _memory_left(limits: ModelLimits) -> int:
    """Bytes of address space that this process may still take."""
    return limits.memory_bytes - memory_bytes("VmSize")


def memory_bytes(name: str) -> int:
    """A figure of /proc/self/status; the kernel's rusage would count the parent before the exec too."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def bounded(warnings: list[str], count_max: int) -> list[str]:
    """The first so many, and how many more there are."""
    rest = len(warnings) - count_max
    shown = [text(warning) for warning in warnings[:count_max]]
    return [*shown, f"and {rest} more"] if rest > 0 else shown


def refuse(refusal: ModelError) -> int:
    """Tell the parent why; the exit code."""
    sys.stdout.write(json.dumps({key: text(value) for key, value in refusal.as_problem().items()}))
    sys.stdout.flush()
    return EXIT_REFUSED


def _write_last(path: Path, data: bytes) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(data)
    part.replace(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
