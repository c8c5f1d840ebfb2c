"""Which elements a mission shall picture, and what stands while it flies."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bim.tiles.meshes import ElementMesh
from drone_ingest.model import Model, element_plan, planned_at
from drone_ingest.ray_scene import Floats, is_body
from wire.errors import InputError

__all__ = ["Choice", "default_home", "late_elements", "select", "standing"]

_FINISHED, _NOT_STARTED = 3, 1
_STANDARD = "StandardCase"
_AWAY_M = 12.0


class Choice:
    """What a person named: GlobalIds, classes, storeys (name or GlobalId); nothing of it means everything."""

    def __init__(self, elements: Sequence[str], types: Sequence[str], storeys: Sequence[str]) -> None:
        self.elements, self.storeys = frozenset(elements), frozenset(storeys)
        self.types = frozenset(one.removesuffix(_STANDARD) for one in types)

    def matches(self, one: ElementMesh, storey_names: dict[str, str]) -> bool:
        """Whether an element is meant; a class means its `StandardCase` forms too."""
        if self.elements and one.global_id not in self.elements:
            return False
        if self.types and one.type.removesuffix(_STANDARD) not in self.types:
            return False
        return not self.storeys or one.storey in self.storeys or storey_names.get(one.storey or "") in self.storeys


def select(model: Model, choice: Choice, among: frozenset[str] | None = None) -> list[ElementMesh]:
    """Elements with a body that are meant, of those `among`; raises InputError naming what there is."""
    names = _storey_names(model)
    found = [
        one
        for one in model.meshes
        if is_body(one) and choice.matches(one, names) and (among is None or one.global_id in among)
    ]
    if found:
        return found
    unknown = choice.elements - set(model.meshes.global_ids)
    if unknown:
        problem = f"{len(unknown)} of these GlobalIds are not in the model or have no shape, {min(unknown)} for one"
        raise InputError(problem, file=model.file, field="--element", fix="copy GlobalIds of this model")
    there = ", ".join(sorted(set(names.values()))[:10])
    kinds = ", ".join(sorted(set(model.meshes.types))[:20])
    fix = f"its storeys are {there}; its classes {kinds}"
    raise InputError("no element with a shape is meant by that", file=model.file, field="--type, --storey", fix=fix)


def late_elements(
    model: Model, links: Path | None, schedule: Path | None, moment: datetime, verdicts: Path | None
) -> frozenset[str]:
    """Elements that should be finished and are not: by verdicts of a scan where given (not built or unknown), else by
    what was reported."""
    plan = element_plan(model, links, schedule)
    due = {name for name, code in planned_at(plan, moment).items() if code == _FINISHED}
    if verdicts is not None:
        built = _built(verdicts)
    else:
        states = plan.table(moment)
        done = pc.equal(states["actual"].cast(pa.string()), "finished")
        built = set(states["element"].filter(done).to_pylist())
    late = frozenset(due - built)
    if not late:
        raise InputError(f"nothing is late at {moment.isoformat()}", field="--late", fix="give another date")
    return late


def standing(model: Model, links: Path | None, schedule: Path | None, moment: datetime | None) -> list[ElementMesh]:
    """What a drone meets: everything, or at a moment what has been begun by then, and what no task decides."""
    bodies = [one for one in model.meshes if is_body(one)]
    if moment is None:
        return bodies
    codes = planned_at(element_plan(model, links, schedule), moment)
    return [one for one in bodies if codes.get(one.global_id, 0) != _NOT_STARTED]


def default_home(bodies: Sequence[ElementMesh]) -> Floats:
    """Take-off beside what stands, at the height of the model's zero where that is within it, else at its foot."""
    low = np.min([one.vertices.min(axis=0) for one in bodies], axis=0)
    high = np.max([one.vertices.max(axis=0) for one in bodies], axis=0)
    ground = 0.0 if low[2] <= 0 <= high[2] else float(low[2])
    return np.array([high[0] + _AWAY_M, (low[1] + high[1]) / 2, ground])


def _storey_names(model: Model) -> dict[str, str]:
    table = model.tables["elements"].select(["id", "name"])
    wanted = set(model.meshes.storeys) - {None}
    return {row["id"]: row["name"] or "" for row in table.to_pylist() if row["id"] in wanted}


def _built(verdicts: Path) -> set[str]:
    try:
        table = pq.read_table(verdicts, columns=["global_id", "verdict"])
        return {row["global_id"] for row in table.to_pylist() if row["verdict"] == "built"}
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        fix = "give the verdicts.parquet of aid4 drone progress"
        raise InputError(f"it holds no verdicts: {error}", file=str(verdicts), field="--verdicts", fix=fix) from error
